"""What somebody sends: words, and JSON that comes with them, in one bounded message."""

from __future__ import annotations

from typing import Any, Final, cast

import msgspec

from lichen.core.words.errors import Invalid
from lichen.engine.brief.contents import message as message

DATA_BYTES_MAX: Final = 32 * 1024
DATA_DEPTH_MAX: Final = 32


def encoded(data: Any) -> bytes:
    """JSON that comes with a message, empty for none. Raises Invalid (`input_invalid`, `input_too_large`)."""
    if data is None:
        return b""
    try:
        found = msgspec.json.encode(data) if _depth(data, 0) <= DATA_DEPTH_MAX else b""
    except (TypeError, OverflowError, ValueError):
        found = b""
    if not found:
        message = f"The input is no JSON, or nested deeper than {DATA_DEPTH_MAX}."
        raise Invalid(message, code="input_invalid", next_step="Send a JSON object of plain values.")
    if len(found) > DATA_BYTES_MAX:
        message = f"The input has {len(found)} bytes; {DATA_BYTES_MAX} are allowed."
        raise Invalid(message, code="input_too_large", next_step="Send a reference to what is larger.")
    return found


def answer(text: str, data: bytes) -> dict[str, Any]:
    """The body of an answer that is a message."""
    found: Any = msgspec.json.decode(data) if data else {}
    return {**(cast(dict[str, Any], found) if isinstance(found, dict) else {"input": found}), "text": text}


def _depth(value: Any, depth: int) -> int:
    """How deep a value is nested, no deeper than is needed to refuse it."""
    if depth > DATA_DEPTH_MAX:
        return depth
    match value:
        case dict():
            inner = list(cast(dict[str, Any], value).values())
        case list():
            inner = cast(list[Any], value)
        case _:
            return depth
    return max((_depth(each, depth + 1) for each in inner), default=depth)
