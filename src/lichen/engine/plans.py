"""The obligation `plan`: ask the planner, check what it says, append it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from lichen.core import events as e
from lichen.core import faults, moves
from lichen.core.call import UNAVAILABLE, InvalidArguments, Issue, Tool
from lichen.core.content import Content
from lichen.core.errors import Denied, Invalid, LichenError
from lichen.core.ids import CallId, RunId, ToolName, run_stream, session_stream
from lichen.core.limits import Usage
from lichen.core.plan import (
    STATE_BYTES_MAX,
    TEXT_BYTES_MAX,
    CallResult,
    Left,
    Message,
    Model,
    ModelError,
    ModelReply,
    ModelRequest,
    Plan,
    PlanInput,
    RunContext,
    WaitAnswer,
    WaitRequest,
)
from lichen.core.policy import Check
from lichen.core.run import Result, RunState
from lichen.engine.history import read_history
from lichen.engine.journal import Journal
from lichen.engine.ports import AgentDef, Services
from lichen.engine.turns import release

_MESSAGES = msgspec.json.Decoder(tuple[Message, ...])
_ISSUES = msgspec.json.Decoder(tuple[Issue, ...])
_EMPTY_USAGE = Usage()


class Meterer:
    """The model handle of one planning attempt: every request passes the gate, every reply is billed."""

    def __init__(self, services: Services, journal: Journal, state: RunState) -> None:
        self._services = services
        self._journal = journal
        self._state = state
        self.usage = Usage()

    async def __call__(self, model: Model, request: ModelRequest) -> ModelReply:
        """One reply. Raises Denied (`model_denied`) or ModelError."""
        state = self._state
        check = Check(
            scope=self._journal.scope,
            actor=self._journal.actor_of(state.id),
            action="model.invoke",
            resource=model.name,
            run=state.id,
            session=state.session,
            label=state.label,
        )
        verdict = await self._services.gate.check(check)
        if verdict.outcome != "allow":
            raise Denied(f"Policy does not let this agent use {model.name}.", code="model_denied")
        try:
            reply = await model.generate(request)
        except ModelError as error:
            self.usage += error.usage
            raise
        self.usage += reply.usage
        return reply


async def plan(services: Services, journal: Journal, run: RunId) -> None:
    """Performs `plan`: one attempt, recorded whatever comes of it."""
    state = journal.run(run)
    agent = services.agents.get(state.agent)
    if agent is None:
        _fail(journal, state, "agent_unknown", _EMPTY_USAGE, is_final=True)
        return
    meterer = Meterer(services, journal, state)
    if not agent.planner.pure and not state.is_planning and state.due is not None:
        started = e.PlanStarted(state.step, state.plan_attempt, state.due)
        journal.append({run_stream(run): (e.Draft(started),)})
    await _back_off(services, state)
    try:
        answer = await _ask(services, agent, _input(services, journal, agent, state, meterer))
        _validate(answer, state)
    except TimeoutError:
        return  # the run's own deadline is about to fire and says what follows
    except (LichenError, ModelError) as error:
        _retry_or_fail(services, journal, state, error.code, meterer.usage)
    except Exception:
        _retry_or_fail(services, journal, state, "planner_error", meterer.usage)
    else:
        faults.hit("plan.after")
        _append(services, journal, agent, run, state, answer, meterer.usage)


async def _ask(services: Services, agent: AgentDef, input: PlanInput) -> Plan:
    """A pure planner waits for nothing, so nothing has to stop it."""
    if agent.planner.pure:
        return await agent.planner.plan(input)
    async with asyncio.timeout(input.left.time_s + 1.0):  # the run's own deadline comes first
        return await agent.planner.plan(input)


async def _back_off(services: Services, state: RunState) -> None:
    if state.plan_failures:
        await services.sleep(services.options.plan_backoff_s * 2 ** (state.plan_failures - 1))


def _time_left_s(services: Services, state: RunState) -> float | None:
    due_us = state.timers.get(state.budget_timer)
    return None if due_us is None else max(0.0, (due_us - services.clock()) / 1e6) + 1.0


def _retry_or_fail(services: Services, journal: Journal, state: RunState, code: str, usage: Usage) -> None:
    is_final = state.plan_failures + 1 >= services.options.plan_attempts_max or code == "model_denied"
    _fail(journal, state, code, usage, is_final=is_final)


def _fail(journal: Journal, state: RunState, code: str, usage: Usage, *, is_final: bool) -> None:
    planned = e.Planned(
        state.step, state.plan_attempt, state.due or "start", usage=usage, error=code, is_final=is_final
    )
    drafts = moves.admit(journal.run(state.id), planned, (), {})
    if drafts:
        journal.append({run_stream(state.id): drafts})


# -- what the planner sees ---------------------------------------------------------------------------------------


def _input(services: Services, journal: Journal, agent: AgentDef, state: RunState, meterer: Meterer) -> PlanInput:
    context = RunContext(
        scope=journal.scope,
        actor=journal.actor_of(state.id),
        run=state.id,
        agent=state.agent,
        session=state.session,
        turn=state.turn,
        step=state.step,
    )
    left_s = _time_left_s(services, state) or state.limits.time_s
    return PlanInput(
        run=context,
        reason=state.due or "start",
        attempt=state.plan_attempt,
        input=inputs(journal, state.id, state.inputs),
        results=results(journal, state.id, state.results),
        answers=_answers(journal, state),
        state=_planner_state(journal, state),
        tools=() if state.limit else tuple(tool.spec for tool in agent.tools.values()),
        left=Left(state.calls_left, left_s, max(0, state.limits.tokens - state.usage.tokens)),
        limit=state.limit or None,
        model=meterer,
        history=lambda: read_history(services, journal, state),
    )


def inputs(journal: Journal, run: RunId, positions: Sequence[int]) -> tuple[Message, ...]:
    """The messages in the `input` contents of these records."""
    stream = run_stream(run)
    found = (journal.log.contents(stream, n).get("input", b"[]") for n in positions)
    return tuple(message for data in found for message in _MESSAGES.decode(data))


def results(journal: Journal, run: RunId, closed: Sequence[Result]) -> tuple[CallResult, ...]:
    """How these calls ended, in the order they were planned in."""
    ordered = sorted(closed, key=lambda r: int(r.call[1:]))
    return tuple(_result(journal, run, r) for r in ordered)


def _result(journal: Journal, run: RunId, r: Result) -> CallResult:
    stream = run_stream(run)
    contents = journal.log.contents(stream, r.n)
    issues = contents.get("issues")
    return CallResult(
        call=r.call,
        tool=r.tool,
        args=journal.log.contents(stream, r.planned_n).get(f"{r.call}/args", b"{}"),
        outcome=r.outcome,
        data=contents.get("result", b""),
        code=r.code,
        reason=contents.get("reason", b"").decode(),
        issues=_ISSUES.decode(issues) if issues else (),
    )


def _answers(journal: Journal, state: RunState) -> tuple[WaitAnswer, ...]:
    stream = run_stream(state.id)
    return tuple(
        WaitAnswer(a.wait, a.kind, a.outcome, journal.log.contents(stream, a.n).get("body", b"")) for a in state.answers
    )


def _planner_state(journal: Journal, state: RunState) -> bytes:
    ref = state.planner_state
    return b"" if ref is None else journal.log.contents(run_stream(state.id), ref.n)[ref.part]


# -- what the planner said ---------------------------------------------------------------------------------------


def _validate(plan: Plan, state: RunState) -> None:
    if plan.answer is not None and (plan.calls or plan.waits):
        raise Invalid("A plan with an answer also asks for calls or waits.", code="plan_contradicts_itself")
    if plan.answer is None and not plan.calls and not plan.waits:
        raise Invalid("A plan says nothing at all.", code="plan_empty")
    if state.limit and plan.answer is None:
        raise Invalid("A finalizing plan must answer.", code="plan_not_final")
    if len(plan.state) > STATE_BYTES_MAX or len(plan.calls) > 1024 or len(plan.waits) > 16:
        raise Invalid("A plan is larger than the bounds allow.", code="plan_too_large")
    if any(len(text.encode()) > TEXT_BYTES_MAX for text in (*plan.says, plan.answer or "")):
        raise Invalid("A text of a plan is larger than the bounds allow.", code="plan_too_large")
    if state.session is None and any("customer" in wait.may_answer for wait in plan.waits):
        raise Invalid("A run without a session has nobody to ask.", code="plan_asks_nobody")


def _append(
    services: Services,
    journal: Journal,
    agent: AgentDef,
    run: RunId,
    planned_for: RunState,
    plan: Plan,
    usage: Usage,
) -> None:
    state = journal.run(run)
    if state.due is None or not state.wants_plan(planned_for.step, planned_for.plan_attempt):
        return  # cancelled, limited or told something new meanwhile
    calls, refused, parts = _calls(journal, agent, state, plan)
    planned = e.Planned(
        step=state.step,
        attempt=planned_for.plan_attempt,
        reason=state.due,
        calls=tuple(calls),
        says=len(plan.says),
        has_answer=plan.answer is not None,
        has_state=bool(plan.state),
        waits=len(plan.waits),
        resume=plan.resume,
        usage=usage,
    )
    parts += [("state", plan.state), ("answer", (plan.answer or "").encode() or b" " * (plan.answer is not None))]
    parts += [(f"say/{i}", text.encode()) for i, text in enumerate(plan.says)]
    parts += [("notes", msgspec.json.encode(plan.notes) if plan.notes else b"")]
    run_drafts = moves.admit(state, planned, moves.as_contents(parts, state.subject), refused)
    waits = [_wait(services, journal, state, wait, i) for i, wait in enumerate(plan.waits)]
    _append_with_session(services, journal, state, (*run_drafts, *waits), plan)


def _append_with_session(
    services: Services, journal: Journal, state: RunState, run_drafts: moves.Drafts, plan: Plan
) -> None:
    session_drafts: list[e.Draft] = []
    if state.session is not None:
        mailbox = journal.mailbox(state.session)
        texts = [("say", text) for text in plan.says]
        texts += [("question", wait.public_text) for wait in plan.waits if "customer" in wait.may_answer]
        for i, (kind, text) in enumerate(texts):
            content = Content("text", state.subject, text.encode())
            token = f"{kind}/{state.id}/{state.step}/{i}"
            session_drafts.append(
                moves.queue(
                    mailbox, "say" if kind == "say" else "question", content, run=state.id, token=token, offset=i
                )
            )
        opened = [d for d in run_drafts if isinstance(d.control, e.WaitOpened)]
        session_drafts += [d for d in opened if "customer" in d.control.may_answer]  # type: ignore[union-attr]
        if opened and not any("customer" in w.may_answer for w in plan.waits):
            session_drafts += release(services, journal, state, None)
    appended = {run_stream(state.id): run_drafts}
    if session_drafts and state.session is not None:
        appended[session_stream(state.session)] = tuple(session_drafts)
    journal.append(appended, actor=f"agent:{state.agent}", turn=state.turn)


def _calls(
    journal: Journal, agent: AgentDef, state: RunState, plan: Plan
) -> tuple[list[e.PlannedCall], dict[CallId, e.Draft], list[tuple[str, bytes]]]:
    """The calls with canonical arguments, and for those that cannot be made the reason why."""
    calls: list[e.PlannedCall] = []
    refused: dict[CallId, e.Draft] = {}
    parts: list[tuple[str, bytes]] = []
    for i, request in enumerate(plan.calls):
        id = moves.next_call(state, i)
        tool = agent.tools.get(request.tool)
        args = request.args
        if tool is None:
            refused[id] = _refusal(state, id, "tool_unavailable", f"There is no tool {request.tool!r}.")
        else:
            try:
                args = tool.decode(request.args)
            except InvalidArguments as error:
                refused[id] = _refusal(state, id, error.code, error.message, error.issues)
        calls.append(_planned_call(journal, id, tool, args))
        parts.append((f"{id}/args", args))
        if tool is None:
            parts.append((f"{id}/tool", request.tool.encode()))
    return calls, refused, parts


def _planned_call(journal: Journal, id: CallId, tool: Tool | None, args: bytes) -> e.PlannedCall:
    if tool is None:
        return e.PlannedCall(id, UNAVAILABLE, "none", b"", 1)
    spec = tool.spec
    return e.PlannedCall(id, spec.name, spec.effects, call_digest(journal, spec.name, args), spec.cost)


def call_digest(journal: Journal, tool: ToolName, args: bytes) -> bytes:
    """Keyed digest of exactly this call: what approvals are bound to. Keyed, since arguments can be guessed."""
    return journal.log.digest(tool.encode() + b"\x00" + args)


def _refusal(state: RunState, id: CallId, code: str, reason: str, issues: tuple[Issue, ...] = ()) -> e.Draft:
    parts = [("reason", reason.encode()), ("issues", msgspec.json.encode(issues) if issues else b"")]
    return e.Draft(e.CallFinished(id, 1, "failed", code), moves.as_contents(parts, state.subject))


def _wait(services: Services, journal: Journal, state: RunState, wait: WaitRequest, i: int) -> e.Draft:
    expires = None if wait.expires_s is None else services.clock() + int(wait.expires_s * 1e6)
    opened = e.WaitOpened(
        run=state.id,
        wait=moves.next_wait(state, i),
        kind=wait.kind,
        may_answer=wait.may_answer,
        requester=f"agent:{state.agent}",
        digest=journal.log.digest(wait.public_text.encode()),
        expires_at_us=expires,
        on_expiry=wait.on_expiry,
    )
    parts = [("public", wait.public_text.encode()), ("schema", msgspec.json.encode(wait.answer_schema))]
    return e.Draft(opened, moves.as_contents(parts, state.subject))
