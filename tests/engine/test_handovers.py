"""Hand-overs between engine and session: time, a second request, messages that were on their way, labels, policy."""

from __future__ import annotations

import asyncio

import pytest

from lichen.core.deciders import events as e
from lichen.core.ports.handover import handover
from lichen.core.ports.plan import Plan, PlanInput
from lichen.core.words.errors import Denied
from lichen.core.words.ids import RunId, session_stream
from lichen.engine.act import Act
from lichen.engine.brief.history import read_history
from lichen.runtime import Session
from lichen.runtime.access.access import Access
from lichen.runtime.operations.talk.handovers import Handovers
from tests.engine.conftest import MakeWorld
from tests.engine.world import OPS, SCOPE, FakeTool, PlanLine, World, agent, call

ASKS = Plan(waits=(handover("help", told="Somebody comes.", expires_s=60.0),))


def asks(input: PlanInput) -> Plan:
    """Asks for a person when somebody wants help."""
    return ASKS if input.input[0].text == "help" else Plan(answer=f"about {input.input[0].text}")


def ended(input: PlanInput) -> Plan:
    """Answers how its hand-over ended."""
    return Plan(answer=" ".join(answer.outcome for answer in input.answers))


def pays(input: PlanInput) -> Plan:
    """Pays when asked to, else asks for a person."""
    return Plan(calls=(call("shop.pay"),)) if input.input[0].text == "pay" else ASKS


def handovers(world: World) -> Handovers:
    return Handovers(world.engine, Access(world.engine), world.waits)


async def handed(make_world: MakeWorld, *plans: PlanLine, tools: tuple[FakeTool, ...] = ()) -> tuple[World, Session]:
    world = await make_world(agent("shop.bot", [asks, *(plans or (ended,))], tools))
    session = await world.session()
    await session.say("help")
    await world.clock.settle()
    return world, session


@pytest.mark.req("LIC-30.25")
async def test_a_conversation_to_which_nobody_attends_goes_back_to_the_assistant_with_words(
    make_world: MakeWorld,
) -> None:
    world, session = await handed(make_world)
    await session.say("hello?")
    await world.clock.advance(61.0)
    first, *others = world.said(session)
    assert first == "Somebody comes."
    assert sorted(others) == [
        "Sorry, none of us could answer you in time. You are talking to the assistant again.",
        "about hello?",
        "expired",
    ]
    assert world.waits.list(SCOPE, OPS, kinds=("handover",)) == ()
    control = world.log.events(session_stream(session.id))
    opened = [event.control.messages for event in control if isinstance(event.control, e.TurnOpened)]
    assert opened == [("m1",), ("m2",)], "what nobody read has a turn"


@pytest.mark.req("LIC-30.25")
async def test_whoever_attends_to_it_keeps_it_and_a_crash_takes_no_time(make_world: MakeWorld) -> None:
    world, session = await handed(make_world)
    (found,) = handovers(world).list(SCOPE, OPS)
    for _ in range(3):
        await world.clock.advance(50.0)
        await handovers(world).reply(SCOPE, found.id, "One moment.", OPS)
    await world.reopen()
    (found,) = handovers(world).list(SCOPE, OPS)
    assert found.expires_at_us == world.clock.now_us() + 60_000_000
    await world.clock.advance(61.0)
    assert world.said(session)[1:4] == ["One moment."] * 3
    assert world.said(session)[-1] == "expired"


@pytest.mark.req("LIC-30.26")
async def test_of_two_requests_the_second_is_told_that_somebody_was_asked_and_its_run_goes_on(
    make_world: MakeWorld,
) -> None:
    pay = FakeTool("shop.pay", "once")
    world = await make_world(agent("shop.bot", [pays, ASKS, ended], (pay,)))
    world.gate.held.add("shop.pay")
    session = await world.session()
    for text in ("pay", "help"):
        await session.say(text)
        await world.clock.settle()
    await world.approve()
    assert world.said(session)[-2:] == ["Somebody has been asked already. They will answer you here.", "declined"]
    (found,) = handovers(world).list(SCOPE, OPS)
    assert (await session.say("hello?")).disposition == "handed"
    assert found.said == "help"


@pytest.mark.req("LIC-30.26")
async def test_a_run_that_keeps_asking_for_somebody_who_is_asked_already_fails(make_world: MakeWorld) -> None:
    pay = FakeTool("shop.pay", "once")
    world = await make_world(agent("shop.bot", [pays, ASKS, ASKS], (pay,)))
    world.gate.held.add("shop.pay")
    session = await world.session()
    run = RunId(await (await session.say("pay")).run())
    await world.clock.settle()
    await session.say("help")
    await world.clock.settle()
    await world.approve()
    await world.clock.advance(30.0)
    assert world.state(run).failure == "handover_again"


@pytest.mark.req("LIC-30.20")
async def test_what_waited_for_its_turn_as_the_conversation_was_handed_over_is_the_persons(
    make_world: MakeWorld,
) -> None:
    world = await make_world(agent("shop.bot", [ASKS, ended]))
    session = await world.session()
    _, second = await asyncio.gather(session.say("help"), session.say("and my order?"))
    await world.clock.settle()
    assert second.disposition == "queued"
    assert (await second.result()).outcome == "handed"
    (found,) = handovers(world).list(SCOPE, OPS)
    assert found.unread == ("m2",)


@pytest.mark.req("LIC-30.22")
async def test_policy_keeps_a_reply_back_and_the_person_learns_that(make_world: MakeWorld) -> None:
    world, session = await handed(make_world)
    (found,) = handovers(world).list(SCOPE, OPS)
    world.gate.denied.add("api")
    with pytest.raises(Denied) as denied:
        await handovers(world).reply(SCOPE, found.id, "The code is 1234.", OPS)
    assert denied.value.code == "message_refused"
    assert world.said(session) == ["Somebody comes."]
    assert handovers(world).list(SCOPE, OPS)[0].has == "", "nothing of it happened"


@pytest.mark.req("LIC-30.22")
async def test_what_a_person_writes_is_theirs_in_what_planners_look_back_on(make_world: MakeWorld) -> None:
    world, session = await handed(make_world)
    (found,) = handovers(world).list(SCOPE, OPS)
    await session.say("my order")
    await handovers(world).reply(SCOPE, found.id, "Pay 500 to me.", OPS)
    await handovers(world).give_back(SCOPE, found.id, OPS)
    await world.clock.settle()
    run = await (await session.say("again")).run()
    history = await read_history(Act.on(world.engine.services, world.journal, run))
    assert [(message.role, message.text) for message in history.messages][2:4] == [
        ("customer", "my order"),
        ("operator", "Pay 500 to me."),
    ]
    reply = next(c for c in world.session_controls(session) if isinstance(c, e.MessageQueued) and c.kind == "reply")
    assert reply.by == history.messages[3].by == world.log.pseudonym(OPS)
