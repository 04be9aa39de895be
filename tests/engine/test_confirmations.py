"""A confirmation asks who wants it whether they really do. It is no approval, and an approval no confirmation."""

from __future__ import annotations

import pytest

from lichen.core.deciders import events as e
from lichen.core.ports.plan import Plan, PlanInput, WaitRequest
from lichen.core.words.errors import Denied
from lichen.core.words.scope import SYSTEM
from lichen.engine.answers.confirming import said
from lichen.testing.clock import SimulatedClock
from tests.engine.conftest import MakeWorld
from tests.engine.world import CUSTOMER, OPS, SCOPE, FakeTool, Script, World, agent, call, outcomes

PAY = Plan(calls=(call("shop.pay", '{"amount":80}'),))


async def shop(make_world: MakeWorld) -> tuple[World, FakeTool]:
    pay = FakeTool("shop.pay", "once")
    world = await make_world(agent("shop.bot", [PAY, outcomes], [pay]))
    world.gate.confirmed.add("shop.pay")
    return world, pay


@pytest.mark.req("LIC-12.54")
@pytest.mark.parametrize(("word", "outcome", "paid"), [("Yes, please!", "ok", 1), ("nein danke", "denied", 0)])
async def test_the_customer_is_asked_in_the_chat_and_their_next_message_decides(
    make_world: MakeWorld, word: str, outcome: str, paid: int
) -> None:
    world, pay = await shop(make_world)
    session = await world.session()
    asked = await (await session.say("refund")).result()
    assert (asked.text, asked.outcome, pay.entered) == ("Really?", "asked", [])
    assert (await (await session.say(word)).result()).text == outcome
    assert pay.effects.total() == paid


@pytest.mark.req("LIC-12.54")
async def test_what_says_neither_yes_nor_no_is_asked_again_and_decides_nothing(make_world: MakeWorld) -> None:
    world, pay = await shop(make_world)
    session = await world.session()
    await (await session.say("refund")).result()
    again = await (await session.say("why do you ask?")).result()
    assert (again.text, again.outcome) == ("Really?", "asked")
    assert world.said(session, "question") == ["Really?", "Really?"]
    assert pay.entered == []
    assert (await (await session.say("ja")).result()).text == "ok"


@pytest.mark.req("LIC-12.54")
async def test_without_a_session_who_started_the_run_confirms_and_nobody_else(make_world: MakeWorld) -> None:
    world, pay = await shop(make_world)
    await world.start()
    (wait,) = world.waits.list(SCOPE, SYSTEM, kinds=("confirmation",))
    with pytest.raises(Denied, match="may_not_answer"):
        await world.waits.answer(SCOPE, wait.id, "confirmed", OPS, body={})
    await world.waits.answer(SCOPE, wait.id, "confirmed", CUSTOMER, body={})
    await world.clock.settle()
    assert pay.effects.total() == 1


@pytest.mark.req("LIC-12.55")
async def test_a_confirmation_never_satisfies_an_approval(make_world: MakeWorld) -> None:
    world, pay = await shop(make_world)
    world.gate.held.add("shop.pay")
    session = await world.session()
    await (await session.say("refund")).result()
    released = await (await session.say("yes")).result()
    assert (released.outcome, pay.entered) == ("released", [])
    (wait,) = world.waits.list(SCOPE, SYSTEM)
    assert wait.kind == "approval"
    await world.approve()
    assert pay.effects.total() == 1
    grants = [check.grants for check in world.gate.checked if check.action == "shop.pay"][-1]
    assert [grant.kind for grant in grants] == ["confirmation", "approval"]


@pytest.mark.req("LIC-12.54")
async def test_a_confirmation_that_nobody_gives_expires_and_nothing_happens(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    world, pay = await shop(make_world)
    session = await world.session()
    asked = await (await session.say("refund")).result()
    await world.reopen()
    await clock.advance(3_601)
    assert await world.answer(asked.run) == "denied"
    assert pay.entered == []
    ended = [c.code for c in world.controls(asked.run) if isinstance(c, e.CallFinished)]
    assert ended == ["confirmation_expired"]


@pytest.mark.req("LIC-12.54")
async def test_a_planner_may_ask_for_a_confirmation_and_is_told_the_answer(make_world: MakeWorld) -> None:
    ask = Plan(waits=(WaitRequest("confirmation", "Really?"),))
    world = await make_world(agent("shop.bot", [ask, outcomes]))
    session = await world.session()
    await (await session.say("refund")).result()
    assert (await (await session.say("Nein!")).result()).text == "declined"


@pytest.mark.parametrize("text", ["", "yes but not that one", "maybe", "no idea, yes?", "1042", "ja nein"])
def test_only_words_that_say_nothing_else_are_a_yes_or_a_no(text: str) -> None:
    assert said(text) is None


# -- plans that are too large ------------------------------------------------------------------------------------


@pytest.mark.req("GOA-15.9")
@pytest.mark.parametrize(
    "plan",
    [
        Plan(calls=(call("shop.look", '{"x":"' + "y" * 300_000 + '"}'),)),
        Plan(calls=(call("shop.look", '{"x":"' + "y" * 5_000_000 + '"}'),)),
        Plan(calls=tuple(call("shop.look", '{"x":"' + "y" * 200_000 + '"}') for _ in range(30))),
        Plan(answer="x", notes=("y" * 5_000_000,)),
        Plan(waits=(WaitRequest("external", operator={"x": "y" * 5_000_000}, may_answer=("operator",)),)),
    ],
    ids=["arguments", "content", "record", "notes", "wait"],
)
async def test_a_plan_that_is_too_large_fails_at_once_and_never_hangs(
    make_world: MakeWorld, clock: SimulatedClock, plan: Plan
) -> None:
    def said_too_much(input: PlanInput) -> Plan:
        return plan

    world = await make_world(agent("shop.bot", Script([said_too_much]), [FakeTool("shop.look")]))
    run = await world.start()
    await clock.advance(5)
    assert world.state(run).failure == "plan_too_large"
    assert world.state(run).outcome == "failed"
