"""The pure answers to what happened: which records a plan, a verdict, an answer, a timer or a cancel appends.

A move is computed from one state and appended under its `n`; whoever loses a race refolds and moves again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from lichen.core.deciders import events as e
from lichen.core.deciders.run import Call, RunState
from lichen.core.deciders.runstate import CallAsking
from lichen.core.ports.call import Outcome
from lichen.core.words.content import Content
from lichen.core.words.ids import CallId, WaitId
from lichen.core.words.label import EMPTY, Label
from lichen.core.words.wait import HALTING, Wait, WaitOutcome

Drafts = tuple[e.Draft, ...]
Contents = tuple[Content, ...]
Part = tuple[str, bytes]
"""A part of the contents of a record: its name and its bytes, none for a part that is left out."""


# -- plans -------------------------------------------------------------------------------------------------------


def admit(s: RunState, planned: e.Planned, contents: Contents, refused: Mapping[CallId, e.Draft]) -> Drafts:
    """A plan, its calls that cannot be made (`refused`: their `call_finished`), and any limit it runs into.

    A batch that does not fit into what is left of the limits is denied whole, and the run has to finalize. Nothing if
    another plan is wanted by now.
    """
    if not s.wants_plan(planned.step, planned.attempt):
        return ()
    draft = e.Draft(planned, contents)
    if planned.error:
        return (draft, *(_interrupt_all(s, "cancelled", "run_failed") if planned.is_final else ()))
    cost = sum(call.cost for call in planned.calls)
    limit = _limit_hit(s, planned, cost)
    if limit is not None:
        return (draft, e.Draft(e.LimitReached(limit)), *_denied(planned, f"limit_{limit}", refused))
    if planned.has_answer and planned.stops:
        return (draft, *_interrupt_all(s, "cancelled", "run_decided"))
    is_failed = cost > 0 and not s.calls and len(refused) == len(planned.calls)
    return (draft, *refused.values(), *(_failures_hit(s) if is_failed else ()))


def finalized(s: RunState, drafts: Drafts) -> Drafts:
    """The records of a plan after which the run has to answer with what it has, unless a limit was reached anyway."""
    if s.limit or any(isinstance(draft.control, e.LimitReached) for draft in drafts):
        return drafts
    return (*drafts, e.Draft(e.LimitReached("failures")))


def _limit_hit(s: RunState, planned: e.Planned, cost: int) -> Literal["calls", "fan_out", "tokens", "cost"] | None:
    if planned.has_answer and not planned.calls:
        return None
    if cost > s.calls_left:
        return "calls"
    if len(planned.calls) > s.limits.fan_out:
        return "fan_out"
    if s.tokens_used + planned.usage.tokens > s.limits.tokens:
        return "tokens"
    most = s.limits.micro_usd
    if most is not None and s.micro_usd_used + planned.usage.cost_micro_usd > most:
        return "cost"
    return None


def _denied(planned: e.Planned, code: str, refused: Mapping[CallId, e.Draft]) -> list[e.Draft]:
    drafts = {call.id: e.Draft(e.CallFinished(call.id, 1, "denied", code)) for call in planned.calls}
    return [*{**drafts, **refused}.values()]


def hold_plan(s: RunState, planned: e.Planned, contents: Contents, opened: e.Draft) -> Drafts:
    """An attempt that a person has to agree to first, and the wait for them. Nothing if another plan is wanted."""
    return (e.Draft(planned, contents), opened) if s.wants_plan(planned.step, planned.attempt) else ()


# -- calls -------------------------------------------------------------------------------------------------------


def finish_call(
    s: RunState, finished: e.CallFinished, contents: Contents = (), *, also: Drafts = (), label: Label = EMPTY
) -> Drafts:
    """A call's end with that of the wait about it, and the limit on failures when this ends a step in which everything
    failed. `label` is that of the contents."""
    drafts = (*also, *_withdrawn(s, finished, also), e.Draft(finished, contents, label))
    ends_step = len(s.calls) == 1 and finished.outcome != "unknown" and not s.is_ending
    call = s.calls[finished.call]
    has_succeeded = s.has_step_succeeded or (finished.outcome == "ok" and call.cost > 0)
    is_failed = ends_step and s.has_step_cost and not has_succeeded
    return (*drafts, *(_failures_hit(s) if is_failed else ()))


def _failures_hit(s: RunState) -> Drafts:
    """The limit on failures, if one more failed step reaches it."""
    is_hit = s.streak + 1 >= s.limits.failures and not s.limit
    return (e.Draft(e.LimitReached("failures")),) if is_hit else ()


def _withdrawn(s: RunState, finished: e.CallFinished, also: Drafts) -> Drafts:
    """The end of a wait about a call that ended without its answer, as one that was slow and happened after all."""
    if finished.outcome == "unknown":
        return ()
    answered = {d.control.wait for d in also if isinstance(d.control, e.WaitClosed)}
    stale = (w for w in s.waits.values() if w.call == finished.call and w.id not in answered)
    return tuple(_close_waits(s, stale))


def _interrupt_call(call: Call, outcome: Outcome, code: str) -> e.Draft | None:
    """What becomes of an open call that may not go on: closed, in doubt, or left to its child or reconcile wait."""
    match call.phase:
        case "running" if call.effects == "once":
            return e.Draft(e.CallProgressed(call.id, call.attempt, "in_doubt", code))
        case "running" if call.effects == "child":
            return None
        case "in_doubt" | "unknown":
            return None
        case "held" | "proposed" | "ready" if call.goes_on and call.effects == "once":
            return e.Draft(e.CallProgressed(call.id, call.attempt, "in_doubt", code))
        case "running":
            return e.Draft(e.CallFinished(call.id, call.attempt, outcome, code))
        case _:
            return e.Draft(e.CallFinished(call.id, call.attempt, "cancelled", code))


def _interrupt_all(s: RunState, outcome: Outcome, code: str, *, but: WaitId | None = None) -> list[e.Draft]:
    drafts = [_interrupt_call(call, outcome, code) for call in s.calls.values()]
    waits = (w for w in s.waits.values() if w.kind != "reconcile" and w.id != but)
    return [*_close_waits(s, waits), *(d for d in drafts if d is not None)]


def _close_waits(s: RunState, waits: Iterable[Wait]) -> list[e.Draft]:
    return [e.Draft(e.WaitClosed(s.id, wait.id, "cancelled")) for wait in waits]


# -- waits -------------------------------------------------------------------------------------------------------


def close_wait(
    s: RunState,
    wait_id: WaitId,
    outcome: WaitOutcome,
    *,
    by: str = "",
    body: Contents = (),
    result: Contents = (),
    label: Label = EMPTY,
    is_own: bool = False,
) -> Drafts:
    """A wait's end and what it means for the call it held: checked again, denied, or settled by a person's word.

    `label` is that of the body and the result. `is_own`: whoever approves had asked for it.
    """
    wait = s.waits[wait_id]
    closed = e.Draft(e.WaitClosed(s.id, wait_id, outcome, by, is_own), body, label)
    if wait.call is None:
        is_refused = outcome == "denied" and wait.holds_plan
        fails = (is_refused or (outcome == "expired" and wait.on_expiry == "deny")) and not s.is_ending
        return (closed, *(_interrupt_all(s, "cancelled", "run_failed", but=wait_id) if fails else ()))
    if outcome in ("approved", "confirmed") or (outcome == "try_again" and not s.is_over):
        return (closed,)
    if wait.kind == "clarification" and outcome in ("answered", "declined", "expired"):  # its tool is told
        return (closed,)
    call = s.calls[wait.call]
    match outcome:
        case "try_again":  # but nothing is tried any more
            finished = e.CallFinished(call.id, call.attempt, "cancelled", "reconciled")
        case "happened":
            finished = e.CallFinished(call.id, call.attempt, "ok", "reconciled")
        case "did_not_happen":
            finished = e.CallFinished(call.id, call.attempt, "failed", "reconciled")
        case "expired" if wait.kind == "reconcile":
            return ()  # an unknown outcome does not become known by waiting
        case _:
            finished = e.CallFinished(call.id, call.attempt, "denied", f"{wait.kind}_{outcome}")
    return finish_call(s, finished, result, also=(closed,), label=label)


def withdraw(s: RunState, waits: Iterable[WaitId]) -> Drafts:
    """The end of waits that their planner does not need any more; of those that are over, nothing."""
    ended = (s.waits[id] for id in dict.fromkeys(waits) if id in s.waits)
    return tuple(_close_waits(s, filter(s.is_planners, ended)))


def next_wait(s: RunState, offset: int = 0) -> WaitId:
    """The id the next wait of the run gets."""
    return WaitId(f"w{s.waits_made + 1 + offset}")


def next_call(s: RunState, offset: int = 0) -> CallId:
    """The id the next call of the run gets."""
    return CallId(f"c{s.calls_made + 1 + offset}")


# -- signals and timers ------------------------------------------------------------------------------------------


def cancel(s: RunState, code: str, id: str) -> Drafts:
    """Ends the run: what has not started never will, what started is settled. One that is cancelled already and halted
    goes on to its end. Nothing if it is over."""
    if s.outcome:
        return ()
    if s.cancel:
        return tuple(_close_waits(s, (wait for wait in s.waits.values() if wait.kind in HALTING)))
    return (e.Draft(e.Signal("cancel", id, code)), *_interrupt_all(s, "cancelled", "run_cancelled"))


def pause(s: RunState, kind: Literal["pause", "preempt"], may_answer: tuple[str, ...], requester: str) -> Drafts:
    """Halts the run at the next step boundary: nothing new starts, what runs may end, time stands still."""
    if s.outcome or s.is_halted:
        return ()
    return (e.Draft(e.WaitOpened(s.id, next_wait(s), kind, may_answer=may_answer, requester=requester)),)


def fire(s: RunState, timer: str) -> Drafts:
    """What a due timer of the run appends. Nothing if the timer is gone."""
    if timer not in s.timers or s.outcome:
        return ()
    fired = e.Draft(e.TimerFired(timer))
    kind, _, rest = timer.partition("/")
    match kind:
        case "deadline":
            return (fired, e.Draft(e.LimitReached("time")), *_interrupt_all(s, "timed_out", "limit_time"))
        case "grace":
            return (fired, *_interrupt_all(s, "timed_out", "grace_over"))
        case "wait":
            return (fired, *close_wait(s, WaitId(rest), "expired"))
        case _:
            return (fired,)


def finish(s: RunState, contents: Contents) -> Drafts:
    """The run's end, with every wait that is still open cancelled."""
    if s.cancel:
        ended = e.RunFinished("cancelled", s.cancel, s.usage, s.calls_used)
    elif s.failure:
        ended = e.RunFinished("failed", s.failure, s.usage, s.calls_used)
    else:
        ended = e.RunFinished("completed", s.limit and f"limit_{s.limit}", s.usage, s.calls_used)
    return (*_close_waits(s, s.waits.values()), e.Draft(ended, contents))


