"""The way a run took through its flow, as a list of nodes and as a picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from lichen.agents.agent import Agent
from lichen.core.ports.plan import Planner
from lichen.core.words.errors import Invalid
from lichen.flows.draw.svg import svg
from lichen.flows.walk.planner import FlowPlanner
from lichen.flows.walk.trail import Missed, missed, taken
from lichen.runtime.operations.runs import RunDetail


class Step(msgspec.Struct, frozen=True):
    """A visit to a node and how it ended."""

    flow: str
    node: str
    outcome: str


class Walk(msgspec.Struct, frozen=True):
    """The nodes visited, in order. `current` is where the run stands while it is open; `svg` shows them in the flow,
    empty for one too large to be drawn. `missing` are values that texts read and that were not there."""

    flow: str
    title: str
    steps: tuple[Step, ...]
    current: str | None
    svg: str
    missing: tuple[Missed, ...] = ()


def walk(agents: Iterable[Agent], run: RunDetail) -> Walk | None:
    """The way of a run whose agent is a flow that is hosted here; None for other runs."""
    planner = next((agent.planner for agent in agents if agent.name == run.agent), None)
    if not isinstance(planner, FlowPlanner):
        return None
    flow = planner.flow
    steps = tuple(Step(visit.flow, visit.node, visit.outcome) for visit in taken(_notes(run)))
    own = [step.node for step in steps if step.flow == flow.id and step.node in flow.nodes]
    current = own[-1] if own and run.status in ("running", "waiting") else None
    picture = drawn(planner, own, current)
    missing = tuple(dict.fromkeys(missed(_notes(run))))
    return Walk(flow.id, flow.metadata.title or flow.id, steps, current, picture or "", missing)


def drawn(planner: Planner, steps: Sequence[str] = (), current: str | None = None) -> str | None:
    """The picture of the flow that a planner walks; None for other planners, and for a flow too large to be drawn."""
    if not isinstance(planner, FlowPlanner):
        return None
    try:
        return svg(planner.flow, steps, current)
    except Invalid:
        return None


def _notes(run: RunDetail) -> Iterator[str]:
    for record in run.records:
        notes = (record.contents or {}).get("notes") if record.type == "planned" else None
        if isinstance(notes, list):
            yield from (note for note in notes if isinstance(note, str))  # pyright: ignore[reportUnknownVariableType]
