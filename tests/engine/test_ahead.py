"""What follows from a plan at once stands in the plan's own append, and is what it would be alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import pytest

from lichen.core.deciders import events as e
from lichen.core.deciders.moves import Drafts
from lichen.core.ports.call import Effects
from lichen.core.ports.plan import Plan
from lichen.core.words.ids import CallId, StreamId, run_stream, session_stream
from lichen.engine.acts import plan as acts
from lichen.engine.intake.runs import start
from lichen.log.log import Log
from lichen.testing.clock import SimulatedClock
from tests.engine.conftest import MakeWorld
from tests.engine.world import FakeAgent, FakeTool, Script, World, agent, calls, outcomes, sleeps

CALL = CallId("c1")
Moves = Mapping[StreamId, Drafts]


class Told(NamedTuple):
    """A fact of a stream: what it says, and in which words."""

    control: e.Control
    words: Mapping[str, bytes]


class Played(NamedTuple):
    """A turn that is over: what its run and its session say, and the streams of each append."""

    run: list[Told]
    session: list[Told]
    appends: list[list[str]]


def shop(*lines: Any, tools: Sequence[FakeTool] = (), pure: bool = False) -> Callable[[], FakeAgent]:
    return lambda: agent("shop.bot", Script([*lines], pure=pure), list(tools))


def buys(effects: Effects, **more: Any) -> FakeTool:
    return FakeTool("shop.buy", effects, **more)


SHOPS: dict[str, Callable[[], FakeAgent]] = {
    "an answer": shop(Plan(answer="Hello.")),
    "an answer of a pure planner": shop(Plan(answer="Hello."), pure=True),
    "words beside an answer": shop(Plan(says=("Well.",), answer="Hello.")),
    "a call without effects": shop(calls("shop.buy"), outcomes, tools=[buys("none")]),
    "a call that acts once": shop(calls("shop.buy"), outcomes, tools=[buys("once")]),
    "three of them": shop(*[calls("shop.buy")] * 3, outcomes, tools=[buys("once")]),
    "words beside it": shop(calls("shop.buy", says=("Wait.",)), outcomes, tools=[buys("once")]),
    "a call that takes long": shop(calls("shop.buy"), outcomes, tools=[buys("idempotent", does=sleeps(20))]),
    "a call of what is not there": shop(calls("shop.gone"), outcomes),
    "a plan that fails": shop(Plan(failure="no_idea")),
}


async def _played(
    make_world: MakeWorld, clock: SimulatedClock, patch: pytest.MonkeyPatch, make: Callable[[], FakeAgent]
) -> Played:
    world = await make_world(make())
    session = await world.session()
    appends: list[list[str]] = []
    inner = Log.append_now

    def counted(log: Log, moves: Any, **more: Any) -> Any:
        appends.append([stream.kind for stream in moves])
        return inner(log, moves, **more)

    with patch.context() as patched:
        patched.setattr(Log, "append_now", counted)
        turn = await session.say("go")
        await clock.advance(100)
        await turn.result()
    return Played(_told(world, run_stream(await turn.run())), _told(world, session_stream(session.id)), appends)


def _told(world: World, stream: StreamId) -> list[Told]:
    return [Told(event.control, dict(world.log.contents(stream, event.n))) for event in world.log.events(stream)]


def _alone(act: object, plan: Moves, decoded: object, **more: object) -> Moves:
    return plan


@pytest.mark.req("LIC-2.56")
@pytest.mark.parametrize("name", SHOPS)
async def test_what_follows_a_plan_says_the_same_in_its_append_and_alone(
    make_world: MakeWorld, clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    together = await _played(make_world, clock, monkeypatch, SHOPS[name])
    monkeypatch.setattr(acts, "with_what_follows", _alone)
    alone = await _played(make_world, clock, monkeypatch, SHOPS[name])
    assert [each.words for each in together.run] == [each.words for each in alone.run]
    assert [each.control for each in together.run] == [each.control for each in alone.run]
    assert together.session == alone.session
    assert len(together.appends) <= len(alone.appends)


@pytest.mark.req("LIC-2.56")
async def test_of_several_calls_each_is_decided_and_announced_in_the_append_of_the_plan(
    make_world: MakeWorld, clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = shop(calls(*["shop.buy"] * 3), outcomes, tools=[buys("once")])
    together = await _played(make_world, clock, monkeypatch, make)
    assert [fact.control.key for fact in together.run[2:9]] == [
        *("planned/0/1", "decided/c1/1", "decided/c2/1", "decided/c3/1"),
        *("call_started/c1/1", "call_started/c2/1", "call_started/c3/1"),
    ]
    assert len(together.appends) == 7  # the message, its turn, the plan, three results, the answer


@pytest.mark.req("LIC-2.56")
@pytest.mark.parametrize("says", ["denied", "held"])
async def test_a_call_that_is_not_simply_allowed_is_decided_by_itself(
    make_world: MakeWorld, clock: SimulatedClock, says: str
) -> None:
    buy = buys("once")
    world = await make_world(agent("shop.bot", Script([calls("shop.buy"), outcomes], pure=False), [buy]))
    getattr(world.gate, says).add("shop.buy")
    run = await world.start()
    decided = [c.verdict for c in world.controls(run) if isinstance(c, e.Decided)]
    assert decided == ["deny" if says == "denied" else "hold"]
    await world.approve()
    assert await world.answer(run) == ("denied" if says == "denied" else "ok")
    assert len(buy.entered) == (says == "held")


@pytest.mark.req("LIC-2.57")
async def test_an_engine_that_lets_go_announces_no_call_that_it_will_not_make(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    """The planner answers while what acts is waited for: the call is planned, and the next process makes it."""
    slow = FakeTool("shop.slow", "once", does=sleeps(20))
    buy = buys("once")
    asks = Script([calls("shop.buy"), outcomes], pure=False, slow_s=5)
    acts = agent("shop.other", [calls("shop.slow"), outcomes], [slow])
    world = await make_world(agent("shop.bot", asks, [buy]), acts)
    await start(world.request(), acts.name, "go")
    run = await world.start()
    draining = asyncio.ensure_future(world.engine.drain(30))
    await clock.advance(6)
    assert world.state(run).calls[CALL].phase == "ready"
    await clock.advance(30)
    await draining
    await world.reopen()
    await clock.advance(60)
    assert await world.answer(run) == "ok"
    assert len(buy.entered) == 1


@pytest.mark.req("LIC-2.57")
async def test_a_call_is_not_announced_while_the_disk_is_behind(
    make_world: MakeWorld, clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    buy = buys("once")
    world = await make_world(agent("shop.bot", Script([calls("shop.buy"), outcomes], pure=False, slow_s=5), [buy]))
    run, room, is_back = await world.start(), Log.room, asyncio.Event()

    async def behind(log: Log) -> None:
        await is_back.wait()
        await room(log)

    with monkeypatch.context() as patched:
        patched.setattr(Log, "room", behind)
        patched.setattr(Log, "has_room", property(lambda log: is_back.is_set()))
        await clock.advance(6)
        assert world.state(run).calls[CALL].phase == "ready"
        is_back.set()
        await clock.advance(60)
    assert await world.answer(run) == "ok"
