"""Whether a domain's key signed a schema: seven steps, each with its code, and nothing pinned before the last of them.

Source: SchemaPin specification 1.2 (offline verification), 1.4 (canonicalization, expiry, lineage, A2A context).
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from lichen.core.words.errors import Invalid
from lichen.tools.pins.canonical import V1, canonical, floats
from lichen.tools.pins.dns import Witness
from lichen.tools.pins.documents import Discovery, Revocations
from lichen.tools.pins.keys import PublicKey, fingerprint, signed_how
from lichen.tools.pins.result import Seen, Verified, refused, seen
from lichen.tools.pins.signed import Signed, Terms, time_of

DEPTH_MAX: Final = 3  # of a delegation, as AgentPin has it
OLD: Final = "1.2"
FLOATS_MAX: Final = 8


class Issuer(msgspec.Struct, frozen=True):
    """What is known of a domain: what it says of its key, what it took back, and what its DNS says. `warnings` are of
    whoever found it."""

    domain: str
    discovery: Discovery
    revocations: tuple[Revocations, ...] = ()
    witness: Witness | None = None
    warnings: tuple[str, ...] = ()


class Caller(msgspec.Struct, frozen=True):
    """For whom a tool is looked at: no domain named trusts every domain, `*.example.com` those below it."""

    agent: str
    delegation_depth: int = 0
    trusted_domains: tuple[str, ...] = ()


class Signer(msgspec.Struct, frozen=True):
    """A key of a domain that counts, and how it compares with the one before."""

    key: PublicKey
    fingerprint: str
    pinning: Seen


def verify(signed: Signed, issuer: Issuer, now: datetime, *, pinned: str | None = None) -> Verified:
    """What is to be said of the signature of a schema. `pinned` is the key that signed it before; a first one is to be
    pinned by whoever asked, if the result is valid."""
    signer = begun(signed.terms, issuer, pinned)
    if isinstance(signer, Verified):
        return signer
    try:
        data = canonical(signed.schema)
    except Invalid as error:
        return refused(issuer.domain, "schema_canonicalization_failed", error.message)
    result = concluded(data, signed.terms, issuer, signer, now)
    fractions = tuple(f"float_in_schema {place}" for place in floats(signed.schema))[:FLOATS_MAX]
    return msgspec.structs.replace(result, warnings=(*result.warnings, *fractions))


def begun(terms: Terms, issuer: Issuer, pinned: str | None) -> Signer | Verified:
    """The key that is to have signed, in a spelling that is known."""
    if terms.canonicalization not in ("", V1):
        return refused(issuer.domain, "canonicalization_unsupported", "It was signed in a spelling that nobody knows.")
    return signer_of(issuer, pinned)


def concluded(data: bytes, terms: Terms, issuer: Issuer, signer: Signer, now: datetime) -> Verified:
    """Whether the key signed these bytes, and what its signature says of itself (steps 6 and 7)."""
    how = signed_how(data, terms.signature, signer.key)
    if how is None:
        told = "The key of the domain did not sign this."
        return refused(issuer.domain, "signature_invalid", told, fingerprint=signer.fingerprint)
    warnings = list(issuer.warnings)
    if issuer.discovery.schema_version and issuer.discovery.schema_version < OLD:
        warnings.append("discovery_version_old")
    expires = time_of(terms.expires_at) if terms.expires_at else None
    if terms.expires_at and expires is None:
        warnings.append("signature_expires_at_unparseable")
    expired = expires is not None and now > expires
    if expired:
        warnings.append("signature_expired")
    return Verified(
        valid=True,
        domain=issuer.domain,
        developer_name=issuer.discovery.developer_name,
        fingerprint=signer.fingerprint,
        convention=how,
        pinning=signer.pinning,
        warnings=tuple(warnings),
        expired=expired,
        expires_at=terms.expires_at if expires is not None else "",
        schema_version=terms.schema_version,
        previous_hash=terms.previous_hash,
    )


def signer_of(issuer: Issuer, pinned: str | None) -> Signer | Verified:
    """The key of a domain that counts; what is wrong where none does (steps 1 to 4)."""
    try:
        key = issuer.discovery.key
    except Invalid as error:
        return refused(issuer.domain, "key_not_found", error.message)
    found = fingerprint(key)
    if found in (each.lower() for each in issuer.discovery.revoked_keys):
        return refused(issuer.domain, "key_revoked", "The domain lists its key as revoked.", fingerprint=found)
    for document in issuer.revocations:
        if document.reason(found) is not None:
            told = "The domain's revocation document takes the key back."
            return refused(issuer.domain, "key_revoked", told, fingerprint=found)
    if issuer.witness is not None and issuer.witness.fingerprint != found:
        told = "The key is not the one that the domain's DNS names."
        return refused(issuer.domain, "domain_mismatch", told, fingerprint=found)
    pinning = seen(found, pinned)
    if pinning == "changed":
        told = "Another key signed this before."
        return refused(issuer.domain, "key_pin_mismatch", told, fingerprint=found, pinning=pinning)
    return Signer(key, found, pinning)


def within(verified: Verified, caller: Caller) -> Verified:
    """The result, as far as the caller may have it: one that was delegated too often, or trusts other domains only,
    may not."""
    if caller.delegation_depth > DEPTH_MAX:
        return refused(verified.domain, "a2a_scope_violation", f"It was delegated more than {DEPTH_MAX} times.")
    trusted = caller.trusted_domains
    if verified.valid and trusted and not any(covers(each, verified.domain) for each in trusted):
        return refused(verified.domain, "a2a_scope_violation", "The caller does not trust this domain.")
    return verified


def covers(pattern: str, domain: str) -> bool:
    """Whether a domain is the one that is named, or below it where `*.` is written before."""
    if pattern.startswith("*."):
        return domain.endswith(pattern[1:]) and domain != pattern[1:]
    return pattern == domain
