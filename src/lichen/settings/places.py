"""Where something stands in a TOML text: the line of a table, a key or an element, by the path to it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from lichen.core.reading.misfits import Steps

Step = str | int

_TOKEN: Final = re.compile(
    r'"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|#[^\n]*|\n|[\[\]{},=.]|[^\s\[\]{},=."\'#]+',
    re.DOTALL,
)


def line_of(text: str, steps: Sequence[Step]) -> int | None:
    """The line of what the path leads to, else of the nearest thing around it; None where that is the whole text."""
    found = position_of(text, steps)
    return None if found is None else found[0]


def position_of(text: str, steps: Sequence[Step]) -> tuple[int, int] | None:
    """The line and the column of the same, counted from 1."""
    known = positions_in(text)
    for length in range(len(steps), 0, -1):
        found = known.get(tuple(steps[:length]))
        if found is not None:
            return found
    return None


def positions_in(text: str) -> Mapping[Steps, tuple[int, int]]:
    """Where every table, key and element of a text that is TOML stands."""
    return _Scanner(text).positions


class _Scanner:
    """Notes where every table, key and element of a text that is TOML stands."""

    def __init__(self, text: str) -> None:
        self.positions: dict[Steps, tuple[int, int]] = {}
        self._tokens = [(match[0], _position(text, match.start())) for match in _TOKEN.finditer(text)]
        self._at = 0
        self._counts: dict[Steps, int] = {}
        self._table: Steps = ()
        while self._at < len(self._tokens):
            self._statement()

    def _peek(self) -> str:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else ""

    def _take(self) -> tuple[str, tuple[int, int]]:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _statement(self) -> None:
        if self._peek() == "[":
            self._header()
        elif self._peek() == "\n" or self._peek().startswith("#"):
            self._take()
        else:
            self._pair(self._table)

    def _header(self) -> None:
        _, at = self._take()
        is_list = self._peek() == "["
        if is_list:
            self._take()
        names = self._key("]")
        while self._peek() == "]":
            self._take()
        steps = self._resolved(names[:-1])
        if is_list and names:
            steps = (*steps, names[-1])
            self.positions.setdefault(steps, at)
            number = self._counts[steps] = self._counts.get(steps, -1) + 1
            self._table = (*steps, number)
        else:
            self._table = self._resolved(names)
        self.positions.setdefault(self._table, at)

    def _resolved(self, names: Sequence[str]) -> Steps:
        """The path of a header's names: each list of tables is entered at its last one."""
        steps: Steps = ()
        for name in names:
            steps = (*steps, name)
            if steps in self._counts:
                steps = (*steps, self._counts[steps])
        return steps

    def _key(self, *ends: str) -> list[str]:
        names: list[str] = []
        while self._at < len(self._tokens) and self._peek() not in ends:
            token, _ = self._take()
            if token not in (".", "\n") and not token.startswith("#"):
                names.append(token.strip("\"'"))
        return names

    def _pair(self, within: Steps) -> None:
        at = self._tokens[self._at][1]
        steps = (*within, *self._key("=", "\n" if within is self._table else "}"))
        for length in range(len(within) + 1, len(steps) + 1):
            self.positions.setdefault(steps[:length], at)
        if self._peek() == "=":
            self._take()
            self._value(steps)

    def _value(self, steps: Steps) -> None:
        if self._peek() == "[":
            self._list(steps)
        elif self._peek() == "{":
            self._object(steps)
        else:
            while self._at < len(self._tokens) and self._peek() not in (",", "]", "}", "\n"):
                self._take()

    def _list(self, steps: Steps) -> None:
        self._take()
        number = 0
        while self._at < len(self._tokens) and self._peek() != "]":
            token, at = self._tokens[self._at]
            if token in ("\n", ",") or token.startswith("#"):
                self._take()
                continue
            self.positions.setdefault((*steps, number), at)
            self._value((*steps, number))
            number += 1
        self._at += 1

    def _object(self, steps: Steps) -> None:
        self._take()
        while self._at < len(self._tokens) and self._peek() != "}":
            if self._peek() in ("\n", ",") or self._peek().startswith("#"):
                self._take()
            else:
                self._pair(steps)
        self._at += 1


def _position(text: str, offset: int) -> tuple[int, int]:
    return text.count("\n", 0, offset) + 1, offset - (text.rfind("\n", 0, offset) + 1) + 1


def _steps_of(pointer: str) -> Steps:
    """The path of a JSON pointer; numbers are positions."""
    return tuple(int(part) if part.isdecimal() else part for part in pointer.split("/") if part)


def texts_place(path: str, text: str, steps: Sequence[Step]) -> str:
    """`file:line: a.b[0].c`, or without the line where it is not known."""
    line = line_of(text, steps)
    named = spelt(steps)
    return ": ".join(part for part in (path if line is None else f"{path}:{line}", named) if part)


def spelt(steps: Sequence[Step]) -> str:
    """`tenants.acme.actors[2].kind`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")


def without(value: object, steps: Sequence[Step]) -> bool:
    """Takes what the path leads to out of nested dicts and lists. Tells whether it was there."""
    for step in steps[:-1]:
        if isinstance(value, dict):
            value = value.get(step)  # type: ignore[assignment]
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):  # type: ignore[arg-type]
            value = value[step]  # type: ignore[assignment]
        else:
            return False
    last = steps[-1]
    if isinstance(value, dict) and last in value:
        del value[last]
        return True
    if isinstance(value, list) and isinstance(last, int) and last < len(value):  # type: ignore[arg-type]
        del value[last]
        return True
    return False


def with_line(place: str | None) -> str | None:
    """`agent.toml#/rules/intents/0` as `agent.toml:12: /rules/intents/0`, where the line can be found."""
    file, mark, pointer = (place or "").partition("#")
    path = Path(file)
    if not mark or path.suffix != ".toml" or not path.is_file():
        return place
    line = line_of(path.read_text(encoding="utf-8"), _steps_of(pointer))
    return place if line is None else f"{file}:{line}: {pointer}"
