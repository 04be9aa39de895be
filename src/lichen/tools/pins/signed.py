"""A schema and the signature over it, in each shape that is in use: beside the schema, or in it.

Source: SchemaPin specification 1.1, 1.4; Symbiont, embedded signature.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, cast

import msgspec

from lichen.core.words.errors import Invalid
from lichen.tools.pins.canonical import canonical, floats
from lichen.tools.pins.keys import PrivateKey, sign


class Terms(msgspec.Struct, frozen=True):
    """What a signature says of itself beside the signature."""

    signature: str
    signed_at: str = ""
    expires_at: str = ""
    canonicalization: str = ""
    schema_version: str = ""
    previous_hash: str = ""


class Signed(msgspec.Struct, frozen=True):
    """A schema and its signature."""

    schema: Mapping[str, Any]
    terms: Terms


MEMBERS: Final = tuple(field.name for field in msgspec.structs.fields(Terms))


def signed_of(document: object) -> Signed:
    """The schema and the signature in a document: `{"schema": …, "signature": …}`, or a schema with a member
    `signature`. Raises Invalid (`signature_missing`)."""
    if isinstance(document, Mapping):
        told = cast("Mapping[str, Any]", document)
        is_beside = isinstance(told.get("schema"), Mapping)
        schema = told["schema"] if is_beside else {key: value for key, value in told.items() if key != "signature"}
        names = MEMBERS if is_beside else ("signature",)
        terms = terms_of({name: told[name] for name in names if name in told})
        if terms is not None:
            return Signed(schema, terms)
    step = "`lichen schemapin sign SCHEMA --key KEY` writes one: a JSON object of `schema` and `signature`."
    raise Invalid("The document holds no signed schema.", code="signature_missing", next_step=step)


def terms_of(said: object) -> Terms | None:
    """The signature that a stranger wrote down, if it is one."""
    try:
        return msgspec.convert(said, Terms)
    except msgspec.ValidationError:
        return None


def sign_schema(
    schema: Mapping[str, Any], key: PrivateKey, now: datetime, *, lasts: timedelta | None = None, before: str = ""
) -> Signed:
    """The schema, signed as SchemaPin for Python, JavaScript and Rust sign. `before` is the hash of the version before.

    Raises Invalid (`schema_canonicalization_failed`) for a schema with a number that languages spell differently.
    """
    fraction = next(floats(schema), None)
    if fraction is not None:
        raise Invalid(
            "A number with a fraction or an exponent is spelled differently by other languages.",
            code="schema_canonicalization_failed",
            place=fraction,
            next_step="Write a whole number, or a string.",
        )
    expires = moment(now + lasts) if lasts is not None else ""
    return Signed(schema, Terms(sign(canonical(schema), key), moment(now), expires, "", "", before))


def document_of(signed: Signed) -> Mapping[str, Any]:
    """The document of a signed schema, without what it does not say."""
    told = {name: getattr(signed.terms, name) for name in MEMBERS}
    return {"schema": signed.schema, **{name: value for name, value in told.items() if value}}


def moment(when: datetime) -> str:
    """A time as RFC 3339 writes it, in UTC, to the second."""
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def time_of(text: str) -> datetime | None:
    """The time that RFC 3339 wrote; None for what is none, or says no offset."""
    try:
        when = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return when if when.tzinfo is not None else None
