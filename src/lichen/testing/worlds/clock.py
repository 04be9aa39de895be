"""The time of a world: simulated in the loop, real for the threads and processes in which tools run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

from lichen.core.words.errors import Conflict, Invalid
from lichen.testing.clock import SimulatedClock

PATIENCE_S = 10.0  # of real time, for what runs in a thread or process
PAUSE_S = 0.001
LULL_PAUSES = 100  # of real time, for what a socket may bring


class WorldClock(SimulatedClock):
    """Time stands still until `advance`. Whatever the loop waits for reads this clock: expiries, retries, timeouts and
    `asyncio.sleep`. What runs outside the loop has as much real time as it needs, up to ten seconds.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_busy: Callable[[], bool] = lambda: False
        self._away = 0  # jobs in the loop's executor
        self._pauses = ThreadPoolExecutor(1, "world-pause")

    def __enter__(self) -> WorldClock:
        loop: Any = asyncio.get_running_loop()
        if not isinstance(loop, asyncio.BaseEventLoop):
            raise Invalid(
                "A world needs an event loop whose time can be simulated, and this one is not asyncio's own.",
                code="loop_unsuitable",
                next_step="Run the test without uvloop.",
            )
        if "call_at" in vars(loop):
            raise Conflict(
                "The time of this event loop is simulated already.",
                code="world_open",
                next_step="Leave one world before entering the next; `world.restart()` opens the same again.",
            )
        super().__enter__()
        self._run_in_executor: Callable[..., asyncio.Future[Any]] = self._loop.run_in_executor
        self._loop.run_in_executor = self._count
        self._sockets = self._open_sockets()
        return self

    def __exit__(self, *_: object) -> None:
        del self._loop.run_in_executor
        super().__exit__()
        self._pauses.shutdown()

    def _count(self, executor: Executor | None, job: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        future = self._run_in_executor(executor, job, *args)
        self._away += 1
        future.add_done_callback(self._is_back)
        return future

    def _is_back(self, _: asyncio.Future[Any]) -> None:
        self._away -= 1

    async def settle(self) -> None:
        """Returns once nothing more happens at this moment, in the loop or outside."""
        ends_s = time.monotonic() + PATIENCE_S
        await super().settle()
        while (self._away or self.is_busy()) and time.monotonic() < ends_s:
            await self._pause()
            await super().settle()

    async def lull(self) -> AsyncIterator[None]:
        """A moment of real time, in small pieces, if a socket is open that may bring something."""
        for _ in range(LULL_PAUSES if self._open_sockets() > self._sockets else 0):
            await self._pause()
            await self.settle()
            yield

    async def jump(self, *, seconds_max: float) -> float | None:
        """Lets time pass until the next moment for which somebody waits. Returns how long that was; None if there is
        no such moment within `seconds_max`, and no time has passed then."""
        when_s = self._next_s()
        if when_s is None or when_s - self._now_s > seconds_max:
            return None
        passed_s, self._now_s = when_s - self._now_s, when_s
        await self.settle()
        return passed_s

    async def _pause(self) -> None:
        await asyncio.wrap_future(self._pauses.submit(time.sleep, PAUSE_S))

    def _open_sockets(self) -> int:
        selector = getattr(self._loop, "_selector", None)
        return 0 if selector is None else len(selector.get_map() or ())
