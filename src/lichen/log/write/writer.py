"""The writer: one thread that makes whatever queued while the last commit ran durable in the next one.

No timer: an idle volume commits at once, a busy one in batches that grow by themselves up to a bound.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Protocol, TypeVar

from lichen.log.write.ahead import Ahead
from lichen.log.write.commits import Bounds, Commits
from lichen.log.write.entry import Entry
from lichen.log.write.tips import Tip

T = TypeVar("T")

QUIET_S = 1.0  # after so long without a commit the records that no head covers yet are signed


class Writer(Protocol):
    """Whatever has commits made: on a thread of its own, or wherever a test wants them."""

    @property
    def bounds(self) -> Bounds:
        """How large one commit may get."""
        ...

    def put(self, entries: list[Entry], /, *, is_first: bool = False) -> None:
        """Queues entries, which grow no more: before all that wait, when they are to be first."""
        ...

    def discard(self) -> None:
        """Throws away what is queued."""
        ...

    async def sign(self, tips: Iterable[Tip], /) -> None:
        """Signs the durable end of these logs unless it is signed already, and remembers it with the keys."""
        ...

    async def recover(self) -> None:
        """Opens the store anew and writes to it. From then on entries are taken again. Raises what the store raises."""
        ...

    async def stop(self) -> None:
        """Writes what is queued, and lets go of the store."""
        ...


StartWriter = Callable[[Commits, Callable[[list[Entry]], None], Callable[[Exception], None]], Writer]
"""Begins to make commits. The first callback is told of each that was made, the second of one that failed, both on the
loop's thread."""


class ThreadWriter:
    """Makes commits on a thread of its own."""

    def __init__(
        self, commits: Commits, on_commit: Callable[[list[Entry]], None], on_failure: Callable[[Exception], None]
    ) -> None:
        self.bounds = commits.bounds
        self._commits, self._on_commit, self._on_failure = commits, on_commit, on_failure
        self._loop = asyncio.get_running_loop()
        self._ahead = Ahead(commits.store_blobs, self._queue)
        self._jobs: deque[Callable[[], None]] = deque()
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="lichen-writer", daemon=True)
        self._thread.start()

    # -- for the loop's thread -----------------------------------------------------------------------------------

    def put(self, entries: list[Entry], /, *, is_first: bool = False) -> None:
        """Queues entries, which grow no more. One with much beside its records waits for that alone, and its log with
        it."""
        ready = self._ahead.ready(entries)
        if ready:
            self._queue(ready, is_first)

    def _queue(self, entries: list[Entry], is_first: bool) -> None:
        self._commits.put(entries, is_first=is_first)
        self._bell.put(None)

    def discard(self) -> None:
        """Throws away what is queued."""
        self._ahead.discard()
        self._commits.discard()

    async def sign(self, tips: Iterable[Tip], /) -> None:
        """Signs between two commits."""
        await self._do(lambda: self._commits.sign(tips))

    async def recover(self) -> None:
        """Opens the store anew between two commits."""
        await self._do(self._commits.recover)

    async def stop(self) -> None:
        """Writes what is queued, ends the thread and lets go of the store."""
        await self._ahead.stop()
        self._is_stopping = True
        self._bell.put(None)
        await asyncio.to_thread(self._thread.join)
        self._commits.close()

    async def _do(self, job: Callable[[], T]) -> T:
        """Runs `job` on the writer's thread, between two commits."""
        future: Future[T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return  # whoever asked is gone
            try:
                future.set_result(job())
            except Exception as error:  # noqa: BLE001 - whoever asked gets it
                future.set_exception(error)

        self._jobs.append(run)
        self._bell.put(None)
        return await asyncio.wrap_future(future)

    # -- the thread ----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not (self._is_stopping and self._is_idle):
            try:
                self._bell.get(timeout=QUIET_S if self._commits.unsigned else None)
            except Empty:
                self._sign_quietly()
            while not self._is_idle:
                while self._jobs:
                    self._jobs.popleft()()
                if batch := self._commits.take():
                    self._commit(batch)

    @property
    def _is_idle(self) -> bool:
        return not self._jobs and self._commits.is_idle

    def _commit(self, batch: list[Entry]) -> None:
        try:
            self._commits.commit(batch)
        except Exception as error:  # noqa: BLE001 - a writer that dies in silence leaves everybody waiting
            self._tell(self._on_failure, error)
        else:
            self._tell(self._on_commit, batch)

    def _sign_quietly(self) -> None:
        try:
            self._commits.sign_quietly()
        except Exception as error:  # noqa: BLE001 - as above
            self._tell(self._on_failure, error)

    def _tell(self, callback: Callable[[T], None], news: T) -> None:
        with suppress(RuntimeError):  # the loop is gone, and with it everybody who waits
            self._loop.call_soon_threadsafe(callback, news)
