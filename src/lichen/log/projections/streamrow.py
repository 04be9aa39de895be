"""The row of a stream: who has it, how it stands, and how it ended. Every other view is told of it."""

from __future__ import annotations

from typing import NamedTuple

from lichen.core.deciders.mailbox import MailboxState
from lichen.core.deciders.run import RunState
from lichen.core.deciders.streams import Standing, State, standing
from lichen.core.words.ids import StreamId, StreamKind


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
