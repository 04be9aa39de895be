"""The views of a log, as they are read: what is durable, for consoles, recovery and the gate."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import partial

import msgspec

from lichen.core.deciders.events import WaitClosed
from lichen.core.ports.policy import Reservation
from lichen.core.words.ids import CallId, RunId, StreamId, StreamKind
from lichen.log.disk.sqlite import STREAMS, Reader, Row
from lichen.log.records.record import Record, decode
from lichen.log.views.ledger import OpenReservation, Stored, Unknown
from lichen.log.views.rows import CostRow, OutboxRow, StreamRow, WaitRow

TOLD_MAX = 128  # stored records that are read of one run to say in a line what became of it
DECIDED = ("approved", "denied", "happened", "did_not_happen", "try_again", "expired")
_TEXTS = msgspec.json.Decoder(tuple[str, ...])
_FILTERS = {"agent", "session", "outcome", "standing"}
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
_STREAM_ROWS = f"SELECT {STREAMS.names} FROM streams"  # noqa: S608 - our own names


class Listings:
    """Reads the views of one log, committed rows only. `number` is the log's in its volume."""

    def __init__(self, reader: Reader, number: int) -> None:
        self._reader, self.number = reader, number

    def stream_rows(
        self, kind: StreamKind, limit: int = 100, before_seq: int | None = None, **equal: str | None
    ) -> list[StreamRow]:
        """Streams of a kind, the newest first; with `before_seq` those that began before it: the next page.

        `equal` names columns (`agent`, `session`, `outcome`, `standing`) and what they must hold, None for anything.
        """
        wanted = {name: value for name, value in equal.items() if value is not None}
        assert wanted.keys() <= _FILTERS
        conditions = "".join(f" AND {name} = ?" for name in wanted)
        query = f"{_STREAM_ROWS} WHERE log = ? AND kind = ? AND first_seq < ?{conditions} ORDER BY stream DESC LIMIT ?"
        before = 2**62 if before_seq is None else before_seq
        rows = self._reader.rows(query, self.number, kind, before, *wanted.values(), limit)
        return [StreamRow(*row) for row in rows]

    def records_telling(self, runs: Sequence[StreamRow]) -> dict[int, list[Record]]:
        """The records of these runs that tell what became of them, by the numbers in their rows; nothing is folded.

        Of a long run those are how it began, its last waits, and the last TOLD_MAX of all that is stored.
        """
        return {run.number: self._telling(run.number) for run in runs}

    def _telling(self, number: int) -> list[Record]:
        query = "SELECT n, record FROM records WHERE stream = ? ORDER BY n DESC LIMIT ?"
        rows = self._reader.rows(query, number, TOLD_MAX)
        if len(rows) == TOLD_MAX:
            rows += self._earlier(number, rows[-1][0])
        return [record for _, data in reversed(rows) for record in decode(data) if record.type in _TELLING]

    def _earlier(self, number: int, before_n: int) -> list[Row]:
        """What tells of the beginning of a run, the newest first: a wait stands alone, so it is found by its key."""
        waits = """
            SELECT n, record FROM records WHERE stream = ? AND n < ? AND n > 0 AND key >= 'wait_' AND key < 'wait`'
            ORDER BY n DESC LIMIT ?
        """
        first = "SELECT n, record FROM records WHERE stream = ? AND n < ? AND n = 0"
        return self._reader.rows(waits, number, before_n, TOLD_MAX) + self._reader.rows(first, number, before_n)

    def owing(self) -> list[StreamId]:
        """Streams that somebody must drive, the oldest first."""
        query = "SELECT kind, id FROM streams WHERE log = ? AND standing = 'owing' ORDER BY stream"
        return [StreamId(kind, id) for kind, id in self._reader.rows(query, self.number)]

    def timers(self) -> dict[StreamId, dict[str, int]]:
        """When what comes due, in microseconds since 1970."""
        query = """
            SELECT kind, id, timer, due_us FROM timers JOIN streams USING (stream)
            WHERE timers.log = ? ORDER BY due_us, timer
        """
        found: dict[StreamId, dict[str, int]] = {}
        for kind, id, timer, due_us in self._reader.rows(query, self.number):
            found.setdefault(StreamId(kind, id), {})[timer] = due_us
        return found

    def wait_rows(self) -> list[WaitRow]:
        """Open waits of runs, the oldest first."""
        query = """
            SELECT streams.id, wait, waits.kind, call, may_answer, n, seq, opened_us, expires_us
            FROM waits JOIN streams USING (stream) WHERE waits.log = ? ORDER BY seq, wait
        """
        rows = self._reader.rows(query, self.number)
        return [WaitRow(*row)._replace(may_answer=_TEXTS.decode(row[4])) for row in rows]

    def closed_waits(self, limit: int, before_seq: int | None = None) -> list[Record]:
        """How runs' waits for a person's decision ended, the newest first; durable ones only."""
        query = """
            SELECT record FROM records JOIN streams USING (stream)
            WHERE records.log = ? AND seq < ? AND kind = 'run' AND key >= 'wait_closed/' AND key < 'wait_closed0'
            ORDER BY seq DESC
        """
        found: list[Record] = []
        before = 2**62 if before_seq is None else before_seq
        for (data,) in self._reader.each(query, self.number, before):
            record, *_ = decode(data)
            if isinstance(record.control, WaitClosed) and record.control.outcome in DECIDED:
                found.append(record)
            if len(found) == limit:
                break
        return found

    def metered(self, limit: int) -> list[tuple[RunId, CallId]]:
        """The last calls that counted for a meter, in durable records, the newest first."""
        query = """
            SELECT meters.run, call FROM meters JOIN streams ON streams.log = meters.log AND streams.id = meters.run
            WHERE meters.log = ? AND streams.kind = 'run' GROUP BY meters.run, call
            ORDER BY first_seq DESC, call DESC LIMIT ?
        """
        return [(RunId(run), CallId(call)) for run, call in self._reader.rows(query, self.number, limit)]

    def wait_counts(self) -> dict[str, int]:
        """How many waits of each kind are open."""
        return dict(self._reader.rows("SELECT kind, count(*) FROM waits WHERE log = ? GROUP BY kind", self.number))

    def outbox_rows(self, limit: int = 1_000) -> list[OutboxRow]:
        """Messages that are not delivered, the oldest first."""
        query = """
            SELECT streams.id, message, n, outbox.kind, state, attempts FROM outbox JOIN streams USING (stream)
            WHERE outbox.log = ? AND state != 'delivered' ORDER BY stream, n LIMIT ?
        """
        return [OutboxRow(*row) for row in self._reader.rows(query, self.number, limit)]

    def checkpoints(self, limit: int) -> list[bytes]:
        """The texts of the last signed tree heads, the newest first."""
        query = "SELECT checkpoint FROM heads WHERE log = ? ORDER BY number DESC LIMIT ?"
        return [text for (text,) in self._reader.rows(query, self.number, limit)]

    def cost_rows(self, first: date, last: date) -> list[CostRow]:
        """What each agent used on each of these days (UTC), both included."""
        query = "SELECT day, agent, calls, tokens, micro_usd FROM costs WHERE log = ? AND day BETWEEN ? AND ?"
        rows = self._reader.rows(f"{query} ORDER BY day, agent", self.number, _day(first), _day(last))
        return [CostRow(*row) for row in rows]


