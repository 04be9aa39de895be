"""What must hold in every state of a run, over every edge and along every path. The names say it."""

from __future__ import annotations

from typing import NamedTuple, get_args

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders import moves, run, streams
from lichen.core.deciders.run import Call, Obligation, RunState
from lichen.core.ports.call import Effects
from lichen.testing.explore import (
    Broken,
    Controls,
    Edge,
    Fact,
    Graph,
    Trace,
    check_edges,
    check_ends,
    check_paths,
    check_states,
)
from tests.core.run_world import RUN, Node, is_fair


class Seen(NamedTuple):
    """A state with what it owes, and with what it would owe were it not halted: a halt hides work and closes none."""

    state: RunState
    owed: tuple[Obligation, ...]
    wanted: dict[str, Obligation]


def look(node: Node) -> Seen:
    """What the rules look at."""
    s = node.state
    owed = run.decide(s)
    waits = {id: wait for id, wait in s.waits.items() if wait.kind not in ("pause", "preempt")}
    wanted = run.decide(msgspec.structs.replace(s, waits=waits)) if len(waits) < len(s.waits) else owed
    return Seen(s, owed, {o.id: o for o in wanted})


# -- states ------------------------------------------------------------------------------------------------------


def _verbs(seen: Seen) -> set[str]:
    return {o.verb for o in seen.owed}


def _is_over(s: RunState) -> bool:
    """Whether nothing more may be started: cancelled, failed, decided or out of time."""
    return bool(s.cancel or s.failure or s.is_decided or s.limit == "time")


def _is_halted(s: RunState) -> bool:
    return any(wait.kind in ("pause", "preempt") for wait in s.waits.values())


def _starts(seen: Seen, o: Obligation) -> bool:
    """Whether this would start something that is not under way."""
    match o.verb:
        case "plan":
            return not seen.state.is_planning
        case "check":
            return True
        case "exec":
            return o.call is not None and seen.state.calls[o.call].phase == "ready"
        case _:
            return False


def is_deterministic(seen: Seen) -> bool:
    return seen.owed == run.decide(seen.state) and len({o.id for o in seen.owed}) == len(seen.owed)


def halts(seen: Seen) -> bool:
    s = seen.state
    return not _is_halted(s) or not any(o.verb == "finish" or _starts(seen, o) for o in seen.owed)


def asks_no_model(seen: Seen) -> bool:
    """No planner is asked while a person has yet to agree that it asks a model, and no other call waits for that."""
    s = seen.state
    return not any(wait.kind == "approval" and wait.call is None for wait in s.waits.values()) or (
        "plan" not in _verbs(seen) or s.is_planning
    )


def plans_no_more(seen: Seen) -> bool:
    s = seen.state
    return not (s.cancel or s.failure or s.answer) or ("plan" not in _verbs(seen) and s.due is None)


def starts_no_more(seen: Seen) -> bool:
    s = seen.state
    return not _is_over(s) or not any(o.verb != "plan" and _starts(seen, o) for o in seen.owed)


def finishes_in_time(seen: Seen) -> bool:
    s = seen.state
    is_due = bool(s.cancel or s.failure or s.answer) and not s.calls and not _is_halted(s) and not s.outcome
    return ("finish" in _verbs(seen)) is is_due


def stays_finished(seen: Seen) -> bool:
    s = seen.state
    if not s.outcome:
        return True
    moved = (moves.cancel(s, "requested", "x2"), moves.pause(s, "pause", (), ""), moves.fire(s, "deadline"))
    return not (seen.owed or s.timers or s.waits or s.calls or any(moved))


def stands_as_it_owes(seen: Seen) -> bool:
    s = seen.state
    standing = streams.standing(s)
    return (standing == "owing") is bool(seen.owed) and (standing == "finished") is bool(s.outcome)


def has_one_clock(seen: Seen) -> bool:
    s = seen.state
    clocks = [timer for timer in s.timers if timer in ("deadline", "grace")]
    is_stopped = any(wait.stops_budget for wait in s.waits.values()) or any(c.is_waiting for c in s.calls.values())
    if s.outcome or is_stopped:
        return not clocks
    if s.is_ending and not clocks:
        return True  # the time to answer is over, or it went before the run ended
    return clocks == ["grace" if s.limit else "deadline"]


def expires_once(seen: Seen) -> bool:
    s = seen.state
    due = {f"wait/{wait.id}" for wait in s.waits.values() if wait.expires_at_us is not None}
    backing_off = {f"retry/{call.id}/{call.attempt + 1}" for call in s.calls.values() if call.phase == "backoff"}
    children = (call for call in s.calls.values() if call.effects == "child" and call.phase == "running")
    running_out = {f"call/{call.id}/{call.attempt}" for call in children if not (call.is_late or call.is_waiting)}
    return {timer for timer in s.timers if "/" in timer} == due | backing_off | running_out


