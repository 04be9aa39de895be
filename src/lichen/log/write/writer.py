"""The writer: one thread that makes whatever queued while the last fsync ran durable in one commit.

No timer: an idle volume commits at once, a busy one in batches that grow by themselves up to a bound.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import NamedTuple, TypeVar

from lichen.core.words import faults
from lichen.log.disk.blobs import Blobs
from lichen.log.disk.sqlite import FRONTIERS, HEADS, LOGS, RECORDS, Op, apply, insert
from lichen.log.keys.keyring import Keyring
from lichen.log.proof.checkpoint import TreeHead, sign
from lichen.log.proof.tree import Frontier
from lichen.log.records.pending import QueuedRow
from lichen.log.write.entry import Entry
from lichen.log.write.tips import Growth, Head, Tip

T = TypeVar("T")

SIGN_EVERY_US = 1_000_000
QUIET_S = 1.0  # after so long without a commit the records that no head covers yet are signed


class Bounds(NamedTuple):
    """How large one commit may get, unless a single append is larger."""

    rows: int = 2_000
    data_bytes: int = 8 * 1024 * 1024


class Writer:
    """Commits entries in the order in which they were put.

    `on_commit` and `on_failure` run on the loop's thread. After a failure nothing is written until `recover`.
    """

    def __init__(
        self,
        path: Path,
        *,
        connect: Callable[[Path], sqlite3.Connection],
        keyring: Keyring,
        blobs: Blobs,
        clock: Callable[[], int],
        bounds: Bounds,
        on_commit: Callable[[list[Entry]], None],
        on_failure: Callable[[Exception], None],
    ) -> None:
        self._path, self._connect, self.bounds = path, connect, bounds
        self._keyring, self._blobs, self._clock = keyring, blobs, clock
        self._on_commit, self._on_failure = on_commit, on_failure
        self._loop = asyncio.get_running_loop()
        self._entries: deque[Entry] = deque()
        self._jobs: deque[Callable[[], None]] = deque()
        self._unsigned: set[Tip] = set()  # the logs whose last records no head covers
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._is_stopping = self._has_failed = False
        self._connection = connect(path)
        self._thread = threading.Thread(target=self._run, name="lichen-writer", daemon=True)
        self._thread.start()

    # -- for the loop's thread -----------------------------------------------------------------------------------

    def put(self, entries: list[Entry], *, is_first: bool = False) -> None:
        """Queues entries, which grow no more. Before all that wait, and for a commit of their own, if nothing else of
        their logs does."""
        for entry in entries:
            entry.is_first = is_first
        if is_first:
            self._entries.extendleft(reversed(entries))
        else:
            self._entries.extend(entries)
        self._bell.put(None)

    def discard(self) -> None:
        """Throws away what is queued: it builds on something that did not become durable."""
        self._entries.clear()

    async def sign(self, tips: Iterable[Tip]) -> None:
        """Signs the durable end of these logs unless it is signed already, and remembers it with the keys."""
        await self._do(lambda: self._sign_now(tips))

    async def recover(self) -> None:
        """Opens the file anew and writes to it. From then on entries are taken again. Raises what the disk raises."""
        await self._do(self._reopen)

    async def stop(self) -> None:
        """Writes what is queued, ends the thread and closes the file."""
        self._is_stopping = True
        self._bell.put(None)
        await asyncio.to_thread(self._thread.join)
        with suppress(sqlite3.Error):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._connection.close()

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
                self._bell.get(timeout=QUIET_S if self._unsigned else None)
            except Empty:
                self._sign_quietly()
            while not self._is_idle:
                while self._jobs:
                    self._jobs.popleft()()
                if not self._has_failed and (batch := self._take()):
                    self._commit(batch)

    @property
    def _is_idle(self) -> bool:
        return not self._jobs and (self._has_failed or not self._entries)

    def _take(self) -> list[Entry]:
        batch: list[Entry] = []
        rows = data_bytes = 0
        while self._entries:
            entry = self._entries[0]
            rows += len(entry.rows)
            data_bytes += entry.data_bytes
            is_too_much = rows > self.bounds.rows or data_bytes > self.bounds.data_bytes
            if batch and (is_too_much or batch[0].is_first != entry.is_first):
                break
            batch.append(self._entries.popleft())
        return batch

    def _commit(self, batch: list[Entry]) -> None:
        try:
            self._write(batch)
        except Exception as error:  # noqa: BLE001 - a writer that dies in silence leaves everybody waiting
            self._fail(error)
        else:
            self._tell(self._on_commit, batch)

    def _sign_quietly(self) -> None:
        now_us = self._clock()
        try:
            self._sign_now([tip for tip in self._unsigned if _is_due(tip, now_us)])
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._has_failed = True
        self._unsigned.clear()
        with suppress(sqlite3.Error):
            self._connection.execute("ROLLBACK")
        self._tell(self._on_failure, error)

    def _tell(self, callback: Callable[[T], None], news: T) -> None:
        with suppress(RuntimeError):  # the loop is gone, and with it everybody who waits
            self._loop.call_soon_threadsafe(callback, news)

    def _write(self, batch: list[Entry]) -> None:
        self._keyring.commit()  # keys first: no record is durable before the key that opens it
        for entry in batch:
            for blob in entry.blobs:
                self._blobs.put(blob)
        growths = _grow(batch)
        kinds = {record.type for entry in batch for record in entry.records} if faults.is_watched() else ()
        for kind in kinds:
            faults.hit(f"commit.before/{kind}")
        heads = self._transact(growths, [op for entry in batch for op in entry.ops])
        for kind in kinds:
            faults.hit(f"commit.after/{kind}")
        for growth in growths:
            growth.settle()
        self._unsigned.update(growth.tip for growth in growths)
        self._remember(heads)

    def _transact(self, growths: list[Growth], ops: list[Op]) -> list[Head]:
        """One transaction: records, views, where each log ends now, and the heads whose time has come."""
        now_us = self._clock()
        due = [each for each in growths if _is_due(each.tip, now_us)]
        heads = [self._head(each.tip, each.frontier, chain=each.chain, now_us=now_us) for each in due]
        rows = [row for growth in growths for row in growth.rows]
        rows.sort()  # by their number in the volume, so that the table only grows at its end
        ops += [(LOGS, (each.tip.number,), (each.tip.id,)) for each in growths if each.tip.is_new]
        ops += [(FRONTIERS, (each.tip.number,), (each.frontier.encode(),)) for each in growths]
        self._connection.execute("BEGIN IMMEDIATE")
        insert(self._connection, RECORDS, rows)
        apply(self._connection, ops)
        insert(self._connection, HEADS, [each.row for each in heads])
        self._connection.execute("COMMIT")
        return heads

    def _head(self, tip: Tip, frontier: Frontier, *, chain: bytes, now_us: int) -> Head:
        head = TreeHead(tip.id, frontier.size, frontier.root(), chain, now_us)
        return Head(tip, frontier.size, now_us, sign(head, self._keyring.secrets(tip.id).signer))

    def _remember(self, heads: list[Head]) -> None:
        """Only what is durable: a head remembered ahead of its log would look like a log rolled back."""
        for tip, size, now_us, text in heads:
            tip.heads, tip.signed_size, tip.signed_us = tip.heads + 1, size, now_us
            self._unsigned.discard(tip)
            self._keyring.remember_head(tip.id, text)

    def _sign_now(self, tips: Iterable[Tip]) -> None:
        now_us = self._clock()
        heads = [
            self._head(tip, tip.frontier, chain=tip.chain, now_us=now_us)
            for tip in tips
            if tip.frontier.size > tip.signed_size
        ]
        if not heads:
            return
        self._keyring.commit()
        insert(self._connection, HEADS, [each.row for each in heads])
        self._remember(heads)
        self._keyring.commit()

    def _reopen(self) -> None:
        with suppress(sqlite3.Error):
            self._connection.close()
        self._connection = self._connect(self._path)
        self._connection.execute("BEGIN IMMEDIATE")
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        self._connection.execute(f"PRAGMA user_version = {version}")  # writes a page although nothing changes
        self._connection.execute("COMMIT")
        self._keyring.commit()
        self._has_failed = False


def _is_due(tip: Tip, now_us: int) -> bool:
    return abs(now_us - tip.signed_us) >= SIGN_EVERY_US


def _grow(batch: list[Entry]) -> list[Growth]:
    rows: dict[Tip, list[QueuedRow]] = {}
    for entry in batch:
        if entry.rows:
            rows.setdefault(entry.tip, []).extend(entry.rows)
    return [Growth(tip, each) for tip, each in rows.items()]
