"""What a planner said becomes records: checked, admitted within the limits, and told to the session in one append."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.deciders.run import RunState
from lichen.core.ports.call import (
    ARGUMENT_BYTES_MAX,
    UNAVAILABLE,
    Arguments,
    CallTerms,
    InvalidArguments,
    Issue,
    Tool,
    ToolRole,
)
from lichen.core.ports.overrides import read
from lichen.core.ports.plan import REDACT, STATE_BYTES_MAX, SUMMARY_CHARS_MAX, CallRequest, Plan, Summary, WaitRequest
from lichen.core.speech import saying
from lichen.core.speech.saying import Saying
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import CallId, StreamId, ToolName, session_stream
from lichen.core.words.label import EMPTY, Label, join
from lichen.core.words.limits import Usage
from lichen.engine.act import Act
from lichen.engine.answers.expected import check_waits
from lichen.engine.brief.hints import call_hint
from lichen.engine.brief.pages import chains, check_cursor, continued
from lichen.engine.drafts.handed import opened
from lichen.engine.drafts.missing import asking, missing_in
from lichen.engine.drafts.telling import told_session
from lichen.engine.journal.labels import labelled
from lichen.engine.journal.tree import mirror
from lichen.engine.ports import AgentDef
from lichen.engine.sends.failures import sealed
from lichen.engine.sends.sends import ruled

Part = tuple[str, bytes]
PROMPTS_MAX = 8  # that one plan is made with
_PROMPT = re.compile(r"[a-z][a-z0-9_.-]{0,63}(@[A-Za-z0-9._-]{1,32})?#[0-9a-f]{12}")
PLAN_BYTES_MAX = 4 * 1024 * 1024


def validate(plan: Plan, state: RunState) -> None:
    """Raises Invalid for a plan that contradicts itself, says nothing, or is larger than the bounds."""
    if (plan.answer is not None and plan.waits) or (
        plan.failure and (plan.calls or plan.waits or plan.answer is not None)
    ):
        raise Invalid("A plan with an answer also asks for calls or waits.", code="plan_contradicts_itself")
    if plan.synthesize and not plan.calls:
        raise Invalid("A plan without calls asks to answer after them.", code="plan_contradicts_itself")
    if plan.stops and (plan.answer is None or plan.calls):
        raise Invalid("Only an answer without calls ends what is open.", code="plan_contradicts_itself")
    waits_on = plan.resume == "each" and state.has_open  # for the next of what is open
    if plan.answer is None and not (
        plan.calls or plan.waits or plan.failure or plan.blocks or plan.summary or waits_on
    ):
        raise Invalid("A plan says nothing at all.", code="plan_empty")
    if state.limit and (plan.answer is None or plan.calls) and not plan.failure:
        raise Invalid("A finalizing plan must answer.", code="plan_not_final")
    if len(plan.state) > STATE_BYTES_MAX or len(plan.calls) > 1024 or len(plan.waits) > 16:
        raise Invalid("A plan is larger than the bounds allow.", code="plan_too_large")
    if len(plan.prompts) > PROMPTS_MAX or not all(map(_PROMPT.fullmatch, plan.prompts)):
        raise Invalid("A plan names its prompts as none are called.", code="prompt_invalid")
    if plan.summary is not None and not 0 < len(plan.summary.text) <= SUMMARY_CHARS_MAX:
        raise Invalid("A summary is empty, or longer than the bound.", code="plan_too_large")
    if plan.summary is not None and not 0 <= plan.summary.steps <= state.step:
        raise Invalid("A summary stands for steps that the run has not made.", code="plan_contradicts_itself")
    check_waits(plan.waits)
    if any(len(call.args) > ARGUMENT_BYTES_MAX for call in plan.calls) or _bytes(plan) > PLAN_BYTES_MAX:
        raise Invalid("What a plan asks for is larger than a record may be.", code="plan_too_large")
    for said in _said(plan):
        saying.check(said)
    if state.session is None and any("customer" in wait.may_answer for wait in plan.waits):
        raise Invalid("A run without a session has nobody to ask.", code="plan_asks_nobody")


def check_roles(plan: Plan, agent: AgentDef) -> None:
    """Raises Invalid for calls that contradict an answer: beside one there is bookkeeping only."""
    if plan.answer is None:
        return
    for call in plan.calls:
        tool = agent.tools.get(call.tool)
        if tool is None or tool.spec.role != "bookkeeping":
            raise Invalid("A plan with an answer also asks for calls or waits.", code="plan_contradicts_itself")


def _bytes(plan: Plan) -> int:
    """How much of a plan goes into its record and its waits."""
    waits = sum(map(_wait_bytes, plan.waits))
    texts = saying.size(_said(plan)) + sum(len(note.encode()) for note in plan.notes)
    return (
        waits + texts + len(plan.blocks) + len(plan.value) + sum(len(call.args) + len(call.tool) for call in plan.calls)
    )


def _said(plan: Plan) -> tuple[str | Saying, ...]:
    return plan.says if plan.answer is None else (*plan.says, plan.answer)


def _wait_bytes(wait: WaitRequest) -> int:
    return len(msgspec.json.encode((wait.answer_schema, wait.operator, wait.public_text, wait.awaits)))


class Made(NamedTuple):
    """A plan and what it took: what models used, the label of the earlier words it was made from, and each request
    to a model with what is kept of it. `started` says that the planner was asked, where the log does not yet.
    `access` pins the rules of access it asked for, and `refused` says what they did not let it come to."""

    plan: Plan
    usage: Usage = Usage()
    handed: Label = EMPTY
    requests: tuple[e.ModelAsked, ...] = ()
    started: moves.Drafts = ()
    kept: Sequence[Part] = ()
    access: str = ""
    refused: moves.Drafts = ()


Follow = Callable[[Act, Mapping[StreamId, moves.Drafts], Mapping[CallId, Arguments]], Mapping[StreamId, moves.Drafts]]
"""Adds to the moves of a plan what follows from it at once, given the arguments of its calls as they were decoded."""


def append_plan(act: Act, agent: AgentDef, made: Made, follow: Follow = lambda act, plan, decoded: plan) -> None:
    """Appends a valid plan, made for the act's state, to the run as it is now, with what follows. One that is not
    wanted any more is only billed. What its planner was handed, the run has read from here on."""
    planned_for, state, plan = act.state, act.look(), made.plan
    if state.due is None or not state.wants_plan(planned_for.step, planned_for.plan_attempt):
        bill(act, planned_for, made)
        return
    calls = _calls(act, agent, plan)
    plan = asking(act, agent, plan, calls.missing)
    planned = e.Planned(
        step=state.step,
        attempt=planned_for.plan_attempt,
        reason=state.due,
        calls=tuple(calls.planned),
        says=len(plan.says),
        has_answer=plan.answer is not None,
        has_state=bool(plan.state),
        waits=len(plan.waits),
        resume=plan.resume,
        usage=made.usage,
        error=plan.failure,
        is_final=bool(plan.failure),
        requests=made.requests,
        synthesize=plan.synthesize,
        prompts=plan.prompts,
        has_summary=plan.summary is not None and not plan.summary.steps,
        roles=_roles(agent, plan),
        stops=plan.stops,
        access=made.access,
    )
    drafts = moves.admit(state, planned, _contents(act, plan, [*calls.parts, *made.kept]), calls.refused)
    if calls.missing and agent.on_missing == "finalize":
        drafts = moves.finalized(state, drafts)
    label = join(state.label, made.handed)
    act.state = msgspec.structs.replace(state, label=label)
    drafts = (msgspec.structs.replace(drafts[0], label=label), *labelled(drafts[1:], label))
    is_limited = any(isinstance(draft.control, e.LimitReached) for draft in drafts)
    asked = () if is_limited else tuple(_wait(act, wait, i) for i, wait in enumerate(plan.waits))
    waits = opened(act, () if is_limited else plan.waits, labelled(asked, label))
    sends = ruled(act, told_session(act, plan, waits))
    withdrawn = moves.withdraw(state, plan.withdraws)
    appended: dict[StreamId, moves.Drafts] = {
        act.stream: (*made.started, drafts[0], *waits.run, *drafts[1:], *withdrawn, *made.refused, *sends.refused)
    }
    if state.session is not None:
        appended[session_stream(state.session)] = (*mirror(act.journal, state, withdrawn), *sends.session)
    act.append(follow(act, appended, calls.decoded))
    _keep(act, calls.decoded)


def _keep(act: Act, decoded: Mapping[CallId, Arguments]) -> None:
    """Keeps the decoded arguments of the calls that are open, until they are over or nobody drives the run."""
    seat, open_calls = act.journal.seat(act.stream), act.look().calls
    every = (*seat.arguments.items(), *decoded.items())
    seat.arguments = {id: arguments for id, arguments in every if id in open_calls}


def _contents(act: Act, plan: Plan, of_calls: list[Part]) -> moves.Contents:
    """The words of a plan; none of an answer that says nothing, which is an answer all the same."""
    answer = [] if plan.answer is None else saying.parts(plan.answer, "answer")
    says = [part for i, said in enumerate(plan.says) for part in saying.parts(said, f"say/{i}")]
    notes = msgspec.json.encode(plan.notes) if plan.notes else b""
    parts = [*of_calls, ("state", plan.state), *answer, *says, ("notes", notes), ("blocks", plan.blocks)]
    parts += [("value", plan.value), _summary(plan.summary), *sealed(plan.because)]
    return moves.as_contents(parts, act.subject)


def _summary(summary: Summary | None) -> Part:
    """A summary of the conversation, or of the run's own steps, which the runs that follow do not read."""
    if summary is None:
        return "summary", b""
    return "done" if summary.steps else "summary", msgspec.json.encode(summary)


