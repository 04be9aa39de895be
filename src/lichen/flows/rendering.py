"""What a parsed template gives for the values around it: texts, and values that keep their type."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple, cast

import msgspec

from lichen.flows.expr import Values, equal
from lichen.flows.reach import MISSING, Path

RENDERED_CHARS_MAX: Final = 32_000


class RenderError(Exception):
    """What a flow says gives nothing for these values: `value_missing`, `text_too_large`, `pattern_invalid`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Literal(NamedTuple):
    """A value written down in the template."""

    value: Any


class Reference(NamedTuple):
    """A value to be looked up."""

    path: Path


class Helper(NamedTuple):
    """A helper with its arguments."""

    name: str
    arguments: tuple[Literal | Reference, ...]


class Block(NamedTuple):
    """What stands between `{{#name …}}` and `{{/name}}`: one half of it is rendered."""

    name: str
    arguments: tuple[Literal | Reference, ...]
    then: tuple[Part, ...]
    otherwise: tuple[Part, ...]


Part = str | Reference | Helper | Block


class Template(NamedTuple):
    """A parsed text."""

    parts: tuple[Part, ...]

    @property
    def is_plain(self) -> bool:
        """Whether it is the same for all values."""
        return all(isinstance(part, str) for part in self.parts)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The values it reads."""
        return tuple(_paths(self.parts))

    def value(self, context: Values, *, strict: bool = False) -> Any:
        """The text; of a lone reference or helper the value itself. Raises RenderError.

        A missing value is an empty text, or with `strict` an error.
        """
        if len(self.parts) == 1 and isinstance(self.parts[0], (Reference, Helper)):
            found = _value(self.parts[0], context, strict=strict)
            return "" if found is MISSING else found
        return self.text(context, strict=strict)

    def text(self, context: Values, *, strict: bool = False) -> str:
        """The text, at most RENDERED_CHARS_MAX characters. Raises RenderError."""
        return _joined(self.parts, context, strict)


def written(value: Any) -> str:
    """A JSON value as it stands in a text: nothing for null, objects and lists as JSON."""
    match value:
        case str():
            return value
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        case int() | float():
            return str(value)
        case _:
            return "" if value is MISSING else msgspec.json.encode(value).decode()


# -- rendering ---------------------------------------------------------------------------------------------------


def _value(part: Reference | Helper | Literal, context: Values, *, strict: bool) -> Any:
    match part:
        case Literal(value):
            return value
        case Reference(path):
            found = context.get(path)
            if found is MISSING and strict:
                raise RenderError("value_missing", f"There is no {'.'.join(path)}.")
            return found
        case Helper(name, arguments):
            return _HELPERS[name]([_value(argument, context, strict=False) for argument in arguments])


def _joined(parts: tuple[Part, ...], context: Values, strict: bool) -> str:
    pieces: list[str] = []
    left = RENDERED_CHARS_MAX
    for part in parts:
        match part:
            case str():
                piece = part
            case Block():
                piece = _joined(_half(part, context), context, strict)
            case _:
                piece = written(_value(part, context, strict=strict))
        left -= len(piece)
        if left < 0:
            raise RenderError("text_too_large", f"A text would be longer than {RENDERED_CHARS_MAX} characters.")
        pieces.append(piece)
    return "".join(pieces)


def _half(block: Block, context: Values) -> tuple[Part, ...]:
    values = [_value(argument, context, strict=False) for argument in block.arguments]
    is_so = equal(values[0], values[1]) if block.name == "ifEq" else values[0] is not MISSING and bool(values[0])
    return block.otherwise if is_so == (block.name == "unless") else block.then


def _json(values: list[Any]) -> str:
    return msgspec.json.encode(None if values[0] is MISSING else values[0]).decode()


def _default(values: list[Any]) -> Any:
    return values[1] if values[0] is MISSING or values[0] in (None, "") else values[0]


def _if_eq(values: list[Any]) -> Any:
    return values[2] if equal(values[0], values[1]) else (values[3] if len(values) > 3 else "")


_HELPERS: Final[dict[str, Callable[[list[Any]], Any]]] = {"json": _json, "default": _default, "ifEq": _if_eq}


def _paths(parts: tuple[Part, ...]) -> Iterator[Path]:
    for part in parts:
        match part:
            case Reference(path):
                yield path
            case Helper():
                yield from _paths(
                    cast("tuple[Part, ...]", tuple(a for a in part.arguments if isinstance(a, Reference)))
                )
            case Block():
                yield from _paths(
                    cast("tuple[Part, ...]", tuple(a for a in part.arguments if isinstance(a, Reference)))
                )
                yield from _paths((*part.then, *part.otherwise))
            case str():
                pass
