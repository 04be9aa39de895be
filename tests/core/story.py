"""A run told record by record, at real positions and under a clock that the teller moves."""

from __future__ import annotations

from lichen.core.deciders import events as e
from lichen.core.deciders import moves, run
from lichen.core.deciders.run import Call, RunState
from lichen.core.ports.call import Effects, Outcome
from lichen.core.ports.plan import Resume
from lichen.core.words.content import Content
from lichen.core.words.ids import AgentName, CallId, RunId, ToolName, WaitId
from lichen.core.words.label import EMPTY, Label
from lichen.core.words.limits import Limits, Usage
from lichen.core.words.wait import OnExpiry, WaitKind, WaitOutcome

START_US = 1_000_000_000
_LIMITS = Limits()
_FREE = Usage()


class Story:
    """`state` is the fold of `events`; every method appends what the engine would."""

    def __init__(self, limits: Limits = _LIMITS) -> None:
        self.now_us = START_US
        self.events: list[e.Event] = []
        self.state: RunState = run.start_state(RunId("run-1"))
        self.add(e.RunStarted(AgentName("shop.support"), "customer_1", limits))

    @property
    def owed(self) -> list[str]:
        """The ids of everything owed now."""
        return [str(o.id) for o in run.decide(self.state)]

    @property
    def keys(self) -> list[str]:
        """The keys of all records."""
        return [event.control.key for event in self.events]

    @property
    def last(self) -> e.Control:
        """The newest record."""
        return self.events[-1].control

    def call(self, id: str = "c1") -> Call:
        """An open call."""
        return self.state.calls[CallId(id)]

    def pass_time(self, seconds: float) -> Story:
        """Moves the clock."""
        self.now_us += int(seconds * 1e6)
        return self

    def add(self, *records: e.Control | e.Draft, label: Label = EMPTY) -> Story:
        """Appends records."""
        for record in records:
            control = record.control if isinstance(record, e.Draft) else record
            event = e.Event(self.state.n, self.now_us, control, label)
            self.events.append(event)
            self.state = run.evolve(self.state, event)
        return self

    # -- plans ---------------------------------------------------------------------------------------------------

    def plan(
        self,
        *effects: Effects,
        cost: int = 1,
        refused: int = 0,
        resume: Resume = "all",
        usage: Usage = _FREE,
        has_answer: bool = False,
        waits: int = 0,
    ) -> Story:
        """A plan that asks for these calls, of which the first `refused` are refused. `waits` are opened by `ask`."""
        s = self.state
        calls = tuple(
            e.PlannedCall(moves.next_call(s, i), ToolName(f"shop.{kind}"), kind, b"digest", cost)
            for i, kind in enumerate(effects)
        )
        unmade = {c.id: e.Draft(e.CallFinished(c.id, 1, "failed", "arguments_invalid")) for c in calls[:refused]}
        planned = e.Planned(
            s.step, s.plan_attempt, s.due or "start", calls,
            has_answer=has_answer, resume=resume, usage=usage, waits=waits,
        )  # fmt: skip
        return self.add(*moves.admit(s, planned, (), unmade))

    def answer(self) -> Story:
        """A plan that answers."""
        return self.plan(has_answer=True)

    def fail_plan(self, code: str = "planner_error", *, is_final: bool = False) -> Story:
        """An attempt that gave no plan."""
        s = self.state
        planned = e.Planned(s.step, s.plan_attempt, s.due or "start", error=code, is_final=is_final)
        return self.add(*moves.admit(s, planned, (), {}))

    # -- calls ---------------------------------------------------------------------------------------------------

    def allow(self, id: str = "c1") -> Story:
        """The gate lets the call through."""
        call = self.call(id)
        return self.add(e.Decided(call.id, call.check, "allow"))

    def hold(self, id: str = "c1", *, expires_s: float | None = None) -> Story:
        """The gate asks for an approval."""
        call = self.call(id)
        opened = e.WaitOpened(
            self.state.id,
            moves.next_wait(self.state),
            "approval",
            call.id,
            ("supervisor",),
            "customer_1",
            call.digest,
            "supervisor",
            None if expires_s is None else self.now_us + int(expires_s * 1e6),
        )
        return self.add(e.Decided(call.id, call.check, "hold"), opened)

    def start(self, id: str = "c1", *, lent: int = 0) -> Story:
        """The call is under way."""
        call = self.call(id)
        return self.add(e.CallStarted(call.id, call.attempt, self.state.epoch, reserved=lent))

    def finish(self, outcome: Outcome = "ok", id: str = "c1", *, code: str = "") -> Story:
        """The call's end."""
        call = self.call(id)
        return self.add(*moves.finish_call(self.state, e.CallFinished(call.id, call.attempt, outcome, code)))

    def do(self, outcome: Outcome = "ok", id: str = "c1") -> Story:
        """The whole way of a call that starts at once."""
        return self.allow(id).start(id).finish(outcome, id)

    def lose(self, id: str = "c1") -> Story:
        """A probe cannot tell: somebody has to say whether the call happened."""
        call = self.call(id)
        opened = e.WaitOpened(self.state.id, moves.next_wait(self.state), "reconcile", call.id, ("operator",))
        return self.add(e.CallFinished(call.id, call.attempt, "unknown", "crash"), opened)

    # -- what comes from outside ---------------------------------------------------------------------------------

    def ask(
        self,
        kind: WaitKind = "clarification",
        *,
        expires_s: float | None = None,
        on_expiry: OnExpiry = "resume",
        stops_budget: bool = True,
    ) -> Story:
        """A wait of the planner's own."""
        due = None if expires_s is None else self.now_us + int(expires_s * 1e6)
        wait = moves.next_wait(self.state)
        return self.add(
            e.WaitOpened(self.state.id, wait, kind, expires_at_us=due, on_expiry=on_expiry, stops_budget=stops_budget)
        )

    def close(self, outcome: WaitOutcome, wait: str = "w1", *, by: str = "operator_1") -> Story:
        """A wait's end."""
        body = (Content("body", "customer_1", b"{}"),)
        return self.add(*moves.close_wait(self.state, WaitId(wait), outcome, by=by, body=body))

    def pause(self) -> Story:
        """Somebody halts the run."""
        return self.add(*moves.pause(self.state, "pause", ("operator",), "operator_1"))

    def cancel(self, code: str = "requested") -> Story:
        """Somebody ends the run."""
        return self.add(*moves.cancel(self.state, code, "x1"))

    def fire(self, timer: str) -> Story:
        """A timer comes due."""
        return self.add(*moves.fire(self.state, timer))

    def crash(self) -> Story:
        """Another process takes over."""
        return self.add(e.Owned(self.state.epoch + 1))

    def end(self) -> Story:
        """The run's end."""
        return self.add(*moves.finish(self.state, ()))
