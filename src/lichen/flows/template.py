"""Texts with values in them: `Order {{node.lookup.order_id}} is {{node.lookup.status}}.`

A text that is exactly one `{{path}}` becomes the value itself, a number staying one. Helpers: `{{json x}}`,
`{{default x "none"}}`, `{{ifEq a b "then" "else"}}`; blocks `{{#if x}}`, `{{#unless x}}`, `{{#ifEq a b}}` with an
optional `{{else}}`. `${inputs.x}` and `${node.output.x}` are the spelling of schema version 1. Nothing is escaped, and
what a value contains is never read as a template.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final, NamedTuple, cast

import msgspec

from lichen.flows.expr import Values, equal
from lichen.flows.reach import MISSING, Path, parse_path

TEMPLATE_CHARS_MAX: Final = 64_000
RENDERED_CHARS_MAX: Final = 32_000
DEPTH_MAX: Final = 16

_TOKEN = re.compile(
    r"\{\{\{\s*(.*?)\s*\}\}\}|\{\{\s*(.*?)\s*\}\}|\$\{((?:inputs|[A-Za-z_][\w-]*\.output)\.[^{}]+)\}", re.DOTALL
)
_WORD = re.compile(r"""\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|(?:[^\s"'\[]|\[[^\]]*\])+)""")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_CONSTANTS: Final = {"true": True, "false": False, "null": None}
_ARGUMENTS: Final = {"json": (1,), "default": (2,), "ifEq": (3, 4)}
_BLOCKS: Final = {"if": 1, "unless": 1, "ifEq": 2}


class TemplateError(ValueError):
    """A text is no template. `offset` is the character, counted from 0, where the mistake begins."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(f"{message} at character {offset + 1}")
        self.offset = offset


class RenderError(Exception):
    """A template that has no text for these values: `code` is `value_missing` or `text_too_large`."""

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


# -- parsing -----------------------------------------------------------------------------------------------------


@lru_cache(4096)
def parse_template(text: str) -> Template:
    """The template in `text`. Raises TemplateError."""
    if len(text) > TEMPLATE_CHARS_MAX:
        raise TemplateError(f"a template has at most {TEMPLATE_CHARS_MAX} characters", TEMPLATE_CHARS_MAX)
    parts, closing = _parts(_tokens(text), "", 0, 0)
    if closing is not None:
        raise TemplateError(f"{{{{{closing.text}}}}} closes or divides nothing", closing.offset)
    return Template(parts)


class _Token(NamedTuple):
    text: str
    offset: int
    is_literal: bool


def _tokens(text: str) -> Iterator[_Token]:
    end = 0
    for found in _TOKEN.finditer(text):
        if text[end : found.start()]:
            yield _literal(text, end, found.start())
        yield _Token(next(group for group in found.groups() if group is not None), found.start(), is_literal=False)
        end = found.end()
    if text[end:]:
        yield _literal(text, end, len(text))


def _literal(text: str, start: int, end: int) -> _Token:
    opened = text.find("{{", start, end)
    if opened >= 0:
        raise TemplateError("{{ has no }}", opened)
    return _Token(text[start:end], start, is_literal=True)


def _parts(tokens: Iterator[_Token], block: str, opened: int, depth: int) -> tuple[tuple[Part, ...], _Token | None]:
    """The parts up to the end, or to the `{{else}}` or `{{/…}}` that is returned with them."""
    if depth > DEPTH_MAX:
        raise TemplateError("blocks are nested too deeply", opened)
    parts: list[Part] = []
    for token in tokens:
        if token.is_literal:
            parts.append(token.text)
        elif token.text == "else" or token.text.startswith("/"):
            return tuple(parts), token
        elif token.text.startswith("#"):
            parts.append(_block(tokens, token, depth))
        elif not token.text.startswith("!"):  # a comment
            parts.append(_expression(token))
    if block:
        raise TemplateError(f"{{{{#{block}}}}} has no {{{{/{block}}}}}", opened)
    return tuple(parts), None


def _block(tokens: Iterator[_Token], token: _Token, depth: int) -> Block:
    name, *words = _words(token._replace(text=token.text[1:]))
    if name not in _BLOCKS or len(words) != _BLOCKS[name]:
        raise TemplateError(f"{{{{#{token.text[1:]}}}}} is no block; there are #if, #unless and #ifEq", token.offset)
    arguments = tuple(_operand(word, token) for word in words)
    then, closing = _parts(tokens, name, token.offset, depth + 1)
    otherwise: tuple[Part, ...] = ()
    if closing is not None and closing.text == "else":
        otherwise, closing = _parts(tokens, name, token.offset, depth + 1)
    if closing is None or closing.text != f"/{name}":
        raise TemplateError(f"{{{{#{name}}}}} has no {{{{/{name}}}}}", token.offset)
    return Block(name, arguments, then, otherwise)


def _expression(token: _Token) -> Reference | Helper:
    name, *words = _words(token)
    if not words:
        operand = _operand(name, token)
        if isinstance(operand, Reference):
            return operand
        raise TemplateError(f"{name} is no path", token.offset)
    if len(words) not in _ARGUMENTS.get(name, ()):
        raise TemplateError(
            f"{{{{{token.text}}}}} is no helper; there are json, default and ifEq, with 1, 2 and 3 or 4 arguments",
            token.offset,
        )
    return Helper(name, tuple(_operand(word, token) for word in words))


def _words(token: _Token) -> list[str]:
    words: list[str] = []
    end = 0
    while token.text[end:].strip():
        found = _WORD.match(token.text, end)
        if found is None:
            raise TemplateError(f"{token.text[end:].strip()} cannot be read", token.offset)
        words.append(found[1])
        end = found.end()
    if not words:
        raise TemplateError("the braces are empty", token.offset)
    return words


def _operand(word: str, token: _Token) -> Literal | Reference:
    if word[0] in "\"'":
        return Literal(re.sub(r"\\(.)", r"\1", word[1:-1]))
    if word in _CONSTANTS:
        return Literal(_CONSTANTS[word])
    if _NUMBER.fullmatch(word):
        return Literal(float(word) if "." in word else int(word))
    path = parse_path(word)
    if path is None:
        raise TemplateError(f"{word} is no path", token.offset)
    return Reference(path)


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
