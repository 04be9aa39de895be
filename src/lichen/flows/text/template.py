"""Texts with values in them: `Order {{node.lookup.order_id}} is {{node.lookup.status}}.`

A text that is exactly one `{{path}}` becomes the value itself, a number staying one. Helpers: `{{json x}}`,
`{{default x "none"}}`, `{{ifEq a b "then" "else"}}`; blocks `{{#if x}}`, `{{#unless x}}`, `{{#ifEq a b}}`,
`{{#each x}}`, `{{#with x}}` with an optional `{{else}}` or `{{else if y}}`, and `{{#x}}`, which is `each` of a list and
`with` of anything else. The last three know `this` and its fields, `@index`, `@key`, `@first` and `@last`. A block's
tag that has a line of its own leaves no line behind, and `~` inside the braces takes the space beside them away.
`${inputs.x}`, `${context.x}`, `${node.input.x}` and `${node.output.x}` are the spelling of schema version 1. Nothing is
escaped, and what a value contains is never read as a template.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from lichen.flows.text.reach import parse_path
from lichen.flows.text.rendering import Block, Helper, Literal, Part, Reference, Template

TEMPLATE_CHARS_MAX: Final = 64_000
DEPTH_MAX: Final = 16

_TOKEN = re.compile(
    r"\{\{\{\s*(.*?)\s*\}\}\}|\{\{\s*(.*?)\s*\}\}|\$\{((?:inputs|context|[A-Za-z_][\w-]*\.(?:output|input))\.[^{}]+)\}",
    re.DOTALL,
)
_OF_BLOCK = re.compile(r"~?\s*(?:[#/!]|else\b)")
_LINE_END = re.compile(r"[ \t]*(?:\r?\n|\Z)")
_WORD = re.compile(r"""\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|(?:[^\s"'\[]|\[[^\]]*\])+)""")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_CONSTANTS: Final = {"true": True, "false": False, "null": None}
_ARGUMENTS: Final = {"json": (1,), "default": (2,), "ifEq": (3, 4)}
_BLOCKS: Final = {"if": 1, "unless": 1, "ifEq": 2, "each": 1, "with": 1}


class TemplateError(ValueError):
    """A text is no template. `offset` is the character, counted from 0, where the mistake begins."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(f"{message} at character {offset + 1}")
        self.offset = offset


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
        inner = next(group for group in found.groups() if group is not None)
        start, after = _around(text, found.start(), found.end(), inner)
        if text[end:start]:
            yield _literal(text, end, start)
        yield _Token(inner.strip("~ \t\r\n") if found[1] is None else inner, found.start(), is_literal=False)
        end = max(after, end)
    if text[end:]:
        yield _literal(text, end, len(text))


def _around(text: str, start: int, end: int, inner: str) -> tuple[int, int]:
    """What a tag takes out of the text: with `~` the space beside it, and a block's tag that has a line of its own the
    whole line, as Handlebars does."""
    if inner.startswith("~"):
        start = len(text[:start].rstrip())
    if inner.endswith("~") and len(inner) > 1:
        end += len(text[end:]) - len(text[end:].lstrip())
    if not _OF_BLOCK.match(inner):
        return start, end
    line = text.rfind("\n", 0, start) + 1
    rest = _LINE_END.match(text, end)
    return (line, rest.end()) if rest is not None and not text[line:start].strip(" \t") else (start, end)


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
        elif token.text == "else" or token.text.startswith(("else ", "/")):
            return tuple(parts), token
        elif token.text.startswith("#"):
            parts.append(_block(tokens, token._replace(text=token.text[1:]), depth, ""))
        elif not token.text.startswith("!"):  # a comment
            parts.append(_expression(token))
    if block:
        raise TemplateError(f"{{{{#{block}}}}} has no {{{{/{block}}}}}", opened)
    return tuple(parts), None


def _block(tokens: Iterator[_Token], token: _Token, depth: int, around: str) -> Block:
    """The block that `token` opens; behind an `{{else …}}` it ends with the block `around` it."""
    name, *words = _words(token)
    is_section = name not in _BLOCKS and not words and parse_path(name) is not None
    if not is_section and len(words) != _BLOCKS.get(name):
        known = "#if, #unless, #ifEq, #each, #with and # before a path"
        raise TemplateError(f"{{{{#{token.text}}}}} is no block; there are {known}", token.offset)
    arguments = tuple(_operand(word, token) for word in words or [name])
    then, closing = _parts(tokens, name, token.offset, depth + 1)
    otherwise: tuple[Part, ...] = ()
    if closing is not None and closing.text.startswith("else "):
        chained = closing._replace(text=closing.text[5:].strip())
        return Block("" if is_section else name, arguments, then, (_block(tokens, chained, depth + 1, around or name),))
    if closing is not None and closing.text == "else":
        otherwise, closing = _parts(tokens, name, token.offset, depth + 1)
    if closing is None or closing.text != f"/{around or name}":
        raise TemplateError(f"{{{{#{name}}}}} has no {{{{/{name}}}}}", token.offset)
    return Block("" if is_section else name, arguments, then, otherwise)


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
