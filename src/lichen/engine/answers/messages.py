"""What somebody sends: words, and JSON that comes with them, in one bounded message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, cast

import msgspec

from lichen.core.ports.plan import Message
from lichen.core.words.errors import Invalid

DATA_BYTES_MAX: Final = 32 * 1024
DATA_DEPTH_MAX: Final = 32

Role = Literal["customer", "operator", "service", "system"]


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


def message(role: Role, contents: Mapping[str, bytes], by: str = "") -> Message:
    """The message in the contents `text` and `data` of a record."""
    data = contents.get("data")
    return _composed(role, contents.get("text", b"").decode(), msgspec.json.decode(data) if data else None, by)


def _composed(role: Role, text: str, data: Any, by: str = "") -> Message:
    """A message of words, data or both: an object gets the words as its `text`, data alone is its own words."""
    if data is None:
        return Message(role, text, by)
    if not text:
        return Message(role, msgspec.json.encode(data).decode(), by, data)
    return Message(role, text, by, {**cast(dict[str, Any], data), "text": text} if isinstance(data, dict) else data)


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
