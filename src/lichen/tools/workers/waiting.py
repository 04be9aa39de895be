"""Processes that wait in their jails for a call: started ahead, for one call each, and few of them.

What a jail costs is the interpreter that starts in it and the modules that it imports. Neither depends on the call, so
both are done before it comes; nothing of a call is in a jail before that call takes it, and none takes it after.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from typing import Final, Generic, TypeVar

from lichen.core.words.errors import LichenError
from lichen.tools.workers.jail import Jail

WAITING_MAX: Final = 4
WAITS_S: Final = 60.0

K = TypeVar("K", bound=Hashable)


class Waiting(Generic[K]):
    """At most one jail for each key, and `waiting_max` in all; the one that waits longest makes room. Each is ended
    after `waits_s`. `start` makes one.
    """

    def __init__(
        self, start: Callable[[K], Awaitable[Jail]], *, waiting_max: int = WAITING_MAX, waits_s: float = WAITS_S
    ) -> None:
        self._start = start
        self._waiting_max, self._waits_s = waiting_max, waits_s
        self._tasks: OrderedDict[K, asyncio.Task[Jail]] = OrderedDict()
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._is_closed = False

    async def take(self, key: K) -> Jail:
        """The jail that waits for this key, or a new one. It is the caller's, who ends it. Raises as `start`."""
        task = self._removed(key)
        if task is None:
            return await self._start(key)
        try:
            jail = await asyncio.shield(task)
        except asyncio.CancelledError:
            self._end(task)
            raise
        except LichenError:
            return await self._start(key)
        if jail.is_alive:
            return jail
        await jail.end()
        return await self._start(key)

    def prepare(self, key: K) -> None:
        """Starts one for the next call with this key, unless one waits already."""
        if self._is_closed or key in self._tasks:
            return
        while len(self._tasks) >= self._waiting_max:
            self._drop(next(iter(self._tasks)))
        self._tasks[key] = asyncio.ensure_future(self._started(key))
        self._timers[key] = asyncio.get_running_loop().call_later(self._waits_s, self._drop, key)

    async def close(self) -> None:
        """Ends all of them, and returns once they are gone."""
        self._is_closed = True
        for key in tuple(self._tasks):
            self._drop(key)
        while self._ending:
            await asyncio.wait(self._ending)

    async def _started(self, key: K) -> Jail:
        return await self._start(key)

    def _removed(self, key: K) -> asyncio.Task[Jail] | None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        return self._tasks.pop(key, None)

    def _drop(self, key: K) -> None:
        task = self._removed(key)
        if task is not None:
            self._end(task)

    def _end(self, task: asyncio.Task[Jail]) -> None:
        """Ends what is nobody's; one that is being started, once it is."""
        ending = asyncio.ensure_future(_ended(task))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)


async def _ended(task: asyncio.Task[Jail]) -> None:
    with suppress(asyncio.CancelledError, LichenError):
        jail = await task
        await jail.end()