def bill(act: Act, planned_for: RunState, made: Made) -> None:
    """Cancelled, limited or told something new meanwhile: the plan does not count, its cost does."""
    if not made.requests or act.state.outcome:
        return
    act.note(superseded(planned_for, made))


def superseded(planned_for: RunState, made: Made) -> e.Draft:
    """What an attempt cost that another one has overtaken."""
    planned = e.Planned(
        planned_for.step,
        planned_for.plan_attempt,
        planned_for.due or "start",
        usage=made.usage,
        error="superseded",
        requests=made.requests,
    )
    contents = moves.as_contents(made.kept, planned_for.subject)
    return e.Draft(planned, contents, join(planned_for.label, made.handed))


class _Calls(NamedTuple):
    """The calls with canonical arguments, the reasons why some cannot be made, the arguments of the others as they
    were decoded, and the words of all."""

    planned: list[e.PlannedCall]
    refused: dict[CallId, e.Draft]
    missing: list[str]
    decoded: dict[CallId, Arguments]
    parts: list[Part]


def _calls(act: Act, agent: AgentDef, plan: Plan) -> _Calls:
    calls = _Calls([], {}, [], {}, [])
    live, held = chains(act, agent), read(act.journal.overrides_of(act.state.id))
    for i, asked in enumerate(plan.calls):
        id, request = moves.next_call(act.state, i), continued(asked, live, agent.tools)
        may_use = act.state.may_use(request.tool) and not act.state.is_synthesis
        tool = agent.tools.get(request.tool) if may_use else None
        args = Arguments(request.args)
        if tool is None:
            calls.refused[id] = _refusal(act, id, code="tool_unavailable", reason=f"There is no tool {request.tool!r}.")
        else:
            try:
                check_cursor(asked, live, tool.spec)
                args = calls.decoded[id] = tool.decode(request.args)
                if tool.spec.role == "terminal" and len(plan.calls) > 1:
                    reason = "This tool ends the run: call it alone, once everything else is known."
                    calls.refused[id] = _refusal(act, id, code="terminal_not_alone", reason=reason)
                calls.parts.append((f"{id}/hint", call_hint(tool.spec, args.fields)))
            except InvalidArguments as error:
                calls.refused[id] = _refusal(act, id, code=error.code, reason=error.message, issues=error.issues)
                calls.missing.extend(missing_in(tool.spec, error.issues))
        calls.planned.append(_planned_call(act, id, tool, args.data))
        calls.parts.append((f"{id}/args", args.data))
        calls.parts.append((f"{id}/terms", _terms(request, held.call_s)))
        calls.parts.append((f"{id}{REDACT}", msgspec.json.encode(request.redact) if request.redact else b""))
        if tool is None or asked is not request:
            calls.parts.append((f"{id}/tool", asked.tool.encode()))
    return calls


