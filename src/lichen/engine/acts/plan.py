"""The obligation `plan`: ask the planner, check what it says, append it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.ports.model import Choice, Deltas, Model, ModelError, ModelReply, ModelRequest
from lichen.core.ports.plan import Plan, PlanInput
from lichen.core.ports.policy import Check
from lichen.core.words import faults
from lichen.core.words.errors import Denied, LichenError
from lichen.core.words.failure import Failure
from lichen.core.words.ids import SessionId
from lichen.core.words.label import join
from lichen.core.words.limits import Usage
from lichen.engine.act import Act
from lichen.engine.brief.asking import left_s, plan_input
from lichen.engine.brief.history import Handed, window_label
from lichen.engine.drafts.handed import check_asks_once
from lichen.engine.drafts.planned import Made, append_plan, check_roles, validate
from lichen.engine.pace.deltas import Partial
from lichen.engine.pace.step import Within
from lichen.engine.ports import AgentDef
from lichen.engine.sends.failures import sealed, told
from lichen.engine.sends.sends import refusal, sending
from lichen.engine.sends.starts import ruling_of

REQUESTS_MAX = 64  # to models, for one plan
FINAL = ("model_denied", "replay_diverged")  # a further attempt would end the same


class _Meterer:
    """The model handle of one planning attempt: every request passes the gate, every reply is billed.

    `started` says that the planner was asked. It stands in the log before anything is waited for, since a reply may be
    lost then; else with the plan.
    """

    def __init__(self, act: Act) -> None:
        self._act = act
        self.started: moves.Drafts = ()
        self.usage = Usage()
        self.handed = Handed()
        self.requests: tuple[e.ModelAsked, ...] = ()

    async def __call__(self, model: Model, request: ModelRequest, deltas: Deltas | None = None, /) -> ModelReply:
        """One reply. Raises Denied (`model_denied`) or ModelError."""
        if isinstance(model, Choice):
            return await model.ask(self, request, deltas)
        if len(self.requests) >= REQUESTS_MAX:
            raise ModelError("One plan asked models too often.", code="model_asked_too_often", retryable=False)
        check = self._question(model)
        verdict = self._act.services.gate.decide(check)
        if verdict.outcome != "allow":
            self.note(refusal(self._act, check, verdict))
            raise Denied(f"Policy does not let this agent use {model.name}.", code="model_denied")
        began_us, outcome, usage = self._act.services.clock(), "model_failed", Usage()
        try:
            reply = await self._reached(model).generate(self._in_time(request), deltas)
            outcome, usage = "ok", reply.usage
            return reply
        except ModelError as error:
            outcome, usage = error.code, error.usage
            raise
        finally:
            duration_us = self._act.services.clock() - began_us
            asked = e.ModelAsked(model.name, outcome, usage, duration_us=duration_us, ruling=ruling_of(check, verdict))
            self.requests, self.usage = (*self.requests, asked), self.usage + usage

    def note(self, *drafts: e.Draft) -> None:
        """Notes these in the run, after what says that the planner was asked."""
        noted, self.started = (*self.started, *drafts), ()
        if noted:
            self._act.note(*noted)

    def _reached(self, model: Model) -> Model:
        """The model as the run's scope reaches it, or the one that a test put in its place."""
        stand_in = self._act.services.stand_ins.get(self._act.state.agent)
        if stand_in is not None:
            return stand_in
        services = self._act.services
        return services.reach(model, services.connections, self._act.journal.scope)

    def _in_time(self, request: ModelRequest) -> ModelRequest:
        """The request, which does not last longer than the run."""
        left = left_s(self._act.state, self._act.services.clock())
        return msgspec.structs.replace(request, time_s=left) if left < request.time_s else request

    def _question(self, model: Model) -> Check:
        state = self._act.state
        return Check(
            scope=self._act.journal.scope,
            actor=self._act.actor,
            action="model.invoke",
            resource=model.name,
            run=state.id,
            session=state.session,
            label=join(self._act.journal.run(state.id).label, self.handed.label),
        )


