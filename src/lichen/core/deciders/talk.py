"""The pure answers to what happened in a conversation: which records a message out, the end of a turn or of a hand-over
appends.

As with the moves of a run, each is computed from one state and appended under its `n`.
"""

from __future__ import annotations

from typing import Literal

from lichen.core.deciders import events as e
from lichen.core.deciders.mailbox import MailboxState
from lichen.core.deciders.moves import Drafts
from lichen.core.words.content import Content
from lichen.core.words.ids import MessageId, RunId, TurnId, root_run
from lichen.core.words.label import EMPTY, Label


def queue(
    m: MailboxState,
    kind: Literal["answer", "say", "question", "notice", "reply"],
    *said: Content,
    run: RunId | None = None,
    token: str = "",
    offset: int = 0,
    label: Label = EMPTY,
    by: str = "",
) -> e.Draft:
    """A message to the customer under the mailbox's next free id. `said` are its `text` and what is shown
    beside it; they carry the label of who made them. `by` is the person who wrote it, where one did."""
    message = MessageId(f"o{m.sent + 1 + offset}")
    turn = m.turn.id if m.turn is not None and m.turn.run == run else None
    return e.Draft(e.MessageQueued(message, kind, turn, run, token, by=by), said, label)


def close_turn(
    m: MailboxState,
    run: RunId,
    outcome: Literal["answered", "released", "failed", "cancelled"],
    *,
    summary_n: int = 0,
) -> Drafts:
    """Gives the turn back if this run has it, and withdraws what it asked the customer. `summary_n` is the run's record
    with a summary of the conversation."""
    drafts = [e.Draft(e.WaitClosed(q.run, q.wait, "cancelled")) for q in m.questions if q.run == run]
    if m.turn is not None and m.turn.run == run:
        drafts.append(e.Draft(e.TurnClosed(m.turn.id, run, outcome, summary_n)))
    return tuple(drafts)


def end_turn(
    m: MailboxState,
    run: RunId,
    turn: TurnId | None,
    outcome: Literal["answered", "failed", "cancelled"],
    *,
    summary_n: int = 0,
) -> Drafts:
    """The end of a run that has its turn, or gave it back. A hand-over that it asked for ends with it."""
    late = (e.Draft(e.TurnClosed(turn, run, "ended", summary_n)),) if run in m.released and turn is not None else ()
    handed = () if m.handover is None or root_run(m.handover.run) != run else end_handover(m, m.handover.run)
    return (*handed, *close_turn(m, run, outcome, summary_n=summary_n), *late)


def end_handover(
    m: MailboxState, run: RunId, outcome: Literal["answered", "declined", "expired", "cancelled"] = "cancelled"
) -> Drafts:
    """What the session hears when the hand-over that a run asked for is over. Nothing if there is none of its."""
    if m.handover is None or m.handover.run != run:
        return ()
    return (e.Draft(e.WaitClosed(run, m.handover.wait, outcome)),)


def next_turn(m: MailboxState) -> TurnId:
    """The id the next turn of the session gets."""
    return TurnId(f"t{m.turns + 1}")
