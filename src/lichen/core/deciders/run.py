"""The run, as two pure functions: `evolve` folds what happened, `decide` names what must be in flight now.

`decide` is a reconciler: it does not say what to do next but what is owed as long as the state is as it is. The
engine starts what is owed and not in flight, and cancels what is in flight and no longer owed. So cancel, pause,
kill switch, recovery and replay need no code of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, cast

import msgspec

from lichen.core.deciders import events as e
from lichen.core.ports.call import Effects, Outcome
from lichen.core.ports.plan import PlanReason, Resume
from lichen.core.ports.policy import Grant
from lichen.core.words.content import Ref
from lichen.core.words.ids import AgentName, CallId, ObligationId, RunId, SessionId, ToolName, TurnId, WaitId
from lichen.core.words.label import EMPTY, Label, join, without
from lichen.core.words.limits import Limits, Usage
from lichen.core.words.wait import HALTING, Wait, WaitKind, WaitOutcome

DECIDER = "run/2"  # pinned in every run; a change of meaning gets a new number

Phase = Literal["proposed", "held", "ready", "running", "in_doubt", "unknown", "backoff"]
Verb = Literal["plan", "check", "exec", "settle", "child-cancel", "finish", "turn", "deliver"]


class Obligation(NamedTuple):
    """Something that must be in flight. The id ends in a number and stands for this one piece of work: of an `exec`
    that of the decision which allows it, so no decision is acted on twice."""

    id: ObligationId
    verb: Verb
    call: CallId | None = None


class Call(msgspec.Struct, frozen=True, gc=False):
    """An open call. Closed ones leave the state. `n` is the record that planned it and holds its arguments."""

    id: CallId
    tool: ToolName
    effects: Effects
    digest: bytes
    n: int
    cost: int
    phase: Phase = "proposed"
    check: int = 1
    attempt: int = 1
    settle: int = 0  # how often it has been in doubt
    doubt: str = ""  # why it is in doubt; empty: its executor died
    epoch: int = 0
    decided_n: int = 0
    decided_us: int = 0
    child: RunId | None = None
    child_cancelled: bool = False
    is_late: bool = False  # its time is over, and its child has to end
    is_waiting: bool = False  # its child waits for somebody, and nobody's time passes
    left_us: int | None = None  # what is left of its own time meanwhile
    reserved: int = 0
    reserved_tokens: int = 0
    grants: tuple[Grant, ...] = ()
    redact: tuple[str, ...] = ()
    declassified: tuple[str, ...] = ()  # sources that policy lets its result go without

    @property
    def may_act(self) -> bool:
        """Whether it has begun to do something that may not be repeated."""
        return self.effects in ("once", "child") and self.phase in ("running", "in_doubt", "unknown")


class Result(msgspec.Struct, frozen=True, gc=False):
    """A closed call that the planner has not been told of. `n` is the record that closed it."""

    call: CallId
    tool: ToolName
    outcome: Outcome
    n: int
    planned_n: int
    code: str = ""


class Answered(msgspec.Struct, frozen=True, gc=False):
    """A closed wait of the planner's own that it has not been told of."""

    wait: WaitId
    kind: WaitKind
    outcome: WaitOutcome
    n: int