def _roles(agent: AgentDef, plan: Plan) -> tuple[ToolRole, ...]:
    """The roles of the calls, none where all of them are work."""
    tools = (agent.tools.get(request.tool) for request in plan.calls)
    roles: tuple[ToolRole, ...] = tuple(["work" if tool is None else tool.spec.role for tool in tools])
    return roles if any(role != "work" for role in roles) else ()


def _terms(request: CallRequest, call_s: float | None) -> bytes:
    """The terms that a plan asks for, within the time that every call of the run has."""
    stated = [each for each in (request.timeout_s, call_s) if each is not None]
    if not stated and request.retry is None:
        return b""
    return msgspec.json.encode(CallTerms(min(stated, default=None), request.retry))


def _planned_call(act: Act, id: CallId, tool: Tool | None, args: bytes) -> e.PlannedCall:
    if tool is None:
        return e.PlannedCall(id, UNAVAILABLE, "none", b"", 1)
    spec = tool.spec
    return e.PlannedCall(id, spec.name, spec.effects, _call_digest(act, spec.name, args), spec.cost)


def _call_digest(act: Act, tool: ToolName, args: bytes) -> bytes:
    """Keyed digest of exactly this call: what approvals are bound to. Keyed, since arguments can be guessed."""
    return act.journal.log.digest(tool.encode() + b"\x00" + args)


def _refusal(act: Act, id: CallId, *, code: str, reason: str, issues: tuple[Issue, ...] = ()) -> e.Draft:
    parts = [("reason", reason.encode()), ("issues", msgspec.json.encode(issues) if issues else b"")]
    return e.Draft(e.CallFinished(id, 1, "failed", code), moves.as_contents(parts, act.subject))


def _wait(act: Act, wait: WaitRequest, i: int) -> e.Draft:
    state = act.state
    expires = None if wait.expires_s is None else act.services.clock() + int(wait.expires_s * 1e6)
    operator = msgspec.json.encode(wait.operator) if wait.operator else b""
    awaits = msgspec.json.encode(wait.awaits) if wait.awaits else b""
    opened = e.WaitOpened(
        run=state.id,
        wait=moves.next_wait(state, i),
        kind=wait.kind,
        may_answer=wait.may_answer,
        requester=f"agent:{state.agent}",
        requesters=state.requesters,
        digest=act.journal.log.digest(wait.public_text.encode() + operator + awaits),
        expires_at_us=expires,
        on_expiry=wait.on_expiry,
    )
    parts = [("public", wait.public_text.encode()), ("schema", msgspec.json.encode(wait.answer_schema))]
    parts += [("operator", operator), ("awaits", awaits)]
    return e.Draft(opened, moves.as_contents(parts, state.subject))
