"""Everything that is known of a run: its calls, waits, timers, and what it has used up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from lichen.core.deciders import events as e
from lichen.core.ports.call import Effects, Outcome, ToolRole
from lichen.core.ports.plan import PlanReason, Resume
from lichen.core.ports.policy import Grant
from lichen.core.words.content import Ref
from lichen.core.words.ids import AgentName, CallId, RunId, SessionId, ToolName, TurnId, WaitId
from lichen.core.words.label import EMPTY, Label
from lichen.core.words.limits import NO_USAGE, Limits, Usage
from lichen.core.words.wait import HALTING, Wait, WaitKind, WaitOutcome

GOES_ON: Final = "goes_on"  # the code of a call that waits for an answer while what it began goes on
Phase = Literal["proposed", "held", "ready", "running", "in_doubt", "unknown", "backoff"]


class Call(msgspec.Struct, frozen=True, gc=False):
    """An open call. Closed ones leave the state. `n` is the record that planned it and holds its arguments."""

    id: CallId
    tool: ToolName
    effects: Effects
    digest: bytes
    n: int
    cost: int
    role: ToolRole = "work"
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
    reserved_micro_usd: int = 0
    grants: tuple[Grant, ...] = ()
    redact: tuple[str, ...] = ()
    declassified: tuple[str, ...] = ()  # sources that policy lets its result go without
    goes_on: bool = False  # what its tool began goes on while that waits for an answer
    asked_n: int = 0  # the records of the last question of its tool, and of the end of that wait
    answered_n: int = 0
    answered: WaitOutcome | None = None
    asks: int = 0  # requests to models that it made

    @property
    def may_act(self) -> bool:
        """Whether it has begun to do something that may not be repeated."""
        is_begun = self.phase in ("running", "in_doubt", "unknown") or self.goes_on
        return self.effects in ("once", "child") and is_begun


class Result(msgspec.Struct, frozen=True, gc=False):
    """A closed call that the planner has not been told of. `n` is the record that closed it."""

    call: CallId
    tool: ToolName
    outcome: Outcome
    n: int
    planned_n: int
    code: str = ""
    child: RunId | None = None


class Answered(msgspec.Struct, frozen=True, gc=False):
    """A closed wait of the planner's own that it has not been told of."""

    wait: WaitId
    kind: WaitKind
    outcome: WaitOutcome
    n: int


class Asking(msgspec.Struct, frozen=True, gc=False):
    """An attempt at a plan that asks models: since when, the last model, what is reserved for its requests under way,
    what those before cost, and how many requests are known of. It counts in full until it is known what it cost.
    """

    step: int
    attempt: int
    reason: PlanReason
    model: str
    reserved: Usage
    used: Usage
    since_us: int
    requests: int = 1

    @property
    def usage(self) -> Usage:
        """What it costs, as far as anybody knows."""
        return self.reserved + self.used


