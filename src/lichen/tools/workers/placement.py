"""Where a tool's function runs: in the event loop, in a thread, or in a process of its own."""

from __future__ import annotations

import asyncio
import contextvars
import os
from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar, assert_never

import msgspec

from lichen.core.cage.grant import Grant
from lichen.core.ports.call import NeedsAnswer, NotDone, Placement, Produced
from lichen.core.words.errors import LichenError
from lichen.tools.workers.frames import Asked, Job, Raised, Refused, Returned, ToolFailed
from lichen.tools.workers.jails import Jails
from lichen.tools.workers.places import CallKey, Figures, Owner, Place, Places
from lichen.tools.workers.processes import Processes
from lichen.tools.workers.step import eagerly
from lichen.tools.workers.threads import Threads

T = TypeVar("T")

THREADS = 64
PROCESSES_MIN = 4
TOOL_THREADS = 4
WAITING_MAX = 1024
NOBODY = Owner("", "")
LET_GO_S = 0.05  # how long a function in the loop may take to notice that it was cancelled


class StillRunning(LichenError):
    """A call was cancelled and goes on all the same: its effect may still happen. `ended` is its outcome, once it has
    one; nobody needs to look at it."""

    code = "still_running"
    next_step = "Treat the call's outcome as unknown; let tools that can hang run in a process."

    def __init__(self, ended: asyncio.Future[Any]) -> None:
        super().__init__("A cancelled call goes on.")
        self.ended = ended
        ended.add_done_callback(_look)


class Workers:
    """The threads and processes that tools run on, and who may have them. Belongs to one event loop; close it, or use
    `async with`.

    `threads`, `processes`: how many at once; what only reads for the gate has as many threads of its own. `tool_max`:
    how many of the threads one tool of a tenant may hold. `waiting_max`: how many calls may wait for each.
    `hides`: paths that no process in a jail has.
    """

    def __init__(
        self,
        *,
        threads: int = THREADS,
        processes: int | None = None,
        tool_max: int = TOOL_THREADS,
        waiting_max: int = WAITING_MAX,
        hides: tuple[str, ...] = (),
    ) -> None:
        processes = processes or max(PROCESSES_MIN, os.cpu_count() or 1)
        self.threads = Places(threads, tool_max=tool_max, waiting_max=waiting_max)
        self.readers = Places(threads, tool_max=tool_max, waiting_max=waiting_max)
        self.processes = Places(processes, tool_max=processes, waiting_max=waiting_max)
        self._threads = Threads(idle_max=threads)
        self._processes = Processes()
        self._jails = Jails(hides)
        self._reserved: dict[CallKey, Place] = {}
        self.reserved = self._reserved.keys()
        """The calls that have a place and have not begun, as they are now."""

    # -- places --------------------------------------------------------------------------------------------------

    def reserve(self, runs: Placement, owner: Owner, call: CallKey) -> bool:
        """Reserves a place for a call, if one is free now, until it begins or `release`. In the loop there always is.

        Raises NotDone as `Places.get`.
        """
        if runs == "loop" or call in self._reserved:
            return True
        place = self._places(runs).take(owner)
        if place is not None:
            self._reserved[call] = place
        return place is not None

    async def wait(self, runs: Placement, owner: Owner, call: CallKey) -> None:
        """Returns once a place is reserved for a call. Raises NotDone as `Places.get`."""
        place = await self._places(runs).get(owner)
        if call in self._reserved:
            place.release()
        else:
            self._reserved[call] = place

    def release(self, call: CallKey) -> None:
        """Gives back what is reserved for a call that has not begun, if anything is."""
        place = self._reserved.pop(call, None)
        if place is not None:
            place.release()

    def figures(self) -> dict[str, Figures]:
        """Places in use, given up and waited for, by what they are."""
        return {"thread": self.threads.figures, "facts": self.readers.figures, "process": self.processes.figures}

    def _places(self, runs: Placement) -> Places:
        return self.processes if runs in ("process", "jail") else self.threads

    async def _place(self, places: Places, owner: Owner, call: CallKey | None) -> Place:
        reserved = self._reserved.pop(call, None) if call is not None else None
        return reserved or await _in_time(places, owner)

    # -- running -------------------------------------------------------------------------------------------------

    async def in_thread(self, job: Callable[[], T], *, owner: Owner = NOBODY, call: CallKey | None = None) -> T:
        """What `job` returns or raises, run in a thread, in the place that is reserved for `call` if one is.

        When cancelled it raises StillRunning at once, and the thread is given up until it ends. Raises NotDone if the
        job was not started and never will be (`not_started`, or as `Places.get`).
        """
        return await self._threaded(await self._place(self.threads, owner, call), job)

    async def read_in_thread(self, job: Callable[[], T], *, owner: Owner = NOBODY) -> T:
        """What `job`, which only reads, returns or raises. When cancelled, the thread is left to itself."""
        try:
            return await self._threaded(await self.readers.get(owner), job)
        except StillRunning:
            raise asyncio.CancelledError from None

    async def in_process(
        self, job: Job, *, owner: Owner = NOBODY, call: CallKey | None = None, cage: Grant | None = None
    ) -> bytes | Produced:
        """What `job` produces, from a worker process that is killed when the caller is cancelled. With a `cage` it is
        one in a jail that has what that grants, and only this job.

        Raises what the tool raised: NotDone as itself, anything else as ToolFailed with its own words in `failure`.
        """
        place = await self._place(self.processes, owner, call)
        try:
            answer = await (self._processes.ask(job) if cage is None else self._jails.ask(job, cage))
        finally:
            place.release()
        match answer:
            case Returned(result, artifacts):
                return Produced(result, artifacts) if artifacts else result
            case Refused(message, code, retryable, failure, issues, recovery, foreign_code, pause_s):
                refused = NotDone(
                    message,
                    code=code,
                    retryable=retryable,
                    issues=issues,
                    recovery=recovery,
                    foreign_code=foreign_code,
                    pause_s=pause_s,
                )
                refused.failure = failure
                raise refused
            case Asked(question, schema, state, asker, expires_s):
                described = msgspec.json.decode(schema)
                raise NeedsAnswer(question, described, state=state, asker=asker, expires_s=expires_s)
            case Raised(message, code, next_step, failure):
                error = ToolFailed(message, code=code, next_step=next_step)
                error.failure = failure
                raise error
            case _:
                assert_never(answer)

    async def _threaded(self, place: Place, job: Callable[[], T]) -> T:
        context = contextvars.copy_context()
        try:
            ended = asyncio.wrap_future(self._threads.submit(lambda: context.run(_contained_call, job)))
        except BaseException:
            place.release()
            raise
        ended.add_done_callback(lambda _: place.release())
        try:
            await asyncio.wait({ended})
        except asyncio.CancelledError:
            if not ended.done():
                place.give_up()
                raise StillRunning(ended) from None
        return ended.result()

    async def close(self) -> None:
        """Kills the processes, refuses calls that wait for a place, and leaves running threads to themselves."""
        for places in (self.threads, self.readers, self.processes):
            places.close()
        self._threads.close()
        await self._processes.close()
        await self._jails.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


