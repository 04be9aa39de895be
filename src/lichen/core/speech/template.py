"""Texts and arguments with references in braces: `Order {order_id} is {lookup.status}, total {lookup.total|money}.`

A reference is a name, a path of fields or positions, and at most one filter. There is no attribute access, no format
specification and no second pass: what a reference stands for is never read as a template.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

TEMPLATE_CHARS_MAX = 8_000
SHOWN_CHARS_MAX = 4_000  # of one value inside a text
_ITEMS_MAX = 50
_INTEGER_MAX = 2**63

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_REFERENCE = re.compile(r"([a-z][a-z0-9_]*)((?:\.[A-Za-z0-9_-]+)*)(?:\|([a-z]+))?")


class TemplateError(ValueError):
    """A text is not a template; the message says where and why."""


class Reference(NamedTuple):
    """`{lookup.items.0.price|money}`: name `lookup`, path `items`, `0`, `price`, filter `money`."""

    name: str
    path: tuple[str, ...]
    filter: str

    @property
    def key(self) -> str:
        """The reference without its filter: `lookup.items.0.price`."""
        return ".".join((self.name, *self.path))


TOO_LARGE = object()
"""Stands for a value that exists but was too large to be kept: it passes `exists`, and cannot be used."""

Lookup = Callable[[Reference], object]
"""What a reference stands for: a JSON value, TOO_LARGE, or None when there is nothing."""


class Template(NamedTuple):
    """A parsed text: literal pieces and references in their order."""

    parts: tuple[str | Reference, ...]

    @property
    def references(self) -> tuple[Reference, ...]:
        """The references, in order, repeated ones repeated."""
        return tuple(part for part in self.parts if isinstance(part, Reference))

    def render(self, lookup: Lookup) -> str | None:
        """The text, or None when a reference stands for nothing that can be shown."""
        pieces = [part if isinstance(part, str) else shown(part, lookup(part)) for part in self.parts]
        return None if None in pieces else "".join(cast("list[str]", pieces))

    def fill(self, lookup: Lookup) -> object:
        """The value an argument gets: of a lone reference the value itself, a number staying one; else the text."""
        if len(self.parts) == 1 and isinstance(self.parts[0], Reference) and not self.parts[0].filter:
            return lookup(self.parts[0])
        return self.render(lookup)


def parse(text: str, *, chars_max: int = TEMPLATE_CHARS_MAX) -> Template:
    """The template in `text`; `{{` and `}}` stand for braces. Raises TemplateError."""
    if len(text) > chars_max:
        raise TemplateError(f"it is longer than {chars_max} characters")
    parts: list[str | Reference] = []
    end = 0
    for token in _TOKEN.finditer(text):
        parts += [text[end : token.start()], _part(token)]
        end = token.end()
    parts.append(text[end:])
    return Template(tuple(part for part in parts if part))


def pick(data: object, path: Sequence[str]) -> object:
    """The value at `path` of a JSON value, or None. A list is entered by position."""
    for step in path:
        if isinstance(data, dict):
            data = cast("dict[str, object]", data).get(step)
        elif isinstance(data, list) and step.isdecimal() and step.isascii() and len(step) < 7:
            items = cast("list[object]", data)
            data = items[int(step)] if int(step) < len(items) else None
        else:
            return None
    return data


def shown(reference: Reference, value: object) -> str | None:
    """`value` as words, through the reference's filter; None for nothing, objects and lists of them."""
    if reference.filter:
        return _FILTERS[reference.filter](value)
    return _scalar(value) if not isinstance(value, list) else _listed(cast("list[object]", value))


def _part(token: re.Match[str]) -> str | Reference:
    if token[0] in ("{{", "}}"):
        return token[0][0]
    found = _REFERENCE.fullmatch(token[1]) if token[1] is not None else None
    if found is None:
        raise TemplateError(f"character {token.start() + 1} starts no reference like {{name}} or {{call.field}}")
    if found[3] and found[3] not in _FILTERS:
        raise TemplateError(f"there is no filter {found[3]!r}, only {', '.join(sorted(_FILTERS))}")
    return Reference(found[1], tuple(found[2].split(".")[1:]), found[3] or "")


def _listed(values: list[object]) -> str | None:
    texts = [_scalar(value) for value in values[:_ITEMS_MAX]]
    return ", ".join(text for text in texts if text) if all(texts) and texts else None


def _scalar(value: object) -> str | None:
    match value:
        case str():
            return value if len(value) <= SHOWN_CHARS_MAX else value[: SHOWN_CHARS_MAX - 1] + "…"
        case bool():
            return "yes" if value else "no"
        case int():
            return str(value) if abs(value) < _INTEGER_MAX else None
        case float():
            return repr(value).removesuffix(".0")
        case _:
            return None


def _money(value: object) -> str | None:
    """Minor units as `80.50`."""
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= _INTEGER_MAX:
        return None
    return f"{'-' if value < 0 else ''}{abs(value) // 100}.{abs(value) % 100:02d}"


def _count(value: object) -> str | None:
    return str(len(cast("list[object]", value))) if isinstance(value, list) else None


_FILTERS: dict[str, Callable[[object], str | None]] = {"count": _count, "money": _money}
