"""The first step of a coroutine, done on the spot: what waits for nothing waits for no turn of the loop either."""

from __future__ import annotations

import asyncio
import contextvars
from asyncio import _enter_task, _leave_task  # pyright: ignore[reportPrivateUsage] - exported for tasks of one's own
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")


class Begun(Coroutine[Any, Any, T]):
    """A coroutine whose first step is done by `begin`; once it is over it ends at once."""

    __slots__ = ("_awaited", "_is_first", "_is_over", "_work", "value")

    value: T
    """What the work returned, once `begin` says that this was all."""

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self._work, self._is_first, self._is_over = work, True, True
        self._awaited: asyncio.Future[Any] | None = None  # what is waited for; None for a turn of the loop

    def begin(self) -> bool:
        """Does the first step. Whether that was all. Raises what it raises."""
        try:
            self._awaited = self._work.send(None)
        except StopIteration as end:
            self.value = end.value
            return True
        self._is_over = False
        return False

    def send(self, value: Any, /) -> Any:
        """The next thing that is waited for; first what the step that was done waits for."""
        if self._is_over:
            raise StopIteration
        if self._is_first:
            self._is_first = False
            return self._awaited
        return self._work.send(value)

    def throw(self, *error: Any) -> Any:
        """Throws into the work. Who is cancelled before the first wait cancels what that waits for, as a task does."""
        if self._is_over:
            raise StopIteration
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


def eagerly(work: Coroutine[Any, Any, T], name: str | None = None) -> asyncio.Future[T]:
    """A task that does the work, its first step before this returns; where that was all, a future that is done.

    To the work it is one task from beginning to end, with a context of its own. What `asyncio.eager_task_factory` does
    from Python 3.12 on.
    """
    loop, context, begun = asyncio.get_running_loop(), contextvars.copy_context(), Begun(work)
    task, outer = loop.create_task(begun, name=name, context=context), asyncio.current_task(loop)
    if outer is not None:
        _leave_task(loop, outer)
    _enter_task(loop, task)
    ended: asyncio.Future[T] = loop.create_future()
    try:
        if not context.run(begun.begin):
            return task
        ended.set_result(begun.value)
    except asyncio.CancelledError:
        ended.cancel()
    except Exception as error:  # noqa: BLE001 - it is the future's
        ended.set_exception(error)
    finally:
        _leave_task(loop, task)
        if outer is not None:
            _enter_task(loop, outer)
    return ended
