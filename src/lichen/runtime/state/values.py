"""A value of state as bytes, and with a part of it changed."""

from __future__ import annotations

from typing import Any

import msgspec

from lichen.core.state.port import VALUE_BYTES_MAX
from lichen.core.words.errors import Invalid
from lichen.flows.text.reach import MISSING, Path, fields_of, parse_pointer


def changed(before: Any, pointer: str, new: Any) -> bytes:
    """The value with `new` at a JSON pointer (RFC 6901). Raises Invalid (`state_pointer`, `state_too_large`)."""
    data = msgspec.json.encode(_updated(before, path_of(pointer), new))
    if len(data) > VALUE_BYTES_MAX:
        raise Invalid(f"A value has at most {VALUE_BYTES_MAX} bytes.", code="state_too_large")
    return data


def path_of(pointer: str) -> Path:
    """The steps of a pointer. Raises Invalid (`state_pointer`)."""
    path = parse_pointer(pointer)
    if path is None:
        raise Invalid("The pointer is no JSON pointer.", code="state_pointer")
    return path


def _updated(value: Any, path: Path, new: Any) -> Any:
    """`value` with `new` at `path`; objects on the way are made where there is nothing."""
    if not path:
        return new
    first, rest = path[0], path[1:]
    if isinstance(value, list) and first.isdecimal() and int(first) < len(value):  # type: ignore[arg-type]
        items: list[Any] = [*value]
        items[int(first)] = _updated(items[int(first)], rest, new)
        return items
    if value is not MISSING and value is not None and not isinstance(value, dict):
        raise Invalid("The pointer leads through something that is no object.", code="state_pointer")
    fields = fields_of(value)
    return {**fields, first: _updated(fields.get(first, MISSING), rest, new)}
