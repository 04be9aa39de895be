"""A planner is asked, and says what to do."""

from __future__ import annotations

from lichen.core.deciders import events as e
from lichen.core.deciders.folds.changes import Changes, Folds, asked_again
from lichen.core.deciders.runstate import Asking, Call, RunState
from lichen.core.ports.model import HELD
from lichen.core.words.content import Ref
from lichen.core.words.limits import NO_USAGE


def _plan_started(s: RunState, event: e.Event, c: e.PlanStarted) -> Changes:
    if not c.model:
        return {"is_planning": True}
    began = s.asking if s.asking is not None and (s.asking.step, s.asking.attempt) == (c.step, c.attempt) else None
    since_us, requests = (event.ts_us, 1) if began is None else (began.since_us, began.requests + 1)
    spent = (c.reserved or NO_USAGE, c.used or NO_USAGE)
    asking = Asking(c.step, c.attempt, c.reason, c.model, *spent, since_us, requests)
    return {"is_planning": s.wants_plan(c.step, c.attempt), "asking": asking}


def _planned(s: RunState, event: e.Event, c: e.Planned) -> Changes:
    billed = _billed(s, c)
    if not s.wants_plan(c.step, c.attempt):
        return billed
    if c.error:
        if c.is_final:
            return {**billed, "is_planning": False, "due": None, "failure": c.error}
        failing = {"plan_failures": s.plan_failures + (c.error != HELD), "failing_us": s.failing_us + c.failing_us}
        return {**billed, **failing, **asked_again(s)}
    calls = dict(s.calls)
    for i, p in enumerate(c.calls):
        calls[p.id] = Call(p.id, p.tool, p.effects, p.digest, event.n, p.cost, c.role_of(i))
    cost = sum(p.cost for p in c.calls)
    changes: Changes = {
        **billed,
        "is_planning": False,
        "due": None,
        "step": s.step + 1,
        "plan_attempt": 1,
        "plan_failures": 0,
        "failing_us": 0,
        "resume": c.resume,
        "synthesize": c.synthesize,
        "calls": calls,
        "calls_made": s.calls_made + len(c.calls),
        "calls_used": s.calls_used + (cost if cost <= s.calls_left else 0),  # else denied whole
        "has_step_cost": any(p.cost for p in c.calls) or (s.has_step_cost and bool(s.calls)),
        "has_step_succeeded": s.has_step_succeeded and bool(s.calls),
        "results": (),
        "answers": (),
        "inputs": (),
    }
    if not (c.calls or c.waits or c.has_answer) and not (s.has_open and c.resume == "each"):
        changes["due"] = "finalize" if s.limit else "resume"  # it only kept what it has so far, and goes on
    if c.has_state:
        changes["planner_state"] = Ref(event.n, "state")
    if c.has_summary:
        changes["summary_n"] = event.n
    if c.has_answer:
        changes["answer"] = Ref(event.n, "answer")
        changes["is_decided"] = c.stops
    return changes


def _billed(s: RunState, c: e.Planned) -> Changes:
    """What an attempt cost is known: nothing is reserved for it any more."""
    changes: Changes = {"usage": s.usage + c.usage} if c.usage != NO_USAGE else {}
    if s.asking is not None and (s.asking.step, s.asking.attempt) == (c.step, c.attempt):
        changes["asking"] = None
    return changes


FOLDS: Folds = {e.PlanStarted: _plan_started, e.Planned: _planned}
