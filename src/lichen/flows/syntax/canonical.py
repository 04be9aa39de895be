"""The one form of a flow's document that is hashed: the same on every run and every system."""

from __future__ import annotations

import json
import re
from typing import Any, Final, cast

from blake3 import blake3

_EXPONENT: Final = re.compile(r"^(-?[0-9.]+)e([+-])0*([0-9]+)$")


def canonical(value: Any) -> bytes:
    """Canonical JSON: keys sorted, no whitespace, UTF-8, numbers as upstream's serializer writes them."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return (_written(value) if "e+" in text or "e-" in text else text).encode()


def _written(value: Any) -> str:
    """As `canonical`, for values among which are numbers with an exponent, which Python writes in another way."""
    match value:
        case dict():
            items = sorted(cast(dict[str, Any], value).items())
            return "{" + ",".join(f"{_written(key)}:{_written(inner)}" for key, inner in items) + "}"
        case list():
            return "[" + ",".join(_written(inner) for inner in cast(list[Any], value)) + "]"
        case float():
            return _number(repr(value))
        case _:
            return json.dumps(value, ensure_ascii=False)


def _number(text: str) -> str:
    found = _EXPONENT.match(text)
    if found is None:
        return text
    digits, sign, exponent = found[1], found[2], int(found[3])
    if sign == "-" and exponent == 5:
        return f"{'-' if digits.startswith('-') else ''}0.0000{digits.lstrip('-').replace('.', '')}"
    return f"{digits}e{'-' if sign == '-' else ''}{exponent}"


def digest_of(value: Any) -> str:
    """BLAKE3 over the canonical JSON, in hexadecimal."""
    return blake3(canonical(value)).hexdigest()