def holds_what_waits(seen: Seen) -> bool:
    s = seen.state
    kinds = {"confirmation": "approval"}  # both hold a call
    asked = {wait.call: kinds.get(wait.kind, wait.kind) for wait in s.waits.values() if wait.call is not None}
    held = {c.id: "approval" if c.phase == "held" else "reconcile" for c in s.calls.values() if c.phase in _ASKED}
    return asked == held


_ASKED = ("held", "unknown")


def stays_within_calls(seen: Seen) -> bool:
    return 0 <= seen.state.calls_used <= seen.state.limits.calls


STATES = {
    "decide says the same twice and no id twice": is_deterministic,
    "nothing new starts while halted": halts,
    "no plan begins while a person has to agree to it": asks_no_model,
    "no plan is owed once the run is ending": plans_no_more,
    "nothing starts once the run is cancelled, failed or out of time": starts_no_more,
    "finish is owed exactly when the run is ending and nothing is open": finishes_in_time,
    "a finished run owes nothing and cannot be moved": stays_finished,
    "standing agrees with decide": stands_as_it_owes,
    "one clock runs, none while a wait stops the budget, a child's too": has_one_clock,
    "a timer is set for every expiry, retry and child and for nothing else": expires_once,
    "every held or unknown call has its one wait, and no wait is about another": holds_what_waits,
    "the limit on calls holds": stays_within_calls,
}

# -- edges -------------------------------------------------------------------------------------------------------


def asks_the_same(before: Seen, edge: Edge, after: Seen) -> bool:
    """What stays in flight must not become another question under the planner's feet."""
    plans = {o.id for o in before.wanted.values() if o.verb == "plan"}
    return plans.isdisjoint(after.wanted) or _question(before.state) == _question(after.state)


def _question(s: RunState) -> tuple[object, ...]:
    return (s.due, s.limit, s.results, s.answers, s.inputs)


def denies_what_does_not_fit(before: Seen, edge: Edge, after: Seen) -> bool:
    """A batch over what is left of calls, fan-out or tokens, counted anew, leaves none of its calls open."""
    planned = next((c for c in edge.controls if isinstance(c, e.Planned)), None)
    s = before.state
    if planned is None or planned.has_answer:
        return True
    over = {
        "calls": s.calls_used + sum(call.cost for call in planned.calls) > s.limits.calls,
        "fan_out": len(planned.calls) > s.limits.fan_out,
        "tokens": s.usage.tokens + s.child_tokens + planned.usage.tokens > s.limits.tokens,
    }
    is_over = any(over.values()) and not planned.error
    return not is_over or (
        over.get(after.state.limit, False) and all(call.id not in after.state.calls for call in planned.calls)
    )


def ends_work_that_fails(before: Seen, edge: Edge, after: Seen) -> bool:
    """The streak counts steps in which nothing that costs succeeded, and at its limit the run has to finalize."""
    s = after.state
    return s.streak < s.limits.failures or bool(s.limit or s.is_ending)


EDGES = {
    "an obligation that stays owed asks the same": asks_the_same,
    "a batch over a limit is denied whole": denies_what_does_not_fit,
    "too many failed steps in a row end the work": ends_work_that_fails,
}

# -- the fold ----------------------------------------------------------------------------------------------------

FOLDS = "records as they are stored, at real positions and times, lead to the same"


def check_folds(graph: Graph[Seen], first: e.Control) -> list[Broken]:
    """Folds every state again, from encoded records and with nothing abstracted, and compares what is owed and set."""
    states = [_fold(run.start_state(RUN), (first,))]
    for node, found in enumerate(graph.found[1:], start=1):
        edge = graph.edges[found]
        states.append(_fold(states[edge.source], edge.controls))
        if _shape(look(Node(states[node]))) != _shape(graph.nodes[node]):
            return [Broken(FOLDS, repr(states[node]), graph.path(node))]
    return []


def _fold(state: RunState, controls: Controls) -> RunState:
    for control in controls:
        stored = msgspec.msgpack.encode(control)
        decoded = msgspec.msgpack.decode(stored, type=e.TYPES[control.type])
        state = run.evolve(state, e.Event(state.n, 1_000 * state.n, decoded))
    return state


def _shape(seen: Seen) -> tuple[object, ...]:
    s = seen.state
    return (seen.owed, s.timers.keys(), s.waits.keys(), s.calls.keys(), s.outcome, len(s.results), len(s.answers))


# -- paths -------------------------------------------------------------------------------------------------------

ONCE_OWED = "an obligation is never owed again once it is closed"
ONE_KEY = "no key is used twice"
ONE_END = "every call ends exactly once, and before its run"
ALLOWED = "a call runs only when allowed after its last approval"
FRESH = "a call begins on a decision younger than the last wait, timer, takeover or pause"
SETTLED = "a once call that may have happened runs again only when settled"
LIMITED = "a limit is reached once, and no call is planned after it"
CANCELLED = "no plan is taken and no call is started after a cancel"
OVER = "nothing is recorded after the end"


