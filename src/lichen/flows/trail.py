"""The way a run took through its flows, as its plans noted it: one note for every node visited, in order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Visited(NamedTuple):
    """One visit: `outcome` is `ok`, `waits`, `calls`, a status such as `approved`, or `error:<code>`."""

    flow: str
    node: str
    outcome: str


def note(flow: str, node: str, outcome: str) -> str:
    """A visit as a plan notes it."""
    return f"{flow}/{node} {outcome}"


def taken(notes: Iterable[str]) -> list[Visited]:
    """The visits in the notes of a run's plans; notes of anything else are left out."""
    visits: list[Visited] = []
    for text in notes:
        where, _, outcome = text.partition(" ")
        flow, slash, node = where.partition("/")
        if slash and outcome:
            visits.append(Visited(flow, node, outcome))
    return visits
