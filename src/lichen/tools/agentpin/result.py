"""What came of looking at a credential.

Source: AgentPin specification 0.1, verification result and error codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

Code = Literal[
    "SIGNATURE_INVALID", "KEY_NOT_FOUND", "KEY_EXPIRED", "KEY_REVOKED", "CREDENTIAL_EXPIRED", "CREDENTIAL_REVOKED",
    "AGENT_NOT_FOUND", "AGENT_INACTIVE", "CAPABILITY_EXCEEDED", "CONSTRAINT_VIOLATION", "DELEGATION_INVALID",
    "DELEGATION_DEPTH_EXCEEDED", "DISCOVERY_FETCH_FAILED", "DISCOVERY_INVALID", "DOMAIN_MISMATCH",
    "AUDIENCE_MISMATCH", "ALGORITHM_REJECTED", "KEY_PIN_MISMATCH",
]  # fmt: skip


class Hop(msgspec.Struct, frozen=True):
    """Somebody who vouched for the agent."""

    domain: str
    role: str
    verified: bool


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """A credential as it was found. `thumbprint` is the key to be pinned for the issuer when it is seen first."""

    valid: bool
    agent_id: str = ""
    issuer: str = ""
    capabilities: tuple[str, ...] = ()
    constraints: Mapping[str, Any] = {}
    delegation_chain: tuple[Hop, ...] = ()
    pinning: Literal["", "first_use", "pinned"] = ""
    thumbprint: str = ""
    error_code: Code | None = None
    error_message: str = ""
    warnings: tuple[str, ...] = ()

    def said(self) -> Mapping[str, Any]:
        """The result as AgentPin's own tools print it."""
        told = {
            key: value for key, value in msgspec.to_builtins(self).items() if value not in ("", None, [], {}, False)
        }
        if self.pinning:
            told["key_pinning"] = {"status": told.pop("pinning")}
        if self.delegation_chain:
            told["delegation_verified"] = all(each.verified for each in self.delegation_chain)
        return {**told, "valid": self.valid}


class Refused(Exception):
    """A step failed."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code: Code = code
        self.message = message
