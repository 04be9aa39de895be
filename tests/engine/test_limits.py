"""A run that reaches a limit answers with what it has."""

from __future__ import annotations

import pytest

from lichen.core.deciders import events as e
from lichen.core.ports.plan import Plan, PlanInput
from lichen.core.words.limits import Limits
from lichen.core.words.scope import SYSTEM
from lichen.testing.clock import SimulatedClock
from tests.engine.conftest import MakeWorld
from tests.engine.world import SCOPE, FakeTool, Script, agent, calls, outcomes, refuses, sleeps


def limits_of(controls: list[e.Control]) -> list[str]:
    return [control.limit for control in controls if isinstance(control, e.LimitReached)]


@pytest.mark.req("GOA-19.1")
async def test_a_batch_over_what_is_left_of_the_calls_is_denied_whole_and_an_answer_still_comes(
    make_world: MakeWorld,
) -> None:
    tool = FakeTool("shop.look")
    script = Script([calls("shop.look"), calls("shop.look", "shop.look", "shop.look")])
    world = await make_world(agent("shop.bot", script, [tool], Limits(calls=3)))
    run = await world.start()
    assert len(tool.entered) == 1
    assert world.ended(run) == {"c1": "ok", "c2": "denied", "c3": "denied", "c4": "denied"}
    assert await world.answer(run) == "limit calls"
    assert {result.code for result in script.seen[-1].results} == {"limit_calls"}


async def test_calls_that_cost_nothing_are_not_counted(make_world: MakeWorld) -> None:
    world = await make_world(
        agent("shop.bot", [calls("shop.note", "shop.note"), outcomes], [FakeTool("shop.note", cost=0)], Limits(calls=1))
    )
    assert await world.answer(await world.start()) == "ok ok"


async def test_a_plan_wider_than_the_fan_out_is_denied_whole(make_world: MakeWorld) -> None:
    tool = FakeTool("shop.look")
    world = await make_world(agent("shop.bot", [calls(*["shop.look"] * 3)], [tool], Limits(fan_out=2)))
    assert await world.answer(await world.start()) == "limit fan_out"
    assert tool.entered == []


@pytest.mark.req("GOA-20.1")
async def test_after_so_many_steps_in_which_everything_failed_the_run_must_answer(make_world: MakeWorld) -> None:
    tool = FakeTool("shop.look", does=refuses())
    world = await make_world(agent("shop.bot", [calls("shop.look", "shop.look")], [tool], Limits(failures=3)))
    run = await world.start()
    assert limits_of(world.controls(run)) == ["failures"]
    assert len(tool.entered) == 6
    assert await world.answer(run) == "limit failures"


@pytest.mark.req("GOA-20.2")
async def test_one_success_in_a_step_ends_the_streak_of_failures(make_world: MakeWorld) -> None:
    def last(input: PlanInput) -> Plan:
        return Plan(answer="done")

    tools = [FakeTool("shop.bad", does=refuses()), FakeTool("shop.good")]
    bad, mixed = calls("shop.bad"), calls("shop.bad", "shop.good")
    world = await make_world(agent("shop.bot", [bad, bad, mixed, bad, bad, last], tools, Limits(failures=3)))
    assert await world.answer(await world.start()) == "done"


@pytest.mark.req("GOA-21.1")
async def test_at_the_end_of_its_time_a_run_stops_its_tools_and_answers(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    tool = FakeTool("shop.slow", "idempotent", does=sleeps(1_000), timeout_s=1_000)
    world = await make_world(agent("shop.bot", [calls("shop.slow")], [tool], Limits(time_s=60)))
    run = await world.start()
    await clock.advance(60.1)
    assert world.ended(run) == {"c1": "timed_out"}
    assert await world.answer(run) == "limit time"


@pytest.mark.req("GOA-21.2")
async def test_a_planner_that_does_not_answer_in_its_grace_ends_the_run(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    script = Script([Plan(answer="never")], pure=False, slow_s=1_000)
    world = await make_world(agent("shop.bot", script, [], Limits(time_s=60, grace_s=10)))
    run = await world.start()
    await clock.advance(69)
    assert world.state(run).outcome == ""
    await clock.advance(1.1)
    assert (world.state(run).outcome, world.state(run).failure) == ("failed", "grace_over")
    assert "Sorry" in await world.answer(run)


async def test_the_deadline_of_a_run_survives_a_crash(make_world: MakeWorld, clock: SimulatedClock) -> None:
    tool = FakeTool("shop.slow", does=sleeps(1_000), timeout_s=1_000)
    world = await make_world(agent("shop.bot", [calls("shop.slow")], [tool], Limits(time_s=60)))
    run = await world.start()
    await clock.advance(30)
    await world.crash()
    await clock.advance(100)
    await world.open()
    await clock.advance(0.1)
    assert await world.answer(run) == "limit time"


async def test_waiting_for_an_answer_costs_no_time(make_world: MakeWorld, clock: SimulatedClock) -> None:
    world = await make_world(
        agent("shop.bot", [calls("shop.pay"), outcomes], [FakeTool("shop.pay")], Limits(time_s=60))
    )
    world.gate.held.add("shop.pay")
    run = await world.start()
    await clock.advance(3_000)
    assert world.state(run).limit == ""
    await world.approve()
    assert await world.answer(run) == "ok"


@pytest.mark.req("GOA-19.2")
async def test_a_planner_that_asks_for_more_after_the_limit_is_refused(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    class Stubborn(Script):
        async def plan(self, input: PlanInput) -> Plan:
            self.seen.append(input)
            return calls("shop.look", "shop.look")

    tool = FakeTool("shop.look")
    world = await make_world(agent("shop.bot", Stubborn([]), [tool], Limits(calls=1)))
    run = await world.start()
    await clock.advance(10)
    assert tool.entered == []
    assert world.runs.show(SCOPE, run, SYSTEM).code == "plan_not_final"
