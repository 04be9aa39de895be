"""Whoever looks on while a flow is walked: each visit of a node, with what it was given and what it gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lichen.flows.nodes.frames import Frame, Output
from lichen.flows.syntax.canonical import canonical
from lichen.flows.walk.position import Position

_NOTHING: Final = canonical(None)


@dataclass(slots=True)
class Seen:
    """A visit: `given` and `gave` are canonical JSON, `gave` None as long as the node is at it. `code` and `message`
    are set where it failed; `changed` are the variables and slots that are not as they were, None for none of them.

    `came_us` and `left_us` are the moments of the plans in which it began and ended, `came` and `left` say what
    happened in which order.
    """

    flow: str
    node: str
    came_us: int
    given: bytes = _NOTHING
    gave: bytes | None = None
    left_us: int = 0
    status: str = ""
    code: str = ""
    message: str = ""
    changed: bytes | None = None
    missing: tuple[str, ...] = ()
    came: int = 0
    left: int = 0


class Watcher:
    """Looks on at the plans of one run, in their order."""

    def __init__(self) -> None:
        self.visits: list[Seen] = []
        self._open: dict[tuple[tuple[str, str, int], ...], tuple[Seen, Mapping[str, bytes]]] = {}
        self._missing: list[str] = []
        self._happened = 0

    def came(self, position: Position, frame: Frame, given: Any) -> None:
        """A node is visited with this payload."""
        seen = self._seen(position, frame, canonical(given))
        self._open[_key(position)] = seen, _kept(frame)

    def missed(self, path: str) -> None:
        """A value was not there that the texts of the node read which is visited or left now."""
        if path not in self._missing:
            self._missing.append(path)

    def left(self, position: Position, frame: Frame, output: Output) -> None:
        """The node that a frame is at gave this, or failed."""
        seen, before = self._open.pop(_key(position), (None, _kept(frame)))
        if seen is None:  # its payload could not be filled in, or it was skipped
            seen = self._seen(position, frame, _NOTHING)
        seen.gave, seen.left_us = canonical(output.payload), position.input.run.now_us
        seen.status, seen.code, seen.message = output.status, output.code, output.message
        changed = {name: value for name, value in _kept(frame).items() if before.get(name) != value}
        seen.changed = canonical({name: value.decode() for name, value in changed.items()}) if changed else None
        seen.missing, self._missing = tuple(self._missing), []
        seen.left = self._next()

    def _seen(self, position: Position, frame: Frame, given: bytes) -> Seen:
        seen = Seen(frame.flow, frame.at, position.input.run.now_us, given, came=self._next())
        self.visits.append(seen)
        return seen

    def _next(self) -> int:
        self._happened += 1
        return self._happened


def _key(position: Position) -> tuple[tuple[str, str, int], ...]:
    """Which of the visits under way it is: where every flow and branch stands that leads to it."""
    return tuple((frame.flow, frame.at, frame.index) for frame in position.path)


def _kept(frame: Frame) -> dict[str, bytes]:
    kept = {f"vars.{name}": value for name, value in frame.vars.items()}
    kept |= {f"slots.{name}": value for name, value in frame.slots.items()}
    return {name: canonical(value) for name, value in kept.items()}
