"""A plan may ask that the next one is made of what its calls bring, without tools."""

from __future__ import annotations

import pytest

from lichen.core.deciders import events as e
from lichen.core.ports.plan import Plan, PlanInput
from tests.engine.conftest import MakeWorld
from tests.engine.world import FakeTool, Script, agent, call, refuses

LOOK = Plan(calls=(call("shop.look"),), synthesize=True)


def _answered(input: PlanInput) -> Plan:
    return Plan(answer=f"{len(input.tools)} tools")


@pytest.mark.req("GOA-33.1")
async def test_after_calls_that_came_out_well_the_next_plan_has_no_tools(make_world: MakeWorld) -> None:
    world = await make_world(agent("shop.bot", [LOOK, _answered], [FakeTool("shop.look")]))
    run = await world.start()
    assert await world.answer(run) == "0 tools"
    assert [c.synthesize for c in world.controls(run) if isinstance(c, e.Planned)] == [True, False]


@pytest.mark.req("GOA-33.1")
async def test_after_a_call_that_failed_the_tools_are_there_to_mend_it(make_world: MakeWorld) -> None:
    world = await make_world(agent("shop.bot", [LOOK, _answered], [FakeTool("shop.look", does=refuses())]))
    assert await world.answer(await world.start()) == "1 tools"


@pytest.mark.req("GOA-33.1")
async def test_a_call_that_is_planned_all_the_same_is_not_made(make_world: MakeWorld) -> None:
    look = FakeTool("shop.look")
    script = Script([LOOK, Plan(calls=(call("shop.look"),)), _answered])
    world = await make_world(agent("shop.bot", script, [look]))
    run = await world.start()
    assert await world.answer(run) == "1 tools"
    ended = [(c.call, c.outcome, c.code) for c in world.controls(run) if isinstance(c, e.CallFinished)]
    assert ended == [("c1", "ok", ""), ("c2", "failed", "tool_unavailable")]
    assert len([c for c in world.controls(run) if isinstance(c, e.CallStarted)]) <= 1


@pytest.mark.req("GOA-33.1")
async def test_a_plan_without_calls_has_nothing_to_answer_after(make_world: MakeWorld) -> None:
    world = await make_world(agent("shop.bot", [Plan(answer="x", synthesize=True)]))
    run = await world.start()
    [planned] = [c for c in world.controls(run) if isinstance(c, e.Planned)][:1]
    assert planned.error == "plan_contradicts_itself"
