"""A run with everything that can happen to it: obligations performed in each way, answers, signals, timers, crashes.

Positions and times are abstracted: every record stands at position 0 and time 0, so that states which differ in
nothing else are one. That any timer may fire at any moment covers every order in which real ones could.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import NamedTuple

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders import moves, run
from lichen.core.deciders.run import Call, Obligation, RunState
from lichen.core.ports.call import Effects, Outcome, ToolRole
from lichen.core.ports.plan import Resume
from lichen.core.words.content import Content
from lichen.core.words.ids import AgentName, RunId, ToolName, child_run
from lichen.core.words.limits import Limits, Usage
from lichen.core.words.wait import OUTCOMES, OnExpiry, Wait, WaitKind
from lichen.testing.explore import Edge, Step

RUN = RunId("run-1")
SAID = (Content("text", "customer_1", b"text"),)


class Batch(NamedTuple):
    """What a plan may ask for. The first `refused` of the calls cannot be made."""

    calls: tuple[Effects, ...] = ()
    waits: tuple[WaitKind, ...] = ()
    on_expiry: OnExpiry = "resume"
    refused: int = 0
    cost: int = 1
    tokens: int = 0
    resume: Resume = "all"
    role: ToolRole = "work"
    answers: bool = False  # it has an answer, beside calls of bookkeeping
    withdraws: int = 0  # of the waits that are open, the first ones


class Bounds(NamedTuple):
    """How much may happen. A plan number `i` (from 0) chooses one of `plans[i]`; afterwards it can only answer."""

    plans: tuple[tuple[Batch, ...], ...]
    limits: Limits = Limits()
    attempts: int = 1  # attempts of a call
    checks: int = 1  # of them every but the last may be held
    holds: int = 0  # how often a person agrees that a model is asked, and is asked once more
    errors: int = 0  # attempts at one plan that fail before the one that is final
    crashes: int = 0
    cancels: int = 0
    pauses: int = 0
    inputs: int = 0
    child_waits: int = 0  # how often a child begins to wait for somebody, or goes on
    queues: int = 0  # how many decisions of a call are overtaken while it waits for a place
    is_late: bool = False  # an executor that was told to stop may end well all the same
    is_pure: bool = True  # the planner answers at once, without `plan_started`


class Spent(NamedTuple):
    """What of the bounds the state itself does not tell."""

    pauses: int = 0
    inputs: int = 0
    child_waits: int = 0


class Node(NamedTuple):
    """A state of the run and what its world has used up."""

    state: RunState
    spent: Spent = Spent()


Outcomes = Iterator[tuple[str, moves.Drafts]]


class RunWorld:
    """A run within bounds."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self._verbs: dict[str, Callable[[RunState, Obligation], Outcomes]] = {
            "plan": self._plan,
            "check": self._check,
            "exec": self._exec,
            "settle": self._settle,
            "child-cancel": self._cancel_child,
            "finish": self._finish,
        }

    def first(self) -> Node:
        return Node(evolved(run.start_state(RUN), (e.Draft(self.started),)))

    @property
    def started(self) -> e.RunStarted:
        """The first record."""
        return e.RunStarted(AgentName("shop.support"), "customer_1", self.bounds.limits)

    def key(self, node: Node) -> Hashable:
        return msgspec.msgpack.encode(node, order="deterministic")

    def steps(self, node: Node) -> Iterator[Step[Node]]:
        state, spent = node
        for name, drafts in self._outcomes(state):
            yield _step(name, state, drafts, spent)
        if state.outcome:
            return
        if spent.inputs < self.bounds.inputs and not state.is_ending:
            signal = (e.Draft(e.Signal("input", f"m{spent.inputs + 1}")),)
            yield _step("input", state, signal, spent._replace(inputs=spent.inputs + 1))
        for call in state.calls.values():
            if call.effects == "child" and call.phase == "running" and spent.child_waits < self.bounds.child_waits:
                number = spent.child_waits + 1
                what = "resumed" if call.is_waiting else "waiting"
                told = (e.Draft(e.CallProgressed(call.id, call.attempt, what, check=number)),)
                yield _step(f"child {call.id} {what}", state, told, spent._replace(child_waits=number))
        if spent.pauses < self.bounds.pauses and (drafts := moves.pause(state, "pause", ("operator",), "operator_1")):
            yield _step("halt", state, drafts, spent._replace(pauses=spent.pauses + 1))

    def _outcomes(self, s: RunState) -> Outcomes:
        for obligation in run.decide(s):
            for name, drafts in self._verbs[obligation.verb](s, obligation):
                yield f"{obligation.id}: {name}", drafts
        for wait in s.waits.values():
            yield from self._answers(s, wait)
        for timer in s.timers:
            yield f"{timer} fires", moves.fire(s, timer)
        for call in s.calls.values():
            yield from self._unasked(s, call)
        if self.bounds.cancels and (drafts := moves.cancel(s, "requested", "x1")):
            yield "cancel", drafts
        if s.epoch <= self.bounds.crashes and not s.outcome:
            yield "crash", (e.Draft(e.Owned(s.epoch + 1)),)

    # -- plans ---------------------------------------------------------------------------------------------------

    def _plan(self, s: RunState, o: Obligation) -> Outcomes:
        assert s.due is not None
        if not s.is_planning and not self.bounds.is_pure:
            yield "asked", (e.Draft(e.PlanStarted(s.step, s.plan_attempt, s.due)),)
            return
        planned = e.Planned(s.step, s.plan_attempt, s.due)
        if len(s.grants) < self.bounds.holds:
            held = msgspec.structs.replace(planned, error="model_held")
            role, wait = "operator", moves.next_wait(s)
            opened = e.WaitOpened(s.id, wait, "approval", may_answer=(role,), role=role, expires_at_us=1)
            yield "hold", moves.hold_plan(s, held, (), e.Draft(opened))
        answer = msgspec.structs.replace(planned, has_answer=True)
        yield "answer", moves.admit(s, answer, SAID, {})
        if s.calls:
            yield "answer, and stop", moves.admit(s, msgspec.structs.replace(answer, stops=True), SAID, {})
        if self.bounds.errors:
            is_final = s.plan_failures >= self.bounds.errors
            failed = msgspec.structs.replace(planned, error="planner_error", is_final=is_final)
            yield f"error{' final' * is_final}", moves.admit(s, failed, (), {})
        if not s.limit and s.step < len(self.bounds.plans):
            yield "keeps what it has", moves.admit(s, planned, SAID, {})
            for batch in self.bounds.plans[s.step]:
                yield batch_name(batch), batch_drafts(s, planned, batch)

    # -- calls ---------------------------------------------------------------------------------------------------

    def _check(self, s: RunState, o: Obligation) -> Outcomes:
        call = _call(s, o)
        yield "allow", (e.Draft(e.Decided(call.id, call.check, "allow")),)
        denied = e.Draft(e.Decided(call.id, call.check, "deny"))
        yield "deny", moves.finish_call(s, _finished(call, "denied"), also=(denied,))
        if call.check < self.bounds.checks:
            held = e.Draft(e.Decided(call.id, call.check, "hold"))
            opened = e.WaitOpened(s.id, moves.next_wait(s), "approval", call.id, ("operator",), expires_at_us=1)
            yield "hold", (held, e.Draft(opened))
            asked = msgspec.structs.replace(opened, kind="confirmation", may_answer=("customer",))
            yield "ask", (held, e.Draft(asked))

    def _exec(self, s: RunState, o: Obligation) -> Outcomes:
        call = _call(s, o)
        if call.phase == "ready" and call.check <= self.bounds.queues:
            yield "waits for a place", (e.Draft(e.CallProgressed(call.id, call.attempt, "waited", check=call.check)),)
        if call.effects == "child":
            lent = min(1, s.calls_left)
            child = child_run(s.id, call.id, call.attempt)
            yield "start", (e.Draft(e.CallStarted(call.id, call.attempt, s.epoch, child, lent, due_us=1)),)
            yield "refused", moves.finish_call(s, _finished(call, "failed"))
            return
        if call.effects != "none" and call.phase == "ready":
            yield "start", (e.Draft(e.CallStarted(call.id, call.attempt, s.epoch)),)
            return
        yield "ok", moves.finish_call(s, _finished(call, "ok"))
        yield "not done", moves.finish_call(s, _finished(call, "failed"))
        if call.attempt < self.bounds.attempts:
            yield "retry", (_progressed(call, "retry"),)
        if call.effects == "once":
            yield "breaks off", (_progressed(call, "in_doubt"),)
        else:
            yield "timeout", moves.finish_call(s, _finished(call, "timed_out"))

    def _settle(self, s: RunState, o: Obligation) -> Outcomes:
        call = _call(s, o)
        yield "happened", moves.finish_call(s, _finished(call, "ok"))
        if s.cancel or s.failure or s.limit == "time":
            yield "did not", moves.finish_call(s, _finished(call, "cancelled"))
        elif call.attempt < self.bounds.attempts:
            yield "did not", (_progressed(call, "not_done"),)
            yield "did not, later", (_progressed(call, "retry"),)
        opened = e.WaitOpened(s.id, moves.next_wait(s), "reconcile", call.id, ("operator",))
        yield "cannot tell", (e.Draft(_finished(call, "unknown")), e.Draft(opened))

    def _cancel_child(self, s: RunState, o: Obligation) -> Outcomes:
        call = _call(s, o)
        told = _progressed(call, "child_cancelled")
        yield "told", (told,)
        if not s.is_over:
            yield "told, and not waited for", (told, *moves.child_late(s, call, _CHILDREN[2], 0))

    def _unasked(self, s: RunState, call: Call) -> Outcomes:
        """What comes of a call without an obligation: its child ends, or a slow executor ends well after all."""
        if call.effects == "child" and call.phase == "running":
            for used, child in enumerate(_CHILDREN):
                ended = msgspec.structs.replace(child, calls_used=used)
                yield f"child {call.id} {_end_of(child)}", moves.child_ended(s, call.id, ended, (), 0)
                is_again = _end_of(child) != "ok" and not (s.is_over or s.is_ending)
                if is_again and call.attempt < self.bounds.attempts:
                    again = moves.child_ended(s, call.id, ended, (), 0, retry_us=1)
                    yield f"child {call.id} {_end_of(child)}, again", again
        if self.bounds.is_late and call.phase in ("in_doubt", "unknown"):
            yield f"{call.id} happened after all", moves.finish_call(s, _finished(call, "ok"))

    def _finish(self, s: RunState, o: Obligation) -> Outcomes:
        yield "done", moves.finish(s, SAID)

    # -- waits ---------------------------------------------------------------------------------------------------

    def _answers(self, s: RunState, wait: Wait) -> Outcomes:
        for outcome in OUTCOMES[wait.kind]:
            if outcome != "try_again" or (wait.call and s.calls[wait.call].attempt < self.bounds.attempts):
                yield f"{wait.kind} {wait.id} {outcome}", moves.close_wait(s, wait.id, outcome, by="operator_1")


