"""What a plan owes that waits for nothing: said in the plan's own append, as one move of the run.

A verdict for which no facts are read, the start of a call that needs no place and no secret, and the end of a run that
answered. Anything else, and a call that policy does not simply allow, is an obligation of its own, as it would be
without this.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.deciders.obligation import Obligation
from lichen.core.deciders.run import Call, decide, evolve
from lichen.core.ports.call import Arguments
from lichen.core.words import faults
from lichen.core.words.errors import LichenError
from lichen.core.words.ids import CallId, StreamId
from lichen.engine.act import Act, CallAct
from lichen.engine.acts.finish import ending
from lichen.engine.drafts.decided import asked, decided
from lichen.engine.journal.labels import labelled
from lichen.tools.guarded import Guarded

CALLS_MAX: Final = 8  # of a plan that are decided with it

Moves = Mapping[StreamId, moves.Drafts]
_PLAN: Final = (e.PlanStarted, e.Planned)


class Ahead(Act):
    """A run as it is once what is about to be appended is; its words are at hand."""

    def __init__(self, act: Act, drafts: moves.Drafts, decoded: Mapping[CallId, Arguments]) -> None:
        super().__init__(act.services, act.journal, act.journal.run(act.state.id))
        self._agent, self._decoded = act.agent, decoded
        self._words: dict[int, Mapping[str, bytes]] = {}
        state, now_us = self.state, act.services.clock()
        for draft in drafts:
            self._words[state.n] = {each.part: each.data for each in draft.contents}
            state = evolve(state, e.Event(state.n, now_us, draft.control, draft.label))
        self.state = state

    def contents(self, n: int) -> Mapping[str, bytes]:
        """What a record holds in words, be it appended or about to be. Raises ContentErased."""
        words = self._words.get(n)
        return super().contents(n) if words is None else words

    def on_call(self, id: CallId) -> CallAct | None:
        """An act on one of its calls that is made now; None for any other."""
        arguments = self._decoded.get(id)
        return None if arguments is None else _CallAhead(self, self.state.calls[id], arguments)


class _CallAhead(CallAct):
    """A call as it is then, whose arguments were just decoded."""

    def __init__(self, act: Ahead, call: Call, arguments: Arguments) -> None:
        super().__init__(act, call)
        self._arguments = arguments


def with_what_follows(
    act: Act, plan: Moves, decoded: Mapping[CallId, Arguments], *, may_begin: Callable[[], bool]
) -> Moves:
    """The moves of a plan, and what follows from it at once. Calls are started only while some `may_begin`."""
    drafts = plan[act.stream]
    if act.state.is_halted or not all(isinstance(draft.control, _PLAN) for draft in drafts):
        return plan
    ahead = Ahead(act, drafts, decoded)
    owed = decide(ahead.state)
    if len(owed) == 1 and owed[0].verb == "finish":
        return _with_end(ahead, plan)
    allowed = [found for obligation in owed[:CALLS_MAX] if (found := _allowed(ahead, obligation)) is not None]
    verdicts = labelled(tuple(draft for _, draft in allowed), ahead.state.label)
    starts = [_start(call) for call, _ in allowed if _starts_at_once(call)] if may_begin() else []
    return {**plan, act.stream: (*drafts, *verdicts, *starts)}


def _with_end(ahead: Ahead, plan: Moves) -> Moves:
    """With the end of a run that said nothing but its answer."""
    if ahead.state.asking is not None or any(plan[stream] for stream in plan if stream != ahead.stream):
        return plan
    end = ending(ahead)
    return {**end, ahead.stream: (*plan[ahead.stream], *end[ahead.stream])}


def _allowed(ahead: Ahead, owed: Obligation) -> tuple[CallAct, e.Draft] | None:
    """A call of the plan that policy allows as it is, without facts, and the record of that."""
    call = ahead.on_call(owed.call) if owed.verb == "check" and owed.call is not None else None
    try:
        if call is None or call.tool.spec.facts_schema is not None or isinstance(call.tool, Guarded):
            return None
        question = asked(call)
    except LichenError:
        return None  # its own obligation says what becomes of it
    verdict = call.services.gate.decide(question)
    faults.hit("check.after")
    return (call, decided(call, verdict)) if verdict.outcome == "allow" else None


def _starts_at_once(act: CallAct) -> bool:
    """Whether a call is announced before it acts and waits for nothing else: it acts in this process's loop, with no
    secret to be fetched first, and the disk is not behind."""
    spec, has_room = act.tool.spec, act.journal.log.has_room
    return act.call.effects in ("idempotent", "once") and spec.runs == "loop" and not spec.secrets.call and has_room


def _start(act: CallAct) -> e.Draft:
    return e.Draft(e.CallStarted(act.call.id, act.call.attempt, act.state.epoch))
