"""The one form of a flow's document that is hashed: the same on every run and every system."""

from __future__ import annotations

import json
from typing import Any

from blake3 import blake3


def canonical(value: Any) -> bytes:
    """Canonical JSON: keys sorted, no whitespace, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest_of(value: Any) -> str:
    """BLAKE3 over the canonical JSON, in hexadecimal."""
    return blake3(canonical(value)).hexdigest()
