"""What a component says of itself, whatever words its ABI and its makers have for that.

Source: `describe` of greentic:component@0.6.0 and 0.6.1 and of provider:schema-core, `get-manifest` of 0.4.0 and 0.5.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from lichen.core.components.capabilities import capabilities_of
from lichen.core.components.manifest import ANYTHING, OPERATIONS_MAX, TEXT_CHARS_MAX, Operation
from lichen.core.words.errors import Invalid
from lichen.tools.wasm.documents.trees import digest, items, refused, table, tree
from lichen.tools.wasm.port import Described

NAME_CHARS_MAX: Final = 256
_TYPES: Final = frozenset(("object", "array", "string", "number", "integer", "boolean", "null"))
_OPERATIONS: Final = ("operations", "ops")
_NAMES: Final = ("name", "id", "op", "operation_id", "operation")
_SUMMARIES: Final = ("summary", "description", "title", "display_name")
_WHAT: Final = "Its description"


def described(said: Any, *, members: Sequence[str] = (), usual: Sequence[str] = ()) -> Described:
    """The description that a tree is. `usual` are the operations of one that names none.

    Raises Invalid (`component_invalid`).
    """
    fields = table(said)
    if not isinstance(said, dict):
        raise refused(_WHAT, "is no object")
    info = table(fields.get("info"))
    found = _listed(fields)
    config = fields.get("config_schema")
    operations = tuple(operation(each) for each in found) or tuple(Operation(name) for name in usual)
    if len({each.name for each in operations}) != len(operations):
        raise refused(_WHAT, "names an operation twice")
    details: dict[str, Any] = {
        "describe_hash": digest(fields),
        "schema_hashes": {each.name: schema_hash(each, config) for each in operations},
        **({"config_schema": config} if isinstance(config, dict) else {}),
    }
    return Described(
        name=_first(fields, ("name", "id", "component_id", "provider_type", "provider"))
        or _first(info, ("id", "name")),
        version=_first(fields, ("version",)) or _first(info, ("version",)),
        operations=operations,
        capabilities=capabilities_of(fields.get("capabilities")),
        members=tuple(members),
        details=details,
    )


def operation(said: Any) -> Operation:
    """One operation, as a name or as an object with its schemas. Raises Invalid (`component_invalid`)."""
    fields: Mapping[str, Any] = {"name": said} if isinstance(said, str) else table(said)
    name = _first(fields, _NAMES)
    if not name or len(name) > NAME_CHARS_MAX or not name.isprintable():
        raise refused(_WHAT, "has an operation without a name that can be shown")
    return Operation(
        name,
        schema(fields.get("input_schema", fields.get("input"))),
        schema(fields.get("output_schema", fields.get("output"))),
        _first(fields, _SUMMARIES),
    )


def schema(said: Any) -> Mapping[str, Any]:
    """A JSON Schema, bare, under `schema`, or as a text; anything where it is none."""
    if isinstance(said, str | bytes):
        try:
            said = tree(said, _WHAT)
        except Invalid:
            return ANYTHING
    fields = table(said)
    if isinstance(fields.get("schema"), dict | str):
        return schema(fields["schema"])
    kinds: object = fields.get("type", "object")
    named: list[object] = items(kinds) or [kinds]
    return fields if all(isinstance(each, str) and each in _TYPES for each in named) else ANYTHING


def schema_hash(held: Operation, config: Any) -> str:
    """The hash of what an operation takes and gives, and of what configures its component."""
    return digest({"input": held.input_schema, "output": held.output_schema, "config": config})


def _listed(fields: Mapping[str, Any]) -> list[Any]:
    said = _said(fields, _OPERATIONS)
    found: list[Any] = [{"name": name, **table(each)} for name, each in table(said).items()] or items(said)
    if not isinstance(said, dict | list | None) or len(found) > OPERATIONS_MAX:
        raise refused(_WHAT, f"has no list of at most {OPERATIONS_MAX} operations")
    return found


def _said(fields: Mapping[str, Any], names: Iterable[str]) -> object:
    return next((fields[name] for name in names if fields.get(name) is not None), None)


def _first(fields: Mapping[str, Any], names: Iterable[str]) -> str:
    for name in names:
        said: object = fields.get(name)
        if named := table(said):  # a text with its translations
            said = named.get("fallback", named.get("id"))
        if isinstance(said, str) and said:
            return said[:TEXT_CHARS_MAX]
    return ""
