"""What a planner said becomes records: checked, admitted within the limits, and told to the session in one append."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from lichen.core import events as e
from lichen.core import moves
from lichen.core.call import ARGUMENT_BYTES_MAX, UNAVAILABLE, CallTerms, InvalidArguments, Issue, Tool
from lichen.core.content import Content
from lichen.core.errors import Invalid
from lichen.core.ids import CallId, StreamId, ToolName, run_stream, session_stream
from lichen.core.label import EMPTY, Label, join
from lichen.core.limits import Usage
from lichen.core.plan import REDACT, STATE_BYTES_MAX, TEXT_BYTES_MAX, CallRequest, Plan, WaitRequest
from lichen.core.run import RunState
from lichen.engine.journal import Journal
from lichen.engine.labels import labelled
from lichen.engine.ports import AgentDef, Services
from lichen.engine.sends import ruled
from lichen.engine.turns import release
from lichen.engine.wording import texts_for

SUGGESTIONS_MAX = 8  # more are a list to read, not buttons to press


PLAN_BYTES_MAX = 4 * 1024 * 1024


def validate(plan: Plan, state: RunState) -> None:
    """Raises Invalid for a plan that contradicts itself, says nothing, or is larger than the bounds."""
    if (plan.answer is not None and (plan.calls or plan.waits)) or (
        plan.failure and (plan.calls or plan.waits or plan.answer is not None)
    ):
        raise Invalid("A plan with an answer also asks for calls or waits.", code="plan_contradicts_itself")
    if plan.answer is None and not plan.calls and not plan.waits and not plan.failure:
        raise Invalid("A plan says nothing at all.", code="plan_empty")
    if state.limit and plan.answer is None and not plan.failure:
        raise Invalid("A finalizing plan must answer.", code="plan_not_final")
    if len(plan.state) > STATE_BYTES_MAX or len(plan.calls) > 1024 or len(plan.waits) > 16:
        raise Invalid("A plan is larger than the bounds allow.", code="plan_too_large")
    if any(len(call.args) > ARGUMENT_BYTES_MAX for call in plan.calls) or _bytes(plan) > PLAN_BYTES_MAX:
        raise Invalid("What a plan asks for is larger than a record may be.", code="plan_too_large")
    if any(len(text.encode()) > TEXT_BYTES_MAX for text in (*plan.says, plan.answer or "")):
        raise Invalid("A text of a plan is larger than the bounds allow.", code="plan_too_large")
    if state.session is None and any("customer" in wait.may_answer for wait in plan.waits):
        raise Invalid("A run without a session has nobody to ask.", code="plan_asks_nobody")


def _bytes(plan: Plan) -> int:
    """How much of a plan goes into its record and its waits."""
    waits = sum(len(msgspec.json.encode((wait.answer_schema, wait.operator, wait.public_text))) for wait in plan.waits)
    texts = sum(len(text.encode()) for text in (*plan.says, *plan.notes, plan.answer or ""))
    return waits + texts + sum(len(call.args) + len(call.tool) for call in plan.calls)


def append_plan(
    services: Services,
    journal: Journal,
    agent: AgentDef,
    planned_for: RunState,
    plan: Plan,
    usage: Usage,
    handed: Label = EMPTY,
    rulings: tuple[e.Ruling, ...] = (),
) -> None:
    """Appends a valid plan to the run as it is now. One that is not wanted any more is only billed.

    `handed` is the label of the earlier words it was made from: the run has read them from here on. `rulings` are those
    on the model requests it took.
    """
    state = journal.run(planned_for.id)
    if state.due is None or not state.wants_plan(planned_for.step, planned_for.plan_attempt):
        _bill(journal, state, planned_for, usage)
        return
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
        error=plan.failure,
        is_final=bool(plan.failure),
        rulings=rulings,
    )
    parts += [("state", plan.state), ("answer", (plan.answer or "").encode() or b" " * (plan.answer is not None))]
    parts += [(f"say/{i}", text.encode()) for i, text in enumerate(plan.says)]
    parts += [("notes", msgspec.json.encode(plan.notes) if plan.notes else b"")]
    drafts = moves.admit(state, planned, moves.as_contents(parts, state.subject), refused)
    state = msgspec.structs.replace(state, label=join(state.label, handed))
    drafts = (msgspec.structs.replace(drafts[0], label=state.label), *labelled(drafts[1:], state.label))
    is_limited = any(isinstance(draft.control, e.LimitReached) for draft in drafts)
    asked = () if is_limited else tuple(_wait(services, journal, state, wait, i) for i, wait in enumerate(plan.waits))
    waits = labelled(asked, state.label)
    sends = ruled(services, journal, state, _session_drafts(services, journal, state, plan, waits))
    appended: dict[StreamId, moves.Drafts] = {run_stream(state.id): (*drafts, *waits, *sends.refused)}
    if state.session is not None:
        appended[session_stream(state.session)] = sends.session
    journal.append(appended, actor=f"agent:{state.agent}", turn=state.turn)


def _session_drafts(
    services: Services, journal: Journal, state: RunState, plan: Plan, waits: Sequence[e.Draft]
) -> moves.Drafts:
    """What the session hears: the plan's messages and questions, or that the run now waits for somebody else."""
    if state.session is None:
        return ()
    mailbox = journal.mailbox(state.session)
    asked = [wait for wait in plan.waits if "customer" in wait.may_answer] if waits else []
    held = [wait for wait in plan.waits if wait.kind == "approval"] if waits else []
    texts: list[tuple[Literal["say", "question", "notice"], str]] = []
    texts.extend(("say", text) for text in plan.says)
    texts.extend(("question", wait.public_text) for wait in asked if wait.public_text)
    texts.extend(("notice", wait.public_text or texts_for(services, journal, state).checking) for wait in held)
    called = (
        [wait for wait in plan.waits if wait.kind in ("external", "handover") and wait not in asked] if waits else []
    )
    texts.extend(("notice", wait.public_text) for wait in called if wait.public_text)
    messages = [
        moves.queue(
            mailbox,
            kind,
            Content("text", state.subject, text.encode()),
            run=state.id,
            token=f"{kind}/{state.id}/{state.step}/{i}",
            offset=i,
            label=state.label,
        )
        for i, (kind, text) in enumerate(texts)
    ]
    messages = [_offering(draft, asked, state.subject) for draft in messages]
    if waits and not asked and any(wait.kind != "timer" for wait in plan.waits):  # a pause keeps its turn
        return (*messages, *release(services, journal, state, None))
    questions = [draft for draft, wait in zip(waits, plan.waits, strict=True) if wait in asked] if waits else []
    return (*messages, *questions)


