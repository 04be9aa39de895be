"""Structs that strangers write as TOML, as tables: name, type, default, and what it means."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, Union, cast, get_args, get_origin

import msgspec

from docs.reference.markdown import code, table


def fields(struct: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """The fields, in their order."""
    return msgspec.structs.fields(struct)


def rows(struct: type[msgspec.Struct], meaning: Mapping[str, str]) -> str:
    """The fields as a table. `meaning` has a sentence for each, and for nothing else."""
    names = [field.name for field in fields(struct)]
    if set(names) != set(meaning):
        raise ValueError(f"{struct.__name__}: say what {set(names) ^ set(meaning)} means in docs/reference")
    lines = ((code(f.encode_name), spelled(f.type), default(f), meaning[f.name]) for f in fields(struct))
    return table(("key", "type", "default", "what it says"), lines)


def plain(struct: type[msgspec.Struct]) -> str:
    """The fields as a table without meanings: they stand in the prose around it."""
    return table(("key", "type", "default"), ((code(f.name), spelled(f.type), default(f)) for f in fields(struct)))


def default(field: msgspec.structs.FieldInfo) -> str:
    """The default as TOML writes it."""
    if field.required:
        return "*required*"
    value: Any = field.default
    if value is msgspec.NODEFAULT:
        value = field.default_factory()
    return code(_toml(value)) or "none"


def _toml(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"' if len(value) <= 60 else f'"{value[:57]}…"'
        case int() | float():
            return f"{value:_}" if isinstance(value, int) and value >= 10_000 else str(value)
        case list() | tuple():
            items = cast("list[Any]", value)
            return f"[{', '.join(_toml(item) for item in items)}]"
        case _:
            return "{ … }" if isinstance(value, msgspec.Struct) else "{}"


_NAMES: Mapping[Any, str] = {str: "text", int: "integer", float: "number", bool: "true or false", Any: "value"}


def spelled(kind: Any) -> str:
    """A type in the words of TOML."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is typing.Annotated:
        return spelled(arguments[0]) + _bounds(arguments[1])
    if origin is Literal:
        return " or ".join(f'"{each}"' for each in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(spelled(each) for each in arguments if each is not type(None))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"table of {spelled(arguments[1])}"
    if origin is not None:
        return f"list of {spelled(arguments[0])}"
    return _NAMES.get(kind) or kind.__name__.strip("_")


def _bounds(meta: Any) -> str:
    low, high = getattr(meta, "ge", None), getattr(meta, "le", None)
    if low is not None and high is not None:
        return f", {low:_} to {high:_}"
    if low is not None:
        return f", at least {low:_}"
    pattern = getattr(meta, "pattern", None)
    return f", {pattern}" if pattern else ""
