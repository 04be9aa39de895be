"""Names and digests: what makes a tool's contract one that can be listed, pinned and compared."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from typing import Any

import msgspec

from lichen.core.ports.call import ToolSpec
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import ToolName

NAME_CHARS_MAX = 64  # model providers cut or refuse longer ones
_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*){1,2}")
_RESERVED = "lichen."
_FIRST = ToolSpec.__struct_fields__.index("digest")
_LATER: dict[str, Any] = {  # what came to be said later, and how it is left unsaid
    field.name: {} if field.default is msgspec.NODEFAULT else field.default
    for field in msgspec.structs.fields(ToolSpec)[_FIRST + 1 :]
}


def tool_invalid(message: str, *, place: str | None, next_step: str) -> Invalid:
    """The error of a tool that cannot be offered as it is declared: code `tool_invalid`."""
    return Invalid(message, code="tool_invalid", next_step=next_step, place=place)


def written_at() -> str | None:
    """`file:line` of the nearest code outside of Lichen that led here: where somebody wrote what is refused."""
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage] - documented, CPython and PyPy
    while frame is not None and str(frame.f_globals.get("__name__", "")).partition(".")[0] == "lichen":
        frame = frame.f_back
    return None if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


def is_tool(value: object) -> bool:
    """Whether a value is a tool: it has a contract."""
    return not isinstance(value, type) and isinstance(getattr(value, "spec", None), ToolSpec)


def checked_name(name: str, place: str | None = None) -> ToolName:
    """`name` as a tool name: `toolset.tool` or `service.toolset.tool`, at most 64 characters.

    Raises Invalid (`tool_invalid`) for another spelling and for the reserved prefix `lichen.`.
    """
    if not _NAME.fullmatch(name) or len(name) > NAME_CHARS_MAX:
        step = f"Pass name= with two or three lower-case parts joined by dots, at most {NAME_CHARS_MAX} characters."
        raise tool_invalid(f"{name!r} is not a tool name.", place=place, next_step=step)
    if name.startswith(_RESERVED):
        raise tool_invalid("The prefix 'lichen.' is reserved.", place=place, next_step="Choose another prefix.")
    return ToolName(name)


def contract(spec: ToolSpec) -> dict[str, Any]:
    """Everything `spec` promises, as a JSON object, without the digest that is made from it.

    What it says nothing of is left out where that came to be said later, so that older digests stay what they were.
    """
    said = {field: getattr(spec, field) for field in spec.__struct_fields__ if field != "digest"}
    for field, unsaid in _LATER.items():
        if said[field] == unsaid:
            del said[field]
    made = msgspec.to_builtins(said)
    made["retry"] = {field: getattr(spec.retry, field) for field in spec.retry.__struct_fields__}
    return made


def pinned(spec: ToolSpec) -> ToolSpec:
    """`spec` with its digest: SHA-256, in hex, of the contract as JSON with sorted keys and no spaces."""
    text = json.dumps(contract(spec), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return msgspec.structs.replace(spec, digest=hashlib.sha256(text.encode()).hexdigest())
