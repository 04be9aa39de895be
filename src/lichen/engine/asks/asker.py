"""The model handle of one attempt at a plan: every request passes the gate and its budgets, and every one is billed."""

from __future__ import annotations

from itertools import count
from typing import Final, NamedTuple

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.ports.model import (
    HELD,
    Again,
    Choice,
    Connectable,
    Deltas,
    Model,
    ModelError,
    ModelReply,
    ModelRequest,
)
from lichen.core.ports.plan import Plan
from lichen.core.ports.policy import Asking, Check, Verdict
from lichen.core.ports.sent import Last
from lichen.core.words import faults
from lichen.core.words.errors import Denied
from lichen.core.words.label import join
from lichen.core.words.limits import NO_USAGE, Usage
from lichen.engine.act import Act
from lichen.engine.asks.bill import Bill, Shown
from lichen.engine.asks.keeping import Keeping, Part
from lichen.engine.asks.keys import Keys
from lichen.engine.asks.room import (
    NONE,
    BudgetBusy,
    Left,
    OverBudget,
    Room,
    RunLimit,
    budgets_of,
    capped,
    check_fits,
    room_for,
)
from lichen.engine.asks.showing import shown_to
from lichen.engine.asks.used import Pending, Used, pending_of, unnoted, used_of
from lichen.engine.brief.asking import left_s
from lichen.engine.brief.history import Handed
from lichen.engine.sends.sends import refusal
from lichen.engine.sends.starts import ruling_of

REQUESTS_MAX: Final = 64  # to models, for one plan
BUSY_S: Final = 0.05  # after so long it is looked again whether requests under way left room, and then ever later
BUSY_MAX_S: Final = 1.0


class _Admitted(NamedTuple):
    check: Check
    verdict: Verdict
    keys: Keys
    room: Room


