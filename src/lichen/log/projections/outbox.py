"""Messages on their way out, and how the way of each ended; and those that came in and could not be taken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from lichen.core.deciders import events as e
from lichen.core.deciders.mailbox import MailboxState, Unsent
from lichen.core.deciders.streams import State, evolve
from lichen.log.projections.projection import Folding, Grown, Projection, growing
from lichen.log.projections.streamrow import StreamRow
from lichen.log.projections.streams import numbered
from lichen.log.records.record import Record
from lichen.log.store.port import Reading
from lichen.log.store.selection import rows
from lichen.log.store.tables import Index, Op, Part, table

_UNDELIVERED = Index("outbox_undelivered", ("log",), part=Part("state", "!=", "delivered"))
STRANDED = ("failed", "in_doubt")
"""How the way of a message ends that a person has to look at."""
OPEN = ("queued", "in_flight", *STRANDED)
OUTBOX = table(
    "outbox",
    "stream INTEGER, message TEXT",
    "log INTEGER, n INTEGER, kind TEXT, state TEXT, attempts INTEGER",
    _UNDELIVERED,
)


_ENDS = (e.DeliverySettled, e.DeliveryDoubted, e.DeliveryResolved)


class OutboxRow(NamedTuple):
    """A message on its way out, or how its way ended: queued, in_flight, delivered, failed, in_doubt or dropped."""

    session: str
    message: str
    n: int
    kind: str
    state: str
    attempts: int


def _fold(grown: Grown) -> Iterable[Op]:
    """What came and went within the records leaves a trace too: a message's way is told to its end."""
    assert isinstance(grown.before, MailboxState)
    assert isinstance(grown.after, MailboxState)
    row, before, after = grown.row, grown.before, grown.after
    ops: list[Op] = []
    if any(isinstance(record.control, _ENDS) for record in grown.records):
        _ended(ops, row, grown.records, before)
    if after.outbox is before.outbox:
        return ops
    for id, out in after.outbox.items():
        if before.outbox.get(id) is not out:
            ops.append(_sent(row, out, "in_flight" if out.is_in_flight else "queued"))
    return ops


def _ended(ops: list[Op], row: StreamRow, records: Sequence[Record], state: State) -> None:
    """Messages whose way ended, as they were then: the states at either end no longer say."""
    for record in records:
        assert isinstance(state, MailboxState)
        match record.control:
            case e.DeliverySettled(message=message, code="content_erased") if message in state.outbox:
                ops.append(_sent(row, state.outbox[message], "dropped"))
            case e.DeliverySettled(message=message, outcome="delivered" | "failed" as how) if message in state.outbox:
                ops.append(_sent(row, state.outbox[message], how))
            case e.DeliveryDoubted(message=message, decision="hold") if message in state.outbox:
                ops.append(_sent(row, state.outbox[message], "in_doubt"))
            case e.DeliveryResolved(decision="delivered" | "dropped" as how) as c:
                ops.append(_sent(row, Unsent(c.message, c.n, c.kind, c.attempt), how))
            case e.DeliveryResolved(decision="failed") as c:  # what is said of it next is about a later attempt
                ops.append(_sent(row, Unsent(c.message, c.n, c.kind, c.attempt + 1), "failed"))
            case _:
                pass
        state = evolve(state, record.event)


def _sent(row: StreamRow, out: Unsent, state: str) -> Op:
    return (OUTBOX, (row.number, out.message), (row.log, out.n, out.kind, state, out.attempt))


VIEW = growing("outbox", (OUTBOX,), _fold, kinds=("session",))


def outbox_rows(reading: Reading, log: int, limit: int) -> list[OutboxRow]:
    """Messages that are not delivered, the oldest first."""
    names = ("stream", "message", "n", "kind", "state", "attempts")
    found = reading.rows(rows(OUTBOX, log=log).within(_UNDELIVERED).of(*names).by("stream", "n").first(limit))
    sessions = numbered(reading, [number for number, *_ in found])
    return [OutboxRow(sessions[number].id, *rest) for number, *rest in found if number in sessions]


def stranded_rows(reading: Reading, log: int, limit: int) -> list[OutboxRow]:
    """Messages whose way ended undelivered or in doubt, the oldest first."""
    return _rows_in(reading, log, STRANDED, limit)


def open_rows(reading: Reading, log: int, limit: int) -> list[OutboxRow]:
    """Messages that are on their way, and those whose way ended undelivered or in doubt, the oldest first."""
    return _rows_in(reading, log, OPEN, limit)


def _rows_in(reading: Reading, log: int, states: tuple[str, ...], limit: int) -> list[OutboxRow]:
    names = ("stream", "message", "n", "kind", "state", "attempts")
    which = rows(OUTBOX, log=log).within(_UNDELIVERED).among("state", states).of(*names).by("stream", "n")
    found = reading.rows(which.first(limit))
    sessions = numbered(reading, [number for number, *_ in found])
    return [OutboxRow(sessions[number].id, *rest) for number, *rest in found if number in sessions]


def outbox_row(reading: Reading, stream: int, session: str, message: str) -> OutboxRow | None:
    """How one message of a session stands."""
    found = reading.rows(rows(OUTBOX, stream=stream, message=message).of("message", "n", "kind", "state", "attempts"))
    return OutboxRow(session, *found[0]) if found else None


def outbox_counts(reading: Reading, log: int) -> dict[str, int]:
    """How many messages that are not delivered are in each state."""
    return reading.totals(rows(OUTBOX, log=log).within(_UNDELIVERED), "state")


# -- what could not be taken -------------------------------------------------------------------------------------------

LETTERS = table(
    "letters", "log INTEGER, n INTEGER", "at_us INTEGER, channel TEXT, code TEXT, conversation TEXT, subject TEXT"
)


class LetterRow(NamedTuple):
    """A dead letter, record `n` of the tenant's stream."""

    n: int
    at_us: int
    channel: str
    code: str
    conversation: str
    subject: str


class Letters(Folding):
    """The open dead letters of one log."""

    def __init__(self, log: int, reading: Reading | None) -> None:
        self._log = log
        stored = _unsettled(reading, log) if reading is not None else []
        self._open = {each.n: each for each in stored}

    @property
    def open(self) -> Mapping[int, LetterRow]:
        """Those that nobody settled, by the record of each, the oldest first."""
        return self._open

    def count(self, event: e.Event, before: State, after: State, /) -> Iterable[Op]:
        """A letter is entered; settled, or with its sender, it is struck out."""
        match event.control:
            case e.DeadLettered() as c:
                row = LetterRow(event.n, event.ts_us, c.channel, c.code, c.conversation, c.subject)
                self._open[row.n] = row
                return ((LETTERS, (self._log, row.n), row[1:]),)
            case e.LetterSettled(letter=n):
                return self._struck([n])
            case e.Erased(subject=subject):
                return self._struck([n for n, each in self._open.items() if each.subject == subject])
            case _:
                return ()

    def _struck(self, letters: list[int]) -> list[Op]:
        return [(LETTERS, (self._log, n), None) for n in letters if self._open.pop(n, None) is not None]


def _unsettled(reading: Reading, log: int) -> list[LetterRow]:
    names = ("n", "at_us", "channel", "code", "conversation", "subject")
    return [LetterRow(*row) for row in reading.rows(rows(LETTERS, log=log).of(*names).by("n"))]


DEAD = Projection("letters", (LETTERS,), Letters, controls=frozenset({e.DeadLettered, e.LetterSettled, e.Erased}))
