"""The streams of a log folded again from its records, for what verifies views and what makes them anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from lichen.core.deciders.events import Unknown
from lichen.core.deciders.streams import State, TenantState, evolve, initial
from lichen.core.words.ids import StreamId
from lichen.log.projections.every import AnyProjection, Folds
from lichen.log.projections.projection import Grown
from lichen.log.projections.streamrow import StreamRow, first_row, next_row
from lichen.log.records.record import Record, decode
from lichen.log.store.port import Reading
from lichen.log.store.selection import rows
from lichen.log.store.tables import RECORDS, Op

Reread = Callable[[int, int], Iterable[bytes]]
"""`reread(stream, pos)`: the stored records of a stream that lie before a position of the volume."""


class Folded:
    """A stream so far. The state of a finished one is let go; it is folded again should a record follow."""

    __slots__ = ("row", "state")

    def __init__(self, row: StreamRow, state: State) -> None:
        self.row = row
        self.state: State | None = state


class Refolding:
    """One log. Streams with records of types that this program does not know are left at the first of them."""

    def __init__(self, number: int, projections: Sequence[AnyProjection], reread: Reread) -> None:
        self.number = number
        self.streams: dict[StreamId, Folded] = {}
        self.unread: dict[StreamId, int] = {}  # their numbers
        self._folds, self._reread = Folds(number, None, projections), reread

    def stream(self, record: Record, pos: int) -> Folded:
        """The stream that a stored record belongs to, which it may begin at this position of the volume."""
        folded = self.streams.get(record.stream)
        if folded is None:
            row = first_row(self.number, pos, record.stream, seq=record.seq, ts_us=record.ts_us)
            folded = self.streams[record.stream] = Folded(row, initial(record.stream))
        return folded

    def reads(self, facts: Sequence[Record]) -> bool:
        """Whether these facts can be folded, like all before them."""
        stream = facts[0].stream
        if stream not in self.unread and any(isinstance(fact.control, Unknown) for fact in facts):
            self.unread[stream] = self.streams[stream].row.number
        return stream not in self.unread

    def before(self, folded: Folded, pos: int) -> State:
        """The state of a stream before the record at this position."""
        if folded.state is None:
            state = initial(folded.row.stream)
            for data in self._reread(folded.row.number, pos):
                for record in decode(data):
                    state = evolve(state, record.event)
            folded.state = state
        return folded.state

    def grow(self, folded: Folded, facts: Sequence[Record], before: State) -> list[Op]:
        """What the facts of one stored record change in the views."""
        ops: list[Op] = []
        state = before
        for fact in facts:
            event, last = fact.event, state
            state = evolve(last, event)
            ops += self._folds.count(event, last, state)
        row, folded.state = folded.row, state
        folded.row = next_row(row, state)
        ops += self._folds.grow(Grown(row, folded.row, facts, before, state))
        if not isinstance(state, TenantState) and state.outcome:
            folded.state = None
        return ops


def refolded(reading: Reading, projections: Sequence[AnyProjection]) -> Iterator[Op]:
    """The changes that make views anew from all records of a volume, in their order. Raises Corrupt, Unavailable."""

    def reread(stream: int, pos: int) -> Iterator[bytes]:
        which = rows(RECORDS, stream=stream).bound("pos", "<", pos).by("n").of("record")
        return (data for (data,) in reading.each(which))

    logs: dict[int, Refolding] = {}
    for pos, number, data in reading.each(rows(RECORDS).by("pos").of("pos", "log", "record")):
        facts = decode(data)
        log = logs.get(number) or logs.setdefault(number, Refolding(number, projections, reread))
        folded = log.stream(facts[0], pos)
        if log.reads(facts):
            yield from log.grow(folded, facts, log.before(folded, pos))