def stored_sums(reader: Reader, log: int) -> Stored:
    """What the ledger of a log starts from, and asks for when it does not know."""
    return Stored(
        _reservations(reader, log), _unknowns(reader, log), partial(_meter, reader, log), partial(_cost, reader, log)
    )


def _reservations(reader: Reader, log: int) -> list[OpenReservation]:
    query = "SELECT run, call, key, amount FROM meters WHERE log = ? AND state = 'reserved' ORDER BY run, call, key"
    found: dict[tuple[RunId, CallId], list[Reservation]] = {}
    for run, call, key, amount in reader.rows(query, log):
        found.setdefault((run, call), []).append(Reservation(key, amount))
    return [OpenReservation(run, call, tuple(each)) for (run, call), each in found.items()]


def _unknowns(reader: Reader, log: int) -> list[Unknown]:
    query = "SELECT run, call, session, tool, digest FROM unknowns WHERE log = ? ORDER BY run, call"
    return [Unknown(*row) for row in reader.rows(query, log)]


def _meter(reader: Reader, log: int, key: str) -> tuple[int, int]:
    sums = {"reserved": 0, "paid": 0}
    query = "SELECT state, sum(amount) FROM meters WHERE log = ? AND key = ? GROUP BY state"
    sums.update(reader.rows(query, log, key))
    return sums["reserved"], sums["paid"]


def _cost(reader: Reader, log: int, day: int, agent: str) -> tuple[int, int, int]:
    query = "SELECT calls, tokens, micro_usd FROM costs WHERE log = ? AND day = ? AND agent = ?"
    row = reader.row(query, log, day, agent)
    return (row[0], row[1], row[2]) if row else (0, 0, 0)


def _day(day: date) -> int:
    return (day - date(1970, 1, 1)).days
