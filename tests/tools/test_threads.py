"""Calls in threads: what is known of them when they are cancelled, and that they never hold up anything else."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator

import pytest

from lichen.core.call import NotDone
from lichen.tools import StillRunning, Workers
from tests.tools.samples import where

DEADLINE_S = 10.0


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
    async with Workers(threads=1, waiting_max=1, grace_s=0.02) as made:
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


async def test_the_outcome_of_a_cancelled_call_is_used_if_it_comes_within_the_grace() -> None:
    gate = Gate()
    async with Workers(threads=1, grace_s=DEADLINE_S) as workers:
        task = await begun(gate, workers)
        task.cancel()
        asyncio.get_running_loop().call_later(0.01, gate.free.set)
        assert await task == "done"


async def test_the_outcome_of_a_timed_out_call_is_used_if_it_comes_within_the_grace() -> None:
    gate = Gate()
    async with Workers(threads=1, grace_s=DEADLINE_S) as workers:
        asyncio.get_running_loop().call_later(0.03, gate.free.set)
        async with asyncio.timeout(0.01):
            assert await workers.in_thread(gate) == "done"


async def test_a_cancelled_call_whose_thread_goes_on_is_in_doubt(workers: Workers) -> None:
    gate = Gate()
    task = await begun(gate, workers)
    task.cancel()
    with pytest.raises(StillRunning):
        await task
    gate.free.set()


async def test_a_second_cancellation_ends_the_grace() -> None:
    gate = Gate()
    async with Workers(threads=1, grace_s=DEADLINE_S) as workers:
        task = await begun(gate, workers)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(StillRunning):
            await task
        gate.free.set()


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


async def test_a_reader_that_is_cancelled_is_left_to_itself() -> None:
    gate = Gate()
    async with Workers(threads=1, grace_s=DEADLINE_S) as workers:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await workers.read_in_thread(gate)
        gate.free.set()


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
    async with Workers(grace_s=0.01) as workers:
        async with asyncio.timeout(0.01):
            await workers.in_thread(threading.Event().wait)
asyncio.run(main())
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert "StillRunning" in ended.stderr
