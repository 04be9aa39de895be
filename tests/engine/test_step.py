"""One step of a coroutine done by hand is as if a task had done it, but for work that waits for nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Any

import pytest

from lichen.engine.pace.step import Within, at_once
from lichen.testing.clock import SimulatedClock
from lichen.tools.workers.step import eagerly

WHO: ContextVar[str] = ContextVar("WHO", default="nobody")


@pytest.fixture
async def clock() -> AsyncIterator[SimulatedClock]:
    with SimulatedClock() as clock:
        yield clock


@pytest.mark.req("LIC-34.1")
async def test_work_that_waits_for_nothing_is_done_at_once_and_is_no_task() -> None:
    done: list[str] = []

    async def work() -> None:
        done.append("all")

    before = asyncio.all_tasks()
    assert at_once(work(), "work") is None
    assert done == ["all"]
    assert asyncio.all_tasks() == before


@pytest.mark.req("LIC-34.1")
async def test_work_that_waits_goes_on_as_a_task_of_its_own() -> None:
    gate: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    heard: list[str] = []

    async def work() -> None:
        heard.append("begun")
        heard.append(await gate)
        await asyncio.sleep(0)
        heard.append("ended")

    task = at_once(work(), "work")
    assert task is not None
    assert task.get_name() == "work"
    assert heard == ["begun"]
    gate.set_result("opened")
    await task
    assert heard == ["begun", "opened", "ended"]


async def test_a_step_that_gives_way_to_the_loop_goes_on_in_the_next_turn_of_it() -> None:
    async def work() -> None:
        await asyncio.sleep(0)

    task = at_once(work(), "work")
    assert task is not None
    await task


async def test_what_the_first_step_raises_is_raised() -> None:
    async def work() -> None:
        raise ValueError("at once")

    with pytest.raises(ValueError, match="at once"):
        at_once(work(), "work")


async def test_what_a_later_step_raises_is_the_tasks() -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        raise ValueError("later")

    task = at_once(work(), "work")
    assert task is not None
    with pytest.raises(ValueError, match="later"):
        await task


async def test_a_variable_set_in_the_first_step_is_there_in_the_next_and_nowhere_else() -> None:
    heard: list[str] = []

    async def work() -> None:
        token = WHO.set("ann")
        await asyncio.sleep(0)
        heard.append(WHO.get())
        WHO.reset(token)

    task = at_once(work(), "work")
    assert WHO.get() == "nobody"
    assert task is not None
    await task
    assert heard == ["ann"]


@pytest.mark.req("LIC-34.2")
@pytest.mark.parametrize("turns", [0, 1, 2])
async def test_who_is_cancelled_at_any_moment_ends_what_it_waits_for_and_clears_up(turns: int) -> None:
    heard: list[str] = []
    waits: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def work() -> None:
        try:
            await waits
        except asyncio.CancelledError:
            heard.append("cancelled")
            raise
        finally:
            await asyncio.sleep(0)
            heard.append("cleared up")

    task = at_once(work(), "work")
    assert task is not None
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert waits.cancelled()
    assert heard == ["cancelled", "cleared up"]


async def test_who_is_cancelled_when_what_it_waits_for_is_there_is_cancelled_all_the_same() -> None:
    waits: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    heard: list[str] = []

    async def work() -> None:
        try:
            await waits
        except asyncio.CancelledError:
            heard.append("cancelled")
            raise

    task = at_once(work(), "work")
    assert task is not None
    waits.set_result(None)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert heard == ["cancelled"]


# -- limits ------------------------------------------------------------------------------------------------------


async def value(of: int, *, after_s: float = 0.0) -> int:
    if after_s:
        await asyncio.sleep(after_s)
    return of


@pytest.mark.req("LIC-34.3")
async def test_a_timer_is_set_only_for_work_that_waits(monkeypatch: pytest.MonkeyPatch, clock: SimulatedClock) -> None:
    loop = asyncio.get_running_loop()
    timers: list[float] = []
    call_at = loop.call_at

    def noted(when: float, *rest: Any, **more: Any) -> asyncio.TimerHandle:
        timers.append(when)
        return call_at(when, *rest, **more)

    monkeypatch.setattr(loop, "call_at", noted)
    limit = Within(5)
    assert await limit.of(value(1)) == 1
    assert timers == []
    waiting = asyncio.ensure_future(limit.of(value(2, after_s=3)))
    await clock.advance(3)
    assert await waiting == 2
    assert sorted(timers) == [3, 5]
    assert not limit.is_over


@pytest.mark.req("LIC-34.3")
async def test_work_that_takes_longer_than_its_limit_is_cancelled_then(clock: SimulatedClock) -> None:
    limit = Within(5)
    waiting = asyncio.ensure_future(limit.of(value(1, after_s=6)))
    await clock.advance(4.9)
    assert not waiting.done()
    await clock.advance(0.2)
    with pytest.raises(TimeoutError):
        await waiting
    assert limit.is_over


@pytest.mark.req("LIC-34.2")
async def test_within_a_limit_the_first_step_is_one_of_the_task_that_waits(clock: SimulatedClock) -> None:
    seen: list[object] = []

    async def work() -> int:
        seen.append(asyncio.current_task())
        try:
            async with asyncio.timeout(1):
                await asyncio.sleep(3)
        except TimeoutError:
            seen.append("its own limit")
        seen.append(asyncio.current_task())
        return 7

    task = asyncio.ensure_future(Within(5).of(work()))
    await clock.advance(2)
    assert await task == 7
    assert seen == [task, "its own limit", task]


async def test_who_cancels_work_within_a_limit_cancels_it_and_not_the_limit(clock: SimulatedClock) -> None:
    limit = Within(5)
    waiting = asyncio.ensure_future(limit.of(value(1, after_s=3)))
    await clock.advance(1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not limit.is_over


# -- tasks that begin at once ------------------------------------------------------------------------------------


@pytest.mark.req("LIC-34.15")
async def test_a_task_that_begins_at_once_is_one_task_to_its_work_from_beginning_to_end(clock: SimulatedClock) -> None:
    seen: list[object] = []

    async def work() -> int:
        seen.append(asyncio.current_task())
        try:
            async with asyncio.timeout(1):
                await asyncio.sleep(3)
        except TimeoutError:
            seen.append(asyncio.current_task())
        return 7

    me = asyncio.current_task()
    task = eagerly(work(), "work")
    assert asyncio.current_task() is me
    assert seen == [task]
    await clock.advance(2)
    assert await task == 7
    assert seen == [task, task]


@pytest.mark.req("LIC-34.15")
async def test_work_that_waits_for_nothing_is_done_when_its_task_was_to_begin() -> None:
    assert eagerly(value(7)).result() == 7
    loop = asyncio.get_running_loop()
    found: asyncio.Future[int] = loop.create_future()
    loop.call_soon(lambda: found.set_result(eagerly(value(8)).result()))
    assert await found == 8


@pytest.mark.req("LIC-34.15")
async def test_what_work_raises_as_it_begins_is_its_futures() -> None:
    async def work(error: BaseException) -> None:
        WHO.set("ann")
        raise error

    with pytest.raises(ValueError, match="at once"):
        eagerly(work(ValueError("at once"))).result()
    assert eagerly(work(asyncio.CancelledError())).cancelled()
    assert WHO.get() == "nobody"
    await asyncio.sleep(0)  # a task whose exception nobody looked at would be a warning


@pytest.mark.req("LIC-34.15")
async def test_a_task_that_began_at_once_is_cancelled_as_any_other() -> None:
    waits: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def work() -> None:
        await waits

    task = eagerly(work())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert waits.cancelled()
