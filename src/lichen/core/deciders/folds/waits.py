"""A wait opens and closes, and what it held goes on."""

from __future__ import annotations

from typing import cast

from lichen.core.deciders import events as e
from lichen.core.deciders.folds.changes import Changes, Folds, overtaken, settled, with_call, with_speaker
from lichen.core.deciders.folds.timers import go_on, stand_still
from lichen.core.deciders.runstate import Answered, Call, RunState
from lichen.core.ports.policy import Grant
from lichen.core.words.ids import CallId
from lichen.core.words.wait import HALTING, Wait


def _wait_opened(s: RunState, event: e.Event, c: e.WaitOpened) -> Changes:
    wait = Wait(
        id=c.wait,
        kind=c.kind,
        n=event.n,
        call=c.call,
        may_answer=c.may_answer,
        requester=c.requester,
        digest=c.digest,
        role=c.role,
        expires_at_us=c.expires_at_us,
        on_expiry=c.on_expiry,
        stops_budget=c.stops_budget,
        requesters=c.requesters,
    )
    changes: Changes = {"waits": {**s.waits, c.wait: wait}, "waits_made": s.waits_made + 1}
    timers = dict(s.timers)
    if c.expires_at_us is not None:
        timers[f"wait/{c.wait}"] = c.expires_at_us
    if c.stops_budget:
        stand_still(s, changes, timers, event)
    if timers != s.timers:
        changes["timers"] = timers
    if c.call is not None:
        asked: Changes = {"asked_n": event.n, "answered": None} if c.kind == "clarification" else {}
        changes["calls"] = with_call(s, c.call, phase="unknown" if c.kind == "reconcile" else "held", **asked)
    return changes


def _wait_closed(s: RunState, event: e.Event, c: e.WaitClosed) -> Changes:
    wait = s.waits.get(c.wait)
    if wait is None:
        return {}
    waits = {id: w for id, w in s.waits.items() if id != c.wait}
    timers = {id: due for id, due in s.timers.items() if id != f"wait/{c.wait}"}
    changes: Changes = {"waits": waits}
    changes["timers"] = timers
    go_on(s, changes, event)
    if wait.call is not None:
        if c.outcome in ("approved", "confirmed", "try_again"):
            changes["calls"] = _checked_again(s, wait, c)
        elif wait.kind == "clarification" and c.outcome != "cancelled":
            changes["calls"] = _told(s, wait.call, event, c)
        if c.outcome == "answered":
            changes["requesters"] = with_speaker(s.requesters, c.by)
        return changes
    if wait.kind in HALTING:
        return {**changes, "calls": {id: overtaken(call) for id, call in s.calls.items()}}
    if wait.holds_plan:
        return {**changes, **_planned_again(s, wait, c)}
    changes["answers"] = (*s.answers, Answered(c.wait, wait.kind, c.outcome, event.n))
    if c.outcome == "answered":
        changes["requesters"] = with_speaker(s.requesters, c.by)
    if c.outcome == "expired" and wait.on_expiry == "deny" and not s.is_ending:
        changes |= {"failure": "wait_expired", "due": None, "is_planning": False}
    return settled(s, changes)


def _planned_again(s: RunState, wait: Wait, c: e.WaitClosed) -> Changes:
    """What becomes of a plan for which a model may be asked now, or may not."""
    if c.outcome == "approved":
        return {"grants": (*s.grants, Grant(wait.role, c.by, wait.digest, is_own=c.is_own))}
    return {} if s.is_ending else {"failure": "model_denied", "due": None, "is_planning": False}


def _told(s: RunState, id: CallId, event: e.Event, c: e.WaitClosed) -> dict[CallId, Call]:
    """The call whose tool learns now what came of its question: it is decided and made once more."""
    call = s.calls[id]
    again: Changes = {"check": call.check + 1, "attempt": call.attempt + 1}
    return with_call(s, id, phase="proposed", answered_n=event.n, answered=c.outcome, **again)


def _checked_again(s: RunState, wait: Wait, c: e.WaitClosed) -> dict[CallId, Call]:
    call = s.calls[cast(CallId, wait.call)]
    grants = call.grants
    attempt = call.attempt
    if c.outcome == "confirmed":
        grants = (*grants, Grant("", c.by, wait.digest, "confirmation"))
    elif c.outcome == "approved":
        grants = (*grants, Grant(wait.role, c.by, wait.digest, is_own=c.is_own))
    else:
        attempt += 1
    return with_call(s, call.id, phase="proposed", check=call.check + 1, attempt=attempt, grants=grants)


FOLDS: Folds = {e.WaitOpened: _wait_opened, e.WaitClosed: _wait_closed}