def share(left: int, s: RunState) -> int:
    """What the next child gets of what is left: as much as every child call of the run that has not begun yet."""
    waiting = sum(call.effects == "child" and call.phase != "running" for call in s.calls.values())
    return min(left, max(1, left // max(1, waiting)))


def child_outcome(call: Call, child: RunState) -> tuple[Outcome, str]:
    """How a call ended whose child ended like this, and the code of why."""
    if call.is_late and child.cancel:
        return "timed_out", "timeout"
    return "cancelled" if child.cancel else "failed" if child.failure else "ok", child.cancel or child.failure


def child_ended(
    parent: RunState, call_id: CallId, child: RunState, contents: Contents, duration_us: int, *, retry_us: int = 0
) -> Drafts:
    """What the parent learns when the run that executes its call ends: in the same append as that end.

    With `retry_us` the call is tried again then, by a new child. Nothing if the call ended before its child.
    """
    call = parent.calls.get(call_id)
    if call is None or call.phase != "running":
        return ()
    outcome, code = child_outcome(call, child)
    if retry_us:
        used = min(child.calls_used, call.reserved)
        again = e.CallProgressed(
            call_id,
            call.attempt,
            "retry",
            code,
            retry_us,
            used=used,
            used_tokens=child.tokens_used,
            used_micro_usd=child.micro_usd_used,
        )
        return (e.Draft(again),)
    finished = _child_finished(call, child, outcome, code, duration_us)
    return finish_call(parent, finished, contents)


def child_late(parent: RunState, call: Call, child: RunState, duration_us: int) -> Drafts:
    """The end of a call whose time is over, whatever its child has yet to settle."""
    return finish_call(parent, _child_finished(call, child, "timed_out", "timeout", duration_us))


def _child_finished(call: Call, child: RunState, outcome: Outcome, code: str, duration_us: int) -> e.CallFinished:
    return e.CallFinished(
        call.id,
        call.attempt,
        outcome,
        code,
        duration_us=duration_us,
        used=min(child.calls_used, call.reserved),
        used_tokens=child.tokens_used,
        has_acted=child.may_have_acted,
        used_micro_usd=child.micro_usd_used,
    )


def lost(s: RunState) -> Drafts:
    """What requests to models cost whose end nobody will hear of: an estimate. Of an attempt at a plan it is one for as
    many as are known of; nothing where none asked a model."""
    asking, of_calls = s.asking, tuple(map(_lost_ask, s.asks_lost)) if s.asks else ()
    if asking is None:
        return of_calls
    asked = e.ModelAsked(asking.model, "lost", asking.usage, tries=asking.requests, is_estimate=True)
    lost = e.Planned(asking.step, asking.attempt, asking.reason, usage=asking.usage, error="lost", requests=(asked,))
    return (e.Draft(lost), *of_calls)


def _lost_ask(each: CallAsking) -> e.Draft:
    asked = e.ModelAsked(each.model, "lost", each.usage, is_estimate=True)
    return e.Draft(e.CallAsked(each.call, each.number, each.model, asked=asked))


def over_budget(s: RunState, planned: e.Planned, contents: Contents, limit: Literal["tokens", "cost"]) -> Drafts:
    """An attempt that could not ask a model within the run's own limit: the run finalizes. Nothing if another plan is
    wanted by now."""
    if not s.wants_plan(planned.step, planned.attempt):
        return ()
    return (e.Draft(planned, contents), e.Draft(e.LimitReached(limit)))


# -- contents ---------------------------------------------------------------------------------------------------


def as_contents(parts: Sequence[tuple[str, bytes]], subject: str) -> Contents:
    """Parts sealed under one subject, leaving out the empty ones."""
    return tuple([Content(part, subject, data) for part, data in parts if data])
