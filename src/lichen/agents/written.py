"""Files of agents as trees of plain values: TOML, YAML and JSON, with the line and column of each value."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

import msgspec

from lichen.core.reading.misfits import Steps
from lichen.core.words.errors import Invalid
from lichen.settings.places import positions_in

CODE = "agent_file_invalid"
DEPTH_MAX: Final = 64
KINDS: Final[Mapping[str, str]] = {".toml": "TOML", ".json": "JSON", ".yaml": "YAML", ".yml": "YAML"}

_LINE: Final = re.compile(r" \(at line (\d+), column (\d+)\)")
_INT: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]{1,3})?")
_WORDS: Final[Mapping[str, Any]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}

Position = tuple[int, int]
"""A line and a column, counted from 1."""


class Written(NamedTuple):
    """What a file says, and where each part of it stands."""

    tree: Any
    positions: Callable[[], Mapping[Steps, Position]]

    def place(self, path: Path, pointer: str) -> str:
        """`file:line:column: /pointer`, of the nearest thing around it that is in the file."""
        steps = tuple(int(part) if part.isdecimal() else part for part in pointer.split("/") if part)
        positions = self.positions()
        for length in range(len(steps), -1, -1):
            if (found := positions.get(steps[:length])) is not None:
                where = f"{path}:{found[0]}:{found[1]}"
                return f"{where}: {pointer}" if pointer else where
        return f"{path}:1:1: {pointer}" if pointer else str(path)


def read(path: Path, data: bytes) -> Written:
    """What the bytes of a file say. Raises Invalid (`agent_file_invalid`) with line and column."""
    kind = KINDS.get(path.suffix, "TOML")
    try:
        text = data.decode()
        match kind:
            case "YAML":
                return _yaml(path, text)
            case "JSON":
                return Written(msgspec.json.decode(text), lambda: _yaml(path, text).positions())
            case _:
                return Written(tomllib.loads(text), lambda: positions_in(text))
    except (tomllib.TOMLDecodeError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        found = _LINE.search(str(error))
        place = f"{path}:{found[1]}:{found[2]}" if found else str(path)
        _refuse(f"The file is not {kind}: {_LINE.sub('', str(error))}.", place)


def _yaml(path: Path, text: str) -> Written:
    import yaml  # a quarter of the time that loading an agent takes, and not needed for TOML

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        events: list[Any] = list(yaml.parse(text, Loader=loader))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType] - untyped
        return _Yaml(path, events).read()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        _refuse(f"The file is not YAML: {error.problem or error.context}.", place)
    except yaml.YAMLError as error:
        _refuse(f"The file is not YAML: {str(error).splitlines()[0]}.", str(path))


class _Yaml:
    """One document of mappings, sequences and scalars of YAML's core schema; what JSON cannot hold is refused."""

    def __init__(self, path: Path, events: Sequence[Any]) -> None:
        self._path = path
        self._positions: dict[Steps, Position] = {}
        self._events = [each for each in events if type(each).__name__[:6] not in ("Stream", "Docume")]
        self._documents = [each for each in events if type(each).__name__ == "DocumentStartEvent"]
        self._at = 0

    def read(self) -> Written:
        tree = self._value(()) if self._events else None
        if len(self._documents) > 1:
            self._wrong("holds more than one document", self._documents[1])
        return Written(tree, lambda: self._positions)

    def _next(self) -> Any:
        event = self._events[self._at]
        self._at += 1
        return event

    def _value(self, steps: Steps) -> Any:
        event = self._next()
        if len(steps) > DEPTH_MAX:
            self._wrong(f"is nested deeper than {DEPTH_MAX}", event)
        self._positions.setdefault(steps, _position(event))
        kind = type(event).__name__
        if kind == "AliasEvent":
            self._wrong("has an alias; write the value out", event)
        if kind == "ScalarEvent":
            return self._scalar(event)
        return self._mapping(steps) if kind == "MappingStartEvent" else self._sequence(steps)

    def _mapping(self, steps: Steps) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while type(self._events[self._at]).__name__ != "MappingEndEvent":
            event = self._next()
            if type(event).__name__ != "ScalarEvent":
                self._wrong("has a key that is no text", event)
            key = str(event.value)
            if key in found:
                self._wrong(f"has the key {key!r} twice", event)
            self._positions[(*steps, key)] = _position(event)
            found[key] = self._value((*steps, key))
        self._next()
        return found

    def _sequence(self, steps: Steps) -> list[Any]:
        found: list[Any] = []
        while type(self._events[self._at]).__name__ != "SequenceEndEvent":
            found.append(self._value((*steps, len(found))))
        self._next()
        return found

    def _scalar(self, event: Any) -> Any:
        text = str(event.value)
        if event.tag is not None and not event.tag.startswith("tag:yaml.org,2002:str"):
            self._wrong("has a tag", event)
        if event.style or not event.implicit[0]:
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _INT.fullmatch(text):
            return int(text)
        return float(text) if _FLOAT.fullmatch(text) else text

    def _wrong(self, what: str, event: Any) -> NoReturn:
        line, column = _position(event)
        _refuse(f"The file {what}.", f"{self._path}:{line}:{column}")


def _position(event: Any) -> Position:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _refuse(message: str, place: str) -> NoReturn:
    raise Invalid(message, code=CODE, next_step="Correct the file at the place named.", place=place) from None
