"""One wheel for everything that comes due: deadlines, expiries, retries. Rows in the log, a heap in memory."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Mapping

from lichen.core.words.ids import StreamId
from lichen.core.words.scope import Scope
from lichen.engine.pace.race import race

TICK_S = 0.02  # finer would keep the processor awake
Key = tuple[Scope, StreamId]


class Wheel:
    """Calls `fire(scope, stream, timer)` once for every timer that comes due and is still set.

    `set` replaces all timers of a stream, so a wheel is never told of a removal it could forget.
    """

    def __init__(
        self,
        clock: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]],
        fire: Callable[[Scope, StreamId, str], None],
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._fire = fire
        self._set: dict[Key, Mapping[str, int]] = {}
        self._heap: list[tuple[int, int, Key, str]] = []
        self._pushed = 0
        self._earlier = asyncio.Event()

    def __len__(self) -> int:
        return sum(len(timers) for timers in self._set.values())

    def set(self, scope: Scope, stream: StreamId, timers: Mapping[str, int]) -> None:
        """Makes `timers` (id to due time in microseconds) the ones of this stream."""
        key = (scope, stream)
        before = self._set.get(key, {})
        if timers is before or timers == before:
            return
        if timers:
            self._set[key] = timers
        else:
            self._set.pop(key, None)
        for timer, due_us in timers.items():
            if before.get(timer) != due_us:
                self._push(due_us, key, timer)

    def _push(self, due_us: int, key: Key, timer: str) -> None:
        is_first = not self._heap or due_us < self._heap[0][0]
        self._pushed += 1
        heapq.heappush(self._heap, (due_us, self._pushed, key, timer))
        if is_first:
            self._earlier.set()

    def turn(self) -> None:
        """Fires everything that is due now."""
        now = self._clock()
        while self._heap and self._heap[0][0] <= now:
            due_us, _, key, timer = heapq.heappop(self._heap)
            if self._set.get(key, {}).get(timer) == due_us:
                self._fire(*key, timer)

    async def run(self) -> None:
        """Turns until cancelled."""
        while True:
            self._earlier.clear()
            self.turn()
            pause_s = None if not self._heap else max(TICK_S, (self._heap[0][0] - self._clock()) / 1e6)
            await self._pause(pause_s)

    async def _pause(self, pause_s: float | None) -> None:
        """Until the given time has passed or an earlier timer was set."""
        over = {} if pause_s is None else {"over": self._sleep(pause_s)}
        await race({"earlier": self._earlier.wait(), **over})