async def plan(act: Act) -> None:
    """Performs `plan`: one attempt, recorded whatever comes of it."""
    state, agent, meterer = act.state, act.agent, _Meterer(act)
    if agent is None:
        code = "version_gone" if act.services.agents.get(state.agent) is not None else "agent_unknown"
        _fail(act, code, meterer, is_final=True)
        return
    if not agent.planner.pure and not state.is_planning and state.due is not None:
        meterer.started = (e.Draft(e.PlanStarted(state.step, state.plan_attempt, state.due)),)
    if state.plan_failures:
        meterer.note()
        await _back_off(act)
    try:
        input = plan_input(act, agent, now_us=act.services.clock(), model=meterer, handed=meterer.handed)
        if agent.planner.pure:  # it waits for nothing, so nothing has to stop it
            answer = await agent.planner.plan(input)
        else:
            answer = await _ask(act, agent, input, waits=meterer.note)
        validate(answer, state)
        check_roles(answer, agent)
        check_asks_once(act, answer)
    except TimeoutError:
        return  # the run's own deadline is about to fire and says what follows
    except (LichenError, ModelError) as error:
        _retry_or_fail(act, error.code, meterer, error)
    except Exception as error:  # noqa: BLE001 - a planner may raise anything; the attempt is recorded as failed
        _retry_or_fail(act, "planner_error", meterer, error)
    else:
        faults.hit("plan.after")
        made = Made(answer, meterer.usage, meterer.handed.label, meterer.requests, meterer.started)
        append_plan(act, agent, made)


async def _ask(act: Act, agent: AgentDef, input: PlanInput, *, waits: Callable[[], None]) -> Plan:
    """What the planner says. `waits` is called as soon as it does not say it at once."""
    limit, session = Within(input.left.time_s + 1.0, waits=waits), act.state.session  # the run's own deadline is first
    if session is None or act.state.parent is not None:
        return await limit.of(agent.planner.plan(input))
    with _streaming(act, input, session) as streamed:
        return await limit.of(agent.planner.plan(streamed))


@contextmanager
def _streaming(act: Act, input: PlanInput, session: SessionId) -> Generator[PlanInput]:
    scope, deltas = act.journal.scope, act.services.deltas
    partial = Partial(input.run.run, input.run.step, input.attempt)
    add = deltas.begin(scope, session, partial, lambda: _may_stream(act))
    try:
        yield msgspec.structs.replace(input, deltas=add)
    finally:
        deltas.end(scope, session, partial)


def _may_stream(act: Act) -> bool:
    """Whether a message of this run may go to its session as things stand, whatever it says."""
    now = act.on_run(act.state.id)
    session = now.session
    if session is None:
        return False
    verdict = act.services.gate.decide(sending(now, session, window_label(now)))
    return verdict.outcome == "allow" and not verdict.redact


async def _back_off(act: Act) -> None:
    options, failures = act.services.options, act.state.plan_failures
    await act.services.sleep(options.plan_backoff_s * 2 ** (failures - 1))


def _retry_or_fail(act: Act, code: str, meterer: _Meterer, error: Exception) -> None:
    failure = told(act, f"plan {act.state.step}", code, error)
    attempts_max = act.services.options.plan_attempts_max
    is_final = act.state.plan_failures + 1 >= attempts_max or code in FINAL
    _fail(act, code, meterer, is_final=is_final, failure=failure)


def _fail(act: Act, code: str, meterer: _Meterer, *, is_final: bool, failure: Failure | None = None) -> None:
    state = act.state
    planned = e.Planned(
        state.step,
        state.plan_attempt,
        state.due or "start",
        usage=meterer.usage,
        error=code,
        is_final=is_final,
        requests=meterer.requests,
    )
    drafts = moves.admit(act.journal.run(state.id), planned, moves.as_contents(sealed(failure), state.subject), {})
    if drafts:
        first = msgspec.structs.replace(drafts[0], label=join(state.label, meterer.handed.label))
        meterer.note(first, *drafts[1:])
