"""What is on disk of a log, for work that reads much: in a thread of its own, records with their contents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from lichen.core.words.errors import ContentErased
from lichen.core.words.ids import SessionId, StreamId
from lichen.log.projections import sessions
from lichen.log.records.contents import Sealer
from lichen.log.records.record import Place, Record, decode
from lichen.log.store.port import Reading
from lichen.log.store.selection import rows
from lichen.log.store.tables import RECORDS
from lichen.log.views.queries import Queries


class Moment(NamedTuple):
    """When a record was made, among all those of its log: facts that share a stored record are not made at once."""

    ts_us: int
    place: Place


def moment_of(record: Record) -> Moment:
    """When this record was made."""
    return Moment(record.ts_us, record.place)


class Durable:
    """Reads the committed rows of one log. `number` is the log's in its volume."""

    def __init__(self, reading: Reading, number: int, sealer: Sealer) -> None:
        self._reading, self._number, self._sealer = reading, number, sealer

    def last_of(self, stream: StreamId, before: Moment | None, limit: int) -> list[Record]:
        """A stream's last records before a moment, all those of its last `limit` stored ones, in order."""
        row = Queries(self._reading, self._number).stream_row(stream)
        if row is None:
            return []
        which = rows(RECORDS, stream=row.number).of("record").backwards("n").first(limit)
        if before is not None:
            which = which.bound("seq", "<=", before.place.seq)
        found = [record for (data,) in reversed(self._reading.rows(which)) for record in decode(data)]
        return found if before is None else [record for record in found if moment_of(record) < before]

    def agent_of(self, stream: StreamId) -> str:
        """The agent of a stream; empty where it has no record."""
        row = Queries(self._reading, self._number).stream_row(stream)
        return "" if row is None else row.agent

    def sessions_of(self, subject: str, agent: str, limit: int) -> list[SessionId]:
        """A person's conversations with an agent, the one that began last first."""
        return sessions.sessions_of(self._reading, self._number, subject, agent, limit=limit)

    def contents(self, record: Record) -> Mapping[str, bytes] | None:
        """The contents of a record by part, without those that were erased; None where all of them were."""
        try:
            return dict(self._sealer.open(record))
        except ContentErased:
            return None
