"""One append while it is being made: records built, states moved on, nothing seen by anybody until all of it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lichen.core.deciders.events import Draft, Event
from lichen.core.deciders.streams import State, evolve
from lichen.core.words.errors import Conflict, Invalid
from lichen.core.words.ids import LogId
from lichen.log.records.contents import Sealer
from lichen.log.records.record import FORMAT_V, RECORD_BYTES_MAX, Record, encode
from lichen.log.views.ledger import COUNTED
from lichen.log.views.live import Live
from lichen.log.views.rows import StreamRow, first_row
from lichen.log.write.tips import QueuedRow


class Header(NamedTuple):
    """What all records of an append have in common."""

    log: LogId
    ts_us: int
    cause: int
    actor: str
    turn: str | None


class Staged(NamedTuple):
    """The part of an append that concerns one stream, which is in `state` then.

    `counted` are the events that the ledger adds up, each with the states before and after it.
    """

    live: Live
    row: StreamRow
    state: State
    events: tuple[Event, ...]
    records: list[Record]
    contents: list[tuple[int, Mapping[str, bytes]]]
    counted: list[tuple[Event, State, State]]


class Staging:
    """Builds the records of one append, which follow record `seq` of the log and row `pos` of its volume."""

    __slots__ = ("_header", "_number", "_sealer", "blobs", "data_bytes", "parts", "pos", "rows", "seq")

    def __init__(self, sealer: Sealer, header: Header, *, number: int, seq: int, pos: int) -> None:
        self._sealer, self._header, self._number = sealer, header, number
        self.seq, self.pos = seq, pos
        self.parts: list[Staged] = []
        self.rows: list[QueuedRow] = []
        self.blobs: list[bytes] = []
        self.data_bytes = 0

    @property
    def ts_us(self) -> int:
        """When the records are made."""
        return self._header.ts_us

    def add(self, live: Live, drafts: Sequence[Draft]) -> bool:
        """Adds a part, unless the stream has one of the keys already.

        Raises Erased, Invalid (`content_too_large`, `record_too_large`), Conflict (`key_reused`: two drafts have the
        same key), and what the fold raises.
        """
        log, ts_us, cause, actor, turn = self._header
        number, stream, state, seq, pos = self._number, live.stream, live.state, self.seq, self.pos
        row = live.row or first_row(number, pos + 1, stream, seq=seq + 1, ts_us=ts_us)
        keys, seal, n, size = live.keys, self._sealer.seal, state.n, 0
        events: list[Event] = []
        records: list[Record] = []
        opened: list[tuple[int, Mapping[str, bytes]]] = []
        counted: list[tuple[Event, State, State]] = []
        for draft in drafts:
            control, contents, label = draft.control, draft.contents, draft.label
            key, kind = control.key, control.type
            if key in keys:
                return False
            seq += 1
            pos += 1
            event = Event(n, ts_us, control, label)
            before, state = state, evolve(state, event)
            sealed = seal(contents, stream, n, key=key, kind=kind, blobs=self.blobs) if contents else ()
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
            size += len(data)
            events.append(event)
            records.append(record)
            self.rows.append((pos, number, seq, row.number, n, key, data))
            if contents:
                opened.append((n, {each.part: each.data for each in contents}))
            if control.__class__ in COUNTED:
                counted.append((event, before, state))
            n += 1
        if len(drafts) > 1 and len({record.key for record in records}) < len(drafts):
            raise Conflict("Two drafts of one append have the same key.", code="key_reused")
        if size > RECORD_BYTES_MAX:
            raise _too_large(size)
        self.seq, self.pos = seq, pos
        self.data_bytes += size
        self.parts.append(Staged(live, row, state, tuple(events), records, opened, counted))
        return True


def _too_large(size: int) -> Invalid:
    return Invalid(
        f"The records have {size} bytes, and those of one append may have {RECORD_BYTES_MAX}.",
        code="record_too_large",
        next_step="Send less at once.",
    )
