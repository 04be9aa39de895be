"""What a domain says of its key: the discovery document, and both ways in which it takes a key back.

Source: SchemaPin specification 1.1 (discovery), 1.2 (revocation document); RFC 8615.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

from lichen.core.words.errors import Invalid
from lichen.tools.pins.canonical import read
from lichen.tools.pins.keys import PEM_CHARS_MAX, PublicKey, public_key

DISCOVERY_BYTES_MAX: Final = 64 * 1024
REVOCATION_BYTES_MAX: Final = 1024 * 1024
REVOKED_MAX: Final = 10_000
_DOMAIN: Final = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])")


class Discovery(msgspec.Struct, frozen=True):
    """`https://DOMAIN/.well-known/schemapin.json`. Members that are not named here are somebody else's."""

    public_key_pem: str
    schema_version: str = ""
    developer_name: str = ""
    revoked_keys: tuple[str, ...] = ()
    contact: str = ""
    revocation_endpoint: str = ""

    @property
    def key(self) -> PublicKey:
        """The key. Raises Invalid (`key_invalid`)."""
        return public_key(self.public_key_pem)


class RevokedKey(msgspec.Struct, frozen=True):
    """A key that its owner took back. A reason that nobody knows takes it back as well."""

    fingerprint: str
    revoked_at: str = ""
    reason: str = ""


class Revocations(msgspec.Struct, frozen=True):
    """The document of keys that a domain took back."""

    domain: str
    revoked_keys: tuple[RevokedKey, ...] = ()
    schemapin_version: str = ""
    updated_at: str = ""

    def reason(self, fingerprint: str) -> str | None:
        """Why the key was taken back; None if it was not."""
        wanted = fingerprint.lower()
        return next(
            (each.reason or "revoked" for each in self.revoked_keys if each.fingerprint.lower() == wanted), None
        )


def discovery_of(said: Mapping[str, Any] | bytes, domain: str) -> Discovery:
    """The discovery document of a domain, as it was found. Raises Invalid (`discovery_invalid`)."""
    told = _object(said, domain, DISCOVERY_BYTES_MAX)
    try:
        found = msgspec.convert({key: value for key, value in told.items() if value is not None}, Discovery)
    except msgspec.ValidationError as error:
        raise _invalid(domain, str(error)) from None
    if "-----BEGIN PUBLIC KEY-----" not in found.public_key_pem or len(found.public_key_pem) > PEM_CHARS_MAX:
        raise _invalid(domain, "It has no public key in PEM.")
    if len(found.revoked_keys) > REVOKED_MAX:
        raise _invalid(domain, f"It names more than {REVOKED_MAX} revoked keys.")
    return found


def revocations_of(said: Mapping[str, Any] | bytes, domain: str) -> Revocations:
    """The revocation document of a domain. Raises Invalid (`discovery_invalid`, or `domain_mismatch` for one that
    speaks of another domain)."""
    try:
        found = msgspec.convert(_object(said, domain, REVOCATION_BYTES_MAX), Revocations)
    except msgspec.ValidationError as error:
        raise _invalid(domain, str(error)) from None
    if found.domain.lower().rstrip(".") != domain:
        raise Invalid("The revocation document speaks of another domain.", code="domain_mismatch", place=domain)
    if len(found.revoked_keys) > REVOKED_MAX:
        raise _invalid(domain, f"It names more than {REVOKED_MAX} revoked keys.")
    return found


def domain_of(text: str) -> str:
    """A domain as it is compared: in lower case, without the dot at its end. Raises Invalid (`domain_invalid`) for what
    is none: an address, a port or a path leads a request anywhere."""
    domain = text.strip().lower().rstrip(".")
    if _DOMAIN.fullmatch(domain) is None:
        step = "Write the bare name, such as vendor.example."
        raise Invalid("It is no domain name.", code="domain_invalid", place=text[:80], next_step=step)
    return domain


def _object(said: Mapping[str, Any] | bytes, domain: str, bytes_max: int) -> Mapping[str, Any]:
    try:
        told = read(said, place=domain, bytes_max=bytes_max) if isinstance(said, bytes) else said
    except Invalid as error:
        raise _invalid(domain, error.message) from None
    if not isinstance(told, Mapping):
        raise _invalid(domain, "It is no JSON object.")
    return cast("Mapping[str, Any]", told)


def _invalid(domain: str, message: str) -> Invalid:
    step = "Tell whoever keeps the domain."
    return Invalid(message, code="discovery_invalid", place=domain, next_step=step)
