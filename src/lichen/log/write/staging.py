"""One append while it is being made: records built, states moved on, nothing seen by anybody until all of it is."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

import msgspec

from lichen.core.deciders.events import Control, Draft, Event
from lichen.core.deciders.streams import State, evolve, stands
from lichen.core.words.content import APART
from lichen.core.words.errors import Conflict, Invalid
from lichen.core.words.ids import LogId
from lichen.log.projections.streamrow import StreamRow, first_row
from lichen.log.records.contents import Sealer
from lichen.log.records.pending import Pending
from lichen.log.records.record import FORMAT_V, RECORD_BYTES_MAX, Record, fact_bytes
from lichen.log.views.live import Live

Header = tuple[int, str, str | None]
"""What all records of an append have in common: cause, actor, turn."""


class Staged(msgspec.Struct, gc=False):
    """The part of an append that concerns one stream, which is in `state` then.

    `pending` is the stored record that takes its next fact, if one does; `facts` are where each of the `records` goes,
    with what its bytes end with. `counted` are the events that some view counts, each with the states before and after
    it.
    """

    live: Live
    row: StreamRow
    state: State
    pending: Pending | None
    records: list[Record]
    facts: list[tuple[Pending, bytes]]
    contents: list[tuple[int, Mapping[str, bytes]]]
    counted: list[tuple[Event, State, State]]


class Staging:
    """Builds the facts of one append after the other, each at one moment. Stored records that they begin follow record
    `seq` of the log and row `pos` of its volume. A fact shares one with those before it in its stream where `stands`
    lets it."""

    __slots__ = (
        "_counted",
        "_log",
        "_number",
        "_sealer",
        "begun",
        "blobs",
        "events",
        "file_bytes",
        "header",
        "parts",
        "pos",
        "seq",
        "size",
        "ts_us",
    )

    def __init__(self, sealer: Sealer, *, log: LogId, number: int, counted: Container[type[Control]]) -> None:
        self._sealer, self._log, self._number, self._counted = sealer, log, number, counted
        self.begin((0, "", None), 0, seq=0, pos=0)

    def begin(self, header: Header, ts_us: int, *, seq: int, pos: int) -> None:
        """Forgets what came of the append before."""
        self.header, self.ts_us, self.seq, self.pos = header, ts_us, seq, pos
        self.parts: list[Staged] = []
        self.events: list[tuple[Event, ...]] = []
        self.begun: list[Pending] = []
        self.blobs: list[bytes] = []
        self.size = self.file_bytes = 0

    def add(self, live: Live, drafts: Sequence[Draft]) -> bool:
        """Adds what comes to one stream, unless that has one of the keys already. `events` get what it is.

        Raises ContentErased, Invalid (`content_too_large`, `record_too_large`), Conflict (`key_reused`: two drafts
        have the same key), and what the fold raises.
        """
        ts_us, stream, state, header = self.ts_us, live.stream, live.state, self.header
        row = live.row or first_row(self._number, self.pos + 1, stream, seq=self.seq + 1, ts_us=ts_us)
        keys, more_keys = live.keys, live.more_keys
        n, pending, joined, joined_size, size = state.n, live.pending, 0, 0, 0
        events: list[Event] = []
        records: list[Record] = []
        facts: list[tuple[Pending, bytes]] = []
        opened: list[tuple[int, Mapping[str, bytes]]] = []
        counted: list[tuple[Event, State, State]] = []
        for draft in drafts:
            control, contents, label = draft.control, draft.contents, draft.label
            key, kind = control.key, control.type
            if key in keys or (more_keys is not None and more_keys.find(key) is not None):
                return False
            event, before = Event(n, ts_us, control, label), state
            state = evolve(before, event)
            events.append(event)
            sealed = ()
            if contents:
                sealed = self._sealer.seal(contents, stream, n, key=key, kind=kind, blobs=self.blobs)
                words: dict[str, bytes] = {}
                for each in contents:
                    if each.part.startswith(APART):
                        self.file_bytes += len(each.data)
                    else:
                        words[each.part] = each.data
                opened.append((n, words))
            data = fact_bytes(key, control, header, sealed, label)
            how = stands(before, draft)
            if pending is None or how != "joins" or not pending.takes(joined + 1, joined_size + len(data)):
                pending, joined, joined_size = self._begin(row.number), 0, 0
            record = Record(
                FORMAT_V,
                self._log,
                pending.seq,
                ts_us,
                stream,
                n,
                key,
                kind,
                control.type_v,
                *header,
                control,
                sealed,
                label,
                len(pending.facts) + joined,
            )
            records.append(record)
            facts.append((pending, data))
            if control.__class__ in self._counted:
                counted.append((event, before, state))
            joined, joined_size, size, n = joined + 1, joined_size + len(data), size + len(data), n + 1
            if how == "alone":
                pending = None
        if len(records) > 1 and len({record.key for record in records}) < len(records):
            raise Conflict("Two drafts of one append have the same key.", code="key_reused")
        if size > RECORD_BYTES_MAX:
            raise _too_large(size)
        self.size += size
        self.events.append(tuple(events))
        if records:
            self.parts.append(Staged(live, row, state, pending, records, facts, opened, counted))
        return True

    def _begin(self, stream: int) -> Pending:
        self.seq += 1
        self.pos += 1
        pending = Pending(self.seq, self.pos, log=self._number, stream=stream)
        self.begun.append(pending)
        return pending


def _too_large(size: int) -> Invalid:
    return Invalid(
        f"The records have {size} bytes, and those of one append may have {RECORD_BYTES_MAX}.",
        code="record_too_large",
        next_step="Send less at once.",
    )
