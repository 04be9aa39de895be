"""One step of a coroutine, done by hand: what waits for nothing needs no task and no timer."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from lichen.tools.workers.step import Begun

T = TypeVar("T")


def at_once(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None] | None:
    """Does on the spot what waits for nothing, and returns None; work that waits goes on as a task."""
    context, begun = contextvars.copy_context(), Begun(work)
    if context.run(begun.begin):
        return None
    return asyncio.get_running_loop().create_task(begun, name=name, context=context)


class Within:
    """A limit for one piece of work of the task that awaits it. The timer is only set for work that waits, and `waits`
    only called for such work, before anything else happens."""

    def __init__(self, timeout_s: float, *, waits: Callable[[], None] = lambda: None) -> None:
        self._timeout_s, self._waits = timeout_s, waits
        self._timeout: asyncio.Timeout | None = None

    @property
    def is_over(self) -> bool:
        """Whether the time was over before the work was."""
        return self._timeout is not None and self._timeout.expired()

    async def of(self, work: Coroutine[Any, Any, T]) -> T:
        """What the work returns or raises. Raises TimeoutError when its time is over, after it was cancelled."""
        begun = Begun(work)
        if begun.begin():
            return begun.value
        self._waits()
        async with asyncio.timeout(self._timeout_s) as self._timeout:
            return await begun
