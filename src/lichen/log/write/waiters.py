"""Those who wait until a log's records are on disk: one wake-up for all whom a commit concerns."""

from __future__ import annotations

import asyncio
from heapq import heappop, heappush

from lichen.core.words.errors import Unavailable
from lichen.log.write.shared import as_new


class Waiters:
    """Tasks waiting for positions of one log, in any order."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, asyncio.Future[None]]] = []
        self._count = 0

    def wait(self, seq: int) -> asyncio.Future[None]:
        """Done when record `seq` is durable; raises what `fail` was given when it never will be."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1  # futures do not compare
        heappush(self._heap, (seq, self._count, future))
        return future

    def wake(self, durable_seq: int) -> None:
        """Everything up to `durable_seq` is durable."""
        heap = self._heap
        while heap and heap[0][0] <= durable_seq:
            future = heappop(heap)[2]
            if not future.done():  # whoever was cancelled does not care any more
                future.set_result(None)

    def fail(self, error: Unavailable) -> None:
        """Nothing that is waited for will ever be durable."""
        heap, self._heap = self._heap, []
        for _, _, future in heap:
            if not future.done():
                future.set_exception(as_new(error))
