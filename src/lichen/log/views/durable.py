"""What is on disk of a log, for work that reads much: in a thread of its own, records with their contents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from lichen.core.words.errors import ContentErased
from lichen.core.words.ids import SessionId, StreamId
from lichen.log.projections import outbox, sessions, streams
from lichen.log.projections.outbox import OutboxRow
from lichen.log.projections.sessions import SessionRow
from lichen.log.projections.streamrow import StreamRow
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

    def recent_sessions(
        self, *, limit: int, before_us: int | None = None, channel: str | None = None, standing: str | None = None
    ) -> list[tuple[StreamRow, SessionRow]]:
        """Conversations, the one that something happened in last first; with `before_us` the next page."""
        equal = {"channel": channel, "standing": standing}
        found = sessions.recent_rows(self._reading, self._number, limit=limit, before_us=before_us, **equal)
        begun = streams.rows_of(self._reading, [row.number for row in found])
        return [(begun[row.number], row) for row in found if row.number in begun]

    def channel_counts(self) -> dict[str, int]:
        """How many conversations there are by each channel."""
        return sessions.channel_counts(self._reading, self._number)

    def open_rows(self, limit: int) -> list[OutboxRow]:
        """Messages that are on their way, and those whose way ended undelivered or in doubt, the oldest first."""
        return outbox.open_rows(self._reading, self._number, limit)

    def stranded_rows(self, limit: int) -> list[OutboxRow]:
        """Messages whose way ended undelivered or in doubt, the oldest first."""
        return outbox.stranded_rows(self._reading, self._number, limit)

    def channels_of(self, ids: Iterable[str]) -> dict[str, str]:
        """The channel of each of these sessions."""
        numbers = {row.number: row.id for row in streams.sessions_named(self._reading, self._number, ids)}
        return {
            numbers[number]: row.channel for number, row in sessions.session_rows(self._reading, [*numbers]).items()
        }

    def contents(self, record: Record) -> Mapping[str, bytes] | None:
        """The contents of a record by part, without those that were erased; None where all of them were."""
        try:
            return dict(self._sealer.open(record))
        except ContentErased:
            return None
