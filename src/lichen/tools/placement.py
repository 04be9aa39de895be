"""Where a tool's function runs: in the event loop, in a thread, or in a process of its own."""

from __future__ import annotations

import asyncio
import contextvars
import os
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Self, TypeVar, assert_never

from lichen.core.call import NotDone
from lichen.core.errors import LichenError
from lichen.tools.frames import Job, Raised, Refused, Returned, ToolFailed
from lichen.tools.processes import Processes
from lichen.tools.threads import Threads

T = TypeVar("T")


class StillRunning(LichenError):
    """A call was cancelled, but its thread cannot be stopped and goes on: its effect may still happen."""

    code = "still_running"
    next_step = "Treat the call's outcome as unknown; let tools that can hang run in a process."


class Workers:
    """The threads and processes that tools run on. Belongs to one event loop; close it, or use `async with`.

    `threads`, `processes`: how many at once. `waiting_max`: how many calls may wait for a thread. `grace_s`: how long
    a cancelled call waits for its thread to end, so that an outcome which is about to be known is not lost.
    """

    def __init__(
        self, *, threads: int = 32, processes: int | None = None, waiting_max: int = 1024, grace_s: float = 5.0
    ) -> None:
        self._threads = Threads(threads, waiting_max=waiting_max)
        self._processes = Processes(processes or os.cpu_count() or 1)
        self._grace_s = grace_s

    async def in_thread(self, job: Callable[[], T]) -> T:
        """What `job` returns or raises, run in a thread.

        When cancelled: the outcome, if the thread ends within `grace_s`; else raises StillRunning. Raises NotDone if
        the job was not started and never will be (`not_started`, `workers_busy`, `workers_closed`).
        """
        future = self._submit(job)
        waiter = asyncio.wrap_future(future)
        try:
            await asyncio.wait({waiter})
        except asyncio.CancelledError:
            if future.cancel():
                raise NotDone("No thread was free in time.", code="not_started") from None
            await self._outlast(waiter)
        if waiter.cancelled():
            raise NotDone("The workers were closed before a thread was free.", code="workers_closed")
        return waiter.result()

    async def read_in_thread(self, job: Callable[[], T]) -> T:
        """What `job`, which only reads, returns or raises. When cancelled, the thread is left to itself."""
        return await asyncio.wrap_future(self._submit(job))

    async def in_process(self, job: Job) -> bytes:
        """The result of `job` as JSON, from a worker process that is killed when the caller is cancelled.

        Raises what the tool raised: NotDone as itself, anything else as ToolFailed with its own words in `failure`.
        """
        answer = await self._processes.ask(job)
        match answer:
            case Returned(result):
                return result
            case Refused(message, code, retryable, failure):
                refused = NotDone(message, code=code, retryable=retryable)
                refused.failure = failure
                raise refused
            case Raised(message, code, next_step, failure):
                error = ToolFailed(message, code=code, next_step=next_step)
                error.failure = failure
                raise error
            case _:
                assert_never(answer)

    async def close(self) -> None:
        """Kills the processes, cancels calls that wait for a thread, and leaves running threads to themselves."""
        self._threads.close()
        await self._processes.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def _submit(self, job: Callable[[], T]) -> Future[T]:
        context = contextvars.copy_context()
        return self._threads.submit(lambda: context.run(_contained_call, job))

    async def _outlast(self, waiter: asyncio.Future[Any]) -> None:
        """Returns once `waiter` is done. A second cancellation ends the wait as the grace does."""
        with suppress(asyncio.CancelledError):
            await asyncio.wait({waiter}, timeout=self._grace_s)
        if not waiter.done():
            waiter.cancel()
            raise StillRunning("A cancelled call goes on in its thread.") from None


@contextmanager
def contained() -> Generator[None]:
    """Turns what would end more than the call (exit, a cancellation nobody asked for) into ToolFailed."""
    try:
        yield
    except (SystemExit, StopIteration) as error:
        raise ToolFailed(f"The tool raised {type(error).__name__}.") from error
    except asyncio.CancelledError as error:
        if _is_cancelled():
            raise
        raise ToolFailed("Something inside the tool was cancelled.") from error


def _contained_call(job: Callable[[], T]) -> T:
    with contained():
        return job()


def _is_cancelled() -> bool:
    """Whether somebody cancelled the task that runs this; never so in a thread."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return False
    return task is not None and task.cancelling() > 0