class RunState(msgspec.Struct, frozen=True, gc=False):
    """Everything `decide` needs, folded from controls alone. `n` counts the records of the stream."""

    id: RunId
    n: int = 0
    agent: AgentName = AgentName("")
    subject: str = ""
    requesters: tuple[str, ...] = ()  # everybody who spoke for what it wants
    session: SessionId | None = None
    turn: TurnId | None = None
    parent: e.Parent | None = None
    depth: int = 0
    limits: Limits = Limits()
    pins: e.Pins = e.Pins()
    epoch: int = 1
    started_us: int = 0

    due: PlanReason | None = None
    step: int = 0
    plan_attempt: int = 1
    plan_failures: int = 0  # attempts at this step that gave no plan; others were asked again for something new
    is_planning: bool = False
    resume: Resume = "all"
    planner_state: Ref | None = None

    calls: Mapping[CallId, Call] = {}
    waits: Mapping[WaitId, Wait] = {}
    timers: Mapping[str, int] = {}
    results: tuple[Result, ...] = ()
    answers: tuple[Answered, ...] = ()
    inputs: tuple[int, ...] = ()

    calls_made: int = 0  # numbers calls
    waits_made: int = 0
    calls_used: int = 0  # counts against the limit
    has_step_succeeded: bool = False
    has_step_cost: bool = False
    streak: int = 0
    usage: Usage = Usage()
    child_tokens: int = 0  # what children that ended have used
    has_acted: bool = False  # something that may not be repeated happened here or in a child, or may have
    left_us: int | None = None  # what is left of the time while it stands still

    limit: str = ""
    cancel: str = ""
    failure: str = ""
    answer: Ref | None = None
    label: Label = EMPTY
    outcome: str = ""

    @property
    def is_halted(self) -> bool:
        """Whether nothing new may start."""
        return any(wait.kind in HALTING for wait in self.waits.values())

    @property
    def is_ending(self) -> bool:
        """Whether no further plan will be asked for."""
        return bool(self.cancel or self.failure or self.answer)

    @property
    def is_over(self) -> bool:
        """Whether what has not started never will: cancelled, failed or out of time."""
        return bool(self.cancel or self.failure) or self.limit == "time"

    @property
    def budget_timer(self) -> Literal["deadline", "grace"]:
        """The timer that ends what the run is doing: its time, or once a limit is reached the time to answer."""
        return "grace" if self.limit else "deadline"

    @property
    def stands_still(self) -> bool:
        """Whether its time does not pass: it waits for somebody, or a run that it called does."""
        return _stands_still(self.waits, self.calls)

    @property
    def may_have_acted(self) -> bool:
        """Whether something that may not be repeated has happened here or in a child, or still may."""
        return self.has_acted or any(call.may_act for call in self.calls.values())

    @property
    def calls_left(self) -> int:
        """What remains of the limit on calls."""
        return max(0, self.limits.calls - self.calls_used)

    @property
    def tokens_used(self) -> int:
        """The model tokens of this run and of its children that ended."""
        return self.usage.tokens + self.child_tokens

    @property
    def tokens_left(self) -> int:
        """What remains of the limit on tokens, without what is lent to children."""
        lent = sum(call.reserved_tokens for call in self.calls.values())
        return max(0, self.limits.tokens - self.tokens_used - lent)

    def wants_plan(self, step: int, attempt: int) -> bool:
        """Whether what this attempt at a plan says still counts. It does not once something else was asked."""
        return self.due is not None and (step, attempt) == (self.step, self.plan_attempt)


def start_state(run: RunId) -> RunState:
    """A run of which nothing is known yet."""
    return RunState(id=run)


# -- decide ------------------------------------------------------------------------------------------------------


def decide(s: RunState) -> tuple[Obligation, ...]:
    """Everything that is owed now, in a fixed order. Empty: finished, or only waits are left."""
    if s.outcome or not s.n:
        return ()
    halted = bool(s.waits) and s.is_halted
    owed: list[Obligation] = []
    for call in s.calls.values():
        obligation = _owed_for(s, call, halted)
        if obligation is not None:
            owed.append(obligation)
    if s.due is not None and (s.is_planning or not halted):
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


# -- evolve ------------------------------------------------------------------------------------------------------

Changes = dict[str, Any]


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


def _with_speaker(requesters: tuple[str, ...], by: str) -> tuple[str, ...]:
    return requesters if not by or by in requesters else tuple(sorted((*requesters, by)))


def _started(s: RunState, event: e.Event, c: e.RunStarted) -> Changes:
    return {
        "agent": c.agent,
        "subject": c.subject,
        "requesters": _with_speaker(c.requesters, c.subject),
        "session": c.session,
        "turn": c.turn,
        "parent": c.parent,
        "depth": c.depth,
        "limits": c.limits,
        "pins": c.pins,
        "started_us": event.ts_us,
        "due": "start",
        "inputs": (event.n,),
        "timers": {"deadline": event.ts_us + int(c.limits.time_s * 1e6)},
    }


def _plan_started(s: RunState, event: e.Event, c: e.PlanStarted) -> Changes:
    return {"is_planning": True}