class CallAsking(msgspec.Struct, frozen=True, gc=False):
    """A request to a model that a call made and that nobody heard of yet: what is reserved for it, since when, and in
    which epoch it left. It counts in full until it is known what it cost."""

    call: CallId
    number: int
    model: str
    usage: Usage
    since_us: int
    epoch: int


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
    only: tuple[ToolName, ...] = ()  # the tools it may use; all of its agent's where none is named
    pins: e.Pins = e.Pins()
    team: str = ""
    has_schema: bool = False  # whoever asked wants the answer to fit the content `schema` of the first record
    epoch: int = 1
    started_us: int = 0

    due: PlanReason | None = None
    step: int = 0
    plan_attempt: int = 1
    plan_failures: int = 0  # attempts at this step that gave no plan; others were asked again for something new
    failing_us: int = 0  # how long requests to models took that gave those attempts nothing
    is_planning: bool = False
    resume: Resume = "all"
    synthesize: bool = False
    is_decided: bool = False  # it answered, and what is open has to end
    planner_state: Ref | None = None
    summary_n: int = 0  # the record with its newest summary of the conversation, 0 for none

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
    child_micro_usd: int = 0
    asking: Asking | None = None
    asks: Mapping[str, CallAsking] = {}  # of calls, by call and number
    has_acted: bool = False  # something that may not be repeated happened here or in a child, or may have
    left_us: int | None = None  # what is left of the time while it stands still

    grants: tuple[Grant, ...] = ()  # what people agreed to that is no call: that a model is asked

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
    def has_open(self) -> bool:
        """Whether something is open that a planner asked for: a call, or a wait of its own."""
        return bool(self.calls) or any(map(self.is_planners, self.waits.values()))

    @staticmethod
    def is_planners(wait: Wait) -> bool:
        """Whether a planner asked for this wait."""
        return wait.call is None and wait.kind not in HALTING and not wait.holds_plan

    @property
    def is_held(self) -> bool:
        """Whether no plan may be asked for, since a person has to agree that a model is asked."""
        return any(wait.holds_plan for wait in self.waits.values())

    @property
    def is_ending(self) -> bool:
        """Whether no further plan will be asked for."""
        return bool(self.cancel or self.failure or self.answer)

    @property
    def is_over(self) -> bool:
        """Whether what has not started never will: cancelled, failed, decided or out of time."""
        return bool(self.cancel or self.failure) or self.is_decided or self.limit == "time"

    @property
    def budget_timer(self) -> Literal["deadline", "grace"]:
        """The timer that ends what the run is doing: its time, or once a limit is reached the time to answer."""
        return "grace" if self.limit else "deadline"

    @property
    def is_synthesis(self) -> bool:
        """Whether the plan that is due has to be made of what is known: the last one asked for that, and all of its
        calls came out well."""
        return (
            self.synthesize
            and not (self.inputs or self.calls)
            and all(result.outcome == "ok" for result in self.results)
        )

    @property
    def stands_still(self) -> bool:
        """Whether its time does not pass: it waits for somebody, or a run that it called does."""
        return stands_still(self.waits, self.calls)

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
    def micro_usd_used(self) -> int:
        """What the models of this run, and of its children that ended, cost."""
        return self.usage.cost_micro_usd + self.child_micro_usd

    @property
    def tokens_left(self) -> int:
        """What remains of the limit on tokens, without what is lent to children or reserved for a model's reply."""
        return max(0, self.tokens_free)

    @property
    def tokens_free(self) -> int:
        """The same, below zero where models used more than they were let."""
        lent = sum(call.reserved_tokens for call in self.calls.values())
        return self.limits.tokens - self.tokens_used - lent - self.usage_under_way.tokens

    @property
    def micro_usd_left(self) -> int | None:
        """The same of the limit on costs, None where there is none."""
        free = self.micro_usd_free
        return None if free is None else max(0, free)

    @property
    def micro_usd_free(self) -> int | None:
        """The same, below zero where models cost more than they were let."""
        if self.limits.micro_usd is None:
            return None
        lent = sum(call.reserved_micro_usd for call in self.calls.values())
        return self.limits.micro_usd - self.micro_usd_used - lent - self.usage_under_way.cost_micro_usd

    @property
    def usage_under_way(self) -> Usage:
        """What its requests to models cost of which nobody knows that yet: what is reserved for them."""
        asking = NO_USAGE if self.asking is None else self.asking.usage
        return sum((each.usage for each in self.asks.values()), asking) if self.asks else asking

    @property
    def asks_lost(self) -> tuple[CallAsking, ...]:
        """Requests of calls whose end nobody will hear of: their call is over, or their process gone."""
        return tuple(each for each in self.asks.values() if each.epoch < self.epoch or each.call not in self.calls)

    def may_use(self, tool: ToolName) -> bool:
        """Whether this run may call a tool of its agent."""
        return not self.only or tool in self.only

    def wants_plan(self, step: int, attempt: int) -> bool:
        """Whether what this attempt at a plan says still counts. It does not once something else was asked."""
        return self.due is not None and (step, attempt) == (self.step, self.plan_attempt)


def start_state(run: RunId) -> RunState:
    """A run of which nothing is known yet."""
    return RunState(id=run)


def stands_still(waits: Mapping[WaitId, Wait], calls: Mapping[CallId, Call]) -> bool:
    """Whether one of these stops the run's time."""
    return any(w.stops_budget for w in waits.values()) or any(call.is_waiting for call in calls.values())
