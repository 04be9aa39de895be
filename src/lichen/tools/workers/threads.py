"""Threads for functions that block. A thread that never ends does not keep the program from ending."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

from lichen.core.ports.call import NotDone

T = TypeVar("T")

_Job = tuple[Future[Any], Callable[[], Any]]


class Threads:
    """Runs each job at once on a daemon thread: one that is idle, or a new one. At most `idle_max` are kept idle.

    Whoever hands jobs in bounds how many there are at once. The standard library's executor joins its threads when the
    program ends, so one stuck call would keep it alive.
    """

    def __init__(self, idle_max: int) -> None:
        self._idle_max = idle_max
        self._idle: deque[_Thread] = deque()
        self._started = 0
        self._is_closed = False

    def submit(self, job: Callable[[], T]) -> Future[T]:
        """A future of what `job` returns. Raises NotDone when closed (`workers_closed`)."""
        if self._is_closed:
            raise NotDone("The workers are closed.", code="workers_closed")
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()
        self._take().give((future, job))
        return future

    def close(self) -> None:
        """Lets every thread end after the job it has."""
        self._is_closed = True
        while self._idle:
            self._idle.pop().end()

    def _take(self) -> _Thread:
        try:
            return self._idle.pop()
        except IndexError:
            self._started += 1
            return _Thread(f"lichen-tool-{self._started}", self._keep)

    def _keep(self, thread: _Thread) -> bool:
        """Called on the thread itself, when it has done its job: whether it is kept for the next."""
        if self._is_closed or len(self._idle) >= self._idle_max:
            return False
        self._idle.append(thread)
        if self._is_closed:  # meanwhile
            thread.end()
        return True


class _Thread:
    """One thread, with the jobs it was given. `keep` says whether it goes on after a job."""

    def __init__(self, name: str, keep: Callable[[_Thread], bool]) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._keep = keep
        threading.Thread(target=self._serve, name=name, daemon=True).start()

    def give(self, job: _Job) -> None:
        """The next job."""
        self._jobs.put(job)

    def end(self) -> None:
        """No further job comes."""
        self._jobs.put(None)

    def _serve(self) -> None:
        while entry := self._jobs.get():
            future, result, error = entry[0], None, None
            try:
                result = entry[1]()
            except BaseException as raised:  # noqa: BLE001 - whatever a job raises belongs to who waits for it
                error = raised
            del entry  # an idle thread holds on to no result
            is_kept = self._keep(self)  # before anybody is told, so that whoever comes next finds it idle
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)
            del future, result, error
            if not is_kept:
                return