def _planned(s: RunState, event: e.Event, c: e.Planned) -> Changes:
    usage = s.usage + c.usage if c.usage != _NO_USAGE else s.usage
    if not s.wants_plan(c.step, c.attempt):
        return {"usage": usage}
    if c.error:
        if c.is_final:
            return {"usage": usage, "is_planning": False, "due": None, "failure": c.error}
        return {"usage": usage, "plan_failures": s.plan_failures + 1, **_asked_again(s)}
    calls = dict(s.calls)
    for p in c.calls:
        calls[p.id] = Call(p.id, p.tool, p.effects, p.digest, event.n, p.cost)
    cost = sum(p.cost for p in c.calls)
    changes: Changes = {
        "usage": usage,
        "is_planning": False,
        "due": None,
        "step": s.step + 1,
        "plan_attempt": 1,
        "plan_failures": 0,
        "resume": c.resume,
        "calls": calls,
        "calls_made": s.calls_made + len(c.calls),
        "calls_used": s.calls_used + (cost if cost <= s.calls_left else 0),  # else denied whole
        "has_step_cost": any(p.cost for p in c.calls) or (s.has_step_cost and bool(s.calls)),
        "has_step_succeeded": s.has_step_succeeded and bool(s.calls),
        "results": (),
        "answers": (),
        "inputs": (),
    }
    if c.has_state:
        changes["planner_state"] = Ref(event.n, "state")
    if c.has_answer:
        changes["answer"] = Ref(event.n, "answer")
    return changes


def _asked_again(s: RunState) -> Changes:
    """What the planner is asked is not what it was asked any more: a plan in flight is void, the next attempt owed."""
    return {"plan_attempt": s.plan_attempt + 1, "is_planning": False} if s.due is not None else {}


def _decided(s: RunState, event: e.Event, c: e.Decided) -> Changes:
    if c.verdict != "allow":
        return {}
    allowed: Changes = {"redact": c.redact, "declassified": c.declassified}
    return {"calls": _with(s, c.call, phase="ready", decided_n=event.n, decided_us=event.ts_us, **allowed)}


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
        _stand_still(s, changes, timers, event)
    if timers != s.timers:
        changes["timers"] = timers
    if c.call is not None:
        changes["calls"] = _with(s, c.call, phase="unknown" if c.kind == "reconcile" else "held")
    return changes


def _stands_still(waits: Mapping[WaitId, Wait], calls: Mapping[CallId, Call]) -> bool:
    return any(w.stops_budget for w in waits.values()) or any(call.is_waiting for call in calls.values())


def _stand_still(s: RunState, changes: Changes, timers: dict[str, int], event: e.Event) -> None:
    """Takes the run's time out of its timers, unless that is done already."""
    if s.left_us is None and s.budget_timer in timers:
        changes["left_us"] = max(0, timers.pop(s.budget_timer) - event.ts_us)


def _go_on(s: RunState, changes: Changes, event: e.Event) -> None:
    """Sets the run's time again if nothing stops it any more."""
    if s.left_us is None or _stands_still(changes.get("waits", s.waits), changes.get("calls", s.calls)):
        return
    changes["timers"] = {**changes.get("timers", s.timers), s.budget_timer: event.ts_us + s.left_us}
    changes["left_us"] = None


def _wait_closed(s: RunState, event: e.Event, c: e.WaitClosed) -> Changes:
    wait = s.waits.get(c.wait)
    if wait is None:
        return {}
    waits = {id: w for id, w in s.waits.items() if id != c.wait}
    timers = {id: due for id, due in s.timers.items() if id != f"wait/{c.wait}"}
    changes: Changes = {"waits": waits}
    changes["timers"] = timers
    _go_on(s, changes, event)
    if wait.call is not None:
        if c.outcome in ("approved", "confirmed", "try_again"):
            changes["calls"] = _checked_again(s, wait, c)
        return changes
    if wait.kind in HALTING:
        return {**changes, "calls": {id: _overtaken(call) for id, call in s.calls.items()}}
    changes["answers"] = (*s.answers, Answered(c.wait, wait.kind, c.outcome, event.n))
    if c.outcome == "answered":
        changes["requesters"] = _with_speaker(s.requesters, c.by)
    if c.outcome == "expired" and wait.on_expiry == "deny" and not s.is_ending:
        changes |= {"failure": "wait_expired", "due": None, "is_planning": False}
    return _settled(s, changes)


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
    return _with(s, call.id, phase="proposed", check=call.check + 1, attempt=attempt, grants=grants)