_CHILDREN = (
    RunState(RunId("child")),
    RunState(RunId("child"), failure="planner_error"),
    RunState(RunId("child"), cancel="parent_stopped"),
)


def _end_of(child: RunState) -> str:
    return "cancelled" if child.cancel else "failed" if child.failure else "ok"


def _call(s: RunState, o: Obligation) -> Call:
    assert o.call is not None
    return s.calls[o.call]


def _finished(call: Call, outcome: Outcome) -> e.CallFinished:
    return e.CallFinished(call.id, call.attempt, outcome)


def _progressed(call: Call, what: str) -> e.Draft:
    return e.Draft(msgspec.convert([call.id, call.attempt, what], e.CallProgressed))


def batch_drafts(s: RunState, planned: e.Planned, batch: Batch) -> moves.Drafts:
    """A plan with its waits. They are opened even when the calls run into a limit, so that this is covered too."""
    calls = tuple(
        e.PlannedCall(moves.next_call(s, i), ToolName(effects), effects, b"", batch.cost)
        for i, effects in enumerate(batch.calls)
    )
    refused = {c.id: e.Draft(e.CallFinished(c.id, 1, "failed", "arguments_invalid")) for c in calls[: batch.refused]}
    usage = planned.usage + Usage(output_tokens=batch.tokens)
    planned = msgspec.structs.replace(planned, calls=calls, waits=len(batch.waits), resume=batch.resume, usage=usage)
    planned = msgspec.structs.replace(planned, has_answer=batch.answers)
    if batch.role != "work":
        planned = msgspec.structs.replace(planned, roles=(batch.role,) * len(calls))
    waits = (
        e.WaitOpened(s.id, moves.next_wait(s, i), kind, expires_at_us=1, on_expiry=batch.on_expiry)
        for i, kind in enumerate(batch.waits)
    )
    withdrawn = moves.withdraw(s, list(s.waits)[: batch.withdraws])
    return (*moves.admit(s, planned, SAID, refused), *(e.Draft(wait) for wait in waits), *withdrawn)


def batch_name(batch: Batch) -> str:
    """What the batch asks for."""
    refused = f" ({batch.refused} refused)" if batch.refused else ""
    beside = f" as {batch.role}{' beside an answer' * batch.answers}" if batch.role != "work" else ""
    less = f" and withdraws {batch.withdraws}" if batch.withdraws else ""
    return "+".join((*batch.calls, *batch.waits)) + refused + beside + less


def evolved(state: RunState, drafts: moves.Drafts) -> RunState:
    """The state after these records, all of them at position 0 and time 0."""
    for draft in drafts:
        state = run.evolve(state, e.Event(0, 0, draft.control, draft.label))
    return state


def _step(name: str, state: RunState, drafts: moves.Drafts, spent: Spent) -> Step[Node]:
    return Step(name, tuple(d.control for d in drafts), Node(evolved(state, drafts), spent))


UNFAIR = ("cancel", "crash", "halt", "input", "deadline", "grace")


def is_fair(edge: Edge) -> bool:
    """Whether this brings a run nearer to its end by itself: nobody cancels and no time runs out."""
    return not edge.name.startswith(UNFAIR)
