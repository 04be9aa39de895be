"""Simulated time: nothing happens between two events, and an hour passes as soon as somebody says so."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from contextvars import Context
from typing import Any

START_US = 1_760_000_000_000_000  # a day in October 2025
QUIET_TURNS = 3  # of the loop with nothing to do


class SimulatedClock:
    """The time of a running event loop: `asyncio.sleep`, timeouts and `now_us` all read this clock.

    Use it as a context manager inside the loop. Time stands still until `advance`, which wakes who sleeps in the order
    in which they are due and lets everything they set going come to rest before the next one wakes.
    """

    def __init__(self, start_us: int = START_US) -> None:
        self._start_us = start_us
        self._now_s = 0.0
        self._due: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._set = 0

    def __enter__(self) -> SimulatedClock:
        self._loop: Any = asyncio.get_running_loop()
        self._call_at: Callable[..., asyncio.TimerHandle] = self._loop.call_at
        self._now_s = 0.0  # not the loop's own time: sums of the same seconds are the same only from the same start
        self._loop.time = lambda: self._now_s  # an attribute of this one loop shadows the method
        self._loop.call_at = self._remember
        return self

    def __exit__(self, *_: object) -> None:
        del self._loop.time
        del self._loop.call_at

    def _remember(
        self, when: float, callback: Callable[..., object], *args: object, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = self._call_at(when, callback, *args, context=context)
        self._set += 1
        heapq.heappush(self._due, (when, self._set, handle))
        return handle

    def now_us(self) -> int:
        """Microseconds since 1970."""
        return self._start_us + round(self._now_s * 1e6)

    async def sleep(self, seconds: float) -> None:
        """Returns once the clock was advanced that far."""
        await asyncio.sleep(seconds)

    async def advance(self, seconds: float) -> None:
        """Lets time pass: wakes everybody who is due on the way, one moment after the other."""
        end_s = self._now_s + seconds
        await self.settle()
        while (when_s := self._next_s()) is not None and when_s <= end_s:
            self._now_s = max(self._now_s, when_s)
            await self.settle()
        self._now_s = end_s
        await self.settle()

    async def settle(self) -> None:
        """Returns once nothing more happens at this moment. Threads are not waited for."""
        quiet = 0
        while quiet < QUIET_TURNS:
            await asyncio.sleep(0)
            quiet = 0 if self._loop._ready else quiet + 1  # what else wants to run in this turn

    def _next_s(self) -> float | None:
        """The next moment for which somebody waits."""
        while self._due and (self._due[0][2].cancelled() or self._due[0][0] <= self._now_s):
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else None
