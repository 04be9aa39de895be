"""Conversations: one turn at a time, people who type twice, replies that go out once and in order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from lichen.core.deciders import events as e
from lichen.core.ports.plan import Plan, PlanInput
from lichen.core.speech.saying import Attachment, Saying
from lichen.core.words.errors import Conflict, Invalid, NotFound, Unavailable
from lichen.core.words.ids import session_stream
from lichen.core.words.scope import SYSTEM, Customer
from lichen.engine.intake.runs import start
from lichen.engine.ports import Options
from lichen.log.records.record import encode
from lichen.runtime.operations.talk.turn import Turn
from lichen.testing.clock import SimulatedClock
from tests.engine.conftest import MakeWorld
from tests.engine.world import (
    OPS,
    SCOPE,
    FakeAgent,
    FakeTool,
    Post,
    Script,
    agent,
    calls,
    outcomes,
    sleeps,
)

CARD = {"type": "AdaptiveCard", "version": "1.5", "body": [{"type": "TextBlock", "text": "42 EUR"}]}


def echo(input: PlanInput) -> Plan:
    return Plan(answer=" + ".join(message.text for message in input.input))


def slow_echo(*, effects: str = "none") -> FakeAgent:
    """Repeats what it was told, after five seconds."""

    def remember(input: PlanInput) -> Plan:
        return calls("shop.slow", state=" + ".join(m.text for m in input.input).encode())

    def repeat(input: PlanInput) -> Plan:
        more = [message.text for message in input.input]
        return Plan(answer=" + ".join([input.state.decode(), *more]))

    return agent("shop.bot", [remember, repeat], [FakeTool("shop.slow", effects, does=sleeps(5))])  # type: ignore[arg-type]


@pytest.mark.req("LIC-15.1")
async def test_messages_of_one_session_are_handled_one_after_the_other(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    world = await make_world(slow_echo())
    session = await world.session()
    turns = [await session.say(text) for text in ("one", "two", "three")]
    await clock.settle()
    assert len(world.runs.list(SCOPE, SYSTEM)) == 1
    await clock.advance(16)
    assert [(await turn.result()).text for turn in turns] == ["one", "two", "three"]
    opened = [type(c).__name__ for c in world.session_controls(session) if isinstance(c, e.TurnOpened | e.TurnClosed)]
    assert opened == ["TurnOpened", "TurnClosed"] * 3


@pytest.mark.req("LIC-15.2")
async def test_interrupt_cancels_the_open_turn_and_says_nothing_of_it(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    world = await make_world(slow_echo())
    session = await world.session(double_texting="interrupt")
    first = await session.say("one")
    await clock.settle()
    second = await session.say("two")
    await clock.advance(6)
    assert (await first.result()).outcome == "cancelled"
    assert (await second.result()).text == "two"
    assert world.said(session) == ["two"]


@pytest.mark.req("LIC-15.3")
async def test_merge_hands_the_message_to_the_run_that_is_at_work(make_world: MakeWorld, clock: SimulatedClock) -> None:
    world = await make_world(slow_echo())
    session = await world.session(double_texting="merge")
    first = await session.say("one")
    await clock.settle()
    second = await session.say("two")
    assert second.disposition == "joined"
    await clock.advance(6)
    assert await second.run() == await first.run()
    assert world.said(session) == ["one + two"]


@pytest.mark.req("LIC-15.4")
async def test_reject_refuses_a_message_while_a_turn_is_open_and_tells_the_customer(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    world = await make_world(slow_echo())
    session = await world.session(double_texting="reject")
    await session.say("one")
    await clock.settle()
    assert (await session.say("two")).disposition == "rejected"
    await clock.advance(6)
    assert world.said(session, "answer") == ["one"]
    assert len(world.said(session, "notice")) == 1
    assert (await session.say("three")).disposition == "queued"


@pytest.mark.req("LIC-15.42")
@pytest.mark.parametrize("asks", [Turn.run, Turn.result])
async def test_whoever_asks_for_the_run_of_a_message_that_never_gets_one_is_told_so(
    make_world: MakeWorld, clock: SimulatedClock, asks: Callable[[Turn], Awaitable[object]]
) -> None:
    world = await make_world(slow_echo())
    busy = await world.session(double_texting="reject")
    await busy.say("one")
    await clock.settle()
    rejected = asyncio.ensure_future(asks(await busy.say("two")))
    closing = await world.session()
    await closing.say("one")
    queued = asyncio.ensure_future(asks(await closing.say("two")))
    await clock.settle()
    assert not queued.done(), "its turn may still come"
    await closing.close()
    await clock.settle()
    assert rejected.done()
    assert queued.done()
    with pytest.raises(Conflict, match="message_rejected"):
        await rejected
    with pytest.raises(Conflict, match="session_closed"):
        await queued


async def test_two_sessions_do_not_wait_for_each_other(make_world: MakeWorld, clock: SimulatedClock) -> None:
    world = await make_world(slow_echo())
    turns = [await (await world.session()).say("hi") for _ in range(20)]
    await clock.advance(5.1)
    assert [(await turn.result()).text for turn in turns] == ["hi"] * 20


@pytest.mark.req("LIC-16.1")
async def test_a_message_that_is_delivered_five_times_runs_once(make_world: MakeWorld) -> None:
    world = await make_world(agent("shop.bot", [echo]))
    session = await world.session()
    turns = await asyncio.gather(*(session.say("hello", key="webhook-1") for _ in range(5)))
    results = [await turn.result() for turn in turns]
    assert len({result.run for result in results}) == 1
    assert world.said(session) == ["hello"]


@pytest.mark.req("LIC-16.2")
async def test_a_key_that_was_used_for_something_else_is_a_conflict(make_world: MakeWorld) -> None:
    world = await make_world(agent("shop.bot", [echo]))
    session = await world.session()
    await session.say("one", key="k")
    with pytest.raises(Conflict, match="key_reused"):
        await session.say("two", key="k")
    await start(world.request(), world.agent, "one", key="k")
    with pytest.raises(Conflict, match="key_reused"):
        await start(world.request(), world.agent, "two", key="k")


async def test_a_key_opens_the_same_session_for_the_same_customer_only(make_world: MakeWorld) -> None:
    world = await make_world(agent("shop.bot", [echo]))
    opened = await asyncio.gather(*(world.session(key="chat") for _ in range(3)))
    other = await world.sessions.open(SCOPE, Customer("somebody"), agent="shop.bot", key="chat")
    assert len({session.id for session in opened}) == 1
    assert other.id != opened[0].id


async def test_a_repeated_message_is_recognised_after_a_crash(make_world: MakeWorld) -> None:
    world = await make_world(agent("shop.bot", [echo]))
    await (await (await world.session(key="s")).say("hello", key="k")).result()
    await world.reopen()
    turn = await (await world.session(key="s")).say("hello", key="k")
    assert turn.receipt.is_repeated
    assert (await turn.result()).text == "hello"


async def test_a_customer_sees_no_session_but_his_own(make_world: MakeWorld) -> None:
    world = await make_world(agent("shop.bot", [echo]))
    session = await world.session()
    with pytest.raises(NotFound, match="session_unknown"):
        await world.sessions.get(SCOPE, session.id, Customer("somebody")).say("hello")


@pytest.mark.parametrize(("text", "code"), [("  ", "message_empty"), ("x" * 16_385, "message_too_large")])
async def test_a_message_that_makes_no_sense_is_not_taken(make_world: MakeWorld, text: str, code: str) -> None:
    world = await make_world(agent("shop.bot", [echo]))
    session = await world.session()
    with pytest.raises(Invalid, match=code):
        await session.say(text)
    assert len(world.session_controls(session)) == 1


async def test_a_closed_session_takes_nothing_and_its_run_is_cancelled(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    world = await make_world(slow_echo())
    session = await world.session()
    turn = await session.say("one")
    run = await turn.run()
    await session.close()
    await session.close()
    await clock.advance(1)
    assert world.state(run).cancel == "session_ended"
    assert world.state(run).outcome == "cancelled"
    with pytest.raises(Conflict, match="session_closed"):
        await session.say("two")


@pytest.mark.req("LIC-16.3")
async def test_an_unfinished_turn_survives_a_crash_and_is_answered_once(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    world = await make_world(slow_echo())
    session = await world.session(key="s")
    await session.say("one")
    await session.say("two")
    await clock.advance(1)
    await world.reopen()
    await clock.advance(12)
    assert world.said(await world.session(key="s")) == ["one", "two"]


# -- the way out -------------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-16.4")
async def test_replies_leave_in_order_and_the_first_holds_up_the_rest(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    post = Post(failures=3)
    world = await make_world(agent("shop.bot", [echo]), channels={"post": post})
    session = await world.session(channel="post", delivery="push")
    for text in ("one", "two"):
        await session.say(text)
    await clock.settle()
    assert post.tried == [("o1", "one")]
    await clock.advance(1.1)
    assert post.tried == [("o1", "one")] * 2
    await clock.advance(2.1)
    assert post.tried == [("o1", "one")] * 3
    await clock.advance(4.1)
    assert post.sent == ["one", "two"]


async def test_a_message_nobody_takes_is_given_up_after_so_many_attempts(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    post = Post(failures=1_000)
    world = await make_world(
        agent("shop.bot", [echo]), channels={"post": post}, options=Options(delivery_attempts_max=3)
    )
    session = await world.session(channel="post", delivery="push")
    await session.say("one")
    await clock.advance(100)
    assert len(post.tried) == 3
    settled = [c.outcome for c in world.session_controls(session) if isinstance(c, e.DeliverySettled)]
    assert settled == ["retry", "retry", "failed"]


@pytest.mark.req("LIC-16.5")
async def test_a_reply_that_was_on_its_way_at_a_crash_goes_again_under_its_own_id(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    post = Post(failures=1)
    world = await make_world(agent("shop.bot", [echo]), channels={"post": post})
    await (await world.session(channel="post", delivery="push")).say("one")
    await clock.settle()
    await world.reopen()
    await clock.advance(2)
    assert post.tried == [("o1", "one")] * 2


@pytest.mark.req("LIC-16.13")
async def test_a_pushed_message_goes_to_the_address_that_was_named_last_also_after_a_crash(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    post = Post()
    world = await make_world(agent("shop.bot", [echo]), channels={"post": post})
    session = await world.session(key="s", channel="post", delivery="push", address=b"room 1")
    await session.say("one")
    await clock.settle()
    await session.say("two", address=b"room 2")
    await clock.settle()
    await world.reopen()
    await (await world.session(key="s", channel="post", delivery="push")).say("three")
    await clock.settle()
    assert [(each.saying.text, each.address) for each in post.received] == [
        ("one", b"room 1"),
        ("two", b"room 2"),
        ("three", b"room 2"),
    ]


@pytest.mark.req("LIC-16.13")
async def test_an_address_is_sealed_and_bounded(make_world: MakeWorld) -> None:
    world = await make_world(agent("shop.bot", [echo]), channels={"post": Post()})
    session = await world.session(channel="post", delivery="push", address=b"https://hooks.example/secret")
    with pytest.raises(Invalid) as refused:
        await session.say("one", address=bytes(8 * 1024 + 1))
    assert refused.value.code == "address_too_large"
    stored = b"".join(encode([record]) for record in world.log.records(session_stream(session.id)))
    assert b"hooks.example" not in stored


@pytest.mark.req("LIC-16.14")
async def test_what_is_said_keeps_its_card_and_attachments_from_the_plan_to_the_channel(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    bill = Attachment("application/pdf", "https://shop.example/bill.pdf", "bill.pdf")
    meanwhile = Saying("One moment.", card=CARD)
    answer = Saying("Here is your bill.", attachments=(bill,))
    post = Post()
    steps = [Plan(says=(meanwhile,), calls=calls("shop.look").calls), Plan(answer=answer)]
    world = await make_world(agent("shop.bot", steps, [FakeTool("shop.look")]), channels={"post": post})
    session = await world.session(channel="post", delivery="push")
    turn = await session.say("My bill?")
    await clock.settle()
    assert [each.saying for each in post.received] == [meanwhile, answer]
    assert [(said.text, said.card, said.attachments) for said in (await session.detail()).transcript[1:]] == [
        ("One moment.", CARD, ()),
        ("Here is your bill.", None, (bill,)),
    ]
    assert (await turn.result()).text == "Here is your bill."


async def test_what_is_pulled_is_kept_until_the_customer_has_it(make_world: MakeWorld, clock: SimulatedClock) -> None:
    world = await make_world(agent("shop.bot", [echo]))
    session = await world.session(key="s")
    await (await session.say("one")).result()
    (first,) = await session.pending()
    await world.reopen()
    session = await world.session(key="s")
    assert [message.id for message in await session.pending()] == [first.id]
    await session.delivered(first.id)
    await session.delivered(first.id)
    assert await session.pending() == ()


# -- admission ---------------------------------------------------------------------------------------------------


async def test_above_its_bound_the_engine_takes_no_new_work_and_says_so(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    world = await make_world(slow_echo(), options=Options(runs_max=1))
    run = await world.start()
    with pytest.raises(Unavailable, match="overloaded"):
        await world.start()
    await clock.advance(6)
    assert await world.answer(run) == "go"
    await world.start()


async def test_an_engine_that_drains_takes_nothing_and_lets_what_acts_end(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    world = await make_world(slow_echo(effects="once"))
    run = await world.start()
    draining = asyncio.ensure_future(world.engine.drain(30))
    await clock.settle()
    with pytest.raises(Unavailable, match="draining"):
        await world.start()
    await clock.advance(6)
    await draining
    assert world.ended(run) == {"c1": "ok"}
    await world.reopen()
    assert await world.answer(run) == "go"


async def test_a_drain_that_is_cut_short_loses_nothing(make_world: MakeWorld, clock: SimulatedClock) -> None:
    world = await make_world(slow_echo(effects="idempotent"))
    runs = [await world.start(f"run {i}") for i in range(5)]
    await world.engine.drain(0.0)
    await world.reopen()
    await clock.advance(6)
    assert [await world.answer(run) for run in runs] == [f"run {i}" for i in range(5)]


async def test_a_turns_records_are_caught_up_with_and_then_followed(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    world = await make_world(slow_echo())
    session = await world.session()
    turn = await world.sessions.get(SCOPE, session.id, OPS).say("one")
    await clock.advance(1)

    async def types() -> list[str]:
        return [record.type async for record in turn.records()]

    following = asyncio.ensure_future(types())
    await clock.advance(6)
    seen = await following
    assert seen[0] == "message_received"
    assert seen[-1] == "turn_closed"
    assert [t for t in seen if t in ("run_started", "planned", "call_finished", "run_finished")] == [
        "run_started",
        "planned",
        "call_finished",
        "planned",
        "run_finished",
    ]
    assert await types() == seen


@pytest.mark.parametrize("runs", [2_000])
async def test_thousands_of_runs_at_once_all_end(make_world: MakeWorld, runs: int) -> None:
    world = await make_world(agent("shop.bot", [calls("shop.look"), outcomes], [FakeTool("shop.look")]))
    ids = await asyncio.gather(*(start(world.request(), world.agent, "go") for _ in range(runs)))
    await world.engine.idle()
    assert {world.state(run).outcome for run in ids} == {"completed"}


async def test_runs_that_wait_leave_memory(make_world: MakeWorld) -> None:
    script = Script([calls("shop.pay"), outcomes])
    world = await make_world(agent("shop.bot", script, [FakeTool("shop.pay", "once")]))
    world.gate.held.add("shop.pay")
    await asyncio.gather(*(start(world.request(), world.agent, "go") for _ in range(300)))
    await world.engine.idle()
    await world.clock.settle()
    assert world.engine.driven == 0
    assert world.streams_in_memory("run") == 0
    assert len(world.waits.list(SCOPE, SYSTEM)) == 300
