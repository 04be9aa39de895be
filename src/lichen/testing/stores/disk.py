"""A disk under a store: it stands still, fills up, fails, or loses its power when the test says so."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path

from lichen.log.sqlite.store import SqliteStore
from lichen.log.store.port import Batch, Blobs, Reading, Store, Writing
from lichen.log.store.tables import Op, Table
from lichen.testing.stores.memory import PowerLost

DEADLINE_S = 10.0


def full() -> OSError:
    """What a disk without space says."""
    return OSError(errno.ENOSPC, "No space left on device")


class Disk:
    """What becomes of the batches that a store is given, over the lives of any number of processes.

    `over` says what lies on it, a SQLite file unless told otherwise; `VolumeOptions(store=disk.open)` puts a volume
    there. While there is an `error`, batches that `refuses` says meet it; `rows` counts the records of each batch that
    was put.
    """

    def __init__(self, over: Callable[[Path], Store] = SqliteStore) -> None:
        self.error: Exception | None = None
        self.refuses: Callable[[Batch], bool] = lambda batch: True
        self.rows: list[int] = []
        self._over = over
        self._has_power = True
        self._moves, self._is_waiting = threading.Event(), threading.Event()
        self._moves.set()

    def open(self, home: Path) -> Store:
        """The store in a data directory, for the next process."""
        self._has_power = True
        return _DiskStore(self, self._over(home))

    def cut(self) -> None:
        """Takes the power away: what was put is there, and nothing else ever will be, until somebody opens it again."""
        self._has_power = False

    @contextmanager
    def standing_still(self) -> Generator[None]:
        """Commits begin and do not end meanwhile."""
        self._is_waiting.clear()
        self._moves.clear()
        try:
            yield
        finally:
            self._moves.set()

    def is_written_to(self) -> bool:
        """Waits until a commit has begun."""
        return self._is_waiting.wait(DEADLINE_S)

    async def stands_still(self) -> None:
        """Returns when a commit has begun and does not end."""
        assert await asyncio.to_thread(self.is_written_to)

    def take(self, batch: Batch) -> None:
        """Lets a batch through, in its time. Raises what the disk says."""
        self._is_waiting.set()
        self._moves.wait(DEADLINE_S)
        if not self._has_power:
            raise PowerLost("The power is off.")
        if self.error is not None and self.refuses(batch):
            raise self.error
        if batch.records:
            self.rows.append(len(batch.records))


class _DiskStore:
    """The store as the disk lets it be."""

    def __init__(self, disk: Disk, inner: Store) -> None:
        self._disk, self._inner = disk, inner

    @property
    def blobs(self) -> Blobs:
        return self._inner.blobs

    def prepare(self, tables: Sequence[Table], /) -> tuple[Table, ...]:
        return self._inner.prepare(tables)

    def remake(self, tables: Sequence[Table], ops: Iterable[Op], /) -> None:
        self._inner.remake(tables, ops)

    def read(self) -> Reading:
        return self._inner.read()

    def write(self) -> Writing:
        return _DiskWriting(self._disk, self._inner.write())


class _DiskWriting:
    def __init__(self, disk: Disk, inner: Writing) -> None:
        self._disk, self._inner = disk, inner

    def put(self, batch: Batch, /) -> None:
        self._disk.take(batch)
        self._inner.put(batch)

    def probe(self) -> None:
        self._disk.take(Batch())
        self._inner.probe()

    def close(self) -> None:
        self._inner.close()
