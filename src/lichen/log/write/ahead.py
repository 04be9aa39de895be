"""Large contents on their way to the disk: written ahead of the commit of their records, beside the writer's thread.

So a picture of one tenant is not waited for by another: only what its own log appends after it comes after it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from lichen.log.write.entry import Entry
from lichen.log.write.tips import Tip

AHEAD_BYTES: Final = 256 * 1024  # less goes with its commit
AT_ONCE: Final = 2  # that are written


class Ahead:
    """The entries whose blobs are being written, and those of the same logs behind them. For the loop's thread.

    `store` writes the blobs of an entry in a worker thread, `queue` gets entries whose turn has come.
    """

    def __init__(self, store: Callable[[Entry], None], queue: Callable[[list[Entry], bool], None]) -> None:
        self._store, self._queue = store, queue
        self._waiting: dict[Tip, deque[Entry]] = {}
        self._writing: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(AT_ONCE)

    def ready(self, entries: list[Entry]) -> list[Entry]:
        """Those of the entries that wait for nothing; the others are queued once they do not."""
        if not self._waiting and not any(entry.blobs for entry in entries):
            return entries
        return [entry for entry in entries if not self._holds(entry)]

    def _holds(self, entry: Entry) -> bool:
        waiting = self._waiting.get(entry.tip)
        if waiting is not None:
            waiting.append(entry)
            return True
        if sum(map(len, entry.blobs)) < AHEAD_BYTES:
            return False
        self._waiting[entry.tip] = deque([entry])
        self._write(entry)
        return True

    def _write(self, entry: Entry) -> None:
        task = asyncio.get_running_loop().create_task(self._written(entry))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _written(self, entry: Entry) -> None:
        """Writes the blobs of an entry. What fails here fails again with its commit, which says so."""
        async with self._slots:
            await asyncio.gather(asyncio.to_thread(self._store, entry), return_exceptions=True)
        waiting = self._waiting.get(entry.tip)
        if waiting is None or waiting[0] is not entry:
            return  # thrown away meanwhile
        self._go_on(entry.tip, waiting)

    def _go_on(self, tip: Tip, waiting: deque[Entry]) -> None:
        """Queues the first entry of a log, and those behind it up to the next one that has to be written ahead."""
        ready = [waiting.popleft()]
        while waiting and sum(map(len, waiting[0].blobs)) < AHEAD_BYTES:
            ready.append(waiting.popleft())
        if waiting:
            self._write(waiting[0])
        else:
            del self._waiting[tip]
        self._queue(ready, False)

    def discard(self) -> None:
        """Throws away what waits: it builds on something that did not become durable."""
        self._waiting.clear()

    async def stop(self) -> None:
        """Returns once nothing waits any more."""
        while self._writing:
            await asyncio.wait(self._writing)
