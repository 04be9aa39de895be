"""Arguments that are right, for whoever sent others: those that a tool's author wrote, else made of its schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from lichen.core.ports.call import ToolSpec
from lichen.tools.arguments.document import dump

DEPTH_MAX: Final = 8
EXAMPLE_BYTES_MAX: Final = 4 * 1024
_PLAIN: Final[Mapping[str, Any]] = {"string": "text", "boolean": True, "null": None}


class _NoneKnown(Exception):
    """A schema says too little for an example, such as a pattern."""


def example_of(spec: ToolSpec) -> bytes:
    """The example as JSON; empty where none is known to fit."""
    try:
        made = dict(spec.example) if spec.example is not None else _made(spec.input_schema, spec.input_schema, 0)
    except _NoneKnown:
        return b""
    data = dump(made)
    return data if len(data) <= EXAMPLE_BYTES_MAX else b""


def _made(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Any:
    if depth > DEPTH_MAX:
        raise _NoneKnown
    if "$ref" in schema:
        return _made(root["$defs"][schema["$ref"].rpartition("/")[2]], root, depth + 1)
    for word in ("const", "default"):
        if word in schema:
            return schema[word]
    for word in ("examples", "enum"):
        if schema.get(word):
            return schema[word][0]
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return _made(schema[word][0], root, depth + 1)
    return _of_type(schema, root, depth)


def _of_type(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Any:
    match schema.get("type"):
        case "object":
            properties = cast("Mapping[str, Mapping[str, Any]]", schema.get("properties", {}))
            required = cast("list[str]", schema.get("required", []))
            return {name: _made(properties[name], root, depth + 1) for name in required if name in properties}
        case "array":
            return [_made(schema.get("items", {}), root, depth + 1)] * int(schema.get("minItems", 0))
        case "integer" | "number":
            return _number(schema)
        case "string" if not (schema.keys() & {"pattern", "format"}):
            return "text".ljust(int(schema.get("minLength", 0)), "t")[: schema.get("maxLength")]
        case "boolean" | "null" as kind:
            return _PLAIN[kind]
        case _:
            raise _NoneKnown


def _number(schema: Mapping[str, Any]) -> Any:
    if schema.keys() & {"multipleOf", "exclusiveMinimum", "exclusiveMaximum"}:
        raise _NoneKnown
    return schema.get("minimum", schema.get("maximum", 1))
