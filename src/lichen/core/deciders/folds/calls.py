"""A call is allowed, performed, in doubt, tried again, and over."""

from __future__ import annotations

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders.folds.changes import Changes, Folds, asked_again, overtaken, settled, with_call
from lichen.core.deciders.folds.timers import go_on, stand_still, timers_without
from lichen.core.deciders.runstate import GOES_ON, Call, CallAsking, Result, RunState
from lichen.core.words.content import Ref

_UNBORN: Changes = {
    "child": None,
    "child_cancelled": False,
    "is_late": False,
    "is_waiting": False,
    "left_us": None,
    "reserved": 0,
    "reserved_tokens": 0,
    "reserved_micro_usd": 0,
}


def _decided(s: RunState, event: e.Event, c: e.Decided) -> Changes:
    if c.verdict != "allow":
        return {}
    allowed: Changes = {"redact": c.redact, "declassified": c.declassified}
    return {"calls": with_call(s, c.call, phase="ready", decided_n=event.n, decided_us=event.ts_us, **allowed)}


def _call_started(s: RunState, event: e.Event, c: e.CallStarted) -> Changes:
    calls = with_call(
        s,
        c.call,
        phase="running",
        goes_on=False,
        attempt=c.attempt,
        epoch=c.epoch,
        child=c.child,
        reserved=c.reserved,
        reserved_tokens=c.reserved_tokens,
        reserved_micro_usd=c.reserved_micro_usd,
    )
    changes: Changes = {"calls": calls, "calls_used": s.calls_used + c.reserved}
    if c.due_us:
        changes["timers"] = {**s.timers, f"call/{c.call}/{c.attempt}": c.due_us}
    return changes


def _call_progressed(s: RunState, event: e.Event, c: e.CallProgressed) -> Changes:
    match c.what:
        case "in_doubt":
            settle = s.calls[c.call].settle + 1
            return {"calls": with_call(s, c.call, phase="in_doubt", settle=settle, doubt=c.code, goes_on=False)}
        case "not_done":
            check = s.calls[c.call].check + 1
            return {"calls": with_call(s, c.call, phase="proposed", attempt=c.attempt + 1, check=check)}
        case "child_cancelled":
            return {"calls": with_call(s, c.call, child_cancelled=True)}
        case "waited":
            return {"calls": with_call(s, c.call, phase="proposed", check=s.calls[c.call].check + 1)}
        case "retry":
            timers = {**timers_without(s, c.call), f"retry/{c.call}/{c.attempt + 1}": c.due_us}
            calls = with_call(s, c.call, phase="backoff", **_UNBORN)
            changes = {"calls": calls, "timers": timers, **_given_back(s, s.calls[c.call], c)}
            go_on(s, changes, event)
            return changes
        case "asked":
            return {"calls": with_call(s, c.call, phase="held", goes_on=c.code == GOES_ON)}
        case "waiting":
            return _child_waits(s, event, s.calls[c.call])
        case "resumed":
            return _child_goes_on(s, event, s.calls[c.call])


def _child_waits(s: RunState, event: e.Event, call: Call) -> Changes:
    timers, changes = dict(s.timers), Changes()
    due_us = timers.pop(f"call/{call.id}/{call.attempt}", None)
    left_us = None if due_us is None else max(0, due_us - event.ts_us)
    stand_still(s, changes, timers, event)
    return {**changes, "calls": with_call(s, call.id, is_waiting=True, left_us=left_us), "timers": timers}


def _child_goes_on(s: RunState, event: e.Event, call: Call) -> Changes:
    timers = dict(s.timers)
    if call.left_us is not None:
        timers[f"call/{call.id}/{call.attempt}"] = event.ts_us + call.left_us
    changes: Changes = {"calls": with_call(s, call.id, is_waiting=False, left_us=None), "timers": timers}
    go_on(s, changes, event)
    return changes


def _call_finished(s: RunState, event: e.Event, c: e.CallFinished) -> Changes:
    call = s.calls[c.call]
    if c.outcome == "unknown":
        return {"calls": with_call(s, c.call, phase="unknown")}
    calls = {id: other for id, other in s.calls.items() if id != c.call}
    result = Result(c.call, call.tool, c.outcome, event.n, call.n, c.code, call.child)
    changes: Changes = {
        "calls": calls,
        "results": (*s.results, result),
        **_given_back(s, call, c),
        "has_acted": s.has_acted or c.has_acted or (call.effects == "once" and c.outcome == "ok"),
        "timers": timers_without(s, c.call),
        "has_step_succeeded": s.has_step_succeeded or (c.outcome == "ok" and call.cost > 0),
    }
    go_on(s, changes, event)
    if not (s.cancel or s.failure or s.limit):
        changes |= _answering(s, call, event, c)
    if not calls and s.has_step_cost:
        changes["streak"] = 0 if changes["has_step_succeeded"] else s.streak + 1
    return settled(s, changes)


def _answering(s: RunState, call: Call, event: e.Event, c: e.CallFinished) -> Changes:
    """What the end of a call does to the run's answer: a terminal one that succeeds is it, and one beside an answer
    that does not takes it back."""
    if call.role == "terminal" and c.outcome == "ok" and s.answer is None:
        return {"answer": Ref(event.n, "result")}
    if call.role == "bookkeeping" and c.outcome != "ok" and s.answer is not None and s.answer.part == "answer":
        return {"answer": None}
    return {}


def _given_back(s: RunState, call: Call, c: e.CallProgressed | e.CallFinished) -> Changes:
    """What the end of a child gives back of what was lent to it."""
    return {
        "calls_used": s.calls_used - call.reserved + min(c.used, call.reserved),
        "child_tokens": s.child_tokens + c.used_tokens,
        "child_micro_usd": s.child_micro_usd + c.used_micro_usd,
    }


def _call_asked(s: RunState, event: e.Event, c: e.CallAsked) -> Changes:
    id, asks = f"{c.call}/{c.number}", dict(s.asks)
    if c.asked is not None:
        asks.pop(id, None)
        return {"asks": asks, "usage": s.usage + c.asked.usage}
    asks[id] = CallAsking(c.call, c.number, c.model, c.reserved, event.ts_us, s.epoch)
    return {"asks": asks, "calls": with_call(s, c.call, asks=c.number + 1)}


def _owned(s: RunState, event: e.Event, c: e.Owned) -> Changes:
    calls = {id: _inherited(call) for id, call in s.calls.items()}
    return {"epoch": c.epoch, "calls": calls, **(asked_again(s) if s.is_planning else {})}


def _inherited(call: Call) -> Call:
    """A call whose executor is gone: in doubt if a second attempt could be a second effect, else decided again."""
    if call.phase == "in_doubt":
        return msgspec.structs.replace(call, settle=call.settle + 1)
    if call.phase != "running" or call.effects == "child":
        return overtaken(call)
    if call.effects == "once":
        return msgspec.structs.replace(call, phase="in_doubt", settle=call.settle + 1, doubt="")
    return msgspec.structs.replace(call, phase="proposed", attempt=call.attempt + 1, check=call.check + 1)


FOLDS: Folds = {
    e.Decided: _decided,
    e.CallStarted: _call_started,
    e.CallProgressed: _call_progressed,
    e.CallFinished: _call_finished,
    e.CallAsked: _call_asked,
    e.Owned: _owned,
}
