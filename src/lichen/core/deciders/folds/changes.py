"""What folds of a run have in common: what they change, and when the planner is asked again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders.runstate import Call, RunState
from lichen.core.words.ids import CallId
from lichen.core.words.wait import HALTING

Changes = dict[str, Any]
"""Fields of a run, as they are from now on."""

Folds = Mapping[type[e.Control], Callable[[RunState, e.Event, Any], Changes]]
"""What each record changes in a run."""


def with_call(s: RunState, id: CallId, **changes: Any) -> dict[CallId, Call]:
    """The run's calls, one of them changed."""
    return {**s.calls, id: msgspec.structs.replace(s.calls[id], **changes)}


def with_speaker(requesters: tuple[str, ...], by: str) -> tuple[str, ...]:
    """The requesters with whoever spoke now, in one order."""
    return requesters if not by or by in requesters else tuple(sorted((*requesters, by)))


def overtaken(call: Call) -> Call:
    """A call after time has passed: one that was allowed and has not begun is decided again."""
    if call.phase != "ready":
        return call
    return msgspec.structs.replace(call, phase="proposed", check=call.check + 1)


def asked_again(s: RunState) -> Changes:
    """What the planner is asked is not what it was asked any more: a plan in flight is void, the next attempt owed."""
    return {"plan_attempt": s.plan_attempt + 1, "is_planning": False} if s.due is not None else {}


def settled(s: RunState, changes: Changes) -> Changes:
    """Adds what follows when a call or wait closed: the planner is due once nothing it asked for is open, and is asked
    once more if it was due already."""
    calls = changes.get("calls", s.calls)
    waits = changes.get("waits", s.waits)
    blocked = bool(calls) or any(w.call is None and w.kind not in HALTING for w in waits.values())
    is_answered = changes.get("answer", s.answer) is not None
    if s.cancel or s.failure or is_answered or changes.get("failure"):
        return changes
    if not blocked or (s.resume == "each" and not s.limit) or s.due is not None:
        changes |= {"due": "finalize" if s.limit else "resume", **asked_again(s)}
    return changes
