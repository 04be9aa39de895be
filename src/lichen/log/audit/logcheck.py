"""One log while it is verified: its chain and tree so far, its streams folded so far, and the heads it must reach."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from lichen.core.deciders.events import Unknown
from lichen.core.deciders.streams import State, TenantState, evolve, initial
from lichen.core.words.content import Sealed
from lichen.core.words.errors import Corrupt, LichenError
from lichen.core.words.ids import TENANT_STREAM, LogId, StreamId
from lichen.log.audit.findings import Findings, LogReport, Place
from lichen.log.disk.sqlite import FRONTIERS, LOGS, STREAMS, Key, Op, Row, Table, Values
from lichen.log.keys.keyring import Keyring
from lichen.log.proof.checkpoint import TreeHead
from lichen.log.proof.tree import Frontier, chain_hash, leaf_hash
from lichen.log.records.names import name_aad
from lichen.log.records.record import Blob, Record, decode
from lichen.log.views.ledger import COUNTED, Ledger, Stored
from lichen.log.views.rows import StreamRow, first_row, next_row, project
from lichen.log.write.tips import START

Apply = Callable[[list[Op]], None]
Reread = Callable[[int, int], Iterator[Row]]
"""`reread(stream, pos)`: the stored records of a stream that lie before a position of the volume."""


_SUBJECT = [column.name for column in STREAMS.columns].index("subject") - STREAMS.key
_PSEUDONYM = re.compile(r"(customer|operator|service)_[0-9a-f]{16}")


Facts = tuple[Record, ...]
"""What a stored record holds."""


class _Folded:
    """A stream so far. The state of a finished one is let go; it is folded again should a record follow."""

    __slots__ = ("row", "state")

    def __init__(self, row: StreamRow, state: State) -> None:
        self.row = row
        self.state: State | None = state


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
        apply: Apply,
        reread: Reread,
        blobs: dict[bytes, int],
    ) -> None:
        self.id, self.number, self.public_key = id, 0, public_key
        self._findings, self._apply, self._reread, self._blobs = findings, apply, reread, blobs
        self.size = self.heads = self._signed = self._ts_us = 0
        self.chain = START
        self.frontier = Frontier()
        self._leaves: list[bytes] = []
        self._suspect: _Suspect | None = None
        self._streams: dict[StreamId, _Folded] = {}
        self.unread: dict[StreamId, int] = {}  # streams with records of types this program does not know: their numbers
        self._ledger = Ledger(0, Stored())
        self._claims: dict[int, list[TreeHead]] = {}
        self._held: list[Row] = []
        self._named: set[str] = set()
        self._kept: list[tuple[bytes, TreeHead]] = []

    # -- heads ---------------------------------------------------------------------------------------------------

    def begin(self, number: int) -> None:
        """The log has records, and this number in its volume."""
        self.number = number
        self._ledger = Ledger(number, Stored())

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
        if _PSEUDONYM.fullmatch(record.actor):
            self._named.add(record.actor)
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
        record, stream = facts[0], facts[0].stream
        folded = self._streams.get(stream)
        if folded is None:
            row = first_row(self.number, pos, stream, seq=record.seq, ts_us=record.ts_us)
            folded = self._streams[stream] = _Folded(row, initial(stream))
        if number != folded.row.number:
            self._find(record, "stream", "the column is not the number of the record's stream")
        if stream in self.unread:
            return
        if any(isinstance(fact.control, Unknown) for fact in facts):
            self.unread[stream] = folded.row.number
            return
        before = folded.state if folded.state is not None else self._again(folded, stream, pos)
        if record.n != before.n:
            self._find(record, "n", f"record {before.n} of the stream is missing")
        after = folded.state = self._fold_each(facts, before)
        ops = project(folded.row, facts, before=before, after=after)
        if ops:
            self._apply(ops)
        if not isinstance(after, TenantState) and after.outcome:
            folded.row, folded.state = next_row(folded.row, after), None

    def _fold_each(self, facts: Facts, state: State) -> State:
        """The state after these facts; what they add up to is entered."""
        for fact in facts:
            event, before = fact.event, state
            state = evolve(before, event)
            if event.control.__class__ in COUNTED:
                self._apply(self._ledger.apply(event, before, state))
        return state

    def _again(self, folded: _Folded, stream: StreamId, pos: int) -> State:
        state = initial(stream)
        for (data,) in self._reread(folded.row.number, pos):
            for record in decode(data):
                state = evolve(state, record.event)
        return state

    def stream_rows(self) -> dict[Key, Values]:
        """The rows of the streams view."""
        read = (each for stream, each in self._streams.items() if stream not in self.unread)
        rows = (each.row if each.state is None else next_row(each.row, each.state) for each in read)
        return {row[:1]: row[1:] for row in rows}

    def is_unread(self, table: Table, row: Row) -> bool:
        """Whether a row of a view may follow from records that this program cannot fold."""
        if not self.unread:
            return False
        columns = [column.name for column in table.columns]
        if "stream" in columns:
            return row[columns.index("stream")] in self.unread.values()
        return table not in (LOGS, FRONTIERS)

    def names_expected(self) -> set[str]:
        """The pseudonyms that acted here or were acted for, and were not erased: each of them has a name."""
        tenant = self._streams.get(TENANT_STREAM)
        state = tenant.state if tenant is not None else None
        subjects = {values[_SUBJECT] for values in self.stream_rows().values()}
        named = self._named | {each for each in subjects if _PSEUDONYM.fullmatch(each)}
        return named - set(state.erased) if isinstance(state, TenantState) else named

    def name_problem(self, keyring: Keyring | None, row: Row) -> tuple[str, str] | None:
        """What is wrong with a row of the names view: the column, and why."""
        _, pseudonym, key_id, nonce, ciphertext = row
        tenant = self._streams.get(TENANT_STREAM)
        if tenant is not None and isinstance(tenant.state, TenantState) and pseudonym in tenant.state.erased:
            return "pseudonym", "the row was to go when its subject was erased"
        if keyring is None:
            return None
        try:
            id = keyring.unseal(Sealed(key_id, nonce, ciphertext), name_aad(self.id, pseudonym)).decode()
        except (LichenError, UnicodeDecodeError):
            return "ciphertext", "the name does not open"
        kind = pseudonym.rpartition("_")[0]
        if keyring.secrets(self.id).pseudonym(kind, id) != pseudonym:
            return "pseudonym", "the pseudonym is not that of the name"
        return None

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
            len(self.unread),
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
