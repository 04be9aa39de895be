"""How a planner is asked, and what becomes of what it says."""

from __future__ import annotations

import pytest

from lichen.core.deciders import events as e
from lichen.core.ports.plan import STATE_BYTES_MAX, TEXT_BYTES_MAX, Plan, PlanInput, WaitRequest
from lichen.core.speech.saying import Saying
from lichen.core.words.ids import run_stream
from lichen.core.words.scope import SYSTEM
from lichen.engine.intake.runs import start
from lichen.testing.clock import SimulatedClock
from tests.engine.conftest import MakeWorld
from tests.engine.world import SCOPE, FakeTool, Script, agent, call, calls, outcomes


def planned(world_controls: list[e.Control]) -> list[e.Planned]:
    return [control for control in world_controls if isinstance(control, e.Planned)]


async def test_a_run_without_calls_is_answered_at_once(make_world: MakeWorld) -> None:
    world = await make_world(agent("shop.bot", [Plan(answer="hello")]))
    assert await world.answer(await world.start()) == "hello"


async def test_a_planner_that_raises_is_asked_again_a_bounded_number_of_times(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    def broken(input: PlanInput) -> Plan:
        raise ValueError("secret")

    world = await make_world(agent("shop.bot", [broken]))
    run = await world.start()
    await clock.advance(10)
    assert [(p.error, p.is_final) for p in planned(world.controls(run))] == [
        ("planner_error", False),
        ("planner_error", False),
        ("planner_error", True),
    ]
    assert world.state(run).outcome == "failed"
    assert "secret" not in await world.answer(run)


async def test_a_planner_that_recovers_goes_on_where_it_failed(make_world: MakeWorld, clock: SimulatedClock) -> None:
    def flaky(input: PlanInput) -> Plan:
        if input.attempt < 3:
            raise ValueError
        return Plan(answer=f"attempt {input.attempt}")

    world = await make_world(agent("shop.bot", Script([flaky], pure=False)))
    run = await world.start()
    await clock.advance(10)
    assert await world.answer(run) == "attempt 3"


async def test_each_further_attempt_at_a_plan_waits_twice_as_long(make_world: MakeWorld, clock: SimulatedClock) -> None:
    script = Script([Plan()])
    world = await make_world(agent("shop.bot", script))
    await world.start()
    await clock.advance(0.19)
    assert len(script.seen) == 1
    await clock.advance(0.02)
    assert len(script.seen) == 2
    await clock.advance(0.38)
    assert len(script.seen) == 2
    await clock.advance(0.02)
    assert len(script.seen) == 3


@pytest.mark.parametrize(
    ("plan", "code"),
    [
        (Plan(), "plan_empty"),
        (Plan(answer="x", calls=(call("shop.look"),)), "plan_contradicts_itself"),
        (Plan(answer="x", waits=(WaitRequest("clarification", "?"),)), "plan_contradicts_itself"),
        (Plan(answer="x", state=bytes(STATE_BYTES_MAX + 1)), "plan_too_large"),
        (Plan(answer="x" * (TEXT_BYTES_MAX + 1)), "saying_too_large"),
        (Plan(answer=Saying("", card={"type": "AdaptiveCard"})), "saying_invalid"),
        (Plan(answer="x", says=(Saying("y", card={"type": "Image"}),)), "saying_invalid"),
        (calls(*["shop.look"] * 1025), "plan_too_large"),
        (Plan(waits=(WaitRequest("clarification", "?"),)), "plan_asks_nobody"),
    ],
)
async def test_a_plan_that_makes_no_sense_fails_the_attempt_and_in_the_end_the_run(
    make_world: MakeWorld, clock: SimulatedClock, plan: Plan, code: str
) -> None:
    world = await make_world(agent("shop.bot", [plan], [FakeTool("shop.look")]))
    run = await world.start()
    await clock.advance(10)
    assert {p.error for p in planned(world.controls(run))} == {code}
    assert world.runs.show(SCOPE, run, SYSTEM).code == code
    assert world.state(run).outcome == "failed"


async def test_a_call_of_a_tool_that_is_not_there_fails_alone_and_never_names_it_in_clear(
    make_world: MakeWorld,
) -> None:
    script = Script([calls("shop.look", "evil.words"), outcomes])
    world = await make_world(agent("shop.bot", script, [FakeTool("shop.look")]))
    run = await world.start()
    assert await world.answer(run) == "ok failed"
    failed = script.seen[1].results[1]
    assert (failed.code, failed.tool) == ("tool_unavailable", "lichen.unavailable")
    assert not any("evil" in repr(control) for control in world.controls(run))


async def test_wrong_arguments_come_back_with_the_issue_and_nothing_is_executed(make_world: MakeWorld) -> None:
    tool = FakeTool("shop.pay", "once")
    script = Script([Plan(calls=(call("shop.pay", '{"wrong":1}'),)), outcomes])
    world = await make_world(agent("shop.bot", script, [tool]))
    assert await world.answer(await world.start()) == "failed"
    result = script.seen[1].results[0]
    assert result.code == "arguments_invalid"
    assert [(issue.field, issue.constraint) for issue in result.issues] == [("/wrong", "unknown_field")]
    assert tool.entered == []


async def test_what_a_planner_remembers_is_handed_back(make_world: MakeWorld) -> None:
    script = Script([calls("shop.look", state=b"page 1"), outcomes])
    world = await make_world(agent("shop.bot", script, [FakeTool("shop.look")]))
    await world.start()
    assert [seen.state for seen in script.seen] == [b"", b"page 1"]


async def test_a_plan_that_was_lost_in_a_crash_is_asked_for_again(make_world: MakeWorld, clock: SimulatedClock) -> None:
    script = Script([Plan(answer="hello")], pure=False, slow_s=5)
    world = await make_world(agent("shop.bot", script))
    run = await world.start()
    await world.reopen()
    await clock.advance(6)
    assert await world.answer(run) == "hello"
    assert [seen.attempt for seen in script.seen] == [1, 2]


async def test_a_run_of_an_agent_that_is_gone_fails_and_says_so(make_world: MakeWorld) -> None:
    world = await make_world(agent("shop.bot", Script([Plan(answer="x")], pure=False, slow_s=5)))
    run = await world.start()
    await world.crash()
    world.forget_agents()
    await world.open()
    assert world.state(run).failure == "agent_unknown"
    assert world.state(run).outcome == "failed"


@pytest.mark.req("LIC-16.1")
async def test_starting_twice_with_one_key_is_one_run(make_world: MakeWorld) -> None:
    world = await make_world(agent("shop.bot", [Plan(answer="hello")]))
    first = await start(world.request(), world.agent, "go", key="k")
    second = await start(world.request(), world.agent, "go", key="k")
    assert first == second
    assert len(world.runs.list(SCOPE, SYSTEM)) == 1


async def test_an_answer_that_says_nothing_ends_the_turn_without_a_message(make_world: MakeWorld) -> None:
    world = await make_world(agent("shop.bot", [Plan(says=("All said.",), answer="")]))
    session = await world.session()
    reply = await (await session.say("Well?")).result()
    assert (reply.outcome, world.said(session)) == ("answered", ["All said."])
    assert await world.answer(reply.run) == ""
    stream = run_stream(reply.run)
    planned = {event.n: event.control for event in world.log.events(stream) if isinstance(event.control, e.Planned)}
    assert [control.has_answer for control in planned.values()] == [True]
    assert not any("answer" in world.log.contents(stream, n) for n in planned)


async def test_a_blank_that_an_older_version_kept_for_such_an_answer_says_nothing_either(make_world: MakeWorld) -> None:
    world = await make_world(agent("shop.bot", [Plan(says=("All said.",), answer=" ")]))
    session = await world.session()
    reply = await (await session.say("Well?")).result()
    assert (world.said(session), await world.answer(reply.run)) == (["All said."], "")


@pytest.mark.req("LIC-34.16")
async def test_that_a_planner_was_asked_is_noted_before_it_is_waited_for(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    world = await make_world(agent("shop.bot", Script([Plan(answer="hello")], pure=False, slow_s=5)))
    run = await world.start()
    assert [type(control) for control in world.controls(run)] == [e.RunStarted, e.PlanStarted]
    await clock.advance(6)
    assert [type(control) for control in world.controls(run)][2:] == [e.Planned, e.RunFinished]


@pytest.mark.req("LIC-34.16")
async def test_that_a_planner_was_asked_that_says_at_once_what_it_does_is_noted_before_that(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    def flaky(input: PlanInput) -> Plan:
        if input.attempt < 2:
            raise ValueError
        return Plan(answer="hello")

    world = await make_world(agent("shop.bot", Script([flaky], pure=False)))
    run = await world.start()
    await clock.advance(10)
    kinds = [type(control) for control in world.controls(run)]
    assert kinds == [e.RunStarted, *[e.PlanStarted, e.Planned] * 2, e.RunFinished]
