"""A bounded set of threads for functions that block. A thread that never ends does not keep the program from ending."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from lichen.core.call import NotDone

T = TypeVar("T")

_Job = tuple[Future[Any], Callable[[], Any]]


class Threads:
    """Runs jobs on at most `size` daemon threads, started when first needed; at most `waiting_max` jobs wait.

    The standard library's executor joins its threads when the program ends, so one stuck call would keep it alive.
    """

    def __init__(self, size: int, *, waiting_max: int) -> None:
        self._size = size
        self._waiting_max = waiting_max
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._started = 0
        self._is_closed = False

    def submit(self, job: Callable[[], T]) -> Future[T]:
        """A future of what `job` returns. Raises NotDone when closed (`workers_closed`) or full (`workers_busy`)."""
        if self._is_closed:
            raise NotDone("The workers are closed.", code="workers_closed")
        if self._jobs.qsize() >= self._waiting_max:
            raise NotDone("Too many calls wait for a thread.", code="workers_busy")
        future: Future[T] = Future()
        self._jobs.put((future, job))
        if not self._idle.acquire(blocking=False) and self._started < self._size:
            self._started += 1
            threading.Thread(target=self._serve, name=f"lichen-tool-{self._started}", daemon=True).start()
        return future

    def close(self) -> None:
        """Cancels the jobs that wait and lets every thread end after the job it has."""
        self._is_closed = True
        with suppress(Empty):
            while entry := self._jobs.get_nowait():
                entry[0].cancel()
        for _ in range(self._started):
            self._jobs.put(None)

    def _serve(self) -> None:
        while entry := self._jobs.get():
            _settle(*entry)
            del entry  # an idle thread holds on to no result
            self._idle.release()


def _settle(future: Future[Any], job: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(job())
    except BaseException as error:  # noqa: BLE001 - whatever a job raises belongs to who waits for it
        future.set_exception(error)
