"""Views: rows that follow from the records alone, kept so that nobody has to fold a log to find something.

Each is a pure projection of a stream's next records and its states before and after them. `verify` rebuilds them all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders.mailbox import MailboxState, Unsent
from lichen.core.deciders.run import RunState
from lichen.core.deciders.streams import Standing, State, evolve, standing
from lichen.core.words.ids import StreamId, StreamKind
from lichen.core.words.wait import Wait
from lichen.log.disk.sqlite import OUTBOX, TIMERS, WAITS, Op
from lichen.log.records.record import Record


class StreamRow(NamedTuple):
    """A stream: who has it, how it stands, and how it ended. `number` is its number in the volume.

    `parent` is the run of which a child run executes a call; `outcome` is empty until there is one.
    """

    number: int
    log: int
    kind: StreamKind
    id: str
    standing: Standing
    agent: str
    session: str | None
    turn: str | None
    parent: str | None
    subject: str
    first_seq: int
    started_us: int
    outcome: str

    @property
    def stream(self) -> StreamId:
        """The stream's id in its log."""
        return StreamId(self.kind, self.id)


class WaitRow(NamedTuple):
    """An open wait of a run: record `n` of the run opened it, `seq` of the log."""

    run: str
    wait: str
    kind: str
    call: str | None
    may_answer: tuple[str, ...]
    n: int
    seq: int
    opened_us: int
    expires_us: int | None


class OutboxRow(NamedTuple):
    """A message on its way out, or how its way ended: queued, in_flight, delivered or failed."""

    session: str
    message: str
    n: int
    kind: str
    state: str
    attempts: int


class CostRow(NamedTuple):
    """What an agent used on one day (days since 1970, UTC): finished calls, model tokens, millionths of a US dollar."""

    day: int
    agent: str
    calls: int
    tokens: int
    micro_usd: int


def project(row: StreamRow, records: Sequence[Record], *, before: State, after: State) -> list[Op]:
    """What a stream's consecutive records change in its views, however many they are. The row itself is `next_row`'s.

    What came and went within them leaves no trace but a message, whose way is told to its end.
    """
    ops: list[Op] = []
    match after:
        case RunState():
            assert isinstance(before, RunState)
            if after.timers is not before.timers:
                _timers(ops, row, before.timers, after.timers)
            if after.waits is not before.waits:
                _waits(ops, row, records, before=before.waits, after=after.waits)
        case MailboxState():
            assert isinstance(before, MailboxState)
            if after.timers is not before.timers:
                _timers(ops, row, before.timers, after.timers)
            if after.outbox is not before.outbox:
                _outbox(ops, row, records, before, after)
        case _:
            pass
    return ops


def first_row(log: int, number: int, stream: StreamId, *, seq: int, ts_us: int) -> StreamRow:
    """The row of a stream whose first record this is, before that record is looked at."""
    return StreamRow(number, log, stream.kind, stream.id, "waiting", "", None, None, None, "", seq, ts_us, "")


def next_row(row: StreamRow, state: State) -> StreamRow:
    """The stream's row now that it is in this state; the same object when nothing in it changed."""
    stands = standing(state)
    match state:
        case RunState():
            if row.standing == stands and row.agent and row.outcome == state.outcome:
                return row  # a run's other columns come from its first record alone
            whose = {"agent": state.agent, "session": state.session, "turn": state.turn, "subject": state.subject}
            parent = state.parent.run if state.parent else None
            return row._replace(standing=stands, parent=parent, outcome=state.outcome, **whose)
        case MailboxState():
            if row.standing == stands and row.agent and row.outcome == state.outcome:
                return row
            return row._replace(standing=stands, agent=state.agent, subject=state.subject, outcome=state.outcome)
        case _:
            return row._replace(standing=stands)


def _timers(ops: list[Op], row: StreamRow, before: Mapping[str, int], after: Mapping[str, int]) -> None:
    ops += [(TIMERS, (row.number, timer), None) for timer in before if timer not in after]
    for timer, due_us in after.items():
        if before.get(timer) != due_us:
            ops.append((TIMERS, (row.number, timer), (row.log, due_us)))


def _waits(
    ops: list[Op], row: StreamRow, records: Sequence[Record], *, before: Mapping[Any, Wait], after: Mapping[Any, Wait]
) -> None:
    ops += [(WAITS, (row.number, id), None) for id in before if id not in after]
    for id, wait in after.items():
        if id not in before:
            opened = records[wait.n - records[0].n]
            may_answer = msgspec.json.encode(wait.may_answer).decode()
            values = (row.log, wait.kind, wait.call, may_answer, wait.n, opened.seq, opened.ts_us, wait.expires_at_us)
            ops.append((WAITS, (row.number, id), values))


def _outbox(
    ops: list[Op], row: StreamRow, records: Sequence[Record], before: MailboxState, after: MailboxState
) -> None:
    if any(isinstance(record.control, e.DeliverySettled) for record in records):
        _settled(ops, row, records, before)
    for id, out in after.outbox.items():
        if before.outbox.get(id) is not out:
            ops.append(_sent(row, out, "in_flight" if out.is_in_flight else "queued"))


def _settled(ops: list[Op], row: StreamRow, records: Sequence[Record], state: State) -> None:
    """Messages whose way ended, as they were then: the states at either end no longer say."""
    for record in records:
        assert isinstance(state, MailboxState)
        settled = record.control
        if isinstance(settled, e.DeliverySettled) and settled.outcome != "retry":
            out = state.outbox.get(settled.message)
            if out is not None:
                ops.append(_sent(row, out, settled.outcome))
        state = evolve(state, record.event)


def _sent(row: StreamRow, out: Unsent, state: str) -> Op:
    return (OUTBOX, (row.number, out.message), (row.log, out.n, out.kind, state, out.attempt))
