"""One append while it is being made: records built, states moved on, nothing seen by anybody until all of it is."""

from __future__ import annotations

from collections.abc import Sequence

from lichen.core.content import Content
from lichen.core.errors import Invalid
from lichen.core.events import Draft, Event
from lichen.core.ids import LogId
from lichen.core.streams import State, evolve
from lichen.log.contents import Sealer
from lichen.log.ledger import Ledger
from lichen.log.live import Live
from lichen.log.record import FORMAT_V, RECORD_BYTES_MAX, Record, encode
from lichen.log.sqlite import STREAMS, Op
from lichen.log.views import first_row, next_row, project

Step = tuple[Record, bytes, Event, State, State, tuple[Content, ...]]
"""A record, its bytes, its event, the state before and after it, and its contents in clear."""

QueuedRow = tuple[int, int, int, int, int, str, bytes]
"""A row of the records table without its chain, which the writer adds."""


class Staging:
    """Builds the records of one append. A plain class with plain tuples: this is the path every record takes."""

    __slots__ = ("_header", "_sealer", "blobs", "parts", "seq")

    def __init__(self, sealer: Sealer, header: tuple[LogId, int, int, str, str | None], seq: int) -> None:
        """`header`: the log, the time, cause, actor and turn of all records. They follow record `seq` of the log."""
        self._sealer, self._header, self.seq = sealer, header, seq
        self.parts: list[tuple[Live, list[Step]]] = []
        self.blobs: list[bytes] = []

    def add(self, live: Live, drafts: Sequence[Draft], keys: Sequence[str]) -> None:
        """Adds a part. Raises Erased, Invalid (`content_too_large`, `record_too_large`), and what the fold raises."""
        log, ts_us, cause, actor, turn = self._header
        stream, state, seq = live.stream, live.state, self.seq
        n = state.n
        steps: list[Step] = []
        for draft, key in zip(drafts, keys, strict=True):
            control, contents, label = draft.control, draft.contents, draft.label
            kind = control.type
            seq += 1
            event = Event(n, ts_us, control, label)
            after = evolve(state, event)
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
            if len(data) > RECORD_BYTES_MAX:
                raise _too_large(len(data))
            steps.append((record, data, event, state, after, contents))
            state = after
            n += 1
        self.seq = seq
        self.parts.append((live, steps))

    def events(self) -> tuple[tuple[Event, ...], ...]:
        """The events, part by part."""
        return tuple([tuple([step[2] for step in steps]) for _, steps in self.parts])


def publish(live: Live, steps: Sequence[Step], pos: int, *, log: int, ledger: Ledger, ops: list[Op]) -> list[QueuedRow]:
    """Makes a staged part count in memory. Returns its rows; `ops` takes what it changes in the views.

    `pos` is the last number given in the volume, `log` the log's number there. Nothing here can fail.
    """
    first = steps[0][0]
    row = live.row or first_row(log, pos + 1, live.stream, seq=first.seq, ts_us=first.ts_us)
    number, keys, tail = row.number, live.keys, live.tail
    rows: list[QueuedRow] = []
    for record, data, event, before, after, _ in steps:
        pos += 1
        seq, n, key = record.seq, record.n, record.key
        rows.append((pos, log, seq, number, n, key, data))
        keys[key] = n
        tail.append(record)
        ops += project(row, event, seq, before=before, after=after)
        ops += ledger.apply(event, before, after)
    live.state = after = steps[-1][4]
    live.last_seq = steps[-1][0].seq
    live.row = next_row(row, after)
    if live.row is not row or not first.n:
        ops.append((STREAMS, live.row[:1], live.row[1:]))
    return rows


def _too_large(size: int) -> Invalid:
    return Invalid(
        f"The record has {size} bytes and may have {RECORD_BYTES_MAX}.",
        code="record_too_large",
        next_step="Send less in one record.",
    )
