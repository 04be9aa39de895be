"""What a parsed template gives for the values around it: texts, and values that keep their type."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple, cast

import msgspec

from lichen.flows.text.expr import Values, equal
from lichen.flows.text.reach import MISSING, Path, fields_of, reach

RENDERED_CHARS_MAX: Final = 32_000
ROUNDS_MAX: Final = 5_000  # items of all blocks of a text


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
    """What stands between `{{#name …}}` and `{{/name}}`: one half of it is rendered, the first one once for each item
    of an `each`. The name of `{{#path}}` is empty."""

    name: str
    arguments: tuple[Literal | Reference, ...]
    then: tuple[Part, ...]
    otherwise: tuple[Part, ...]


Part = str | Reference | Helper | Block
Missed = Callable[[Path], None]
"""Is told of a value that a text shows and that is not there."""


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

    @property
    def outer_paths(self) -> tuple[Path, ...]:
        """The values it reads outside of blocks whose item has fields of its own."""
        return tuple(_paths(self.parts, is_outer=True))

    def value(self, context: Values, *, strict: bool = False, missed: Missed = lambda path: None) -> Any:
        """The text; of a lone reference or helper the value itself. Raises RenderError.

        A missing value is an empty text, of which `missed` is told, or with `strict` an error.
        """
        if len(self.parts) == 1 and isinstance(self.parts[0], (Reference, Helper)):
            found = _shown(self.parts[0], context, strict, missed)
            return "" if found is MISSING else found
        return self.text(context, strict=strict, missed=missed)

    def text(self, context: Values, *, strict: bool = False, missed: Missed = lambda path: None) -> str:
        """The text, at most RENDERED_CHARS_MAX characters. Raises RenderError."""
        return _joined(self.parts, context, strict, _Room(missed))


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


def _shown(part: Reference | Helper, context: Values, strict: bool, missed: Missed) -> Any:
    found = _value(part, context, strict=strict)
    if found is MISSING and isinstance(part, Reference):
        missed(part.path)
    return found


class _Room:
    """What is left of the bounds of one text, and who is told of what it misses."""

    def __init__(self, missed: Missed) -> None:
        self.missed = missed
        self._chars = RENDERED_CHARS_MAX
        self._rounds = ROUNDS_MAX

    def take(self, piece: str) -> str:
        """The piece, if there is room for it. Raises RenderError."""
        self._chars -= len(piece)
        if self._chars < 0:
            raise RenderError("text_too_large", f"A text would be longer than {RENDERED_CHARS_MAX} characters.")
        return piece

    def turn(self) -> None:
        """Counts one item of a block. Raises RenderError."""
        self._rounds -= 1
        if self._rounds < 0:
            raise RenderError("text_too_large", f"The blocks of a text go round more than {ROUNDS_MAX} times.")


class _Inside(NamedTuple):
    """The values inside a block: the item, its fields, and everything around it."""

    item: Any
    special: Mapping[str, Any]
    outer: Values

    def get(self, path: Path) -> Any:
        """The value at a path, or MISSING."""
        if path[0] == "this":
            return reach(self.item, path[1:])
        if path[0] in self.special:
            return reach(self.special[path[0]], path[1:])
        found = reach(fields_of(self.item), path)
        return self.outer.get(path) if found is MISSING else found


def _joined(parts: tuple[Part, ...], context: Values, strict: bool, room: _Room) -> str:
    pieces: list[str] = []
    for part in parts:
        match part:
            case str():
                pieces.append(room.take(part))
            case Block():
                pieces.append(_block(part, context, strict, room))
            case _:
                pieces.append(room.take(written(_shown(part, context, strict, room.missed))))
    return "".join(pieces)


def _block(block: Block, context: Values, strict: bool, room: _Room) -> str:
    values = [_value(argument, context, strict=False) for argument in block.arguments]
    if block.name in _TESTS:
        half = block.then if _TESTS[block.name](values) else block.otherwise
        return _joined(half, context, strict, room)
    pieces: list[str] = []
    for inside in _insides(block.name, values[0], context):
        room.turn()
        pieces.append(_joined(block.then, inside, strict, room))
    return "".join(pieces) if pieces else _joined(block.otherwise, context, strict, room)


def _insides(name: str, value: Any, outer: Values) -> Iterator[_Inside]:
    if name != "with" and isinstance(value, list):
        items = cast("list[Any]", value)
        for i, item in enumerate(items):
            yield _Inside(item, {"@index": i, "@first": i == 0, "@last": i == len(items) - 1}, outer)
    elif name == "each" and isinstance(value, Mapping):
        fields = cast("Mapping[str, Any]", value)
        for i, (key, item) in enumerate(fields.items()):
            yield _Inside(item, {"@key": key, "@index": i, "@first": i == 0, "@last": i == len(fields) - 1}, outer)
    elif name != "each" and _is_so(value):
        yield _Inside(value, {}, outer)


def _is_so(value: Any) -> bool:
    return value is not MISSING and bool(value)


_TESTS: Final[dict[str, Callable[[list[Any]], bool]]] = {
    "if": lambda values: _is_so(values[0]),
    "unless": lambda values: not _is_so(values[0]),
    "ifEq": lambda values: equal(values[0], values[1]),
}


def _json(values: list[Any]) -> str:
    return msgspec.json.encode(None if values[0] is MISSING else values[0]).decode()


def _default(values: list[Any]) -> Any:
    return values[1] if values[0] is MISSING or values[0] in (None, "") else values[0]


def _if_eq(values: list[Any]) -> Any:
    return values[2] if equal(values[0], values[1]) else (values[3] if len(values) > 3 else "")


_HELPERS: Final[dict[str, Callable[[list[Any]], Any]]] = {"json": _json, "default": _default, "ifEq": _if_eq}


def _paths(parts: tuple[Part, ...], *, is_outer: bool = False) -> Iterator[Path]:
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
                then = () if is_outer and part.name not in _TESTS else part.then
                yield from _paths((*then, *part.otherwise), is_outer=is_outer)
            case str():
                pass