class Asker:
    """Asks models for one attempt at a plan, as `ModelHandle` says.

    `started` says that the planner was asked, and what is reserved for its requests. It stands in the log before
    anything is waited for, since a reply may be lost then; else with the plan. `limit` is that of the run which a
    request did not fit into. `held` is what a person has to agree to before a model is asked, and why: until they do
    the attempt comes to nothing.
    """

    def __init__(self, act: Act) -> None:
        self._act, self._state = act, act.state
        state = act.state
        self._plain: moves.Drafts = ()
        if state.due is not None and not state.is_planning:
            self._plain = (e.Draft(e.PlanStarted(state.step, state.plan_attempt, state.due)),)
        self.started: moves.Drafts = ()
        self.handed = Handed()
        self.limit: RunLimit | None = None
        self.held: tuple[Check, Verdict] | None = None
        self._noted = int(state.is_planning)  # records that say so
        self._is_waiting = False
        self._open: dict[int, tuple[str, Usage]] = {}
        self._done: dict[int, e.ModelAsked] = {}
        self._keeping: Keeping | None = None

    # -- what it took --------------------------------------------------------------------------------------------

    @property
    def requests(self) -> tuple[e.ModelAsked, ...]:
        """Every request, in the order in which they began. One that is under way still counts with its reservation."""
        under_way = {i: e.ModelAsked(*each, is_estimate=True) for i, each in self._under_way()}
        return tuple([asked for _, asked in sorted({**self._done, **under_way}.items())])

    @property
    def usage(self) -> Usage:
        """What all of them cost."""
        return sum((asked.usage for asked in self.requests), NO_USAGE)

    def parts(self, plan: Plan | None = None) -> list[Part]:
        """What was sent and replied, as contents beside the plan; none where that is not kept."""
        if self._keeping is None or self._act.journal.is_erased(self._act.subject):
            return []
        self._act.journal.seat(self._act.stream).sent = self._keeping.last
        return self._keeping.parts(plan)

    def _under_way(self) -> list[tuple[int, tuple[str, str, Usage]]]:
        return [(i, (model, "lost", usage)) for i, (model, usage) in self._open.items()]

    # -- noting --------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """The planner is about to be asked, and may cost something."""
        self.started = self._plain

    def wait(self) -> None:
        """Something is waited for from here: what there is to say of the attempt stands in the log before."""
        self._is_waiting = True
        self.note()

    def note(self, *drafts: e.Draft) -> None:
        """Notes these in the run, after what says that the planner was asked."""
        noted = (*self.take_started(), *drafts)
        if noted:
            self._act.note(*noted)

    def take_started(self) -> moves.Drafts:
        """What says that the planner was asked, for whoever appends it now."""
        started, self.started = self.started, ()
        self._noted += len(started)
        return started

    def check_held(self) -> None:
        """Raises ModelError (`model_held`) where a person has to agree first."""
        if self.held is not None:
            raise ModelError(f"A person has to agree before {self.held[0].resource} is asked.", code=HELD)

    # -- asking --------------------------------------------------------------------------------------------------

    async def __call__(self, model: Model, request: ModelRequest, deltas: Deltas | None = None, /) -> ModelReply:
        """One reply. Raises Denied (`model_denied`, `secret_refused`) or ModelError (`model_held` where a person has to
        agree first)."""
        if isinstance(model, Choice):
            return await model.ask(self, request, deltas)
        request = shown_to(model, request)
        check, verdict, keys, room = await self._admitted(model, request)
        i = len(self._open) + len(self._done)
        if i >= REQUESTS_MAX:
            raise ModelError("One plan asked models too often.", code="model_asked_too_often", retryable=False)
        ruling = ruling_of(check, verdict)
        self._reserve(i, model, room)
        bill = Bill(model.name, room, self._act.services.prices, ruling)
        shown = Shown(deltas)
        began_us = self._act.services.clock()
        try:
            if isinstance(model, Connectable):
                await self._announced()
            faults.hit("ask.before")
            reached = self._reached(model, keys, self._again(i, bill, verdict))
            reply = await reached.generate(self._in_time(room.request), shown.deltas)
            faults.hit("ask.after")
            bill.answered(reply)
            if self._keeping is not None:
                self._keeping.reply(i, reply)
            return reply
        except BaseException as error:
            bill.broke(error, self._open[i][1], was_shown=shown.is_any)
            raise
        finally:
            self._settle(i, bill.closed(self._act.services.clock() - began_us))

    async def _admitted(self, model: Model, request: ModelRequest) -> _Admitted:
        """The request as gate and budgets let it be sent now. Where only requests under way keep it from fitting they
        are waited for, for as long as whoever waits for this one bears with."""
        clock_s, patience_s = self._clock_s, self._patience_s()
        ends_s = clock_s() + (self._in_time(request).time_s if patience_s is None else patience_s)
        for pauses in count():
            check = self._question(model)
            verdict = self._allowed(check)
            keys = self._keys(model, check)
            try:
                return _Admitted(check, verdict, keys, self._room(model, request, verdict))
            except BudgetBusy as busy:
                pause_s = min(BUSY_S * 1.5**pauses, BUSY_MAX_S)
                if clock_s() + pause_s > ends_s:
                    busy.retryable = patience_s is None
                    raise
            self.wait()
            await self._act.services.sleep(pause_s)
        raise AssertionError

    def _clock_s(self) -> float:
        return self._act.services.clock() / 1e6

    def _allowed(self, check: Check) -> Verdict:
        verdict = self._act.services.gate.decide(check)
        if self.held is None and verdict.outcome == "hold" and verdict.approval is not None:
            self.held = (check, verdict)
        self.check_held()
        if verdict.outcome != "allow":
            self.note(refusal(self._act, check, verdict))
            step = f"`lichen policy why {self._state.agent} --model {check.resource}` says which policy."
            message = f"Policy does not let this agent use {check.resource}."
            raise Denied(message, code="model_denied", next_step=step)
        return verdict

    def _room(self, model: Model, request: ModelRequest, verdict: Verdict) -> Room:
        try:
            budgets = self._budgets(verdict, pending_of(self._act, self._held()))
            return room_for(self._act.services.prices, budgets, model.name, request)
        except OverBudget as error:
            self.limit = error.limit or None
            raise

    def _budgets(self, verdict: Verdict, pending: Pending = lambda what: NONE) -> list[Left]:
        act, more = self._act, self._unnoted()
        caps = capped(verdict.caps, verdict.policies, used_of(act, more), pending) if verdict.caps else []
        return budgets_of(act, more, pending) + caps

    def _held(self) -> Used:
        """What requests of this attempt hold that are under way, beside all that its run says of the attempt."""
        noted = unnoted(self._act.journal.run(self._state.id), NO_USAGE)
        under_way = sum((usage for _, usage in self._open.values()), NO_USAGE)
        return noted.plus(Used(under_way.tokens, under_way.cost_micro_usd))

    async def _announced(self) -> None:
        """Returns once what is reserved is durable: no death hides a request that somebody bills from the budgets."""
        self.wait()
        await self._act.journal.durable(run=self._state.id)

    def _again(self, i: int, bill: Bill, verdict: Verdict) -> Again:
        """What is told of a further try of the request `i`: it counts beside what those before may have cost."""

        def again(error: ModelError, was_shown: bool) -> None:
            cost = bill.of_try(error, was_shown=was_shown)
            if cost == NO_USAGE:
                return
            self._check_fits(bill, verdict, cost)
            model, reserved = self._open[i]
            self._open[i] = (model, reserved + cost)
            self._note_asking(model)

        return again

    def _check_fits(self, bill: Bill, verdict: Verdict, cost: Usage) -> None:
        try:
            check_fits(self._budgets(verdict), cost)
        except OverBudget as error:
            self.limit = error.limit or None
            raise

    def _unnoted(self) -> Used:
        return unnoted(self._act.journal.run(self._state.id), self.usage)

    def _reserve(self, i: int, model: Model, room: Room) -> None:
        """Counts the request against every budget from this moment on."""
        state = self._state
        self._check_wanted()
        self._open[i] = (model.name, room.reserved)
        if self._act.services.keeps_requests:
            self._keeping = self._keeping or Keeping(self._act.journal.seat(self._act.stream).sent or Last())
            self._keeping.ask(f"{state.step}/{state.plan_attempt}/{i}", room.request)
        self._note_asking(model.name)

    def _check_wanted(self) -> None:
        state = self._state
        if not self._act.journal.run(state.id).wants_plan(state.step, state.plan_attempt):
            raise ModelError("Another plan is wanted by now.", code="superseded", retryable=False, tries=0)

    def _note_asking(self, model: str) -> None:
        """Says in the run what is reserved for the requests under way, and what those before used."""
        state = self._state
        if state.due is None:
            return
        reserved = sum((usage for _, usage in self._open.values()), NO_USAGE)
        used = sum((asked.usage for asked in self._done.values()), NO_USAGE)
        asking = e.PlanStarted(state.step, state.plan_attempt, state.due, model, reserved, used, asked=self._noted)
        self.started = (e.Draft(asking),)
        if self._is_waiting:
            self.note()

    def _settle(self, i: int, asked: e.ModelAsked) -> None:
        del self._open[i]
        self._done[i] = asked
        if not self._is_waiting:  # it was answered on the spot: nothing can be lost
            self.started = () if self._noted else self._plain

    def _keys(self, model: Model, check: Check) -> Keys:
        """The keys of the request that was asked about. Raises KeyRefused where it may not have the one it needs."""
        keys = Keys(self._act, model.name, check.label, self.note, self._check_wanted)
        if isinstance(model, Connectable) and self._stand_in is None:
            keys.check()
        return keys

    @property
    def _stand_in(self) -> Model | None:
        """What a test put in the place of the agent's models."""
        return self._act.services.stand_ins.get(self._state.agent)

    def _reached(self, model: Model, keys: Keys, again: Again) -> Model:
        """The model as the run's scope reaches it, or the one that a test put in its place."""
        return self._stand_in or self._act.services.reach(model, keys, self._act.journal.scope, again)

    def _in_time(self, request: ModelRequest) -> ModelRequest:
        """The request, which does not last longer than the run, and which no customer waits for too long."""
        left = left_s(self._state, self._act.services.clock())
        return msgspec.structs.replace(request, time_s=min(left, request.time_s), patience_s=self._patience_s())

    def _patience_s(self) -> float | None:
        """How much longer a model may be tried again, after what failed at this step; None where no customer waits."""
        if self._state.session is None:
            return None
        failing_us = self._state.failing_us + sum(
            asked.duration_us for asked in self._done.values() if asked.outcome != "ok"
        )
        return max(0.0, self._act.services.patience_s - failing_us / 1e6)

    def _question(self, model: Model) -> Check:
        act, state = self._act, self._state
        return Check(
            scope=act.journal.scope,
            actor=act.actor,
            action="model.invoke",
            resource=model.name,
            run=state.id,
            session=state.session,
            label=join(act.journal.run(state.id).label, self.handed.label),
            grants=state.grants,
            digest=act.journal.log.digest(f"model.invoke\x00{model.name}".encode()) if state.grants else b"",
            requesters=state.requesters,
            language=act.language,
            asking=Asking(lambda: used_of(act, self._unnoted()), act.services.tags(model.name)),
        )