def _owned(s: RunState, event: e.Event, c: e.Owned) -> Changes:
    calls = {id: _inherited(call) for id, call in s.calls.items()}
    return {"epoch": c.epoch, "calls": calls, **(_asked_again(s) if s.is_planning else {})}


def _inherited(call: Call) -> Call:
    """A call whose executor is gone: in doubt if a second attempt could be a second effect, else decided again."""
    if call.phase == "in_doubt":
        return msgspec.structs.replace(call, settle=call.settle + 1)
    if call.phase != "running" or call.effects == "child":
        return _overtaken(call)
    if call.effects == "once":
        return msgspec.structs.replace(call, phase="in_doubt", settle=call.settle + 1, doubt="")
    return msgspec.structs.replace(call, phase="proposed", attempt=call.attempt + 1, check=call.check + 1)


def _overtaken(call: Call) -> Call:
    """A call after time has passed: one that was allowed and has not begun is decided again."""
    if call.phase != "ready":
        return call
    return msgspec.structs.replace(call, phase="proposed", check=call.check + 1)


def _call_started(s: RunState, event: e.Event, c: e.CallStarted) -> Changes:
    calls = _with(
        s,
        c.call,
        phase="running",
        attempt=c.attempt,
        epoch=c.epoch,
        child=c.child,
        reserved=c.reserved,
        reserved_tokens=c.reserved_tokens,
    )
    changes: Changes = {"calls": calls, "calls_used": s.calls_used + c.reserved}
    if c.due_us:
        changes["timers"] = {**s.timers, f"call/{c.call}/{c.attempt}": c.due_us}
    return changes


def _call_progressed(s: RunState, event: e.Event, c: e.CallProgressed) -> Changes:
    match c.what:
        case "in_doubt":
            return {"calls": _with(s, c.call, phase="in_doubt", settle=s.calls[c.call].settle + 1, doubt=c.code)}
        case "not_done":
            check = s.calls[c.call].check + 1
            return {"calls": _with(s, c.call, phase="proposed", attempt=c.attempt + 1, check=check)}
        case "child_cancelled":
            return {"calls": _with(s, c.call, child_cancelled=True)}
        case "waited":
            return {"calls": _with(s, c.call, phase="proposed", check=s.calls[c.call].check + 1)}
        case "retry":
            timers = {**_timers_without(s, c.call), f"retry/{c.call}/{c.attempt + 1}": c.due_us}
            calls = _with(s, c.call, phase="backoff", **_UNBORN)
            changes = {"calls": calls, "timers": timers, **_given_back(s, s.calls[c.call], c.used, c.used_tokens)}
            _go_on(s, changes, event)
            return changes
        case "waiting":
            return _child_waits(s, event, s.calls[c.call])
        case "resumed":
            return _child_goes_on(s, event, s.calls[c.call])


def _child_waits(s: RunState, event: e.Event, call: Call) -> Changes:
    timers, changes = dict(s.timers), Changes()
    due_us = timers.pop(f"call/{call.id}/{call.attempt}", None)
    left_us = None if due_us is None else max(0, due_us - event.ts_us)
    _stand_still(s, changes, timers, event)
    return {**changes, "calls": _with(s, call.id, is_waiting=True, left_us=left_us), "timers": timers}


def _child_goes_on(s: RunState, event: e.Event, call: Call) -> Changes:
    timers = dict(s.timers)
    if call.left_us is not None:
        timers[f"call/{call.id}/{call.attempt}"] = event.ts_us + call.left_us
    changes: Changes = {"calls": _with(s, call.id, is_waiting=False, left_us=None), "timers": timers}
    _go_on(s, changes, event)
    return changes


def _call_finished(s: RunState, event: e.Event, c: e.CallFinished) -> Changes:
    call = s.calls[c.call]
    if c.outcome == "unknown":
        return {"calls": _with(s, c.call, phase="unknown")}
    calls = {id: other for id, other in s.calls.items() if id != c.call}
    result = Result(c.call, call.tool, c.outcome, event.n, call.n, c.code)
    changes: Changes = {
        "calls": calls,
        "results": (*s.results, result),
        **_given_back(s, call, c.used, c.used_tokens),
        "has_acted": s.has_acted or c.has_acted or (call.effects == "once" and c.outcome == "ok"),
        "timers": _timers_without(s, c.call),
        "has_step_succeeded": s.has_step_succeeded or (c.outcome == "ok" and call.cost > 0),
    }
    _go_on(s, changes, event)
    if not calls and s.has_step_cost:
        changes["streak"] = 0 if changes["has_step_succeeded"] else s.streak + 1
    return _settled(s, changes)


