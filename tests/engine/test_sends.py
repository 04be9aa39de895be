"""Policy is asked about everything that a run sends, and its answer stands in the log."""

from __future__ import annotations

import pytest

from lichen.agents import LLMPlanner
from lichen.agents.models.model import EchoModel
from lichen.core.deciders import events as e
from lichen.core.ports.plan import Plan, WaitRequest
from lichen.core.words.ids import run_stream
from lichen.testing.clock import SimulatedClock
from tests.engine.conftest import MakeWorld
from tests.engine.world import CUSTOMER, FakeTool, World, agent, calls, outcomes, sleeps

SAYS = (calls("shop.look", says=("One moment.",)), outcomes)
ASKS = (Plan(waits=(WaitRequest("clarification", "Which one?"),)), outcomes)
SLOW = FakeTool("shop.slow", does=sleeps(1_000), timeout_s=10_000)
HOLDS = (calls("shop.pay"), outcomes)
ANSWERS = (Plan(answer="Here you are."),)
PLANS = {"say": SAYS, "question": ASKS, "notice": HOLDS, "answer": ANSWERS}


async def sent(world: World, clock: SimulatedClock) -> tuple[list[e.MessageQueued], list[e.Refused], list[str]]:
    """What one message makes a run send: its messages, its refusals, and the customer's view of it."""
    session = await world.session()
    turn = await session.say("hello")
    await clock.settle()
    controls = world.session_controls(session)
    queued = [control for control in controls if isinstance(control, e.MessageQueued)]
    run = next(control.run for control in controls if isinstance(control, e.TurnOpened))
    refused = [each.control for each in world.log.events(run_stream(run)) if isinstance(each.control, e.Refused)]
    assert turn.disposition == "queued"
    return queued, refused, [message.text for message in await session.pending()]


@pytest.mark.req("SYM-69.11")
@pytest.mark.parametrize("kind", PLANS)
async def test_a_message_of_every_kind_stands_in_the_log_with_the_policy_that_let_it_go(
    make_world: MakeWorld, clock: SimulatedClock, kind: str
) -> None:
    tools = [FakeTool("shop.look"), FakeTool("shop.pay", "once")]
    world = await make_world(agent("shop.bot", list(PLANS[kind]), tools))
    world.gate.held.add("shop.pay")
    queued, refused, _ = await sent(world, clock)
    assert kind in {each.kind for each in queued}
    assert {each.ruling for each in queued} == {e.Ruling("message.send", ("allow",), "policy")}
    assert refused == []


@pytest.mark.req("SYM-69.12")
@pytest.mark.parametrize(("kind", "heard"), [("say", ["Not here."]), ("notice", []), ("question", ["Not here."])])
async def test_what_policy_forbids_to_send_does_not_go_out_whatever_it_is(
    make_world: MakeWorld, clock: SimulatedClock, kind: str, heard: list[str]
) -> None:
    tools = [FakeTool("shop.look"), FakeTool("shop.pay", "once")]
    world = await make_world(agent("shop.bot", list(PLANS[kind]), tools))
    world.gate.held.add("shop.pay")
    world.gate.denied.add("api")
    _, refused, texts = await sent(world, clock)
    assert texts == heard  # a say is left out; the answer and a question are worded as policy says
    assert {(each.action, each.verdict, each.policies) for each in refused} == {("message.send", "deny", ("deny",))}


@pytest.mark.req("SYM-69.12")
async def test_messages_after_one_that_was_left_out_have_ids_of_their_own(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    plan = Plan(says=("a", "b"), waits=(WaitRequest("clarification", "Which one?"),))
    world = await make_world(agent("shop.bot", [plan, outcomes]))
    world.gate.denied.add("api")
    session = await world.session()
    await session.say("hello")
    await clock.settle()
    world.gate.denied.clear()
    await session.say("that one")
    await clock.settle()
    ids = [each.message for each in world.session_controls(session) if isinstance(each, e.MessageQueued)]
    assert len(set(ids)) == len(ids) == 2


@pytest.mark.req("SYM-69.13")
async def test_a_model_request_stands_in_the_plan_with_the_policy_that_let_it_go_or_as_a_refusal(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    world = await make_world(agent("shop.bot", LLMPlanner(EchoModel(), instructions="Be kind.")))
    session = await world.session()
    await session.say("hello")
    await clock.settle()
    run = next(c.run for c in world.session_controls(session) if isinstance(c, e.TurnOpened))
    (planned,) = [each.control for each in world.log.events(run_stream(run)) if isinstance(each.control, e.Planned)]
    (asked,) = planned.requests
    assert (asked.model, asked.outcome, asked.usage) == (EchoModel().name, "ok", planned.usage)
    assert asked.ruling == e.Ruling("model.invoke", ("allow",), "policy")
    world.gate.denied.add(EchoModel().name)
    await session.say("hello again")
    await clock.advance(5)
    runs = [c.run for c in world.session_controls(session) if isinstance(c, e.TurnOpened)]
    refused = [each.control for each in world.log.events(run_stream(runs[-1])) if isinstance(each.control, e.Refused)]
    assert {each.action for each in refused} == {"model.invoke"}


@pytest.mark.req("SYM-69.11")
async def test_the_notice_that_a_message_was_rejected_stands_in_the_log_with_the_policy_that_let_it_go(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    world = await make_world(agent("shop.bot", [calls("shop.slow"), outcomes], [SLOW]))
    session = await world.session(double_texting="reject")
    await session.say("one")
    await clock.settle()
    assert (await session.say("two")).disposition == "rejected"
    (notice,) = [each for each in world.session_controls(session) if isinstance(each, e.MessageQueued)]
    assert notice.ruling == e.Ruling("message.send", ("allow",), "policy")
    (asked,) = [check for check in world.gate.checked if check.action == "message.send"]
    assert (asked.actor.id, asked.actor.subject, asked.session) == ("shop.bot", CUSTOMER, session.id)


@pytest.mark.req("SYM-69.12")
async def test_the_notice_that_a_message_was_rejected_does_not_go_out_where_policy_forbids_it(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    world = await make_world(agent("shop.bot", [calls("shop.slow"), outcomes], [SLOW]))
    session = await world.session(double_texting="reject")
    await session.say("one")
    await clock.settle()
    world.gate.denied.add("api")
    await session.say("two")
    assert world.said(session) == []
    (refused,) = [each for each in world.session_controls(session) if isinstance(each, e.Refused)]
    assert (refused.action, refused.verdict, refused.policies) == ("message.send", "deny", ("deny",))