async def in_loop(work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns or raises, run in this loop. When cancelled it is cancelled too, and left to itself, with
    StillRunning, if it goes on all the same."""
    ended = eagerly(work)
    try:
        if not ended.done():
            await asyncio.wait({ended})
    except asyncio.CancelledError:
        ended.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.wait({ended}, timeout=LET_GO_S)
        if not ended.done():
            raise StillRunning(ended) from None
        if ended.cancelled():
            raise
    if ended.cancelled():
        raise ToolFailed("Something inside the tool was cancelled.")
    return ended.result()


async def _in_time(places: Places, owner: Owner) -> Place:
    try:
        return await places.get(owner)
    except asyncio.CancelledError:
        raise NotDone("No place to run in was free in time.", code="not_started") from None


def _look(ended: asyncio.Future[Any]) -> None:
    """So that an outcome nobody asks for is no complaint of the loop."""
    if not ended.cancelled():
        ended.exception()


class Contained:
    """Turns what would end more than the call (exit, a cancellation nobody asked for) into ToolFailed."""

    __slots__ = ()

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        match error:
            case SystemExit() | StopIteration():
                raise ToolFailed(f"The tool raised {type(error).__name__}.") from error
            case asyncio.CancelledError() if not _is_cancelled():
                raise ToolFailed("Something inside the tool was cancelled.") from error
            case _:
                return


contained = Contained()


def _contained_call(job: Callable[[], T]) -> T:
    with contained:
        return job()


def _is_cancelled() -> bool:
    """Whether somebody cancelled the task that runs this; never so in a thread."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return False
    return task is not None and task.cancelling() > 0