def trace(before: Seen, controls: Controls, after: Seen, t: Trace) -> None:
    """What one edge of a run does to the facts."""
    for control in controls:
        t.forbid(OVER, ("over",))
        t.forbid(ONE_KEY, ("key", control.key))
        t.begin(("key", control.key))
        _trace_control(before.state, control, t)
    _trace_obligations(before, after, t)


def _trace_control(s: RunState, control: e.Control, t: Trace) -> None:
    match control:
        case e.Planned() if control.error not in ("lost", "superseded"):  # which are only billed
            _trace_plan(control, t)
        case e.LimitReached():
            t.forbid(LIMITED, ("limited",))
            t.begin(("limited",))
        case e.Signal(kind="cancel"):
            t.begin(("cancelled",))
        case e.RunFinished():
            t.forbid(ONE_END, *(("open", f"c{i + 1}") for i in range(s.calls_made)))
            t.begin(("over",))
        case e.WaitClosed():
            _trace_answer(s, control, t)
        case e.Owned():
            t.begin(*_to_begin(s, "child"))
        case e.TimerFired(timer=timer) if timer.startswith("retry/"):
            t.begin(("stale", timer.split("/")[1]))
        case e.Decided() | e.CallStarted() | e.CallProgressed() | e.CallFinished():
            _trace_call(control, t)
        case _:
            pass


def _trace_plan(control: e.Planned, t: Trace) -> None:
    t.forbid(CANCELLED, ("cancelled",))
    if control.calls:
        t.forbid(LIMITED, ("limited",))
    for call in control.calls:
        t.begin(("open", call.id), ("unallowed", call.id))


def _trace_answer(s: RunState, control: e.WaitClosed, t: Trace) -> None:
    call = s.waits[control.wait].call
    if control.outcome == "resumed":
        t.begin(*_to_begin(s, *get_args(Effects)))
    if call is None:
        return
    if control.outcome in ("approved", "confirmed", "try_again"):
        t.begin(("unallowed", call), ("stale", call))
    if control.outcome == "try_again":
        t.end(*_perhaps_done(s, call))


def _to_begin(s: RunState, *going_on: Effects) -> list[Fact]:
    """Every call that has yet to begin, or to begin again, when only those with these effects go on."""
    return [("stale", c.id) for c in s.calls.values() if c.phase != "running" or c.effects not in going_on]


def _perhaps_done(s: RunState, call: str) -> list[Fact]:
    """All ways in which a call may have happened."""
    return [("doubted", call), *(("begun", call, str(epoch)) for epoch in range(1, s.epoch + 1))]


def _trace_call(control: e.Decided | e.CallStarted | e.CallProgressed | e.CallFinished, t: Trace) -> None:
    call = control.call
    t.forbid(ONE_END, ("finished", call))
    match control:
        case e.Decided(verdict="allow"):
            t.end(("unallowed", call), ("stale", call))
        case e.CallStarted():
            t.forbid(ALLOWED, ("unallowed", call))
            t.forbid(FRESH, ("stale", call))
            t.forbid(CANCELLED, ("cancelled",))
            t.forbid(SETTLED, ("doubted", call))
            t.begin(("begun", call, str(control.epoch)))
        case e.CallProgressed(what="in_doubt"):
            t.begin(("doubted", call))
        case e.CallProgressed(what="waited"):
            t.begin(("stale", call))
        case e.CallProgressed(what="not_done" | "retry"):
            t.begin(("stale", call))
            t.end(("doubted", call), *(("begun", call, str(epoch)) for epoch in range(1, 9)))
        case e.CallFinished(outcome="ok"):
            t.forbid(ALLOWED, ("unallowed", call))
            t.begin(("finished", call))
            t.end(("open", call))
        case e.CallFinished(outcome=outcome) if outcome != "unknown":
            t.begin(("finished", call))
            t.end(("open", call))
        case _:
            pass


def _trace_obligations(before: Seen, after: Seen, t: Trace) -> None:
    t.begin(*(("closed", id) for id in before.wanted if id not in after.wanted))
    t.forbid(ONCE_OWED, *(("closed", id) for id in after.wanted))
    for o in after.wanted.values():
        if o.verb == "exec" and o.call is not None:
            call = after.state.calls[o.call]
            t.forbid(ALLOWED, ("unallowed", call.id))
            if call.phase == "ready":
                t.forbid(FRESH, ("stale", call.id))
            if call.effects == "once":
                t.forbid(SETTLED, ("doubted", call.id), *_begun_before(call, after.state.epoch))


def _begun_before(call: Call, epoch: int) -> list[Fact]:
    return [("begun", call.id, str(older)) for older in range(1, epoch)]


# -- all of it ---------------------------------------------------------------------------------------------------


def check(graph: Graph[Node], first: e.Control) -> list[Broken]:
    """Every broken rule of a world whose first record is `first`, each with a shortest way to it."""
    seen = graph.seen_as(look)
    return [
        *seen.broken,
        *check_states(seen, STATES),
        *check_edges(seen, EDGES),
        *check_folds(seen, first),
        *check_paths(seen, trace),
        *check_ends(seen, lambda node: bool(node.state.outcome), is_fair),
    ]
