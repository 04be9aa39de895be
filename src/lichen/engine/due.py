"""What comes without anybody asking: timers that are due, and streams that a process left behind."""

from __future__ import annotations

from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.deciders.mailbox import MailboxState
from lichen.core.deciders.run import RunState
from lichen.core.words.ids import StreamId, session_stream
from lichen.engine.journal.journal import Journal
from lichen.engine.journal.tree import mirror
from lichen.engine.pace.timers import Wheel


def take_over(journal: Journal, wheel: Wheel) -> int:
    """Sets the timers of a log and takes over every stream that owes something, under a new epoch. Returns how many."""
    for stream, timers in journal.log.timers().items():
        wheel.set(journal.scope, stream, timers)
    owing = journal.log.owing()
    for stream in owing:
        state = journal.state(stream)
        if isinstance(state, (RunState, MailboxState)):
            journal.append({stream: (e.Draft(e.Owned(state.epoch + 1)),)})
    return len(owing)


def fire(journal: Journal, stream: StreamId, timer: str) -> None:
    """Appends what a due timer means, to the run and, if it ends a question, to the session."""
    state = journal.state(stream)
    if isinstance(state, MailboxState):
        if timer in state.timers:
            journal.append({stream: (e.Draft(e.TimerFired(timer)),)})
        return
    if not isinstance(state, RunState):
        return
    drafts = moves.fire(state, timer)
    appended = {stream: drafts}
    if state.session is not None and (mirrored := mirror(journal, state, drafts)):
        appended[session_stream(state.session)] = mirrored
    if drafts:
        journal.append(appended, turn=state.turn)
