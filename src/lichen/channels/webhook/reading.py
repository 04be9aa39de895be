"""What a delivery says: the values at places of its body, by JSON pointer (RFC 6901)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import msgspec

from lichen.core.words.errors import Invalid

_GONE: object = object()


def at(body: Any, pointer: str) -> Any:
    """The value at a pointer; None where there is none."""
    for step in pointer.split("/")[1:]:
        body = _step(body, step.replace("~1", "/").replace("~0", "~"))
        if body is _GONE:
            return None
    return body


def _step(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return cast("dict[str, Any]", value).get(name, _GONE)
    items = cast("list[Any]", value) if isinstance(value, list) else []
    return items[int(name)] if name.isascii() and name.isdecimal() and int(name) < len(items) else _GONE


def words_at(body: Any, pointer: str) -> str:
    """The value at a pointer as words: text as it is, anything else as JSON, nothing as nothing."""
    found = at(body, pointer)
    return "" if found is None else found if isinstance(found, str) else msgspec.json.encode(found).decode()


def required(body: Any, pointer: str, *, characters_max: int) -> str:
    """The words at a pointer. Raises Invalid (`body_invalid`) where there are none, or too many."""
    found = words_at(body, pointer)
    if not 0 < len(found) <= characters_max or "\x00" in found:
        message = f"The body has no value of 1-{characters_max} characters here."
        raise Invalid(message, code="body_invalid", place=pointer or "/")
    return found


def fields(body: Any, pointers: Mapping[str, str]) -> dict[str, Any]:
    """The values at several pointers, by name."""
    return {name: at(body, pointer) for name, pointer in pointers.items()}
