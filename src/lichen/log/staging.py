"""One append while it is being made: records built, states moved on, nothing seen by anybody until all of it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from lichen.core.errors import Invalid
from lichen.core.events import Draft, Event
from lichen.core.ids import LogId
from lichen.core.streams import State, evolve
from lichen.log.contents import Sealer
from lichen.log.ledger import COUNTED, Ledger
from lichen.log.live import Live
from lichen.log.record import FORMAT_V, RECORD_BYTES_MAX, Record, encode
from lichen.log.sqlite import STREAMS, Op
from lichen.log.views import StreamRow, first_row, next_row, project

QueuedRow = tuple[int, int, int, int, int, str, bytes]
"""A row of the records table without its chain, which the writer adds."""


class Header(NamedTuple):
    """What all records of an append have in common."""

    log: LogId
    ts_us: int
    cause: int
    actor: str
    turn: str | None


class Staged:
    """The part of an append that concerns one stream. `states` begins with the one before the first event."""

    __slots__ = ("contents", "data_bytes", "events", "live", "records", "row", "rows", "states")

    def __init__(self, live: Live, row: StreamRow) -> None:
        self.live, self.row = live, row
        self.events: list[Event] = []
        self.states: list[State] = [live.state]
        self.records: list[Record] = []
        self.rows: list[QueuedRow] = []
        self.contents: list[tuple[Record, dict[str, bytes]]] = []
        self.data_bytes = 0


class Staging:
    """Builds the records of one append, which follow record `seq` of the log and row `pos` of its volume."""

    __slots__ = ("_header", "_number", "_sealer", "blobs", "parts", "pos", "seq")

    def __init__(self, sealer: Sealer, header: Header, *, number: int, seq: int, pos: int) -> None:
        self._sealer, self._header, self._number = sealer, header, number
        self.seq, self.pos = seq, pos
        self.parts: list[Staged] = []
        self.blobs: list[bytes] = []

    def add(self, live: Live, drafts: Sequence[Draft], keys: Sequence[str]) -> None:
        """Adds a part. Raises Erased, Invalid (`content_too_large`, `record_too_large`), and what the fold raises."""
        log, ts_us, cause, actor, turn = self._header
        number, stream, state, seq, pos = self._number, live.stream, live.state, self.seq, self.pos
        row = live.row or first_row(number, pos + 1, stream, seq=seq + 1, ts_us=ts_us)
        staged, n = Staged(live, row), state.n
        for draft, key in zip(drafts, keys, strict=True):
            control, contents, label = draft.control, draft.contents, draft.label
            kind = control.type
            seq += 1
            pos += 1
            event = Event(n, ts_us, control, label)
            state = evolve(state, event)
            sealed = self._sealer.seal(contents, stream, n, key=key, kind=kind, blobs=self.blobs) if contents else ()
            record = Record(
                FORMAT_V,
                log,
                seq,
                ts_us,
                stream,
                n,
                key,
                kind,
                control.type_v,
                cause,
                actor,
                turn,
                control,
                sealed,
                label,
            )
            data = encode(record)
            staged.data_bytes += len(data)
            staged.events.append(event)
            staged.states.append(state)
            staged.records.append(record)
            staged.rows.append((pos, number, seq, row.number, n, key, data))
            if contents:
                staged.contents.append((record, {each.part: each.data for each in contents}))
            n += 1
        if staged.data_bytes > RECORD_BYTES_MAX:
            raise _too_large(staged.data_bytes)
        self.seq, self.pos = seq, pos
        self.parts.append(staged)


def publish(staged: Staged, ledger: Ledger, ops: list[Op]) -> None:
    """Makes a part count in memory; `ops` takes what it changes in the views. Nothing here can fail."""
    live, row, states, records = staged.live, staged.row, staged.states, staged.records
    before = states[0]
    for index, event in enumerate(staged.events):
        after, record = states[index + 1], records[index]
        live.keys[record.key] = record.n
        ops += project(row, event, record.seq, before=before, after=after)
        if event.control.__class__ in COUNTED:
            ops += ledger.apply(event, before, after)
        before = after
    live.tail += records
    live.state = before
    live.last_seq = records[-1].seq
    live.row = next_row(row, before)
    if live.row is not row or not records[0].n:
        ops.append((STREAMS, live.row[:1], live.row[1:]))


def _too_large(size: int) -> Invalid:
    return Invalid(
        f"The records have {size} bytes, and those of one append may have {RECORD_BYTES_MAX}.",
        code="record_too_large",
        next_step="Send less at once.",
    )
