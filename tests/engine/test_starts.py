"""Policy is asked about every run before it begins, and its answer stands in the log."""

from __future__ import annotations

import pytest

from lichen.core.deciders import events as e
from lichen.core.ports.plan import CallRequest, Plan
from lichen.core.words.ids import ToolName, child_run, run_stream
from lichen.testing.clock import SimulatedClock
from tests.engine.conftest import MakeWorld
from tests.engine.world import CUSTOMER, FakeTool, World, agent, calls, outcomes

ALLOWED = e.Ruling("run.start", ("allow",), "policy")
HELPER = FakeTool("shop.asks", "child", agent="shop.helper", timeout_s=10_000)


def started(world: World, run: str) -> e.RunStarted:
    first = world.log.events(run_stream(run))[0].control  # type: ignore[arg-type]
    assert isinstance(first, e.RunStarted)
    return first


@pytest.mark.req("SYM-69.14")
async def test_the_run_of_a_turn_begins_with_the_ruling_on_its_start_asked_for_its_customer(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    world = await make_world(agent("shop.bot", [Plan(answer="Hello.")]))
    session = await world.session()
    turn = await session.say("hello")
    await clock.settle()
    assert started(world, await turn.run()).ruling == ALLOWED
    (asked,) = [check for check in world.gate.checked if check.action == "run.start"]
    assert (asked.actor, asked.resource, asked.session) == (CUSTOMER, "shop.bot", session.id)


@pytest.mark.req("SYM-69.14")
async def test_the_run_of_a_called_agent_begins_with_the_ruling_on_its_start_asked_for_its_caller(
    make_world: MakeWorld,
) -> None:
    parent = agent("shop.bot", [calls("shop.asks"), outcomes], [HELPER])
    world = await make_world(parent, agent("shop.helper", [Plan(answer="done")]))
    run = await world.start()
    assert started(world, child_run(run, "c1")).ruling == ALLOWED  # type: ignore[arg-type]
    (asked,) = [check for check in world.gate.checked if check.resource == "shop.helper"]
    assert (asked.actor.id, asked.actor.subject, asked.run) == ("shop.bot", CUSTOMER, run)


@pytest.mark.req("SYM-69.15")
async def test_a_turn_that_policy_refuses_has_no_run_and_the_customer_is_told(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    world = await make_world(agent("shop.bot", [Plan(answer="Hello.")]))
    session = await world.session()
    world.gate.denied.add("shop.bot")
    turn = await session.say("hello")
    await clock.settle()
    reply = await turn.result()
    assert (reply.outcome, reply.text) == ("refused", "Not here.")
    assert not world.state(reply.run).n
    kinds = [control.type for control in world.session_controls(session)]
    assert kinds[-4:] == ["turn_opened", "refused", "message_queued", "turn_closed"]
    (refused,) = [control for control in world.session_controls(session) if isinstance(control, e.Refused)]
    assert (refused.action, refused.verdict, refused.policies) == ("run.start", "deny", ("deny",))


@pytest.mark.req("SYM-69.15")
async def test_after_a_turn_that_was_refused_the_next_message_is_answered_also_by_the_next_process(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    world = await make_world(agent("shop.bot", [Plan(answer="Hello.")]))
    session = await world.session(key="again")
    world.gate.denied.add("shop.bot")
    await session.say("one")
    await session.say("two")
    await clock.settle()
    await world.log.durable()
    await world.reopen()
    world.gate.denied.clear()
    session = await world.session(key="again")
    await session.say("three")
    await clock.settle()
    assert world.said(session) == ["Not here.", "Not here.", "Hello."]
    assert not world.journal.mailbox(session.id).is_owing_customer


@pytest.mark.req("SYM-69.15")
async def test_the_call_of_an_agent_that_policy_refuses_to_start_is_denied(make_world: MakeWorld) -> None:
    parent = agent("shop.bot", [Plan(calls=(CallRequest(ToolName("shop.asks"), b"{}"),)), outcomes], [HELPER])
    world = await make_world(parent, agent("shop.helper", [Plan(answer="done")]))
    world.gate.denied.add("shop.helper")
    run = await world.start()
    assert world.ended(run) == {"c1": "denied"}
    assert not world.state(child_run(run, "c1")).n  # type: ignore[arg-type]
    (refused,) = [control for control in world.controls(run) if isinstance(control, e.Refused)]
    assert (refused.action, refused.verdict) == ("run.start", "deny")
