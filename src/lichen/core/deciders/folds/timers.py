"""The time of a run: when it stands still, goes on, and is over."""

from __future__ import annotations

from lichen.core.deciders import events as e
from lichen.core.deciders.folds.changes import Changes, Folds, asked_again, with_call
from lichen.core.deciders.runstate import RunState, stands_still
from lichen.core.words.ids import CallId


def stand_still(s: RunState, changes: Changes, timers: dict[str, int], event: e.Event) -> None:
    """Takes the run's time out of its timers, unless that is done already."""
    if s.left_us is None and s.budget_timer in timers:
        changes["left_us"] = max(0, timers.pop(s.budget_timer) - event.ts_us)


def go_on(s: RunState, changes: Changes, event: e.Event) -> None:
    """Sets the run's time again if nothing stops it any more."""
    if s.left_us is None or stands_still(changes.get("waits", s.waits), changes.get("calls", s.calls)):
        return
    changes["timers"] = {**changes.get("timers", s.timers), s.budget_timer: event.ts_us + s.left_us}
    changes["left_us"] = None


def timers_without(s: RunState, call: CallId) -> dict[str, int]:
    """The run's timers but those of this call."""
    own = (f"retry/{call}/", f"call/{call}/")
    return {id: due for id, due in s.timers.items() if not id.startswith(own)}


def _timer_fired(s: RunState, event: e.Event, c: e.TimerFired) -> Changes:
    changes: Changes = {"timers": {id: due for id, due in s.timers.items() if id != c.timer}}
    kind, _, rest = c.timer.partition("/")
    if kind == "retry":
        id, _, attempt = rest.partition("/")
        if CallId(id) in s.calls:
            check = s.calls[CallId(id)].check + 1
            changes["calls"] = with_call(s, CallId(id), phase="proposed", attempt=int(attempt), check=check)
    elif kind == "call":
        id = CallId(rest.partition("/")[0])
        if id in s.calls:
            changes["calls"] = with_call(s, id, is_late=True)
    elif kind == "grace" and not s.is_ending:
        changes |= {"failure": "grace_over", "due": None, "is_planning": False}
    return changes


def _limit_reached(s: RunState, event: e.Event, c: e.LimitReached) -> Changes:
    if s.limit:
        return {}
    timers = {id: due for id, due in s.timers.items() if id != "deadline"}
    grace_us = int(s.limits.grace_s * 1e6)
    changes: Changes = {"limit": c.limit, "timers": timers}
    if s.stands_still:
        changes["left_us"] = grace_us
    else:
        timers["grace"] = event.ts_us + grace_us
    if s.is_ending:
        return changes
    return {**changes, "due": None if s.calls else "finalize", "is_planning": False, **asked_again(s)}


FOLDS: Folds = {e.TimerFired: _timer_fired, e.LimitReached: _limit_reached}
