"""What a server says of a tool: taken byte by byte, so that a change of one letter is another definition.

Source: Model Context Protocol, revisions 2025-11-25 and 2026-07-28, Tool.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

from lichen.core.ports.call import ToolSpec
from lichen.core.remote.server import Server
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import ToolName
from lichen.tools.arguments.schema import flaw
from lichen.tools.spec import NAME_CHARS_MAX, pinned

DEFINITION_BYTES_MAX: Final = 64 * 1024
DESCRIPTION_CHARS_MAX: Final = 8_000
SERVER_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,23}")
PARTS_MAX: Final = 20_000  # of a schema with its references written out
REFERENCES_DEEP_MAX: Final = 24
NESTED_MAX: Final = 64
SIGNED: Final = "schemapin"
SIGNED_BYTES_MAX: Final = 4_096
_APART: Final = ("$defs", "definitions", "$schema")
_UNFIT = re.compile(r"[^a-z0-9_]+")
ANYTHING: Final[Mapping[str, Any]] = {"type": "object"}


class Definition(msgspec.Struct, frozen=True):
    """A tool as its server defines it. `tool` is its name there, `name` the one it has here; `data` is canonical JSON
    of all that was said, `digest` its SHA-256 in hexadecimal; `signed` is what its `_meta` says of a signature."""

    tool: str
    name: ToolName
    data: bytes
    digest: str
    signed: Mapping[str, Any] | None = None

    @property
    def said(self) -> Mapping[str, Any]:
        """What was said, as JSON has it."""
        return msgspec.json.decode(self.data)


def defined(server: str, said: Mapping[str, Any]) -> Definition:
    """The definition that a server gave of a tool. `_meta` is for programs and does not count.

    Raises Invalid (`definition_invalid`) for one that is too large, or that no call could be made of.
    """
    told = {key: value for key, value in said.items() if key != "_meta" and value is not None}
    tool = told.get("name")
    if not isinstance(tool, str) or not tool:
        raise _invalid(server, "A tool of it has no name.")
    name = name_of(server, tool)
    try:
        data = canonical(told)
    except (ValueError, RecursionError):
        raise _invalid(name, "Its definition is no JSON that means the same everywhere.") from None
    if len(data) > DEFINITION_BYTES_MAX:
        raise _invalid(name, f"Its definition has more than {DEFINITION_BYTES_MAX} bytes.")
    for field in ("inputSchema", "outputSchema"):
        _check_schema(name, field, told.get(field))
    return Definition(tool, name, data, hashlib.sha256(data).hexdigest(), _signed(said.get("_meta")))


def _signed(meta: Any) -> Mapping[str, Any] | None:
    """What is said of a signature, as long as it is short."""
    found: Any = cast("dict[str, Any]", meta).get(SIGNED) if isinstance(meta, dict) else None
    if not isinstance(found, dict) or len(msgspec.json.encode(found)) > SIGNED_BYTES_MAX:
        return None
    return cast("dict[str, Any]", found)


def _check_schema(name: str, field: str, schema: object) -> None:
    if schema is None and field == "outputSchema":
        return
    if not isinstance(schema, dict):
        raise _invalid(name, f"Its {field} is no JSON Schema.")
    problem = flaw(written_out(name, cast("dict[str, Any]", schema)))
    if problem is not None:
        raise _invalid(name, f"{field}{problem.place}: {problem.message}")


def written_out(name: str, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema with what its own references stand for in their place: other ones are not followed, nor is it written
    out without end. Raises Invalid (`definition_invalid`)."""
    left = [PARTS_MAX]

    def inner(part: Any, within: tuple[str, ...], depth: int) -> Any:
        left[0] -= 1
        if left[0] < 0 or len(within) > REFERENCES_DEEP_MAX or depth > NESTED_MAX:
            raise _invalid(name, "Its schema is too large or too deep once its references are written out.")
        match part:
            case {"$ref": str(reference), **rest}:
                if reference in within or (found := _found(schema, reference)) is None:
                    raise _invalid(name, "Its schema refers to itself, or to something outside of it.")
                others = {key: inner(value, within, depth + 1) for key, value in rest.items()}
                return {**inner(found, (*within, reference), depth + 1), **others}
            case dict():
                return {key: inner(value, within, depth + 1) for key, value in cast("dict[str, Any]", part).items()}
            case list():
                return [inner(each, within, depth + 1) for each in cast("list[Any]", part)]
            case _:
                return part

    return inner({key: value for key, value in schema.items() if key not in _APART}, (), 0)


def _found(schema: Mapping[str, Any], reference: str) -> Any:
    kind, _, name = reference.removeprefix("#/").partition("/")
    return schema.get(kind, {}).get(name) if kind in ("$defs", "definitions") and reference.startswith("#/") else None


def canonical(value: object) -> bytes:
    """JSON in one spelling: UTF-8, keys sorted, no spaces. Raises ValueError for what JSON cannot say."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def name_of(server: str, tool: str) -> ToolName:
    """What a server's tool is called here: `<server>.<tool>`, in lower case, what no name may hold as `_`."""
    own = _UNFIT.sub("_", tool.lower()).strip("_") or "tool"
    own = own if own[0].isalpha() else f"t_{own}"
    return ToolName(f"{server}.{own}"[:NAME_CHARS_MAX].rstrip("._"))


def spec_of(server: Server, definition: Definition) -> ToolSpec:
    """The contract of a call of it here: its server's words, and our own terms."""
    said, terms = definition.said, server.terms(definition.tool)
    return pinned(
        ToolSpec(
            name=definition.name,
            description=str(said.get("description") or said.get("title") or definition.tool)[:DESCRIPTION_CHARS_MAX],
            effects=terms.means,
            input_schema=written_out(definition.name, said["inputSchema"]),
            output_schema=written_out(definition.name, said.get("outputSchema") or ANYTHING),
            timeout_s=terms.timeout_s or server.timeout_s,
            tags=(server.kind, *terms.tags),
            has_probe=server.is_registry and terms.effects != "none",
            origin=terms.origin,
            confirm=terms.confirm,
        )
    )


def _invalid(name: str, message: str) -> Invalid:
    step = "Nothing of it is offered to agents; tell whoever keeps the server."
    return Invalid(message, code="definition_invalid", place=name, next_step=step)
