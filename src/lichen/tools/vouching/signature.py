"""Whose key signed a definition, as it is kept beside it in the log.

Source: SchemaPin specification 1.2; Symbiont, SchemaPin for MCP.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec


class Signature(msgspec.Struct, frozen=True):
    """Whose key signed a definition. `covers` all that was said, or its input schema only; `changed` where another key
    of the domain had signed the tool before. `said` is the signature itself, where it stands beside the definition."""

    domain: str
    fingerprint: str
    covers: Literal["all", "schema"]
    changed: bool = False
    expired: bool = False
    said: Mapping[str, Any] = {}


class Vouched(msgspec.Struct, frozen=True):
    """What came of looking at it: a signature that counts, or why there is none."""

    signature: Signature | None
    why: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether it may be taken without anybody looking."""
        return self.signature is not None and self.signature.covers == "all" and not self.signature.changed


UNASKED = Vouched(Signature("", "", "all"))
"""Where nobody has to sign."""


def kept(signature: Signature | None) -> bytes:
    """The signature as a content; nothing for none."""
    return msgspec.json.encode(signature) if signature is not None and signature.domain else b""


def read_kept(data: bytes | None) -> Signature | None:
    """The signature in a content, if there is one."""
    return msgspec.json.decode(data, type=Signature) if data else None
