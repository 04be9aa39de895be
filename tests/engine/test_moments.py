"""Moments at which two things happen at once, and what hangs on a single comparison."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
import pytest

from lichen.core.deciders import events as e
from lichen.core.ports.call import CallMeta, Retry
from lichen.core.ports.plan import Plan, WaitRequest
from lichen.core.words.ids import RunId, run_stream
from lichen.core.words.limits import Limits
from lichen.core.words.scope import SYSTEM
from lichen.log.views.queries import Queries
from lichen.testing.clock import SimulatedClock
from tests.engine.conftest import MakeWorld
from tests.engine.world import OPS, SCOPE, FakeTool, Script, World, agent, call, calls, outcomes, sleeps

ASK = Plan(waits=(WaitRequest("clarification", "Which order?", expires_s=600),))


async def _lets_go_late(meta: CallMeta) -> bytes:
    try:
        await asyncio.sleep(1_000)
    except asyncio.CancelledError:
        await asyncio.sleep(4)
    return b"{}"


@pytest.mark.req("GOA-39.14")
async def test_a_message_that_meets_a_question_of_a_run_that_just_failed_is_not_its_answer(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    """The run asked, then failed, and ends when its last tool lets go; the question is still in the session."""
    pay = FakeTool("shop.pay", "once", does=_lets_go_late, timeout_s=500)
    asks = msgspec.structs.replace(calls("shop.pay", "shop.quick", resume="each"), waits=ASK.waits)
    nonsense = Plan(calls=(call("shop.pay"),), answer="both a call and an answer")
    script = Script([lambda i: asks if i.input[0].text == "refund" else Plan(answer="Where is what?"), nonsense])
    world = await make_world(agent("shop.bot", script, [pay, FakeTool("shop.quick", does=sleeps(1))]))
    session = await world.session()
    asked = await (await session.say("refund")).result()
    while not world.state(asked.run).failure:
        await clock.advance(0.5)
    assert world.state(asked.run).outcome == ""
    turn = await session.say("1042")
    assert turn.disposition == "queued"
    withdrawn = [c for c in world.session_controls(session) if isinstance(c, e.WaitClosed)]
    assert [(c.run, c.outcome) for c in withdrawn] == [(asked.run, "cancelled")]
    await clock.advance(10)
    assert (await turn.result()).text == "Where is what?"


async def _hangs(meta: CallMeta) -> bytes:
    await asyncio.sleep(1_000)
    return b"{}"


async def _cancelled(world: World, run: RunId) -> None:
    await world.runs.cancel(SCOPE, run, OPS)


async def _out_of_time(world: World, run: RunId) -> None:
    await world.clock.advance(30)


async def _failed(world: World, run: RunId) -> None:
    await world.clock.advance(1)  # the quick call is done, and the planner then says what makes no sense


@pytest.mark.req("LIC-6.23")
@pytest.mark.parametrize(
    ("ends", "outcome"), [(_cancelled, "cancelled"), (_out_of_time, "timed_out"), (_failed, "timed_out")]
)
async def test_what_certainly_did_not_happen_is_not_tried_again_in_a_run_that_is_over(
    make_world: MakeWorld, clock: SimulatedClock, ends: Callable[[World, RunId], object], outcome: str
) -> None:
    pay = FakeTool("shop.pay", "once", does=_hangs, has_probe=True, timeout_s=100, retry=Retry(attempts=5))
    quick = FakeTool("shop.quick", does=sleeps(1))
    first = calls("shop.pay", "shop.quick", resume="each") if ends is _failed else calls("shop.pay")
    nonsense = Plan(calls=(call("shop.pay"),), answer="both a call and an answer")
    script = Script([first, nonsense if ends is _failed else outcomes])
    world = await make_world(agent("shop.bot", script, [pay, quick], Limits(time_s=20)))
    run = await world.start()
    ended = ends(world, run)
    assert asyncio.iscoroutine(ended)
    await ended
    await clock.advance(200)
    assert len(pay.entered) == 1
    assert world.ended(run)["c1"] == outcome
    assert world.state(run).outcome


@pytest.mark.req("LIC-23.11")
@pytest.mark.parametrize(("fields", "kept"), [(("order_id",), b'{"order_id":"1042"}'), ((), None)])
async def test_the_audit_fields_of_a_call_and_no_others_are_kept_with_its_end(
    make_world: MakeWorld, fields: tuple[str, ...], kept: bytes | None
) -> None:
    pay = FakeTool("shop.pay", "once")
    pay.spec = msgspec.structs.replace(pay.spec, audit=fields)
    plan = Plan(calls=(call("shop.pay", '{"order_id":"1042","amount":8000}'),))
    world = await make_world(agent("shop.bot", [plan, outcomes], [pay]))
    run = await world.start()
    (n,) = (event.n for event in world.log.events(run_stream(run)) if isinstance(event.control, e.CallFinished))
    assert world.log.contents(run_stream(run), n).get("audit") == kept


@pytest.mark.req("LIC-15.41")
async def test_an_interrupted_run_that_gave_its_turn_away_says_in_the_end_that_it_was_cancelled(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    """Its customer was told that somebody is checking: silence would leave them waiting for ever."""
    pay = FakeTool("shop.pay", "once", does=_hangs, timeout_s=500)
    slow = FakeTool("shop.slow", does=sleeps(60))
    script = Script([lambda i: calls("shop.pay") if i.input[0].text == "pay" else calls("shop.slow"), outcomes])
    world = await make_world(agent("shop.bot", script, [pay, slow]))
    session = await world.session(double_texting="interrupt")
    await session.say("pay")
    await clock.settle()
    second = await session.say("look")
    await clock.advance(5)
    assert [wait.kind for wait in world.waits.list(SCOPE, SYSTEM)] == ["reconcile"]
    assert world.state(await second.run()).outcome == ""  # the turn is another run's now
    before = world.said(session)
    await world.reconcile("did_not_happen")
    assert len(world.said(session)) == len(before) + 1


@pytest.mark.req("LIC-2.41")
async def test_a_run_that_begins_is_not_looked_for_on_the_disk(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await make_world(agent("shop.bot", [Plan(answer="hello")]))
    session = await world.session()
    asked: list[str] = []
    stream_row = Queries.stream_row

    def note(queries: Queries, stream: object) -> object:
        asked.append(str(stream))
        return stream_row(queries, stream)  # type: ignore[arg-type]

    monkeypatch.setattr(Queries, "stream_row", note)
    turn = await session.say("hello")
    run = await turn.run()
    assert (await turn.result()).text == "hello"
    assert str(run_stream(run)) not in asked
