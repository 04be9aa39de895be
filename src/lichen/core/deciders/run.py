"""The run, as two pure functions: `evolve` folds what happened, `decide` names what must be in flight now.

`decide` is a reconciler: it does not say what to do next but what is owed as long as the state is as it is. The
engine starts what is owed and not in flight, and cancels what is in flight and no longer owed. So cancel, pause,
kill switch, recovery and replay need no code of their own.
"""

from __future__ import annotations

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders.folds import calls, plans, runs, timers, waits
from lichen.core.deciders.folds.changes import Folds
from lichen.core.deciders.obligation import Obligation, Verb
from lichen.core.deciders.runstate import Answered as Answered
from lichen.core.deciders.runstate import Call, RunState
from lichen.core.deciders.runstate import Phase as Phase
from lichen.core.deciders.runstate import Result as Result
from lichen.core.deciders.runstate import start_state as start_state
from lichen.core.words.ids import ObligationId
from lichen.core.words.label import EMPTY, join

DECIDER = "run/2"  # pinned in every run; a change of meaning gets a new number


def decide(s: RunState) -> tuple[Obligation, ...]:
    """Everything that is owed now, in a fixed order. Empty: finished, or only waits are left."""
    if s.outcome or not s.n:
        return ()
    halted, held = bool(s.waits) and s.is_halted, bool(s.waits) and s.is_held
    owed: list[Obligation] = []
    for call in s.calls.values():
        obligation = _owed_for(s, call, halted)
        if obligation is not None:
            owed.append(obligation)
    if s.due is not None and (s.is_planning or not (halted or held)):
        owed.append(Obligation(ObligationId(f"plan/{s.step}/{s.plan_attempt}"), "plan"))
    if s.is_ending and not s.calls and not halted:
        owed.append(Obligation(ObligationId("finish"), "finish"))
    return tuple(owed)


def _owed_for(s: RunState, call: Call, halted: bool) -> Obligation | None:
    match call.phase:
        case "running":
            if call.effects == "child":
                wanted = (s.is_over or call.is_late) and not call.child_cancelled
                return _obligation("child-cancel", call, call.attempt) if wanted else None
            return _obligation("exec", call, call.check)
        case "in_doubt":
            return _obligation("settle", call, call.settle)
        case "proposed" if not halted:
            return _obligation("check", call, call.check)
        case "ready" if not halted:
            return _obligation("exec", call, call.check)
        case _:
            return None


def _obligation(verb: Verb, call: Call, attempt: int) -> Obligation:
    return Obligation(ObligationId(f"{verb}/{call.id}/{attempt}"), verb, call.id)


def evolve(s: RunState, event: e.Event) -> RunState:
    """The state after `event`. Total over the run's record types; ignores what makes no difference."""
    fold = _FOLDS.get(type(event.control))
    if fold is None:
        raise ValueError(f"a {event.control.type} record does not belong in a run")
    changes = fold(s, event, event.control)
    changes["n"] = event.n + 1
    if event.label is not EMPTY and event.label not in (EMPTY, s.label):  # read from disk, an empty one is another one
        changes["label"] = join(changes.get("label", s.label), event.label)
    return msgspec.structs.replace(s, **changes)


_FOLDS: Folds = {**runs.FOLDS, **plans.FOLDS, **calls.FOLDS, **waits.FOLDS, **timers.FOLDS}
