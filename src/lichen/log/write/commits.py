"""Commits: entries are made durable in the order in which they were put, some at a time, and log ends are signed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from lichen.core.words import faults
from lichen.log.keys.keyring import Keyring
from lichen.log.proof.checkpoint import TreeHead, sign
from lichen.log.proof.tree import Frontier
from lichen.log.records.pending import QueuedRow
from lichen.log.store.port import Batch, Store, Writing
from lichen.log.store.tables import FRONTIERS, LOGS, Op, Row
from lichen.log.write.entry import Entry
from lichen.log.write.tips import Growth, Head, Tip

SIGN_EVERY_US = 1_000_000


class Bounds(NamedTuple):
    """How large one commit may get, unless a single append is larger."""

    rows: int = 2_000
    data_bytes: int = 8 * 1024 * 1024


class Commits:
    """What is to be made durable, and how. For one thread, but for `put` and `discard`.

    After a failure nothing is written until `recover`.
    """

    def __init__(self, store: Store, *, keyring: Keyring, clock: Callable[[], int], bounds: Bounds) -> None:
        self.bounds, self.has_failed = bounds, False
        self.unsigned: set[Tip] = set()  # the logs whose last records no head covers
        self._store, self._keyring, self._clock = store, keyring, clock
        self._entries: deque[Entry] = deque()
        self._writing: Writing = store.write()

    def put(self, entries: list[Entry], *, is_first: bool = False) -> None:
        """Queues entries, which grow no more. Before all that wait, and for a commit of their own, if nothing else of
        their logs does."""
        for entry in entries:
            entry.is_first = is_first
        if is_first:
            self._entries.extendleft(reversed(entries))
        else:
            self._entries.extend(entries)

    def discard(self) -> None:
        """Throws away what is queued: it builds on something that did not become durable."""
        self._entries.clear()

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to write, or nothing can be written."""
        return self.has_failed or not self._entries

    def take(self) -> list[Entry]:
        """What goes with the next commit; nothing when there is nothing to write."""
        batch: list[Entry] = []
        rows = data_bytes = 0
        while self._entries and not self.has_failed:
            entry = self._entries[0]
            rows += len(entry.rows)
            data_bytes += entry.data_bytes
            is_too_much = rows > self.bounds.rows or data_bytes > self.bounds.data_bytes
            if batch and (is_too_much or batch[0].is_first != entry.is_first):
                break
            batch.append(self._entries.popleft())
        return batch

    def commit(self, batch: list[Entry]) -> None:
        """Makes these entries durable, all or none. Raises what the store, the keys or the blobs raise."""
        try:
            self._commit(batch)
        except Exception:
            self._fail()
            raise

    def _commit(self, batch: list[Entry]) -> None:
        self._keyring.commit()  # keys first: no record is durable before the key that opens it
        ops: list[Op] = []
        for entry in batch:
            ops += entry.ops
            self.store_blobs(entry)
        growths = _grow(batch)
        kinds = {record.type for entry in batch for record in entry.records} if faults.is_watched() else ()
        for kind in kinds:
            faults.hit(f"commit.before/{kind}")
        heads = self._transact(growths, ops)
        for kind in kinds:
            faults.hit(f"commit.after/{kind}")
        for growth in growths:
            growth.settle()
            self.unsigned.add(growth.tip)
        if heads:
            self._remember(heads)

    def store_blobs(self, entry: Entry) -> None:
        """Makes what lies beside an entry's records durable, on any thread. Raises what the blobs raise."""
        while entry.blobs:
            self._store.blobs.put(entry.blobs[-1])
            entry.blobs.pop()

    def _transact(self, growths: list[Growth], ops: list[Op]) -> list[Head]:
        """One batch: records, views, where each log ends now, and the heads whose time has come."""
        now_us = self._clock()
        heads: list[Head] = []
        rows: list[Row] = []
        held: dict[int, int] = {}
        for each in growths:
            tip = each.tip
            rows += each.rows
            held[tip.number] = tip.epoch
            if tip.is_new:
                ops.append((LOGS, (tip.number,), (tip.id,)))
            ops.append((FRONTIERS, (tip.number,), (each.frontier.encode(),)))
            if abs(now_us - tip.signed_us) >= SIGN_EVERY_US:
                heads.append(self._head(tip, each.frontier, chain=each.chain, now_us=now_us))
        rows.sort()  # by their number in the volume, so that the table only grows at its end
        self._writing.put(Batch(rows, ops, [each.row for each in heads], held))
        return heads

    def _head(self, tip: Tip, frontier: Frontier, *, chain: bytes, now_us: int) -> Head:
        head = TreeHead(tip.id, frontier.size, frontier.root(), chain, now_us)
        return Head(tip, frontier.size, now_us, sign(head, self._keyring.secrets(tip.id).signer))

    def _remember(self, heads: list[Head]) -> None:
        """Only what is durable: a head remembered ahead of its log would look like a log rolled back."""
        for tip, size, now_us, text in heads:
            tip.heads, tip.signed_size, tip.signed_us = tip.heads + 1, size, now_us
            self.unsigned.discard(tip)
            self._keyring.remember_head(tip.id, text)

    def sign(self, tips: Iterable[Tip]) -> None:
        """Signs the durable end of these logs unless it is signed already, and remembers it with the keys."""
        now_us = self._clock()
        grown = [tip for tip in tips if tip.frontier.size > tip.signed_size]
        heads = [self._head(tip, tip.frontier, chain=tip.chain, now_us=now_us) for tip in grown]
        if not heads:
            return
        self._keyring.commit()
        held = {tip.number: tip.epoch for tip in grown}
        self._writing.put(Batch(heads=[each.row for each in heads], held=held))
        self._remember(heads)
        self._keyring.commit()

    def sign_quietly(self) -> None:
        """Signs those whose time has come and that nobody will write to soon. A failure is one of the volume."""
        now_us = self._clock()
        try:
            self.sign([tip for tip in self.unsigned if abs(now_us - tip.signed_us) >= SIGN_EVERY_US])
        except Exception:
            self._fail()
            raise

    def recover(self) -> None:
        """Opens the store anew and writes to it. Raises what the store raises."""
        self._writing.close()
        self._writing = self._store.write()
        self._writing.probe()
        self._keyring.commit()
        self.has_failed = False

    def close(self) -> None:
        """Lets go of the store."""
        self._writing.close()

    def _fail(self) -> None:
        """The volume has failed."""
        self.has_failed = True
        self.unsigned.clear()


def _grow(batch: list[Entry]) -> list[Growth]:
    rows: dict[Tip, list[QueuedRow]] = {}
    for entry in batch:
        if entry.rows:
            rows.setdefault(entry.tip, []).extend(entry.rows)
    return [Growth(tip, each) for tip, each in rows.items()]
