"""Views: rows that follow from the records alone, kept so that nobody has to fold a log to find something.

Each is a pure projection of one record and the stream's state before and after it. `verify` rebuilds them all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from lichen.core import events as e
from lichen.core.ids import StreamId, StreamKind
from lichen.core.mailbox import MailboxState, Unsent
from lichen.core.run import RunState
from lichen.core.streams import Standing, State, standing
from lichen.core.wait import Wait
from lichen.log.sqlite import OUTBOX, TIMERS, WAITS, Op


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


def project(row: StreamRow, event: e.Event, seq: int, *, before: State, after: State) -> list[Op]:
    """What one record changes in the views of its stream, whose row is `row`. The row itself is `next_row`'s."""
    ops: list[Op] = []
    match after:
        case RunState():
            assert isinstance(before, RunState)
            if after.timers is not before.timers:
                _timers(ops, row, before.timers, after.timers)
            if after.waits is not before.waits:
                _waits(ops, row, event, seq, before=before.waits, after=after.waits)
        case MailboxState():
            assert isinstance(before, MailboxState)
            if after.timers is not before.timers:
                _timers(ops, row, before.timers, after.timers)
            if after.outbox is not before.outbox:
                _outbox(ops, row, event, before=before.outbox, after=after.outbox)
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
    ops: list[Op],
    row: StreamRow,
    event: e.Event,
    seq: int,
    *,
    before: Mapping[Any, Wait],
    after: Mapping[Any, Wait],
) -> None:
    ops += [(WAITS, (row.number, id), None) for id in before if id not in after]
    for id, wait in after.items():
        if id not in before:
            may_answer = msgspec.json.encode(wait.may_answer).decode()
            values = (row.log, wait.kind, wait.call, may_answer, event.n, seq, event.ts_us, wait.expires_at_us)
            ops.append((WAITS, (row.number, id), values))


def _outbox(
    ops: list[Op], row: StreamRow, event: e.Event, *, before: Mapping[Any, Unsent], after: Mapping[Any, Unsent]
) -> None:
    for id, out in before.items():
        if id not in after:
            settled = event.control
            state = settled.outcome if isinstance(settled, e.DeliverySettled) else "failed"
            ops.append(_sent(row, out, state))
    for id, out in after.items():
        if before.get(id) is not out:
            ops.append(_sent(row, out, "in_flight" if out.is_in_flight else "queued"))


def _sent(row: StreamRow, out: Unsent, state: str) -> Op:
    return (OUTBOX, (row.number, out.message), (row.log, out.n, out.kind, state, out.attempt))