def _offering(draft: e.Draft, asked: Sequence[WaitRequest], subject: str) -> e.Draft:
    """A message to the session; a question with the few answers it expects, for a channel to show as buttons."""
    if not isinstance(draft.control, e.MessageQueued) or draft.control.kind != "question":
        return draft
    text = next(content.data for content in draft.contents if content.part == "text")
    schemas = [wait.answer_schema for wait in asked if wait.public_text.encode() == text]
    expected = [each for schema in schemas[:1] for each in schema.get("examples", ()) if isinstance(each, str)]
    if not 0 < len(expected) <= SUGGESTIONS_MAX:
        return draft
    content = Content("suggestions", subject, msgspec.json.encode(expected))
    return msgspec.structs.replace(draft, contents=(*draft.contents, content))


def _bill(journal: Journal, state: RunState, planned_for: RunState, usage: Usage) -> None:
    """Cancelled, limited or told something new meanwhile: the plan does not count, its cost does."""
    if usage == Usage() or state.outcome:
        return
    reason = planned_for.due or "start"
    superseded = e.Planned(planned_for.step, planned_for.plan_attempt, reason, usage=usage, error="superseded")
    journal.append({run_stream(state.id): (e.Draft(superseded),)})


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
        parts.append((f"{id}/terms", _terms(request)))
        parts.append((f"{id}{REDACT}", msgspec.json.encode(request.redact) if request.redact else b""))
        if tool is None:
            parts.append((f"{id}/tool", request.tool.encode()))
    return calls, refused, parts


def _terms(request: CallRequest) -> bytes:
    if request.timeout_s is None and request.retry is None:
        return b""
    return msgspec.json.encode(CallTerms(request.timeout_s, request.retry))


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
        requesters=state.requesters,
        digest=journal.log.digest(
            wait.public_text.encode() + (msgspec.json.encode(wait.operator) if wait.operator else b"")
        ),
        expires_at_us=expires,
        on_expiry=wait.on_expiry,
    )
    parts = [("public", wait.public_text.encode()), ("schema", msgspec.json.encode(wait.answer_schema))]
    parts += [("operator", msgspec.json.encode(wait.operator) if wait.operator else b"")]
    return e.Draft(opened, moves.as_contents(parts, state.subject))
