"""Payloads as they are written in a flow, made ready once and filled in at each visit.

A text is a template; a text that is only a dotted reference (`parameters.key`, `ask.payload.q_name`, `in.city`) stands
for the value. Where a mapping takes values out of a result, a JSON pointer (`/items/0`) does too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, NamedTuple, cast

from lichen.flows.text.expr import Values
from lichen.flows.text.reach import MISSING, Path, parse_path, parse_pointer, reach
from lichen.flows.text.rendering import RenderError
from lichen.flows.text.template import parse_template

ROOTS: Final = ("entry", "in", "input", "inputs", "parameters", "prev", "session", "slots", "vars")
_OF_NODE: Final = ("payload", "output", "data", "error")
_OF_STATE: Final = ("entry", "input", "nodes")
_BARE = re.compile(r"[A-Za-z_][\w-]*(?:\.[\w-]+|\[\d{1,6}\])+")


class Filling(NamedTuple):
    """What a mapping is filled in from, and who is told of a value that is not there."""

    values: Values
    strict: bool
    result: Any = None  # what JSON pointers point into
    missed: Callable[[str], None] = lambda path: None


Fill = Callable[[Filling], Any]


class Mapped(NamedTuple):
    """A mapping that is ready. `paths` are the values it reads."""

    fill: Fill
    paths: tuple[Path, ...]


def mapping(value: Any, nodes: Collection[str], *, has_pointers: bool = False) -> Mapped:
    """`value`, any JSON, as a mapping in a flow with these nodes. Raises TemplateError."""
    paths: list[Path] = []
    return Mapped(_mapping(value, nodes, has_pointers, paths), tuple(paths))


def _mapping(value: Any, nodes: Collection[str], has_pointers: bool, paths: list[Path]) -> Fill:
    match value:
        case str():
            return _text(value, nodes, has_pointers, paths)
        case Mapping():
            items = cast("Mapping[str, Any]", value).items()
            fields = {name: _mapping(field, nodes, has_pointers, paths) for name, field in items}
            return lambda filling: {name: fill(filling) for name, fill in fields.items()}
        case list() | tuple():
            fills = [_mapping(item, nodes, has_pointers, paths) for item in cast("list[Any]", value)]
            return lambda filling: [fill(filling) for fill in fills]
        case _:
            return lambda filling: value


def _text(text: str, nodes: Collection[str], has_pointers: bool, paths: list[Path]) -> Fill:
    pointer = parse_pointer(text) if has_pointers and text.startswith("/") else None
    if pointer is not None:
        return lambda filling: _found(reach(filling.result, pointer), text, filling)
    path = _bare_reference(text, nodes)
    if path is not None:
        paths.append(path)
        return lambda filling: _found(filling.values.get(path), text, filling)
    template = parse_template(text)
    paths.extend(template.paths)
    if template.is_plain:
        return lambda filling: text

    def fill(filling: Filling) -> Any:
        return template.value(filling.values, strict=filling.strict, missed=lambda path: filling.missed(".".join(path)))

    return fill


def _bare_reference(text: str, nodes: Collection[str]) -> Path | None:
    """The path that a whole text stands for, or None: then it is a text."""
    if not _BARE.fullmatch(text):
        return None
    path = parse_path(text)
    if path is None:
        return None
    first, second = path[0], path[1]
    if first == "state":
        return path if second in _OF_STATE else None
    if first == "node":
        return path if second in nodes else None
    return path if first in ROOTS or (first in nodes and second in _OF_NODE) else None


def _found(value: Any, text: str, filling: Filling) -> Any:
    if value is not MISSING:
        return value
    if filling.strict:
        raise RenderError("value_missing", f"There is no {text}.")
    filling.missed(text)
    return ""
