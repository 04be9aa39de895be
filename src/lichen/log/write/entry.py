"""An entry: what one log appends while the loop turns, on its way to the disk. It lands whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Protocol

import msgspec

from lichen.core.deciders.streams import State
from lichen.log.projections.every import Folds
from lichen.log.projections.projection import Grown
from lichen.log.projections.streamrow import next_row
from lichen.log.records.pending import Pending, QueuedRow
from lichen.log.records.record import Record
from lichen.log.store.tables import Op
from lichen.log.views.live import Live
from lichen.log.write.tips import Tip

_seq = attrgetter("seq")


class Owner(Protocol):
    """The log that an entry belongs to; told on the loop's thread. `folds` are those of its views."""

    folds: Folds

    def settle(self, entry: Entry) -> None:
        """`entry` is durable."""
        ...

    def wake(self) -> None:
        """All entries of one commit are settled."""
        ...


class Added(msgspec.Struct, gc=False):
    """Which records a stream got, and its state before them."""

    before: State
    records: list[Record]


class Entry:
    """It grows until the writer gets it. `rows` are the stored records without their chain, `records` their facts,
    `ops` what the views change."""

    __slots__ = ("blobs", "data_bytes", "grown", "is_first", "ops", "owner", "pending", "records", "rows", "tip")

    def __init__(self, owner: Owner, tip: Tip) -> None:
        self.owner, self.tip = owner, tip
        self.ops: list[Op] = []
        self.records: list[Record] = []
        self.pending: list[Pending] = []
        self.rows: list[QueuedRow] = []
        self.blobs: list[bytes] = []
        self.grown: dict[Live, Added] = {}
        self.data_bytes = 0
        self.is_first = False

    def grow(self, live: Live, before: State, records: Sequence[Record]) -> None:
        """A stream of the log has these records more."""
        self.records += records
        grown = self.grown.get(live)
        if grown is None:
            grown = self.grown[live] = Added(before, [])
        grown.records.extend(records)

    @property
    def last_seq(self) -> int:
        """The log's last stored record in it."""
        return self.pending[-1].seq

    def close(self) -> None:
        """Writes the records out, and asks once per stream what its views say now, whatever happened in between."""
        self.rows = [each.row for each in self.pending]
        self.records.sort(key=_seq)
        self.tip.epoch = self.owner.folds.lease.epoch
        growing = self.owner.folds.growing
        for live, added in self.grown.items():
            live.pending = None
            row = live.row
            assert row is not None
            live.row = now = next_row(row, live.state)
            grown = Grown(row, now, added.records, added.before, live.state)
            for fold in growing.get(row.kind, ()):
                self.ops += fold(grown)
