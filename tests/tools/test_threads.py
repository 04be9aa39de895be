"""Calls in threads: what is known of them when they are cancelled, and that they never hold up anything else."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from lichen.core.ports.call import NotDone
from lichen.core.words.ids import CallId, RunId
from lichen.core.words.scope import Scope
from lichen.tools import StillRunning, Workers
from lichen.tools.workers.placement import NOBODY, in_loop
from lichen.tools.workers.places import Owner
from tests.tools.samples import where

DEADLINE_S = 10.0
CALL = (Scope("acme", "dev"), RunId("run-1"), CallId("c1"))


class Gate:
    """A job that says when it has begun and goes on until it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.free = threading.Event()

    def __call__(self) -> str:
        self.begun.set()
        assert self.free.wait(DEADLINE_S)
        return "done"


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    async with Workers(threads=1, waiting_max=2) as made:
        yield made


async def begun(gate: Gate, workers: Workers) -> asyncio.Task[str]:
    """The task of a call that has certainly begun."""
    task = asyncio.create_task(workers.in_thread(gate))
    assert await asyncio.to_thread(gate.begun.wait, DEADLINE_S)
    return task


async def test_a_thread_gives_back_what_its_job_returns_and_raises(workers: Workers) -> None:
    def fail() -> None:
        raise KeyError("x")

    assert await workers.in_thread(lambda: 5) == 5
    with pytest.raises(KeyError):
        await workers.in_thread(fail)


async def test_a_job_sees_the_context_of_its_caller(workers: Workers) -> None:
    where.set("here")
    assert await workers.in_thread(where.get) == "here"


async def cut_off(gate: Gate, workers: Workers) -> StillRunning:
    """What is known of a call that was cancelled while its job goes on."""
    task = await begun(gate, workers)
    task.cancel()
    with pytest.raises(StillRunning) as caught:
        await task
    return caught.value


async def test_a_cancelled_call_ends_at_once_and_its_outcome_is_told_when_there_is_one(workers: Workers) -> None:
    gate = Gate()
    error = await cut_off(gate, workers)
    assert not error.ended.done()
    gate.free.set()
    assert await error.ended == "done"


@pytest.mark.req("GOA-22.4")
async def test_a_call_over_its_time_ends_then_although_its_thread_goes_on(workers: Workers) -> None:
    gate = Gate()
    began = time.monotonic()
    with pytest.raises(StillRunning):
        async with asyncio.timeout(0.05):
            await workers.in_thread(gate)
    assert time.monotonic() - began < 1.0
    gate.free.set()


@pytest.mark.req("LIC-14.11")
async def test_a_thread_that_was_given_up_is_replaced_and_counted_until_it_ends(workers: Workers) -> None:
    gate = Gate()
    error = await cut_off(gate, workers)
    assert workers.threads.figures == (0, 1, 0)
    assert await workers.in_thread(lambda: "next", owner=Owner("other", "shop.look")) == "next"
    gate.free.set()
    await error.ended
    await asyncio.sleep(0)
    assert workers.threads.figures == (0, 0, 0)


async def test_a_call_cancelled_before_a_thread_was_free_was_certainly_not_done(workers: Workers) -> None:
    gate, second = Gate(), Gate()
    first = await begun(gate, workers)
    waiting = asyncio.create_task(workers.in_thread(second))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(NotDone) as caught:
        await waiting
    assert caught.value.code == "not_started"
    gate.free.set()
    assert await first == "done"
    assert await workers.in_thread(lambda: second.begun.is_set()) is False


async def test_calls_that_wait_for_a_thread_are_bounded(workers: Workers) -> None:
    gate = Gate()
    first = await begun(gate, workers)
    second = asyncio.create_task(workers.in_thread(lambda: "second"))
    await asyncio.sleep(0)
    with pytest.raises(NotDone) as caught:
        await workers.in_thread(lambda: "third")
    assert caught.value.code == "workers_busy"
    gate.free.set()
    assert (await first, await second) == ("done", "second")


@pytest.mark.req("LIC-14.12")
async def test_what_reads_for_the_gate_has_threads_of_its_own() -> None:
    gate = Gate()
    async with Workers(threads=1) as workers:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await workers.read_in_thread(gate)
        assert await workers.in_thread(lambda: "done") == "done"
        gate.free.set()


async def test_a_reserved_place_is_kept_for_its_call(workers: Workers) -> None:
    assert workers.reserve("thread", NOBODY, CALL)
    assert not workers.reserve("thread", NOBODY, (*CALL[:2], CallId("c2")))
    assert await workers.in_thread(lambda: 5, call=CALL) == 5
    await asyncio.sleep(0)
    assert (tuple(workers.reserved), workers.threads.figures.used) == ((), 0)


async def test_a_place_that_is_given_back_goes_to_whoever_waits(workers: Workers) -> None:
    other = (*CALL[:2], CallId("c2"))
    assert workers.reserve("thread", NOBODY, CALL)
    waiting = asyncio.create_task(workers.wait("thread", NOBODY, other))
    await asyncio.sleep(0)
    workers.release(CALL)
    await waiting
    assert tuple(workers.reserved) == (other,)


@pytest.mark.req("GOA-22.5")
async def test_a_function_in_the_loop_that_does_not_let_itself_be_cancelled_is_left_to_itself() -> None:
    free = asyncio.Event()

    async def stubborn() -> str:
        while not free.is_set():
            with suppress(asyncio.CancelledError):
                await free.wait()
        return "done"

    with pytest.raises(StillRunning) as caught:
        async with asyncio.timeout(0.01):
            await in_loop(stubborn())
    free.set()
    assert await caught.value.ended == "done"


async def test_closing_refuses_calls_that_wait_and_calls_that_come() -> None:
    gate = Gate()
    async with Workers(threads=1) as workers:
        first = await begun(gate, workers)
        second = asyncio.create_task(workers.in_thread(lambda: "second"))
        await asyncio.sleep(0)
    for late in (second, workers.in_thread(lambda: "third")):
        with pytest.raises(NotDone) as caught:
            await late
        assert caught.value.code == "workers_closed"
    gate.free.set()
    assert await first == "done"


async def test_many_calls_share_few_threads() -> None:
    async with Workers(threads=3) as workers:
        names = await asyncio.gather(*(workers.in_thread(lambda: threading.current_thread().name) for _ in range(100)))
    assert 1 <= len(set(names)) <= 3


def test_a_thread_that_never_ends_does_not_keep_the_program_alive() -> None:
    program = """
import asyncio, threading
from lichen.tools import Workers
async def main():
    async with Workers() as workers:
        async with asyncio.timeout(0.01):
            await workers.in_thread(threading.Event().wait)
asyncio.run(main())
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert "StillRunning" in ended.stderr