_UNBORN: Changes = {
    "child": None,
    "child_cancelled": False,
    "is_late": False,
    "is_waiting": False,
    "left_us": None,
    "reserved": 0,
    "reserved_tokens": 0,
}


def _given_back(s: RunState, call: Call, used: int, used_tokens: int) -> Changes:
    """What the end of a child gives back of what was lent to it."""
    return {
        "calls_used": s.calls_used - call.reserved + min(used, call.reserved),
        "child_tokens": s.child_tokens + used_tokens,
    }


def _timers_without(s: RunState, call: CallId) -> dict[str, int]:
    """The run's timers but those of this call."""
    own = (f"retry/{call}/", f"call/{call}/")
    return {id: due for id, due in s.timers.items() if not id.startswith(own)}


def _settled(s: RunState, changes: Changes) -> Changes:
    """Adds what follows when a call or wait closed: the planner is due once nothing it asked for is open."""
    calls = changes.get("calls", s.calls)
    waits = changes.get("waits", s.waits)
    blocked = bool(calls) or any(w.call is None and w.kind not in HALTING for w in waits.values())
    if s.is_ending or changes.get("failure"):
        return changes
    if not blocked or (s.resume == "each" and not s.limit):
        changes |= {"due": "finalize" if s.limit else "resume", **_asked_again(s)}
    return changes


def _signal(s: RunState, event: e.Event, c: e.Signal) -> Changes:
    if c.kind == "cancel":
        return {"cancel": c.code or "requested", "due": None, "is_planning": False}
    requesters = _with_speaker(s.requesters, c.by)
    return {"inputs": (*s.inputs, event.n), "requesters": requesters, **_asked_again(s)}


def _timer_fired(s: RunState, event: e.Event, c: e.TimerFired) -> Changes:
    changes: Changes = {"timers": {id: due for id, due in s.timers.items() if id != c.timer}}
    kind, _, rest = c.timer.partition("/")
    if kind == "retry":
        id, _, attempt = rest.partition("/")
        if CallId(id) in s.calls:
            check = s.calls[CallId(id)].check + 1
            changes["calls"] = _with(s, CallId(id), phase="proposed", attempt=int(attempt), check=check)
    elif kind == "call":
        id = CallId(rest.partition("/")[0])
        if id in s.calls:
            changes["calls"] = _with(s, id, is_late=True)
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
    return {**changes, "due": None if s.calls else "finalize", "is_planning": False, **_asked_again(s)}


def _declassified(s: RunState, event: e.Event, c: e.Declassified) -> Changes:
    return {"label": without(s.label, c.sources)}


def _noted(s: RunState, event: e.Event, c: e.Refused | e.SecretUsed) -> Changes:
    """Makes no difference to what is owed; whoever looks back reads it."""
    return {}


def _finished(s: RunState, event: e.Event, c: e.RunFinished) -> Changes:
    return {"outcome": c.outcome, "due": None, "timers": {}, "waits": {}, "calls": {}, "is_planning": False}


def _with(s: RunState, id: CallId, **changes: Any) -> dict[CallId, Call]:
    return {**s.calls, id: msgspec.structs.replace(s.calls[id], **changes)}


_NO_USAGE = Usage()
_FOLDS: dict[type[e.Control], Callable[[RunState, e.Event, Any], Changes]] = {
    e.RunStarted: _started,
    e.PlanStarted: _plan_started,
    e.Planned: _planned,
    e.Decided: _decided,
    e.WaitOpened: _wait_opened,
    e.WaitClosed: _wait_closed,
    e.Owned: _owned,
    e.CallStarted: _call_started,
    e.CallProgressed: _call_progressed,
    e.CallFinished: _call_finished,
    e.Signal: _signal,
    e.TimerFired: _timer_fired,
    e.LimitReached: _limit_reached,
    e.RunFinished: _finished,
    e.Declassified: _declassified,
    e.Refused: _noted,
    e.SecretUsed: _noted,
}
