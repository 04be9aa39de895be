"""Trust bundles: what several domains say of their keys in one file, to be read where there is no network, signed by
an authority whose key is pinned as any other.

Source: SchemaPin specification 1.2 (trust bundle), 1.4 (signed bundles, merging, `schemapin/trustBundle`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

import msgspec

from lichen.core.words.errors import Invalid
from lichen.tools.pins.canonical import canonical, read
from lichen.tools.pins.documents import Discovery, Revocations, RevokedKey, discovery_of, revocations_of
from lichen.tools.pins.keys import PrivateKey, fingerprint, public_key, public_pem, sign, signed_how
from lichen.tools.pins.result import Verified, refused, seen
from lichen.tools.pins.signed import moment, time_of

VERSION: Final = "1.4"
AUTHORITY: Final = "_bundle_authority"  # where its key is pinned, as a domain would be
BUNDLE_BYTES_MAX: Final = 8 * 1024 * 1024
DOCUMENTS_MAX: Final = 10_000
METHOD: Final = "schemapin/trustBundle"
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


class Authority(msgspec.Struct, frozen=True):
    """Who signed a bundle."""

    kid: str
    public_key_pem: str


class Bundle(msgspec.Struct, frozen=True):
    """A trust bundle; `said` is all of it, which is what a signature is over."""

    said: Mapping[str, Any]
    documents: Mapping[str, Discovery]
    revocations: Mapping[str, Revocations]
    authority: Authority | None = None
    created_at: str = ""
    signed_at: str = ""
    expires_at: str = ""
    signature: str = ""


class _Form(msgspec.Struct, frozen=True):
    schemapin_bundle_version: str
    created_at: str
    documents: list[dict[str, Any]] = []
    revocations: list[dict[str, Any]] = []
    bundle_authority: Authority | None = None
    signed_at: str | None = None
    expires_at: str | None = None
    signature: str | None = None


def read_bundle(data: bytes) -> Bundle:
    """The bundle in a file. Raises Invalid (`document_invalid`, `discovery_invalid`, `domain_mismatch`)."""
    return bundle_of(read(data, place="trust bundle", bytes_max=BUNDLE_BYTES_MAX))


def bundle_of(said: Any) -> Bundle:
    """The bundle that a JSON object is. Of two documents for one domain the first counts. Raises as `read_bundle`."""
    try:
        form = msgspec.convert(said, _Form)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None
    if len(form.documents) + len(form.revocations) > DOCUMENTS_MAX:
        raise _invalid(f"It has more than {DOCUMENTS_MAX} documents.")
    documents: dict[str, Discovery] = {}
    for each in form.documents:
        domain = str(each.get("domain", ""))
        documents.setdefault(domain, discovery_of(each, domain))
    revocations: dict[str, Revocations] = {}
    for each in form.revocations:
        domain = str(each.get("domain", ""))
        revocations.setdefault(domain, revocations_of(each, domain))
    told = (form.created_at, form.signed_at or "", form.expires_at or "", form.signature or "")
    return Bundle(cast("Mapping[str, Any]", said), documents, revocations, form.bundle_authority, *told)


def bundle(
    documents: Mapping[str, Mapping[str, Any]], revocations: Iterable[Mapping[str, Any]], now: datetime
) -> Bundle:
    """An unsigned bundle of what these domains say."""
    told = [{"domain": domain, **said} for domain, said in sorted(documents.items())]
    form = {"schemapin_bundle_version": "1.2", "created_at": moment(now), "documents": told}
    return bundle_of({**form, "revocations": list(revocations)})


def sign_bundle(
    unsigned: Bundle, key: PrivateKey, kid: str, now: datetime, *, lasts: timedelta | None = None
) -> Bundle:
    """The bundle, signed by an authority, for as long as it is to be believed."""
    said: dict[str, Any] = {name: value for name, value in unsigned.said.items() if name != "expires_at"}
    said["schemapin_bundle_version"] = VERSION
    said["bundle_authority"] = {"kid": kid, "public_key_pem": public_pem(key.public_key())}
    said["signed_at"] = moment(now)
    if lasts is not None:
        said["expires_at"] = moment(now + lasts)
    said["signature"] = sign(_signing_bytes(said), key, "single")
    return bundle_of(said)


def verify_bundle(found: Bundle, now: datetime, *, pinned: str | None = None) -> Verified:
    """Whether its authority signed the bundle and it is still in its time. `pinned` is the key that the authority had
    before; the domain of the result is `_bundle_authority`."""
    authority = found.authority
    if authority is None or not found.signature:
        return refused(AUTHORITY, "bundle_unsigned", "No authority signed the bundle.")
    expires = time_of(found.expires_at) if found.expires_at else None
    if found.expires_at and (expires is None or now > expires):
        return refused(AUTHORITY, "bundle_expired", "The bundle is past its time, or its time cannot be read.")
    try:
        key = public_key(authority.public_key_pem)
    except Invalid as error:
        return refused(AUTHORITY, "key_not_found", error.message)
    mark = fingerprint(key)
    pinning = seen(mark, pinned)
    if pinning == "changed":
        told = "The authority had another key before."
        return refused(AUTHORITY, "key_pin_mismatch", told, fingerprint=mark, pinning=pinning)
    if signed_how(_signing_bytes(found.said), found.signature, key) != "single":
        return refused(AUTHORITY, "signature_invalid", "The authority did not sign this bundle.", fingerprint=mark)
    return Verified(
        valid=True,
        domain=AUTHORITY,
        developer_name=authority.kid,
        fingerprint=mark,
        convention="single",
        pinning=pinning,
        expires_at=found.expires_at,
    )


def merged(bundles: Iterable[Bundle]) -> Bundle:
    """One unsigned bundle of several: of a domain the newest document, and every key that any of them takes back."""
    ordered = sorted(bundles, key=lambda each: time_of(each.signed_at or each.created_at) or _LONG_AGO)
    documents: dict[str, Any] = {}
    revoked: dict[str, dict[str, RevokedKey]] = {}
    heads: dict[str, Revocations] = {}
    for each in ordered:
        documents |= {said["domain"]: said for said in each.said.get("documents", [])}
        for domain, document in each.revocations.items():
            heads[domain] = document
            revoked.setdefault(domain, {}).update({key.fingerprint: key for key in document.revoked_keys})
    gone = [
        msgspec.to_builtins(msgspec.structs.replace(heads[domain], revoked_keys=tuple(keys.values())))
        for domain, keys in sorted(revoked.items())
    ]
    newest = (ordered[-1].signed_at or ordered[-1].created_at) if ordered else ""
    told = {"documents": [documents[domain] for domain in sorted(documents)], "revocations": gone}
    return bundle_of({"schemapin_bundle_version": VERSION, "created_at": newest, **told})


def text_of(found: Bundle) -> str:
    """The file of a bundle."""
    return json.dumps(found.said, indent=2, ensure_ascii=False) + "\n"


def request_of(domain: str = "", id: str | int | None = None) -> Mapping[str, Any]:
    """What asks another agent for its bundle, or for what it knows of one domain."""
    return {"jsonrpc": "2.0", "method": METHOD, "params": {"domain": domain} if domain else {}, "id": id}


def response_of(found: Bundle, id: str | int | None = None) -> Mapping[str, Any]:
    """What answers such a request."""
    return {"jsonrpc": "2.0", "result": {"bundle": found.said}, "id": id}


def responded(response: Mapping[str, Any]) -> Bundle:
    """The bundle in an answer. Raises Invalid (`discovery_invalid`) for one that holds none."""
    result: Any = response.get("result")
    if not isinstance(result, dict) or "bundle" not in result:
        raise Invalid("The answer holds no bundle.", code="discovery_invalid", place=METHOD)
    return bundle_of(cast("dict[str, Any]", result)["bundle"])


def _signing_bytes(said: Mapping[str, Any]) -> bytes:
    return canonical({**said, "signature": ""})


def _invalid(message: str) -> Invalid:
    step = "Get the bundle again from whoever keeps it."
    return Invalid(message, code="document_invalid", place="trust bundle", next_step=step)
