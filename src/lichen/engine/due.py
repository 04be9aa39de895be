"""What comes without anybody asking: timers that are due, and streams that a process left behind."""

from __future__ import annotations

from lichen.core.deciders import events as e
from lichen.core.deciders import moves, talk
from lichen.core.deciders.mailbox import MailboxState
from lichen.core.deciders.run import RunState
from lichen.core.words.ids import SessionId, StreamId, session_stream
from lichen.engine.act import Act, SessionAct
from lichen.engine.drafts.handed import returned
from lichen.engine.journal.journal import Journal
from lichen.engine.journal.tree import mirror
from lichen.engine.pace.held import DELIVER
from lichen.engine.pace.timers import Wheel
from lichen.engine.ports import Services


def take_over(services: Services, journal: Journal, wheel: Wheel) -> int:
    """Sets the timers of a log and takes over every stream that owes something, under a new epoch. Returns how many."""
    for stream, timers in journal.log.timers().items():
        wheel.set(journal.scope, stream, timers)
        for timer, due_us in timers.items() if stream.kind == "session" else ():
            if timer.startswith(DELIVER):
                services.held.remember(journal.scope, SessionId(stream.id), due_us, services.clock())
    owing = journal.log.load_owing()
    for stream in owing:
        state = journal.state(stream)
        if isinstance(state, (RunState, MailboxState)):
            journal.append({stream: (e.Draft(e.Owned(state.epoch + 1)),)})
    return len(owing)


def fire(services: Services, journal: Journal, stream: StreamId, timer: str) -> None:
    """Appends what a due timer means, to the run and, if it ends a question, to the session."""
    state = journal.state(stream)
    if isinstance(state, MailboxState):
        if timer.startswith(DELIVER):
            services.held.let_go(journal.scope, state.id)
        if timer in state.timers:
            _fire_of_session(SessionAct(services, journal, state), timer)
        return
    if not isinstance(state, RunState):
        return
    drafts = moves.fire(state, timer)
    appended = {stream: drafts}
    if state.session is not None and (mirrored := mirror(journal, state, drafts)):
        appended[session_stream(state.session)] = mirrored
    if drafts:
        journal.append(appended, turn=state.turn)


def _fire_of_session(session: SessionAct, timer: str) -> None:
    """A delivery is tried again, or a conversation to which nobody attends goes back to the assistant."""
    fired = e.Draft(e.TimerFired(timer))
    handover = session.mailbox.handover
    if handover is None or timer != handover.timer:
        session.note(fired)
        return
    act = Act.on(session.services, session.journal, handover.run)
    wait = act.state.waits.get(handover.wait)
    if wait is None:
        session.note(fired, *talk.end_handover(session.mailbox, handover.run))
        return
    back = returned(act, wait, "expired", told=act.texts.unattended)
    appended = {session.stream: (fired, *back.before, *back.after), act.stream: back.run}
    session.journal.append(appended, turn=act.state.turn)
