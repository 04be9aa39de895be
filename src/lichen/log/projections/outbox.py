"""Messages on their way out, and how the way of each ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from lichen.core.deciders import events as e
from lichen.core.deciders.mailbox import MailboxState, Unsent
from lichen.core.deciders.streams import State, evolve
from lichen.log.projections.projection import Grown, growing
from lichen.log.projections.streamrow import StreamRow
from lichen.log.projections.streams import numbered
from lichen.log.records.record import Record
from lichen.log.store.port import Reading
from lichen.log.store.selection import rows
from lichen.log.store.tables import Index, Op, Part, table

_UNDELIVERED = Index("outbox_undelivered", ("log",), part=Part("state", "!=", "delivered"))
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
            case e.DeliverySettled(message=message, outcome="delivered" | "failed" as how) if message in state.outbox:
                ops.append(_sent(row, state.outbox[message], how))
            case e.DeliveryDoubted(message=message, decision="hold") if message in state.outbox:
                ops.append(_sent(row, state.outbox[message], "in_doubt"))
            case e.DeliveryResolved(decision="delivered" | "dropped" as how) as c:
                ops.append(_sent(row, Unsent(c.message, c.n, c.kind, c.attempt), how))
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
