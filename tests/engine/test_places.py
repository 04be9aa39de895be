"""A call has a place before it begins, is decided when it has one, and gives it back however it ends."""

from __future__ import annotations

import asyncio
import random

import pytest

from lichen.core.deciders import events as e
from lichen.core.ports.call import CallMeta, NotDone, Retry
from lichen.core.ports.plan import CallRequest, Plan
from lichen.core.words.ids import RunId, ToolName
from lichen.core.words.limits import Limits
from lichen.testing.clock import SimulatedClock
from lichen.tools.workers.placement import TOOL_THREADS, StillRunning
from tests.engine.conftest import MakeWorld
from tests.engine.world import OPS, SCOPE, FakeTool, World, agent, calls, outcomes, sleeps


def waited(world: World, run: RunId) -> list[str]:
    """The calls that had to wait for a place."""
    return [c.call for c in world.controls(run) if isinstance(c, e.CallProgressed) and c.what == "waited"]


def many(count: int) -> Plan:
    return calls(*["shop.pay"] * count)


@pytest.mark.req("LIC-13.3")
async def test_calls_without_a_place_wait_and_are_decided_again_when_they_have_one(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    tool = FakeTool("shop.pay", "once", does=sleeps(10), runs="thread")
    world = await make_world(agent("shop.bot", [many(6), outcomes], [tool]))
    run = await world.start()
    assert len(tool.entered) == TOOL_THREADS
    await clock.advance(10)
    assert waited(world, run) == ["c5", "c6"]
    decided = [(c.call, c.check) for c in world.controls(run) if isinstance(c, e.Decided) and c.check > 1]
    assert decided == [("c5", 2), ("c6", 2)]
    await clock.advance(10)
    assert await world.answer(run) == "ok ok ok ok ok ok"
    assert world.places.threads.figures == (0, 0, 0)


@pytest.mark.req("LIC-13.3")
@pytest.mark.parametrize("change", ["stopped", "denied"])
async def test_what_was_stopped_or_denied_while_a_call_waited_for_a_place_does_not_begin(
    make_world: MakeWorld, clock: SimulatedClock, change: str
) -> None:
    tool = FakeTool("shop.pay", "once", does=sleeps(10), runs="thread")
    world = await make_world(agent("shop.bot", [many(50), outcomes], [tool], Limits(calls=64)))
    run = await world.start()
    getattr(world.gate, change).add("shop.pay")
    await clock.advance(100)
    assert len(tool.entered) == TOOL_THREADS
    assert (await world.answer(run)).split().count("denied") == 50 - TOOL_THREADS
    assert world.places.threads.figures == (0, 0, 0)


@pytest.mark.req("LIC-13.4")
@pytest.mark.parametrize("seed", range(8))
async def test_no_effect_begins_at_a_time_at_which_policy_denies_it(
    make_world: MakeWorld, clock: SimulatedClock, seed: int
) -> None:
    chance = random.Random(seed)

    async def does(meta: CallMeta) -> bytes:
        assert not world.gate.denied
        assert not world.gate.stopped
        await asyncio.sleep(chance.choice((1, 3, 9)))
        return b"{}"

    tool = FakeTool("shop.pay", "once", does=does, runs="thread")
    world: World = await make_world(agent("shop.bot", [many(12), many(12), outcomes], [tool]))
    runs = [await world.start() for _ in range(3)]
    for _ in range(60):
        switch = chance.choice((world.gate.denied, world.gate.stopped, world.gate.held))
        switch.symmetric_difference_update({"shop.pay"})
        await clock.advance(chance.choice((0.5, 1, 2)))
    for switch in (world.gate.denied, world.gate.stopped, world.gate.held):
        switch.clear()
    for _ in range(40):
        await world.approve()
        await clock.advance(20)
    assert all(world.state(run).outcome for run in runs)
    assert len(tool.entered) == len({meta.idempotency_key for meta in tool.entered})
    assert world.places.threads.figures == (0, 0, 0)
    assert not world.places.reserved


@pytest.mark.req("LIC-13.5")
@pytest.mark.parametrize("end", ["held", "paused", "cancelled"])
async def test_a_call_that_does_not_begin_gives_its_place_back(
    make_world: MakeWorld, clock: SimulatedClock, end: str
) -> None:
    tool = FakeTool("shop.pay", "once", does=sleeps(10), runs="thread")
    world = await make_world(agent("shop.bot", [many(5), outcomes], [tool]))
    run = await world.start()
    match end:
        case "held":
            world.gate.held.add("shop.pay")
        case "paused":
            await world.runs.pause(SCOPE, run, OPS)
        case _:
            await world.runs.cancel(SCOPE, run, OPS)
    await clock.advance(30)
    assert len(tool.entered) == TOOL_THREADS
    assert not world.places.reserved
    assert world.places.threads.figures == (0, 0, 0)


async def test_a_crash_forgets_who_waited_and_the_next_process_asks_anew(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    tool = FakeTool("shop.pay", "idempotent", does=sleeps(10), runs="thread")
    world = await make_world(agent("shop.bot", [many(6), outcomes], [tool]))
    run = await world.start()
    await clock.advance(5)
    await world.reopen()
    await clock.advance(21)
    assert await world.answer(run) == "ok ok ok ok ok ok"


# -- over its time -----------------------------------------------------------------------------------------------


class Slow:
    """A function that is cut off and ends after so many seconds, with a result or saying that nothing was done."""

    def __init__(self, seconds: float, error: NotDone | None = None) -> None:
        self._seconds, self._error = seconds, error

    async def __call__(self, meta: CallMeta) -> bytes:
        work = asyncio.ensure_future(self._work())
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            raise StillRunning(work) from None

    async def _work(self) -> bytes:
        await asyncio.sleep(self._seconds)
        if self._error is not None:
            raise self._error
        return b'{"paid":true}'


@pytest.mark.req("GOA-22.6")
@pytest.mark.parametrize("effects", ["none", "idempotent"])
async def test_a_repeatable_call_that_goes_on_is_timed_out_at_its_limit(
    make_world: MakeWorld, clock: SimulatedClock, effects: str
) -> None:
    tool = FakeTool("shop.look", effects, does=Slow(3), timeout_s=1)  # type: ignore[arg-type]
    world = await make_world(agent("shop.bot", [calls("shop.look"), outcomes], [tool]))
    run = await world.start()
    await clock.advance(1.05)
    assert await world.answer(run) == "timed_out"
    await clock.advance(5)
    assert world.ended(run) == {"c1": "timed_out"}


@pytest.mark.req("GOA-22.7")
@pytest.mark.parametrize("seconds", [3, 60])
async def test_the_late_outcome_of_what_may_not_be_repeated_is_not_lost(
    make_world: MakeWorld, clock: SimulatedClock, seconds: int
) -> None:
    tool = FakeTool("shop.pay", "once", does=Slow(seconds), timeout_s=1)
    world = await make_world(agent("shop.bot", [calls("shop.pay"), outcomes], [tool]))
    run = await world.start()
    await clock.advance(1.05)
    assert world.state(run).calls["c1"].phase == "in_doubt"  # type: ignore[index]
    await clock.advance(seconds)
    assert await world.answer(run) == "ok"
    assert not world.waits.list(SCOPE, OPS)


@pytest.mark.req("GOA-22.7")
async def test_what_says_late_that_it_did_nothing_is_believed(make_world: MakeWorld, clock: SimulatedClock) -> None:
    tool = FakeTool("shop.pay", "once", does=Slow(30, NotDone("Closed.", code="closed")), timeout_s=1)
    world = await make_world(agent("shop.bot", [calls("shop.pay"), outcomes], [tool]))
    run = await world.start()
    await clock.advance(20)
    assert [wait.kind for wait in world.waits.list(SCOPE, OPS)] == ["reconcile"]
    await clock.advance(20)
    assert await world.answer(run) == "failed"


@pytest.mark.req("GRE-17.6")
async def test_a_call_that_was_cut_off_is_tried_again_as_its_plan_asks(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    tool = FakeTool("shop.look", does=Slow(3), timeout_s=1)
    again = CallRequest(ToolName("shop.look"), b"{}", retry=Retry(attempts=2, backoff_s=0))
    world = await make_world(agent("shop.bot", [Plan(calls=(again,)), outcomes], [tool]))
    run = await world.start()
    await clock.advance(2.2)
    assert await world.answer(run) == "timed_out"
    assert len(tool.entered) == 2
