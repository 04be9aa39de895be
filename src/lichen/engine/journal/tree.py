"""What reaches a run reaches the runs it started: cancelled, halted and resumed with it in one append."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.deciders.run import Call, RunState
from lichen.core.words.ids import RunId, StreamId, child_run, run_stream, session_stream
from lichen.core.words.wait import HALTING
from lichen.engine.journal.journal import Journal

Appended = dict[StreamId, moves.Drafts]


def cancel_tree(journal: Journal, state: RunState, code: str, id: str) -> Appended:
    """The records that end a run and every run below it. Nothing if it is over already."""
    told = moves.cancel(state, code, id)
    if not told:
        return {}
    appended: Appended = {}
    _tell(journal, appended, state, told)
    return appended


def _tell(journal: Journal, appended: Appended, state: RunState, told: moves.Drafts) -> None:
    below = list(_children(journal, state))  # also those that were told to end, and halted since
    news = (call for call, _ in below if not call.child_cancelled)
    progressed = (e.Draft(e.CallProgressed(call.id, call.attempt, "child_cancelled")) for call in news)
    _add(journal, appended, state, (*told, *progressed))
    for call, child in below:
        _tell(journal, appended, child, moves.cancel(child, "parent_stopped", f"parent-{call.attempt}"))


def halt_tree(
    journal: Journal, state: RunState, kind: Literal["pause", "preempt"], may_answer: tuple[str, ...], requester: str
) -> Appended:
    """The records that halt a run and every run below it that is not halted. Nothing if it is itself."""
    if not moves.pause(state, kind, may_answer, requester):
        return {}
    halted = ((run, moves.pause(run, kind, may_answer, requester)) for run in family(journal, state))
    return {run_stream(run.id): drafts for run, drafts in halted if drafts}


def resume_tree(journal: Journal, state: RunState, by: str) -> Appended:
    """The records that let a run and every run below it go on."""
    appended: Appended = {}
    for run in family(journal, state):
        for wait in run.waits.values():
            if wait.kind in HALTING:
                appended[run_stream(run.id)] = moves.close_wait(run, wait.id, "resumed", by=by)
    return appended


def family(journal: Journal, state: RunState) -> Iterator[RunState]:
    """A run and every run below it that goes on."""
    yield state
    for _, child in _children(journal, state):
        yield from family(journal, child)


def _children(journal: Journal, state: RunState) -> Iterator[tuple[Call, RunState]]:
    for call in state.calls.values():
        if call.effects == "child" and call.phase == "running":
            child = journal.run(RunId(call.child or child_run(state.id, call.id, call.attempt)))
            if not child.outcome:
                yield call, child


def _add(journal: Journal, appended: Appended, state: RunState, drafts: moves.Drafts) -> None:
    """Adds what a run hears, and to its session what ends the run's questions there."""
    if not drafts:
        return
    appended[run_stream(state.id)] = drafts
    if state.session is not None and (mirrored := mirror(journal, state, drafts)):
        stream = session_stream(state.session)
        appended[stream] = (*appended.get(stream, ()), *mirrored)


def mirror(journal: Journal, state: RunState, drafts: moves.Drafts) -> moves.Drafts:
    """The wait closings among `drafts` that the session knows of: of questions to the customer, and of a hand-over."""
    assert state.session is not None
    mailbox = journal.mailbox(state.session)
    asked = {(q.run, q.wait) for q in mailbox.questions}
    if mailbox.handover is not None:
        asked.add((mailbox.handover.run, mailbox.handover.wait))
    closings = (d for d in drafts if isinstance(d.control, e.WaitClosed))
    return tuple(
        e.Draft(d.control)
        for d in closings
        if isinstance(d.control, e.WaitClosed) and (d.control.run, d.control.wait) in asked
    )
