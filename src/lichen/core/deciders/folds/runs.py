"""A run begins, is told something, changes hands and ends."""

from __future__ import annotations

from lichen.core.deciders import events as e
from lichen.core.deciders.folds.changes import Changes, Folds, asked_again, with_speaker
from lichen.core.deciders.runstate import RunState
from lichen.core.words.label import without


def _started(s: RunState, event: e.Event, c: e.RunStarted) -> Changes:
    return {
        "agent": c.agent,
        "subject": c.subject,
        "requesters": with_speaker(c.requesters, c.subject),
        "session": c.session,
        "turn": c.turn,
        "parent": c.parent,
        "depth": c.depth,
        "limits": c.limits,
        "only": c.only,
        "team": c.team,
        "pins": c.pins,
        "has_schema": c.has_schema,
        "started_us": event.ts_us,
        "due": "start",
        "inputs": (event.n,),
        "timers": {"deadline": event.ts_us + int(c.limits.time_s * 1e6)},
    }


def _signal(s: RunState, event: e.Event, c: e.Signal) -> Changes:
    if c.kind == "cancel":
        return {"cancel": c.code or "requested", "due": None, "is_planning": False}
    requesters = with_speaker(s.requesters, c.by)
    return {"inputs": (*s.inputs, event.n), "requesters": requesters, **asked_again(s)}


def _declassified(s: RunState, event: e.Event, c: e.Declassified) -> Changes:
    return {"label": without(s.label, c.sources)}


def _noted(s: RunState, event: e.Event, c: e.Refused | e.SecretUsed) -> Changes:
    """Makes no difference to what is owed; whoever looks back reads it."""
    return {}


def _finished(s: RunState, event: e.Event, c: e.RunFinished) -> Changes:
    failure = c.code if c.outcome == "failed" else s.failure
    over: Changes = {"due": None, "timers": {}, "waits": {}, "calls": {}, "is_planning": False}
    return {**over, "outcome": c.outcome, "failure": failure}


FOLDS: Folds = {
    e.RunStarted: _started,
    e.Signal: _signal,
    e.Declassified: _declassified,
    e.Refused: _noted,
    e.SecretUsed: _noted,
    e.RunFinished: _finished,
}
