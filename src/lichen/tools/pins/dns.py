"""The second witness of a key: a TXT record at `_schemapin.DOMAIN` that names its fingerprint.

Source: SchemaPin specification 1.4, DNS TXT cross-verification.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from lichen.core.words.errors import Invalid

VERSION: Final = "schemapin1"
TXT_CHARS_MAX: Final = 1_024
RECORDS_MAX: Final = 64


class Witness(msgspec.Struct, frozen=True):
    """What the record says: the fingerprint, and the name of the key where it has one."""

    fingerprint: str
    kid: str = ""


def name_of(domain: str) -> str:
    """Where the record of a domain is."""
    return f"_schemapin.{domain.rstrip('.')}"


def witness_of(records: Iterable[str]) -> Witness | None:
    """The first of the records that is SchemaPin's; None where there is none. Raises Invalid (`discovery_invalid`) for
    one that is malformed."""
    for count, record in enumerate(records):
        if count >= RECORDS_MAX:
            break
        if f"v={VERSION}" in record.replace(" ", ""):
            return _parsed(record)
    return None


def _parsed(record: str) -> Witness:
    if len(record) > TXT_CHARS_MAX:
        raise _invalid(f"It has more than {TXT_CHARS_MAX} characters.")
    told: dict[str, str] = {}
    for part in filter(None, (each.strip() for each in record.split(";"))):
        key, equals, value = part.partition("=")
        if not equals:
            raise _invalid("A field of it has no value.")
        told[key.strip().lower()] = value.strip()
    if told.get("v") != VERSION:
        raise _invalid("It is of another version.")
    fingerprint = told.get("fp", "").lower()
    if not fingerprint.startswith("sha256:"):
        raise _invalid("Its `fp` names no SHA-256.")
    return Witness(fingerprint, told.get("kid", ""))


def _invalid(message: str) -> Invalid:
    step = "Tell whoever keeps the domain; its form is `v=schemapin1; fp=sha256:…`."
    return Invalid(message, code="discovery_invalid", place="DNS TXT", next_step=step)
