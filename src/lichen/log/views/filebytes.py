"""How many bytes of files came with the messages of a log today: counted as they come, and on disk where it was
written before this process."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Callable
from contextlib import closing
from typing import Final

from lichen.core.words.content import APART
from lichen.log.disk.growth import DAY_US, Growth
from lichen.log.records.record import decode
from lichen.log.store.port import Reading
from lichen.log.views.queries import Queries

_MARK: Final = APART.encode()
PAGE: Final = 4_096  # records


class FileBytes:
    """Those of one log, whose records up to `upto` were written before. For the loop's thread."""

    def __init__(self, read: Callable[[], Reading], number: int, upto: int) -> None:
        self._read, self._number, self._upto = read, number, upto
        self._came, self._before = Growth(), Growth()
        self._counting: asyncio.Task[None] | None = None

    def add(self, ts_us: int, size: int) -> None:
        """Files of so many bytes came."""
        self._came.add(ts_us, size)

    def on(self, now_us: int) -> int:
        """How many bytes came on the day of this moment; `load` was awaited before."""
        return self._came.on(now_us) + self._before.on(now_us)

    async def load(self, now_us: int) -> None:
        """Counts what came on this day before this process, once, in a worker thread."""
        if self._counting is None:
            self._counting = asyncio.ensure_future(self._load(now_us))
        await asyncio.shield(self._counting)

    async def _load(self, now_us: int) -> None:
        try:
            self._before.add(now_us, await asyncio.to_thread(self._counted, now_us - now_us % DAY_US))
        except BaseException:
            self._counting = None  # the next one counts again
            raise

    def _counted(self, since_us: int) -> int:
        with closing(self._read()) as reading:
            queries = Queries(reading, self._number)
            first = bisect_left(range(1, self._upto + 1), since_us, key=queries.ts_us) + 1
            found = 0
            for start in range(first, self._upto + 1, PAGE):
                rows = queries.data_between(start, min(start + PAGE - 1, self._upto))
                found += sum(_files(data) for _, data in rows if _MARK in data)
            return found


def _files(data: bytes) -> int:
    """The bytes of the files of a stored record."""
    parts = (part for record in decode(data) for part in record.contents if part.part.startswith(APART))
    return sum(len(part.body) if isinstance(part.body, bytes) else part.body.size for part in parts)
