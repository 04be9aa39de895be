"""Time stands still for whoever waits for somebody who waits: a run's caller learns of it in the same append."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from lichen.core.deciders import events as e
from lichen.core.deciders.run import RunState, evolve
from lichen.core.words.ids import CHILD_MARK, RunId, StreamId, run_stream

Moves = Mapping[StreamId, tuple[e.Draft, ...]]

_TELLING: Final = (e.WaitOpened, e.WaitClosed, e.CallProgressed, e.CallFinished)
"""What may stop a run's time, or let it go on."""


def with_callers(moves: Moves, run: Callable[[RunId], RunState]) -> Moves:
    """The moves, and for each child among them whose time stops or goes on what its caller learns, up to the top."""
    told: dict[StreamId, tuple[e.Draft, ...]] | None = None
    for stream, drafts in moves.items():
        if stream.kind == "run" and CHILD_MARK in stream.id and _may_tell(drafts):
            told = dict(moves) if told is None else told
            _tell(told, run, RunId(stream.id))
    return moves if told is None else told


def _may_tell(drafts: tuple[e.Draft, ...]) -> bool:
    return any(isinstance(draft.control, _TELLING) for draft in drafts)


def _tell(told: dict[StreamId, tuple[e.Draft, ...]], run: Callable[[RunId], RunState], id: RunId) -> None:
    state = run(id)
    while state.parent is not None:
        child = _after(state, told.get(run_stream(state.id), ()))
        caller, stream = run(state.parent.run), run_stream(state.parent.run)
        call = _after(caller, told.get(stream, ())).calls.get(state.parent.call)
        if child.outcome or call is None or call.phase != "running" or call.is_waiting is child.stands_still:
            return
        what = "waiting" if child.stands_still else "resumed"
        progressed = e.Draft(e.CallProgressed(call.id, call.attempt, what, check=child.n))
        told[stream] = (*told.get(stream, ()), progressed)
        state = caller


def _after(state: RunState, drafts: tuple[e.Draft, ...]) -> RunState:
    """The state once these are appended, but for its times."""
    for draft in drafts:
        state = evolve(state, e.Event(state.n, state.started_us, draft.control))
    return state
