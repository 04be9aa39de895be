"""The way a run took through its flows, as its plans noted it: one note for every node visited, in order, and one for
every value that its texts missed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple


class Visited(NamedTuple):
    """One visit: `outcome` is `ok`, `waits`, `calls`, a status such as `approved`, or `error:<code>`."""

    flow: str
    node: str
    outcome: str


class Missed(NamedTuple):
    """A value that was not there when the node's texts were filled in: it counted as an empty text."""

    flow: str
    node: str
    path: str


_MISSING: Final = "missing "


def note(flow: str, node: str, outcome: str) -> str:
    """A visit as a plan notes it."""
    return f"{flow}/{node} {outcome}"


def missing(flow: str, node: str, path: str) -> str:
    """A value that a node's texts read and that was not there, as a plan notes it."""
    return f"{_MISSING}{flow}/{node} {path}"


def missed(notes: Iterable[str]) -> list[Missed]:
    """The values that were not there, in the notes of a run's plans."""
    found: list[Missed] = []
    for text in notes:
        where, _, path = text.removeprefix(_MISSING).partition(" ")
        flow, _, node = where.partition("/")
        if text.startswith(_MISSING):
            found.append(Missed(flow, node, path))
    return found


def taken(notes: Iterable[str]) -> list[Visited]:
    """The visits in the notes of a run's plans; notes of anything else are left out."""
    visits: list[Visited] = []
    for text in notes:
        where, _, outcome = text.partition(" ")
        flow, slash, node = where.partition("/")
        if slash and outcome:
            visits.append(Visited(flow, node, outcome))
    return visits
