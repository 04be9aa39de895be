"""What came of looking at a signature, and which key signed before.

Source: SchemaPin specification 1.2 (verification result, error codes), 1.4 (expiry, lineage).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from lichen.core.words.errors import Invalid
from lichen.tools.pins.keys import Convention

Code = Literal[
    "signature_invalid", "key_not_found", "key_revoked", "key_pin_mismatch", "discovery_fetch_failed",
    "discovery_invalid", "domain_mismatch", "schema_canonicalization_failed", "canonicalization_unsupported",
    "a2a_scope_violation", "bundle_unsigned", "bundle_expired",
]  # fmt: skip
Seen = Literal["", "first_use", "pinned", "changed"]
"""Nothing to compare with; no key before; the same key; another one."""

PINS_MAX: Final = 100_000


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """A signature as it was found. One that is past its time still counts, and says so."""

    valid: bool
    domain: str
    developer_name: str = ""
    fingerprint: str = ""
    convention: Convention | None = None
    pinning: Seen = ""
    error_code: Code | None = None
    error_message: str = ""
    warnings: tuple[str, ...] = ()
    expired: bool = False
    expires_at: str = ""
    schema_version: str = ""
    previous_hash: str = ""

    def said(self) -> Mapping[str, Any]:
        """The result as SchemaPin's own tools print it, with what they do not say beside."""
        told = {key: value for key, value in msgspec.to_builtins(self).items() if value not in ("", None, [], False)}
        told["valid"] = self.valid
        if self.pinning:
            told["key_pinning"] = {"status": told.pop("pinning")}
        return told


def refused(domain: str, code: Code, message: str, **known: Any) -> Verified:
    """A signature that does not count, and why."""
    return Verified(valid=False, domain=domain, error_code=code, error_message=message, **known)


class KeyPins(msgspec.Struct, frozen=True):
    """Which key signed a tool of a domain when it was first seen, as `tool@domain` to fingerprint."""

    pins: Mapping[str, str] = {}

    @classmethod
    def read(cls, text: str) -> KeyPins:
        """Those of a file, as SchemaPin's own pin store writes it. Raises Invalid (`document_invalid`)."""
        try:
            return cls(msgspec.convert(json.loads(text), dict[str, str]))
        except (ValueError, RecursionError, msgspec.ValidationError):
            raise Invalid("The file holds no pins.", code="document_invalid") from None

    def text(self) -> str:
        """The file."""
        return json.dumps(dict(self.pins), indent=2, sort_keys=True) + "\n"

    def of(self, tool: str, domain: str) -> str | None:
        """The key that signed the tool; None for a tool that was never seen."""
        return self.pins.get(f"{tool}@{domain}")

    def having(self, tool: str, verified: Verified) -> KeyPins:
        """These, and what was just verified: only a signature that counted is ever pinned."""
        name = f"{tool}@{verified.domain}"
        if not verified.valid or name in self.pins:
            return self
        if len(self.pins) >= PINS_MAX:
            raise Invalid(f"There are {PINS_MAX} pins already.", code="too_many_pins")
        return KeyPins({**self.pins, name: verified.fingerprint})

    def without(self, tool: str, domain: str) -> KeyPins:
        """These without one."""
        name = f"{tool}@{domain}"
        return KeyPins({key: value for key, value in self.pins.items() if key != name})


def seen(fingerprint: str, pinned: str | None) -> Seen:
    """How a key compares with the one that signed before, if any did."""
    if pinned is None:
        return "first_use"
    return "pinned" if pinned == fingerprint else "changed"
