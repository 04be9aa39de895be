"""Paths into JSON values: `node.lookup.payload.items[0]["unit price"]`, and JSON pointers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

PATH_STEPS_MAX: Final = 32

_STEP = re.compile(r"""\.?([A-Za-z_@$][\w$-]*|\d+)|\[(\d{1,6})\]|\[(?:"([^"\]]*)"|'([^'\]]*)')\]""")
_FIRST = re.compile(r"[A-Za-z_@$][\w$-]*")

Path = tuple[str, ...]


class Missing:
    """Stands for a value that is not there, which is not the same as null."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()


def parse_path(text: str) -> Path | None:
    """The steps of a dotted and bracketed path, or None when `text` is none."""
    first = _FIRST.match(text)
    if first is None:
        return None
    steps, end = [first[0]], first.end()
    while end < len(text):
        step = _STEP.match(text, end)
        if step is None or (step[1] is not None and not step[0].startswith(".")) or len(steps) >= PATH_STEPS_MAX:
            return None
        steps.append(next(group for group in step.groups() if group is not None))
        end = step.end()
    return tuple(steps)


def reach(value: Any, path: Sequence[str]) -> Any:
    """The value at `path` of a JSON value, or MISSING. A list is entered by position and has a `length`."""
    for step in path:
        value = _enter(value, step)
        if value is MISSING:
            return MISSING
    return value


def _enter(value: Any, step: str) -> Any:
    if isinstance(value, Mapping):
        return cast("Mapping[str, Any]", value).get(step, MISSING)
    if isinstance(value, list):
        items = cast("list[Any]", value)
        if step == "length":
            return len(items)
        if step.isdecimal() and step.isascii() and len(step) < 7 and int(step) < len(items):
            return items[int(step)]
    return MISSING


def fields_of(value: Any) -> dict[str, Any]:
    """The fields of a JSON object; none of anything else."""
    return dict(cast("Mapping[str, Any]", value)) if isinstance(value, Mapping) else {}


def parse_pointer(text: str) -> Path | None:
    """The steps of a JSON pointer (RFC 6901), or None when `text` is none. `""` is the whole value."""
    if text and not text.startswith("/"):
        return None
    steps = tuple(step.replace("~1", "/").replace("~0", "~") for step in text.split("/")[1:])
    return steps if len(steps) <= PATH_STEPS_MAX else None
