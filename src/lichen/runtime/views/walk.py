"""The way a run took through its flow, as a list of nodes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from lichen.core.deciders import events as e
from lichen.core.ports.plan import Planner
from lichen.runtime.views.record import Opened

if TYPE_CHECKING:
    from lichen.flows.walk.trail import Missed


class Step(msgspec.Struct, frozen=True):
    """A visit to a node and how it ended."""

    flow: str
    node: str
    outcome: str


class Missing(msgspec.Struct, frozen=True):
    """A value that a node's texts read and that was not there: it counted as empty."""

    flow: str
    node: str
    path: str


class Walk(msgspec.Struct, frozen=True):
    """The nodes visited, in order. `current` is where the run stands while it is open. `missing` are values that texts
    read and that were not there."""

    flow: str
    title: str
    steps: tuple[Step, ...]
    current: str | None
    missing: tuple[Missing, ...] = ()


def walk(planner: Planner | None, records: Sequence[Opened], *, is_open: bool) -> Walk | None:
    """The way of a run whose agent is a flow that is hosted here; None for other runs."""
    from lichen.flows.walk.planner import FlowPlanner
    from lichen.flows.walk.trail import missed, taken

    if not isinstance(planner, FlowPlanner):
        return None
    flow, notes = planner.flow, tuple(_notes(records))
    steps = tuple(Step(visit.flow, visit.node, visit.outcome) for visit in taken(notes))
    own = _own_steps(flow.id, steps, flow.nodes)
    missing = tuple(map(_missing, dict.fromkeys(missed(notes))))
    return Walk(flow.id, flow.metadata.title or flow.id, steps, own[-1] if own and is_open else None, missing)


def _own_steps(flow: str, steps: Sequence[Step], nodes: Any) -> list[str]:
    """The nodes of the flow itself that were visited, without those of flows it called."""
    return [step.node for step in steps if step.flow == flow and step.node in nodes]


def _missing(each: Missed) -> Missing:
    return Missing(each.flow, each.node, each.path)


def _notes(records: Sequence[Opened]) -> Iterator[str]:
    for each in records:
        notes = each.json("notes") if isinstance(each.record.control, e.Planned) else None
        if isinstance(notes, list):
            yield from (note for note in notes if isinstance(note, str))  # pyright: ignore[reportUnknownVariableType]
