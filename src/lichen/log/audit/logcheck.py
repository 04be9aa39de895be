"""One log while it is verified: its chain and tree so far, its streams folded so far, and the heads it must reach."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from lichen.core.deciders.events import Unknown
from lichen.core.words.errors import Corrupt
from lichen.core.words.ids import LogId
from lichen.log.audit.findings import Findings, LogReport, Place
from lichen.log.audit.namecheck import NameCheck
from lichen.log.projections.every import AnyProjection
from lichen.log.proof.checkpoint import TreeHead
from lichen.log.proof.tree import Frontier, chain_hash, leaf_hash
from lichen.log.records.record import Blob, Record, decode
from lichen.log.store.tables import FRONTIERS, LOGS, Op, Row, Table
from lichen.log.views.refolding import Refolding, Reread
from lichen.log.write.tips import START

Apply = Callable[[list[Op]], None]

Facts = tuple[Record, ...]
"""What a stored record holds."""


class _Suspect(NamedTuple):
    """A row whose chain is not what its record makes it. The next row tells which of the two was changed."""

    place: Place
    stored: bytes
    derived: bytes


class LogCheck:
    """Takes a log's rows one after another. `public_key` is None when there is none to check its heads with."""

    def __init__(
        self,
        id: LogId,
        public_key: bytes | None,
        *,
        findings: Findings,
        projections: Sequence[AnyProjection],
        apply: Apply,
        reread: Reread,
        blobs: dict[bytes, int],
    ) -> None:
        self.id, self.number, self.public_key = id, 0, public_key
        self._findings, self._apply, self._blobs = findings, apply, blobs
        self._projections, self._reread = projections, reread
        self.size = self.heads = self._signed = self._ts_us = 0
        self.chain = START
        self.frontier = Frontier()
        self._leaves: list[bytes] = []
        self._suspect: _Suspect | None = None
        self._streams = Refolding(0, projections, reread)
        self.names = NameCheck(id)
        self._claims: dict[int, list[TreeHead]] = {}
        self._held: list[Row] = []
        self._kept: list[tuple[bytes, TreeHead]] = []

    # -- heads ---------------------------------------------------------------------------------------------------

    def begin(self, number: int) -> None:
        """The log has records, and this number in its volume."""
        self.number = number
        self._streams = Refolding(number, self._projections, self._reread)

    def hold(self, head: TreeHead, row: Row) -> None:
        """A signed head that the volume stores, and its row."""
        self.heads += 1
        self._held.append(row)
        self._claims.setdefault(head.size, []).append(head)
        if row[2] != head.size:
            self._findings.add(self._head_place(row).in_column("size"), "the column is not the size that was signed")

    def _head_place(self, row: Row) -> Place:
        return Place(table="heads", log=self.id, key=f"{row[0]}/{row[1]}")

    def expect(self, head: TreeHead, text: bytes) -> None:
        """A signed head that somebody kept."""
        self._kept.append((text, head))
        self._claims.setdefault(head.size, []).append(head)

    def _check_heads(self) -> None:
        """Compares the tree with the heads of its present size."""
        self.frontier.extend(self._leaves)
        self._leaves.clear()
        for head in self._claims.pop(self.size, ()):
            self._signed = max(self._signed, head.size)
            column = _differing(head, self.frontier.root(), self.chain)
            if column is not None:
                place = Place(table="records", log=self.id, seq=self.size, column=column)
                self._findings.add(place, f"the records up to here are not those of the head signed at {head.size}")

    # -- records -------------------------------------------------------------------------------------------------

    def take(self, row: Row, facts: Facts | None) -> None:
        """The next row, and the facts that it stores when it could be decoded."""
        pos, _, seq, number, n, key, chain, data = row
        record = facts[0] if facts is not None else None
        if record is not None and record.seq != self.size + 1:
            self._resume(record)
        is_chained = self._extend(record, chain, data if isinstance(data, bytes) else b"")
        if facts is None or record is None:
            return
        if (seq, n, key) != (record.seq, record.n, record.key.encode()):
            self._name_columns(record, (seq, n, key))
        if record.ts_us < self._ts_us and is_chained:
            self._find(record, "record", "the record is older than the one before it")
        self._ts_us = max(self._ts_us, record.ts_us)
        for fact in facts:
            self._note(fact)
        try:
            self._fold(facts, pos, number)
        except Exception as error:  # noqa: BLE001 - what was tampered with may break the fold in any way
            self._find(record, "record", f"the record does not fold ({type(error).__name__})")
        if self.size in self._claims:
            self._check_heads()

    def _note(self, record: Record) -> None:
        """What a fact says by itself."""
        control = record.control
        if record.key != control.key or (record.type != control.type and not isinstance(control, Unknown)):
            self._find(record, "record", "the record's key or type is not that of its control")
        self.names.take(record)
        for each in record.contents:
            if isinstance(each.body, Blob):
                self._blobs[each.body.digest] = each.body.size

    def place(self, record: Record | None) -> Place:
        """Where the record lies; the place after the last one for bytes that hold none."""
        if record is None:
            return Place(table="records", log=self.id, seq=self.size + 1)
        return Place(table="records", log=self.id, seq=record.seq, stream=str(record.stream), n=record.n)

    def _find(self, record: Record | None, column: str, problem: str) -> None:
        self._findings.add(self.place(record).in_column(column), problem)

    def _resume(self, record: Record) -> None:
        """Goes on after records that are missing, or that come again."""
        place = Place(table="records", column="seq", log=self.id, seq=self.size + 1)
        self._findings.add(place, f"record {self.size + 1} is missing: the next one is {record.seq}")
        self.size = record.seq - 1
        self._suspect = None
        self.chain = b""

    def _extend(self, record: Record | None, chain: object, data: bytes) -> bool:
        """Chain and tree with one more record. Returns whether the stored chain is the derived one."""
        leaf = leaf_hash(data)
        self._leaves.append(leaf)
        derived = chain_hash(self.chain, leaf) if self.chain else chain
        if self._suspect is not None:
            derived = self._settle(self._suspect, chain, leaf)
        is_chained = chain == derived
        self.chain = bytes(derived) if isinstance(derived, bytes) else b""
        if not is_chained:
            self._suspect = _Suspect(self.place(record), bytes(chain) if isinstance(chain, bytes) else b"", self.chain)
        self.size += 1
        return is_chained

    def _settle(self, suspect: _Suspect, stored: object, leaf: bytes) -> bytes:
        """Whether the row before had its record or its chain changed; returns what this row is derived to."""
        self._suspect = None
        from_stored = chain_hash(suspect.stored, leaf)
        if stored == from_stored:
            self._findings.add(suspect.place.in_column("record"), "the record is not the one that was chained")
            return from_stored
        self._findings.add(suspect.place.in_column("chain"), "the chain does not follow from the records")
        return chain_hash(suspect.derived, leaf)

    def _name_columns(self, record: Record, found: tuple[object, object, object]) -> None:
        must_be = (record.seq, record.n, record.key.encode())
        for column, value, expected in zip(("seq", "n", "key"), found, must_be, strict=True):
            if value != expected:
                self._find(record, column, "the column does not say what the record says")

    # -- streams and views ---------------------------------------------------------------------------------------

    def _fold(self, facts: Facts, pos: int, number: object) -> None:
        record, streams = facts[0], self._streams
        folded = streams.stream(record, pos)
        if number != folded.row.number:
            self._find(record, "stream", "the column is not the number of the record's stream")
        if not streams.reads(facts):
            return
        before = streams.before(folded, pos)
        if record.n != before.n:
            self._find(record, "n", f"record {before.n} of the stream is missing")
        self._apply(streams.grow(folded, facts, before))
        self.names.note(folded.row.subject)

    def is_unread(self, table: Table, row: Row) -> bool:
        """Whether a row of a view may follow from records that this program cannot fold."""
        unread = self._streams.unread
        if not unread or table in (LOGS, FRONTIERS):
            return False
        columns = [column.name for column in table.columns]
        return "stream" not in columns or row[columns.index("stream")] in unread.values()

    # -- the end -------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """The log ends here: its last row, its length and its heads."""
        if self._suspect is not None:
            self._findings.add(
                self._suspect.place.in_column("record"), "the record and its chain do not fit each other"
            )
        self._check_heads()
        for row in self._held:
            if row[0] != self.number:
                self._findings.add(self._head_place(row).in_column("log"), "the column is not the head's log")
        for size in sorted(self._claims):
            place = Place(table="records", log=self.id, seq=self.size + 1)
            self._findings.add(place, f"the log was signed when it had {size} records, and has {self.size}: it was cut")
        for text, head in self._kept:
            if text not in [row[3] for row in self._held]:
                place = Place(table="heads", log=self.id)
                self._findings.add(place, f"the head signed at {head.size}, which was kept elsewhere, is missing here")

    def report(self) -> LogReport:
        """What the log holds."""
        unsigned = max(0, self.size - self._signed)
        return LogReport(
            self.id,
            self.size,
            self.heads,
            unsigned,
            self.frontier.root(),
            self.chain,
            self.public_key is not None,
            len(self._streams.unread),
        )


def decoded(data: object) -> Facts | str:
    """The facts that the bytes hold, or why they hold none."""
    try:
        return decode(bytes(data)) if isinstance(data, bytes) else "the value is not a record"
    except Corrupt as error:
        return error.message


def _differing(head: TreeHead, root: bytes, chain: bytes) -> str | None:
    if head.root != root:
        return "record"
    return "chain" if head.chain != chain else None
