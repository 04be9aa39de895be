"""The obligation `plan`: ask the planner, check what it says, append it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager

import msgspec

from lichen.core import events as e
from lichen.core import faults, moves
from lichen.core.errors import Denied, LichenError
from lichen.core.failure import Failure
from lichen.core.ids import RunId, run_stream
from lichen.core.label import EMPTY, Label, join
from lichen.core.limits import Usage
from lichen.core.plan import (
    Model,
    ModelError,
    ModelReply,
    ModelRequest,
    Plan,
    PlanInput,
    RunContext,
)
from lichen.core.policy import Check
from lichen.core.run import RunState
from lichen.engine.asking import plan_input
from lichen.engine.deltas import Partial
from lichen.engine.failures import sealed, told
from lichen.engine.history import Handed, window_label
from lichen.engine.journal import Journal
from lichen.engine.planned import append_plan, validate
from lichen.engine.ports import AgentDef, Services, agent_of
from lichen.engine.sends import refusal, sending

_EMPTY_USAGE = Usage()


class Meterer:
    """The model handle of one planning attempt: every request passes the gate, every reply is billed."""

    def __init__(self, services: Services, journal: Journal, state: RunState) -> None:
        self._services = services
        self._journal = journal
        self._state = state
        self.usage = Usage()
        self.handed = Handed()
        self.rulings: tuple[e.Ruling, ...] = ()

    async def __call__(
        self, model: Model, request: ModelRequest, deltas: Callable[[str], None] | None = None, /
    ) -> ModelReply:
        """One reply. Raises Denied (`model_denied`) or ModelError."""
        state = self._state
        check = Check(
            scope=self._journal.scope,
            actor=self._journal.actor_of(state.id),
            action="model.invoke",
            resource=model.name,
            run=state.id,
            session=state.session,
            label=join(self._journal.run(state.id).label, self.handed.label),
        )
        verdict = await self._services.gate.check(check)
        if verdict.outcome != "allow":
            refused = refusal(self._services, self._journal, state, check, verdict)
            self._journal.append({run_stream(state.id): (refused,)})
            raise Denied(f"Policy does not let this agent use {model.name}.", code="model_denied")
        ruling = e.Ruling(check.action, verdict.policies, verdict.policy_digest)
        self.rulings = (*self.rulings, *(() if ruling in self.rulings else (ruling,)))
        try:
            reply = await model.generate(request, deltas)
        except ModelError as error:
            self.usage += error.usage
            raise
        self.usage += reply.usage
        return reply


async def plan(services: Services, journal: Journal, run: RunId) -> None:
    """Performs `plan`: one attempt, recorded whatever comes of it."""
    state = journal.run(run)
    agent = agent_of(services, state)
    if agent is None:
        code = "version_gone" if services.agents.get(state.agent) is not None else "agent_unknown"
        _fail(journal, state, code, _EMPTY_USAGE, is_final=True)
        return
    meterer = Meterer(services, journal, state)
    if not agent.planner.pure and not state.is_planning and state.due is not None:
        started = e.PlanStarted(state.step, state.plan_attempt, state.due)
        journal.append({run_stream(run): (e.Draft(started),)})
    await _back_off(services, state)
    try:
        now_us, handed = services.clock(), meterer.handed
        input = plan_input(services, journal, agent, state, now_us=now_us, model=meterer, handed=handed)
        if agent.planner.pure:  # it waits for nothing, so nothing has to stop it
            answer = await agent.planner.plan(input)
        else:
            answer = await _ask(services, journal, agent, input)
        validate(answer, state)
    except TimeoutError:
        return  # the run's own deadline is about to fire and says what follows
    except (LichenError, ModelError) as error:
        _retry_or_fail(services, journal, state, error.code, meterer, error)
    except Exception as error:  # noqa: BLE001 - a planner may raise anything; the attempt is recorded as failed
        _retry_or_fail(services, journal, state, "planner_error", meterer, error)
    else:
        faults.hit("plan.after")
        handed = meterer.handed.label
        append_plan(services, journal, agent, state, answer, meterer.usage, handed, meterer.rulings)


async def _ask(services: Services, journal: Journal, agent: AgentDef, input: PlanInput) -> Plan:
    async with asyncio.timeout(input.left.time_s + 1.0):  # the run's own deadline comes first
        if not await _may_stream(services, journal, input.run):
            return await agent.planner.plan(input)
        with _streaming(services, input) as streamed:
            return await agent.planner.plan(streamed)


async def _may_stream(services: Services, journal: Journal, run: RunContext) -> bool:
    """Whether a message of this run may go to its session as things stand, whatever it says."""
    if run.session is None or journal.run(run.run).parent is not None:
        return False
    state = journal.run(run.run)
    verdict = await services.gate.check(sending(journal, state, window_label(services, journal, state)))
    return verdict.outcome == "allow" and not verdict.redact


@contextmanager
def _streaming(services: Services, input: PlanInput) -> Generator[PlanInput]:
    run = input.run
    assert run.session is not None
    partial = Partial(run.run, run.step, input.attempt)
    deltas = services.deltas.begin(run.scope, run.session, partial)
    try:
        yield msgspec.structs.replace(input, deltas=deltas)
    finally:
        services.deltas.end(run.scope, run.session, partial)


async def _back_off(services: Services, state: RunState) -> None:
    if state.plan_failures:
        await services.sleep(services.options.plan_backoff_s * 2 ** (state.plan_failures - 1))


def _retry_or_fail(
    services: Services, journal: Journal, state: RunState, code: str, meterer: Meterer, error: Exception
) -> None:
    failure = told(services, journal, state, f"plan {state.step}", code, error)
    is_final = state.plan_failures + 1 >= services.options.plan_attempts_max or code == "model_denied"
    _fail(journal, state, code, meterer.usage, is_final=is_final, failure=failure, label=meterer.handed.label)


def _fail(
    journal: Journal,
    state: RunState,
    code: str,
    usage: Usage,
    *,
    is_final: bool,
    failure: Failure | None = None,
    label: Label = EMPTY,
) -> None:
    planned = e.Planned(
        state.step, state.plan_attempt, state.due or "start", usage=usage, error=code, is_final=is_final
    )
    drafts = moves.admit(journal.run(state.id), planned, moves.as_contents(sealed(failure), state.subject), {})
    if drafts:
        first = msgspec.structs.replace(drafts[0], label=join(state.label, label))
        journal.append({run_stream(state.id): (first, *drafts[1:])})
