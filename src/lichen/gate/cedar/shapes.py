"""JSON Schema as Cedar types: what policies may read of a tool's arguments and facts, and how to hand it to them.

integer is Long, string String, boolean Bool, array Set, object Record; what may be absent or null is optional.
Cedar has no floats, no unions and no free-form objects: those fields are left out, each with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

from lichen.gate.cedar.values import LONG_MAX, LONG_MIN, Value, key

DEPTH_MAX: Final = 32  # levels of nested objects and arrays

JsonSchema = Mapping[str, Any]

_RESERVED: Final = ("__entity", "__extn", "__expr")  # Cedar's JSON gives these names a meaning
_SCALARS: Final = {"integer": "Long", "string": "String", "boolean": "Boolean"}
_TYPE_NAMES: Final[Mapping[type, str]] = {int: "integer", str: "string", bool: "boolean"}


class Unusable(Exception):
    """A value does not have the type its schema declares; the message names the field, never the value."""


class Shape(NamedTuple):
    """A Cedar type, and what turns a JSON value into a value of that type or raises Unusable."""

    cedar: dict[str, Any]
    value: Callable[[Any], Value]


class Projection(NamedTuple):
    """What policies see of a JSON object, and why they do not see the rest: reasons by dotted path."""

    shape: Shape
    left_out: Mapping[str, str]


class _LeftOut(Exception):
    """Why Cedar has no type for a schema."""


def projection(schema: JsonSchema, name: str) -> Projection:
    """What policies see of objects of `schema` under `context.<name>`."""
    reader = _Reader(schema)
    try:
        (option,) = reader.options(schema)
    except (_LeftOut, ValueError):
        return Projection(_record(name, ()), {name: "its schema is not that of an object"})
    return Projection(reader.record(option, (name,)), reader.left_out)


class _Option(NamedTuple):
    """A schema without references, and the references that led to it."""

    schema: JsonSchema
    refs: tuple[str, ...] = ()

    @property
    def is_null(self) -> bool:
        return _type_of(self.schema) == "null"


class _Reader:
    """Reads one schema document; remembers what had to be left out."""

    def __init__(self, root: JsonSchema) -> None:
        self.root = root
        self.left_out: dict[str, str] = {}

    def record(self, option: _Option, path: tuple[str, ...]) -> Shape:
        required = cast(Sequence[str], option.schema.get("required", ()))
        fields: list[tuple[str, Shape, bool]] = []
        for name, schema in cast(Mapping[str, JsonSchema], option.schema.get("properties", {})).items():
            here = (*path, name)
            try:
                options = self.options(schema, option.refs)
                is_required = name in required and not any(option.is_null for option in options)
                fields.append((name, self.shape(options, here), is_required))
            except _LeftOut as reason:
                self.left_out[".".join(here)] = str(reason)
        return _record(".".join(path), fields)

    def shape(self, options: Sequence[_Option], path: tuple[str, ...]) -> Shape:
        if path[-1] in _RESERVED:
            raise _LeftOut("its name has a meaning of its own in Cedar's JSON")
        if len(path) > DEPTH_MAX:
            raise _LeftOut(f"it is nested deeper than {DEPTH_MAX} levels")
        shapes = [self.single(option, path) for option in options if not option.is_null]
        if not shapes or any(shape.cedar != shapes[0].cedar for shape in shapes):
            raise _LeftOut("it may be of more than one type, and Cedar has no unions")
        return shapes[0]

    def single(self, option: _Option, path: tuple[str, ...]) -> Shape:
        schema = option.schema
        match _type_of(schema):
            case "integer" | "string" | "boolean" as kind:
                return _scalar(kind, ".".join(path))
            case "number":
                raise _LeftOut("it is a number with a fraction, which Cedar has no type for; use an integer of a unit")
            case "array" if "items" in schema and "prefixItems" not in schema:
                elements = self.options(schema["items"], option.refs)
                if any(element.is_null for element in elements):
                    raise _LeftOut("its elements may be null")
                return _set(self.shape(elements, (*path, "*")), ".".join(path))
            case "object" if schema.get("properties"):
                return self.record(option, path)
            case "array":
                raise _LeftOut("its elements have no single declared type")
            case "object":
                raise _LeftOut("its fields are not declared")
            case _:
                raise _LeftOut("it has no declared type")

    def options(self, schema: JsonSchema | bool, refs: tuple[str, ...] = ()) -> list[_Option]:
        """The schemas one of which a value fits, references resolved and unions flattened."""
        if isinstance(schema, bool):
            return [_Option({})]
        if "$ref" in schema:
            name = str(schema["$ref"])
            if name in refs:
                raise _LeftOut("it refers to itself")
            return self.options(self.target(name), (*refs, name))
        for word in ("anyOf", "oneOf"):
            if word in schema:
                return [option for part in schema[word] for option in self.options(part, refs)]
        if len(schema.get("allOf", ())) == 1:
            return self.options(schema["allOf"][0], refs)
        if isinstance(schema.get("type"), list):
            return [_Option({**schema, "type": kind}, refs) for kind in schema["type"]]
        return [_Option(schema, refs)]

    def target(self, name: str) -> JsonSchema:
        node: Any = self.root
        for part in name.removeprefix("#").split("/")[1:]:
            part = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(node, Mapping) or part not in node:
                raise _LeftOut(f"it refers to {name}, which is not in its schema")
            node = cast(Any, node[part])
        if not name.startswith("#"):
            raise _LeftOut(f"it refers to {name}, which is not in its schema")
        return node


def _type_of(schema: JsonSchema) -> str | None:
    if "type" in schema:
        return str(schema["type"])
    values = cast(list[object], [schema["const"]] if "const" in schema else schema.get("enum", []))
    kinds = {_TYPE_NAMES.get(type(value)) for value in values}
    return kinds.pop() if len(kinds) == 1 else None


def _scalar(kind: str, where: str) -> Shape:
    def long(value: Any) -> int:
        if type(value) is int and LONG_MIN <= value <= LONG_MAX:
            return value
        raise Unusable(f"{where} is no integer of 64 bits")

    def string(value: Any) -> str:
        if type(value) is str:
            return value
        raise Unusable(f"{where} is no string")

    def boolean(value: Any) -> bool:
        if value is True or value is False:
            return value
        raise Unusable(f"{where} is no boolean")

    return Shape({"type": _SCALARS[kind]}, {"integer": long, "string": string, "boolean": boolean}[kind])


def _set(element: Shape, where: str) -> Shape:
    def value(items: Any) -> Value:
        if not isinstance(items, (list, tuple)):
            raise Unusable(f"{where} is no array")
        return frozenset(key(element.value(item)) for item in cast(Sequence[Any], items))

    return Shape({"type": "Set", "element": element.cedar}, value)


def _record(where: str, fields: Sequence[tuple[str, Shape, bool]]) -> Shape:
    readers = [(name, shape.value, required) for name, shape, required in fields]

    def value(given: Any) -> Value:
        if not isinstance(given, (dict, Mapping)):
            raise Unusable(f"{where} is no object")
        found: dict[str, Value] = {}
        for name, read, required in readers:
            item = cast(Mapping[str, Any], given).get(name)
            if item is not None:
                found[name] = read(item)
            elif required:
                raise Unusable(f"{where}.{name} is missing")
        return found

    attributes = {name: {**shape.cedar, "required": required} for name, shape, required in fields}
    return Shape({"type": "Record", "attributes": attributes}, value)
