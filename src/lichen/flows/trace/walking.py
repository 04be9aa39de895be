"""A run of a flow walked again from what its planner was asked: nothing is called, and no time passes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from lichen.core.ports.call import Effects, ToolSpec
from lichen.core.ports.model import Deltas, Model, ModelReply, ModelRequest
from lichen.core.ports.plan import History, Left, Plan, PlanInput, RunContext
from lichen.core.words.errors import Denied
from lichen.core.words.ids import ToolName
from lichen.flows.trace.document import Asked, Recorded
from lichen.flows.walk.planner import FlowPlanner
from lichen.flows.walk.watching import Seen, Watcher


class Walked(NamedTuple):
    """The visits of a run, and the plans that were made again. `is_whole` where it went as it did then to the end."""

    visits: tuple[Seen, ...]
    plans: tuple[Plan, ...]
    is_whole: bool


def walked(planner: FlowPlanner, recorded: Recorded) -> Walked:
    """The run, plan by plan, as far as it asks for what it asked for then."""
    assert recorded.run is not None
    watcher, plans, state = Watcher(), list[Plan](), b""
    tools = tuple(map(_spec, recorded.effects.items()))
    for asked in recorded.plans:
        plan = planner.watched(_input(recorded.run, asked, tools, state), watcher)
        plans.append(plan)
        if (len(plan.calls), len(plan.waits)) != (asked.calls, asked.waits):
            return Walked(tuple(watcher.visits), tuple(plans), is_whole=False)
        state = plan.state
    return Walked(tuple(watcher.visits), tuple(plans), is_whole=True)


def _input(run: RunContext, asked: Asked, tools: Sequence[ToolSpec], state: bytes) -> PlanInput:
    return PlanInput(
        run=msgspec.structs.replace(run, step=asked.step, now_us=asked.now_us),
        reason=asked.reason,
        attempt=1,
        input=asked.input,
        results=asked.results,
        answers=asked.answers,
        state=state,
        tools=tuple(tools) if asked.has_tools else (),
        left=Left(0, 0.0, 0),
        limit=asked.limit,
        model=_no_model,
        history=_no_history,
        calls_made=asked.calls_made,
        waits_made=asked.waits_made,
        may_enter=lambda name, pack, flow, node: f"{name}/{node}" not in asked.forbidden,
    )


def _spec(named: tuple[str, Effects]) -> ToolSpec:
    name, effects = named
    return ToolSpec(name=ToolName(name), description="", effects=effects, input_schema={}, output_schema={})


async def _no_model(model: Model, request: ModelRequest, deltas: Deltas | None = None, /) -> ModelReply:
    raise Denied("A flow asks no model.", code="replaying")


async def _no_history() -> History:
    raise Denied("A flow looks back at nothing.", code="replaying")
