"""One step of a coroutine, done by hand: what waits for nothing needs no task and no timer."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")

Awaited = asyncio.Future[Any] | None
"""What a step gives back: the future that is waited for, or None for a turn of the loop."""


class Begun(Coroutine[Any, Any, T]):
    """A coroutine whose first step is done already, and waits for `awaited`."""

    __slots__ = ("_awaited", "_is_first", "_work")

    def __init__(self, work: Coroutine[Any, Any, T], awaited: Awaited) -> None:
        self._work, self._awaited, self._is_first = work, awaited, True

    def send(self, value: Any, /) -> Any:
        """The next thing that is waited for; first what the step that was done waits for."""
        if self._is_first:
            self._is_first = False
            return self._awaited
        return self._work.send(value)

    def throw(self, *error: Any) -> Any:
        """Throws into the work. Who is cancelled before the first wait cancels what that waits for, as a task does."""
        is_first, self._is_first = self._is_first, False
        if is_first and self._awaited is not None and _is_cancel(error[0]) and self._awaited.cancel():
            return self._awaited
        return self._work.throw(*error)

    def close(self) -> None:
        """Ends the work where it is."""
        self._work.close()

    def __await__(self) -> Generator[Any, Any, T]:
        return _Steps(self)


class _Steps(Generator[Any, Any, T]):
    """The steps of a coroutine as what `await` goes through."""

    __slots__ = ("_work",)

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self._work = work

    def send(self, value: Any, /) -> Any:
        return self._work.send(value)

    def throw(self, *error: Any) -> Any:
        return self._work.throw(*error)


def _is_cancel(error: Any) -> bool:
    kind = error if isinstance(error, type) else type(error)
    return issubclass(kind, asyncio.CancelledError)


def at_once(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None] | None:
    """Does on the spot what waits for nothing, and returns None; work that waits goes on as a task."""
    context = contextvars.copy_context()
    try:
        awaited = context.run(work.send, None)
    except StopIteration:
        return None
    return asyncio.get_running_loop().create_task(Begun(work, awaited), name=name, context=context)


class Within:
    """A limit for one piece of work of the task that awaits it. The timer is only set for work that waits."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._timeout: asyncio.Timeout | None = None

    @property
    def is_over(self) -> bool:
        """Whether the time was over before the work was."""
        return self._timeout is not None and self._timeout.expired()

    async def of(self, work: Coroutine[Any, Any, T]) -> T:
        """What the work returns or raises. Raises TimeoutError when its time is over, after it was cancelled."""
        try:
            awaited = work.send(None)
        except StopIteration as end:
            return end.value
        async with asyncio.timeout(self._timeout_s) as self._timeout:
            return await Begun(work, awaited)
