"""Agents as tools: a call is a run of its own, which lives within its parent's limits and ends with it."""

from __future__ import annotations

import pytest

from lichen.core.ids import RunId, child_run
from lichen.core.limits import Limits
from lichen.core.plan import Plan, PlanInput
from lichen.testing.clock import SimulatedClock
from tests.engine.conftest import MakeWorld
from tests.engine.world import OPS, SCOPE, FakeTool, Script, agent, calls, outcomes, sleeps

HELPER = FakeTool("shop.helper", "child", agent="shop.helper")


def answer(input: PlanInput) -> Plan:
    return Plan(answer=input.results[0].data.decode() or input.results[0].code)


def child_of(run: RunId) -> RunId:
    return child_run(run, "c1")  # type: ignore[arg-type]


@pytest.mark.req("GOA-11.1")
async def test_an_agent_that_is_called_is_a_run_with_its_own_log_and_a_link_to_its_parent(
    make_world: MakeWorld,
) -> None:
    parent = agent("shop.bot", [calls("shop.helper"), answer], [HELPER])
    world = await make_world(parent, agent("shop.helper", [Plan(answer="done")]))
    run = await world.start()
    assert await world.answer(run) == '{"answer":"done"}'
    child = world.state(child_of(run))
    assert child.parent is not None
    assert (child.parent.run, child.depth, child.outcome) == (run, 1, "completed")


@pytest.mark.req("GOA-12.1")
async def test_a_parent_lists_its_open_children_and_a_list_of_runs_names_the_parent(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    parent = agent("shop.bot", [calls("shop.helper"), answer], [HELPER])
    helper = agent("shop.helper", [calls("shop.slow"), outcomes], [FakeTool("shop.slow", does=sleeps(5))])
    world = await make_world(parent, helper)
    run = await world.start()
    assert world.runs.explain(SCOPE, run).children == (child_of(run),)
    assert {row.id: row.parent for row in world.runs.list(SCOPE)} == {run: None, child_of(run): run}
    await clock.advance(6)
    assert await world.answer(run) == '{"answer":"ok"}'


@pytest.mark.req("GOA-45.3")
async def test_a_cancel_stops_children_and_their_tools(make_world: MakeWorld, clock: SimulatedClock) -> None:
    parent = agent("shop.bot", [calls("shop.helper"), answer], [HELPER])
    slow = FakeTool("shop.slow", does=sleeps(1_000), timeout_s=1_000)
    world = await make_world(parent, agent("shop.helper", [calls("shop.slow"), outcomes], [slow]))
    run = await world.start()
    await world.runs.cancel(SCOPE, run, OPS)
    await clock.advance(1)
    assert world.state(run).outcome == world.state(child_of(run)).outcome == "cancelled"
    assert world.state(child_of(run)).cancel == "parent_stopped"
    assert world.ended(child_of(run)) == {"c1": "cancelled"}


@pytest.mark.req("GOA-11.2")
async def test_runs_nest_only_as_deep_as_the_limit(make_world: MakeWorld) -> None:
    again = FakeTool("shop.bot", "child", agent="shop.bot")
    world = await make_world(agent("shop.bot", [calls("shop.bot"), answer], [again], Limits(depth=2)))
    run = await world.start()
    rows = world.runs.list(SCOPE)
    assert sorted(row.id.count(".") for row in rows) == [0, 1, 2]
    assert "limit_depth" in await world.answer(run)


@pytest.mark.req("GOA-11.3")
async def test_what_a_child_may_call_is_taken_from_its_parents_calls(make_world: MakeWorld) -> None:
    def more(input: PlanInput) -> Plan:
        return calls(*["shop.look"] * 4)

    parent = agent("shop.bot", [calls("shop.helper"), more], [HELPER, FakeTool("shop.look")], Limits(calls=6))
    helper = agent(
        "shop.helper", [calls("shop.look", "shop.look"), outcomes], [FakeTool("shop.look")], Limits(calls=20)
    )
    world = await make_world(parent, helper)
    run = await world.start()
    assert world.state(child_of(run)).limits.calls == 5
    assert world.state(run).calls_used == 3
    assert await world.answer(run) == "limit calls"


async def test_a_child_that_waits_keeps_its_parent_waiting_and_both_survive_a_crash(make_world: MakeWorld) -> None:
    pay = FakeTool("shop.pay", "once")
    parent = agent("shop.bot", [calls("shop.helper"), answer], [HELPER])
    world = await make_world(parent, agent("shop.helper", [calls("shop.pay"), outcomes], [pay]))
    world.gate.held.add("shop.pay")
    session = await world.session()
    released = await (await session.say("go")).result()
    assert released.outcome == "released"
    await world.reopen()
    assert world.engine.driven == 0
    await world.approve()
    assert await world.answer(released.run) == '{"answer":"ok"}'
    assert pay.effects.total() == 1


async def test_a_child_that_fails_fails_the_call_and_not_the_parent(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    parent = agent("shop.bot", [calls("shop.helper"), outcomes], [HELPER])
    world = await make_world(parent, agent("shop.helper", Script([Plan()])))
    run = await world.start()
    await clock.advance(10)
    assert await world.answer(run) == "failed"
    assert world.state(run).outcome == "completed"


async def test_a_child_in_flight_at_a_crash_goes_on_and_is_not_started_twice(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    parent = agent("shop.bot", [calls("shop.helper"), answer], [HELPER])
    helper = agent("shop.helper", [calls("shop.slow"), outcomes], [FakeTool("shop.slow", does=sleeps(5))])
    world = await make_world(parent, helper)
    run = await world.start()
    await world.reopen()
    await clock.advance(6)
    assert await world.answer(run) == '{"answer":"ok"}'
    assert len(world.runs.list(SCOPE)) == 2


async def test_a_parent_out_of_time_stops_its_child_and_answers(make_world: MakeWorld, clock: SimulatedClock) -> None:
    parent = agent("shop.bot", [calls("shop.helper"), answer], [HELPER], Limits(time_s=60))
    slow = FakeTool("shop.slow", does=sleeps(10_000), timeout_s=10_000)
    world = await make_world(parent, agent("shop.helper", [calls("shop.slow"), outcomes], [slow]))
    run = await world.start()
    await clock.advance(75)
    assert await world.answer(run) == "limit time"
    assert world.state(child_of(run)).outcome == "cancelled"
