"""The views of a log, as they are read: what is durable, for consoles, recovery and the gate."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from lichen.core.words.ids import CallId, RunId, SessionId, StreamId, StreamKind, session_stream
from lichen.log.projections import costs, meters, outbox, sessions, streams, timers, waits
from lichen.log.projections.costs import AskedRow, CostRow, TalkedRow
from lichen.log.projections.outbox import OutboxRow
from lichen.log.projections.sessions import SessionRow
from lichen.log.projections.streamrow import StreamRow
from lichen.log.projections.waits import WaitRow
from lichen.log.records.record import Record, decode
from lichen.log.store.port import Reading
from lichen.log.store.selection import Rows, rows
from lichen.log.store.tables import RECORDS, Row
from lichen.log.views.queries import Queries

TOLD_MAX = 128  # stored records that are read of one run to say in a line what became of it
_TELLING = frozenset(
    (
        "run_started",
        "planned",
        "decided",
        "wait_opened",
        "wait_closed",
        "call_finished",
        "signal",
        "limit_reached",
        "run_finished",
    )
)


class Listings:
    """Reads the views of one log, committed rows only. `number` is the log's in its volume."""

    def __init__(self, reading: Reading, number: int) -> None:
        self._reading, self.number = reading, number
        self._queries = Queries(reading, number)

    def stream_rows(
        self, kind: StreamKind, limit: int = 100, before_seq: int | None = None, **equal: str | None
    ) -> list[StreamRow]:
        """Streams of a kind, the newest first; with `before_seq` those that began before it: the next page.

        `equal` names columns (`agent`, `session`, `outcome`, `standing`) and what they must hold, None for anything.
        """
        return streams.stream_rows(self._reading, self.number, kind, limit=limit, before_seq=before_seq, **equal)

    def session_rows(self, page: Sequence[StreamRow]) -> list[tuple[StreamRow, SessionRow]]:
        """The same sessions with how each conversation stands: nothing is folded."""
        found = sessions.session_rows(self._reading, [row.number for row in page])
        return [(row, found[row.number]) for row in page if row.number in found]

    def sessions_of(self, subject: str, agent: str, limit: int) -> list[SessionId]:
        """A person's conversations with an agent, the one that began last first."""
        return sessions.sessions_of(self._reading, self.number, subject, agent, limit=limit)

    def records_telling(self, runs: Sequence[StreamRow]) -> dict[int, list[Record]]:
        """The records of these runs that tell what became of them, by the numbers in their rows; nothing is folded.

        Of a long run those are how it began, its last waits, and the last TOLD_MAX of all that is stored.
        """
        return {run.number: self._telling(run.number) for run in runs}

    def _telling(self, number: int) -> list[Record]:
        stored = rows(RECORDS, stream=number).of("n", "record")
        found = self._reading.rows(stored.backwards("n").first(TOLD_MAX))
        if len(found) == TOLD_MAX:
            found += self._earlier(stored.bound("n", "<", found[-1][0]))
        return [record for _, data in reversed(found) for record in decode(data) if record.type in _TELLING]

    def _earlier(self, stored: Rows) -> list[Row]:
        """What tells of the beginning of a run, the newest first: a wait stands alone, so it is found by its key."""
        found = stored.bound("n", ">", 0).bound("key", ">=", "wait_").bound("key", "<", "wait`")
        first = stored.bound("n", "<=", 0)
        return self._reading.rows(found.backwards("n").first(TOLD_MAX)) + self._reading.rows(first)

    def owing(self) -> list[StreamId]:
        """Streams that somebody must drive, the oldest first."""
        return [row.stream for row in streams.owing(self._reading, self.number)]

    def timers(self) -> dict[StreamId, dict[str, int]]:
        """When what comes due, in microseconds since 1970."""
        return timers.timers(self._reading, self.number)

    def wait_rows(self) -> list[WaitRow]:
        """Open waits of runs, the oldest first."""
        return waits.wait_rows(self._reading, self.number)

    def closed_waits(self, limit: int, before_seq: int | None = None) -> list[Record]:
        """How runs' waits for a person's decision ended, the newest first; durable ones only."""
        decided = waits.decided(self._reading, self.number, limit=limit, before_seq=before_seq)
        found = (self._queries.at(stream, n) for stream, n in decided)
        return [record for record in found if record is not None]

    def metered(self, limit: int) -> list[tuple[RunId, CallId]]:
        """The last calls that counted for a meter, in durable records, the newest first."""
        return meters.metered(self._reading, self.number, limit)

    def wait_counts(self) -> dict[str, int]:
        """How many waits of each kind are open."""
        return waits.wait_counts(self._reading, self.number)

    def outbox_rows(self, limit: int = 1_000) -> list[OutboxRow]:
        """Messages that are not delivered, the oldest first."""
        return outbox.outbox_rows(self._reading, self.number, limit)

    def stranded_rows(self, limit: int = 1_000) -> list[OutboxRow]:
        """Messages whose way ended undelivered or in doubt, the oldest first."""
        return outbox.stranded_rows(self._reading, self.number, limit)

    def outbox_row(self, session: str, message: str) -> OutboxRow | None:
        """How one message of a session stands; None where it says none."""
        stream = self._queries.stream_row(session_stream(SessionId(session)))
        return None if stream is None else outbox.outbox_row(self._reading, stream.number, session, message)

    def outbox_counts(self) -> dict[str, int]:
        """How many messages that are not delivered are in each state."""
        return outbox.outbox_counts(self._reading, self.number)

    def checkpoints(self, limit: int) -> list[bytes]:
        """The texts of the last signed tree heads, the newest first."""
        return self._queries.checkpoints(limit)

    def asked_rows(self, first: date, last: date) -> list[AskedRow]:
        """What was asked of each model on each of these days (UTC), both included, by agent."""
        return costs.asked_rows(self._reading, self.number, first, last)

    def talked_rows(self, session: str) -> list[TalkedRow]:
        """What was asked of each model in a session."""
        return costs.talked_rows(self._reading, self.number, session)

    def cost_rows(self, first: date, last: date) -> list[CostRow]:
        """What each agent used on each of these days (UTC), both included."""
        return costs.cost_rows(self._reading, self.number, first, last)
