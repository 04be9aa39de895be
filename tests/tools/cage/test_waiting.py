"""Jails that wait: how many, how long, and what becomes of those that nobody comes for."""

from __future__ import annotations

import asyncio

import pytest

from lichen.core.words.errors import Unavailable
from lichen.tools.workers.jail import Jail
from lichen.tools.workers.waiting import Waiting
from tests.runtime.world import until


class Cell(Jail):
    """A jail of nothing."""

    def __init__(self, key: str) -> None:
        self.key, self.has_ended, self.lives = key, False, True

    @property
    def is_alive(self) -> bool:
        return self.lives and not self.has_ended

    async def end(self) -> None:
        self.has_ended = True


class Prison:
    """Starts cells, as soon as `opens` is set."""

    def __init__(self, *, waits_s: float = 60.0) -> None:
        self.cells: list[Cell] = []
        self.opens = asyncio.Event()
        self.opens.set()
        self.fails = False
        self.waiting = Waiting[str](self._start, waiting_max=2, waits_s=waits_s)

    async def _start(self, key: str) -> Jail:
        await self.opens.wait()
        if self.fails:
            raise Unavailable("There is none.", code="cage_unavailable")
        self.cells.append(Cell(key))
        return self.cells[-1]

    async def prepared(self, *keys: str) -> None:
        for key in keys:
            count = len(self.cells)
            self.waiting.prepare(key)
            await until(lambda count=count: len(self.cells) > count)

    @property
    def alive(self) -> list[str]:
        return [cell.key for cell in self.cells if cell.is_alive]


@pytest.mark.req("SYM-31.24")
async def test_no_more_wait_than_may_and_the_one_that_waits_longest_makes_room() -> None:
    prison = Prison()
    await prison.prepared("a", "b", "c")
    await until(lambda: prison.alive == ["b", "c"])
    prison.waiting.prepare("b")
    assert await prison.waiting.take("b") is prison.cells[1]
    assert await prison.waiting.take("b") is prison.cells[3]  # a new one: each is taken once


@pytest.mark.req("SYM-31.24")
async def test_one_that_nobody_comes_for_is_ended() -> None:
    prison = Prison(waits_s=0.0)
    await prison.prepared("a")
    await until(lambda: prison.alive == [])


@pytest.mark.req("SYM-31.24")
async def test_one_that_died_while_it_waited_is_nobody_s() -> None:
    prison = Prison()
    await prison.prepared("a")
    prison.cells[0].lives = False
    assert await prison.waiting.take("a") is prison.cells[1]
    assert prison.cells[0].has_ended


@pytest.mark.req("SYM-31.24")
async def test_who_comes_while_it_starts_waits_for_it_and_one_who_goes_leaves_nothing() -> None:
    prison = Prison()
    prison.opens.clear()
    prison.waiting.prepare("a")
    taking = asyncio.ensure_future(prison.waiting.take("a"))
    await asyncio.sleep(0)
    prison.opens.set()
    assert await taking is prison.cells[0]
    prison.opens.clear()
    prison.waiting.prepare("a")
    taking = asyncio.ensure_future(prison.waiting.take("a"))
    await asyncio.sleep(0)
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    prison.opens.set()
    await prison.waiting.close()
    assert prison.alive == ["a"]  # the one that was taken


@pytest.mark.req("SYM-31.24")
async def test_one_that_could_not_be_started_ahead_is_started_for_the_call() -> None:
    prison = Prison()
    prison.fails = True
    prison.waiting.prepare("a")
    await asyncio.sleep(0)
    prison.fails = False
    await asyncio.sleep(0)
    assert (await prison.waiting.take("a")).is_alive


@pytest.mark.req("SYM-31.24")
async def test_nothing_waits_once_it_is_closed() -> None:
    prison = Prison()
    await prison.prepared("a", "b")
    await prison.waiting.close()
    assert prison.alive == []
    prison.waiting.prepare("a")
    await asyncio.sleep(0)
    assert prison.alive == []
