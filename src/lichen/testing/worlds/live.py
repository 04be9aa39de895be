"""The time of everybody: for worlds whose models are asked over a network, which no simulated hour makes faster."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

MOMENT_S = 0.005


class LiveClock:
    """Time passes by itself. What a world waits for is looked for again and again."""

    def __init__(self) -> None:
        self.is_busy: Callable[[], bool] = lambda: False

    def __enter__(self) -> LiveClock:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def now_us(self) -> int:
        """Microseconds since 1970."""
        return time.time_ns() // 1000

    async def advance(self, seconds: float) -> None:
        """Waits."""
        await asyncio.sleep(seconds)

    async def settle(self) -> None:
        """A moment."""
        await asyncio.sleep(MOMENT_S)

    async def lull(self) -> AsyncIterator[None]:
        """Nothing that `jump` would not wait for."""
        return
        yield

    async def jump(self, *, seconds_max: float) -> float | None:
        """Lets a moment pass; None when the time is over."""
        if seconds_max <= 0:
            return None
        await asyncio.sleep(MOMENT_S)
        return MOMENT_S
