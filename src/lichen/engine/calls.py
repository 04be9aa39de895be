"""The obligations `check`, `exec` and `settle`: a call's way through the gate into the world."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from lichen.core import events as e
from lichen.core import faults, moves
from lichen.core.call import (
    CallMeta,
    CannotTell,
    DidNotHappen,
    Happened,
    NotDone,
    Outcome,
    Probe,
    Tool,
)
from lichen.core.content import RETENTION, Content
from lichen.core.errors import LichenError, NotFound
from lichen.core.failure import Failure
from lichen.core.ids import (
    CallId,
    RunId,
    StreamId,
    idempotency_key,
    root_run,
    run_stream,
    session_stream,
)
from lichen.core.label import EMPTY, Label
from lichen.core.policy import Check, Confirmation, Verdict
from lichen.core.run import Call, RunState
from lichen.engine.attributes import attributes_of
from lichen.engine.children import start_child
from lichen.engine.evidence import evidence_of
from lichen.engine.failures import sealed, tell, told
from lichen.engine.journal import Journal
from lichen.engine.labels import label_of, labelled
from lichen.engine.places import placed
from lichen.engine.ports import Services, agent_of
from lichen.engine.sends import ruled
from lichen.engine.terms import terms_of
from lichen.engine.turns import release
from lichen.engine.wording import language_of, texts_for
from lichen.log.erasures import Erased
from lichen.tools.failure import failure_of
from lichen.tools.placement import StillRunning

Json = dict[str, Any]
DECISION_AGE_MAX_S: Final = 1.0  # between a decision and its effect, for all that lies between them in this process


def _tool(services: Services, state: RunState, call: Call, *, or_current: bool = False) -> Tool:
    """The tool as the run began with it; to look whether a call happened, a newer one will do."""
    agent = agent_of(services, state)
    current = services.agents.get(state.agent)
    if agent is None and current is not None and not or_current:
        raise NotFound("The version of the agent that this run began with is gone.", code="version_gone")
    agent = agent or current
    tool = agent.tools.get(call.tool) if agent is not None else None
    if tool is None:
        raise NotFound("The tool this call was planned for is not there any more.", code="tool_unavailable")
    return tool


def arguments(journal: Journal, run: RunId, call: Call) -> bytes:
    """The canonical arguments the call was planned with, as JSON."""
    return journal.log.contents(run_stream(run), call.n)[f"{call.id}/args"]


def meta(services: Services, journal: Journal, state: RunState, call: Call, timeout_s: float) -> CallMeta:
    """What the tool is told about this attempt."""
    return CallMeta(
        scope=journal.scope,
        actor=journal.actor_of(state.id),
        run=state.id,
        call=call.id,
        session=state.session,
        idempotency_key=idempotency_key(state.id, call.id),
        attempt=call.attempt,
        timeout_s=timeout_s,
        attributes=_attributes(services, journal, state),
        turn=state.turn,
        label=state.label,
    )


def _attributes(services: Services, journal: Journal, state: RunState) -> Mapping[str, str]:
    """Those of the run, and where the tool may keep files."""
    own = attributes_of(journal, state)
    return own if services.files is None else {**own, "files": services.files(journal.scope)}


# -- check -------------------------------------------------------------------------------------------------------


async def check(services: Services, journal: Journal, run: RunId, id: CallId) -> None:
    """Performs `check`: asks the gate and appends its verdict in the tick in which it reserved."""
    state = journal.run(run)
    call = state.calls.get(id)
    if call is None or call.phase != "proposed":
        return  # ended, or decided, while this waited for its turn
    try:
        question = _question(services, journal, state, call)
    except LichenError as error:
        _finish(journal, run, id, e.CallFinished(id, call.attempt, "denied", error.code), reason=error.message)
        return
    verdict = await services.gate.check(question)
    faults.hit("check.after")
    now = journal.run(run)
    current = now.calls.get(id)
    if current is None or current.phase != "proposed" or current.check != call.check or now.is_halted:
        services.gate.settle(journal.scope, run, id, paid=False)
        return
    _append_verdict(services, journal, now, current, question, verdict)


def _question(services: Services, journal: Journal, state: RunState, call: Call) -> Check:
    tool = _tool(services, state, call)
    args = arguments(journal, state.id, call)
    facts_meta = meta(services, journal, state, call, tool.spec.timeout_s)

    async def facts() -> Json:
        return msgspec.json.decode(await tool.facts(args, facts_meta), type=Json)

    return Check(
        scope=journal.scope,
        actor=facts_meta.actor,
        action=tool.spec.name,
        resource=tool.spec.name,
        run=state.id,
        call=call.id,
        session=state.session,
        tool=tool.spec,
        args=msgspec.json.decode(args, type=Json),
        label=state.label,
        evidence=evidence_of(services, journal, state) if _needs_evidence(state, tool) else (),
        grants=call.grants,
        requesters=state.requesters,
        digest=call.digest,
        language=language_of(journal, state),
        facts=facts if tool.spec.facts_schema is not None else None,
    )


def _needs_evidence(state: RunState, tool: Tool) -> bool:
    """A call without effects of a run that read no stranger's text is decided without looking for it."""
    return tool.spec.effects != "none" or state.label.is_tainted


def _append_verdict(
    services: Services, journal: Journal, state: RunState, call: Call, question: Check, verdict: Verdict
) -> None:
    decided = e.Decided(
        call=call.id,
        check=call.check,
        verdict=verdict.outcome,
        policies=verdict.policies,
        policy_digest=verdict.policy_digest,
        reservations=verdict.reservations if verdict.outcome == "allow" else (),
        redact=verdict.redact,
        declassified=verdict.declassified,
    )
    draft = e.Draft(decided, moves.as_contents(_reasons(verdict), state.subject))
    drafts: moves.Drafts = (draft,)
    session: moves.Drafts = ()
    if verdict.outcome == "deny":
        finished = e.CallFinished(call.id, call.attempt, "denied", "policy")
        if verdict.failure is not None:
            tell(services, journal, state, f"{call.id} {call.tool}", "policy", verdict.failure)
        parts = [("reason", verdict.public_reason.encode()), *sealed(verdict.failure)]
        contents = moves.as_contents(parts, state.subject)
        drafts = moves.finish_call(state, finished, contents, also=drafts)
    elif verdict.outcome == "hold" and verdict.confirmation is not None:
        asked = _confirmation(services, journal, state, call, verdict.confirmation)
        drafts, session = (draft, asked), _asking(journal, state, asked, verdict.confirmation)
    elif verdict.outcome == "hold":
        drafts = (draft, _approval(services, journal, state, call, question, verdict))
        told = verdict.public_reason or texts_for(services, journal, state).checking
        session = release(services, journal, state, told)
    sends = ruled(services, journal, state, session)
    _append(journal, state, (*drafts, *sends.refused), sends.session)


def _reasons(verdict: Verdict) -> list[tuple[str, bytes]]:
    return [
        ("facts", msgspec.json.encode(verdict.facts) if verdict.facts else b""),
        ("origins", msgspec.json.encode(verdict.origins) if verdict.origins else b""),
        ("public", verdict.public_reason.encode()),
        ("operator", verdict.operator_reason.encode()),
    ]


def _confirmation(
    services: Services, journal: Journal, state: RunState, call: Call, confirmation: Confirmation
) -> e.Draft:
    """The wait for a requester's word that they want exactly this call. It grants no approval."""
    opened = e.WaitOpened(
        run=state.id,
        wait=moves.next_wait(state),
        kind="confirmation",
        call=call.id,
        may_answer=("customer",),
        requester=state.subject,
        requesters=state.requesters,
        digest=call.digest,
        expires_at_us=services.clock() + int(confirmation.expires_s * 1e6),
    )
    operator = {"tool": call.tool, "arguments": _shown(journal, state, call)}
    parts = [("public", confirmation.text.encode()), ("operator", msgspec.json.encode(operator))]
    return e.Draft(opened, moves.as_contents(parts, state.subject))


def _asking(journal: Journal, state: RunState, asked: e.Draft, confirmation: Confirmation) -> moves.Drafts:
    """The question to the customer, and in the session's stream the wait that their next message answers."""
    if state.session is None:
        return ()
    content = Content("text", state.subject, confirmation.text.encode())
    token = f"confirmation/{state.id}/{state.waits_made}"
    mailbox = journal.mailbox(state.session)
    root = root_run(state.id)
    question = moves.queue(mailbox, "question", content, run=root, token=token, label=state.label)
    return (question, *labelled((asked,), state.label))


def _approval(
    services: Services, journal: Journal, state: RunState, call: Call, question: Check, verdict: Verdict
) -> e.Draft:
    assert verdict.approval is not None
    opened = e.WaitOpened(
        run=state.id,
        wait=moves.next_wait(state),
        kind="approval",
        call=call.id,
        may_answer=(verdict.approval.role,),
        requester=state.subject,
        requesters=state.requesters,
        digest=call.digest,
        role=verdict.approval.role,
        expires_at_us=services.clock() + int(verdict.approval.expires_s * 1e6),
    )
    operator = {
        "tool": call.tool,
        "arguments": question.args,
        "facts": verdict.facts,
        "origins": verdict.origins,
        "sources": list(question.label.sources),
        "requesters": list(state.requesters),
        "policies": verdict.policies,
        "reason": verdict.operator_reason,
        "meters": verdict.meters,
    }
    parts = [("public", verdict.public_reason.encode()), ("operator", msgspec.json.encode(operator))]
    return e.Draft(opened, moves.as_contents(parts, state.subject))


# -- exec --------------------------------------------------------------------------------------------------------


async def execute(services: Services, journal: Journal, run: RunId, id: CallId) -> None:
    """Performs `exec`: gets a place to run in, makes what must be durable durable, acts, and appends what came of it.

    Raises StillRunning when the tool was cut off and goes on all the same.
    """
    state = journal.run(run)
    call = state.calls.get(id)
    if call is None or call.phase not in ("ready", "running"):
        return  # ended, or to be decided again, while this waited for its turn
    if _is_overtaken(services, journal, state, call):
        return
    try:
        tool, args = _tool(services, state, call), arguments(journal, run, call)
    except LichenError as error:
        _finish(journal, run, id, e.CallFinished(id, call.attempt, "failed", error.code), reason=error.message)
        return
    if _is_stopped(services, journal, state, call):
        return
    if call.effects == "child":
        start_child(services, journal, state, call, tool, args)
        return
    try:
        if not await placed(services, journal, state, call, tool):
            return
    except NotDone as error:
        _not_done(services, journal, run, call, tool, error)
        return
    if call.effects != "none":
        if call.phase == "ready":
            journal.append({run_stream(run): (e.Draft(e.CallStarted(id, call.attempt, state.epoch)),)})
        await journal.log.durable_stream(*_streams(state))
        await services.turns.turn(journal.scope.tenant)
        state = journal.run(run)
        call = state.calls.get(id)
        if call is None or _is_stopped(services, journal, state, call):
            return
        if _is_overtaken(services, journal, state, call):
            return
    await _act(services, journal, state, call, tool, args)


def _is_overtaken(services: Services, journal: Journal, state: RunState, call: Call) -> bool:
    """Whether so much time has passed since a call was decided that it is decided again before it begins.

    Each further decision may be twice as old, so that an overloaded process gets on all the same.
    """
    age_us = services.clock() - call.decided_us
    if age_us <= DECISION_AGE_MAX_S * 1e6 * 2 ** min(call.check - 1, 16):
        return False
    what = "waited" if call.phase == "ready" else "not_done"
    progressed = e.CallProgressed(call.id, call.attempt, what, check=call.check)
    journal.append({run_stream(state.id): (e.Draft(progressed),)})
    return True


def _streams(state: RunState) -> tuple[StreamId, ...]:
    run = run_stream(state.id)
    return (run,) if state.session is None else (run, session_stream(state.session))


def _is_stopped(services: Services, journal: Journal, state: RunState, call: Call) -> bool:
    """Reads the kill switch at the last moment; a stopped call ends as denied and certainly did not happen."""
    stop = services.gate.is_stopped(journal.scope, run=state.id, agent=state.agent, tool=call.tool)
    if stop is not None:
        _finish(journal, state.id, call.id, e.CallFinished(call.id, call.attempt, "denied", "stopped"), reason=stop)
    return stop is not None


async def _act(services: Services, journal: Journal, state: RunState, call: Call, tool: Tool, args: bytes) -> None:
    began_us = services.clock()
    timeout_s = terms_of(journal, state.id, call, tool).timeout_s
    limit = asyncio.timeout(timeout_s)
    faults.hit(f"effect.before/{call.tool}")
    try:
        async with limit:
            data = await tool.execute(args, meta(services, journal, state, call, timeout_s))
    except NotDone as error:
        _not_done(services, journal, state.id, call, tool, error)
    except TimeoutError as error:
        _in_doubt(services, journal, state.id, call, "timed_out", "timeout", tool, error)
    except StillRunning as error:
        if limit.expired():
            _in_doubt(services, journal, state.id, call, "timed_out", "timeout", tool, error)
        raise
    except LichenError as error:
        _in_doubt(services, journal, state.id, call, "failed", error.code, tool, error)
    except Exception as error:  # noqa: BLE001 - a tool may raise anything; of a `once` call nothing is known then
        _in_doubt(services, journal, state.id, call, "failed", f"exception_{type(error).__name__}", tool, error)
    else:
        faults.hit(f"effect.after/{call.tool}")
        _succeed(services, journal, state.id, call, tool, args, data, services.clock() - began_us)


def _succeed(
    services: Services,
    journal: Journal,
    run: RunId,
    call: Call,
    tool: Tool,
    args: bytes,
    data: bytes,
    duration_us: int,
    code: str = "",
) -> None:
    finished = e.CallFinished(call.id, call.attempt, "ok", code, duration_us=duration_us)
    result, audit = _redacted(data, call.redact), _audit(tool, args)
    label = label_of(services, journal.run(run), call, "ok")
    _finish(journal, run, call.id, finished, result=result, audit=audit, label=label)


def _redacted(data: bytes, fields: tuple[str, ...]) -> bytes:
    if not fields:
        return data
    value = msgspec.json.decode(data)
    if isinstance(value, dict):
        value = {k: "[redacted]" if k in fields else v for k, v in value.items()}  # type: ignore[misc]
    return msgspec.json.encode(value)


def _audit(tool: Tool, args: bytes) -> bytes:
    if not tool.spec.audit:
        return b""
    values = msgspec.json.decode(args, type=Json)
    return msgspec.json.encode({name: values.get(name) for name in tool.spec.audit})


def end_late(
    services: Services, journal: Journal, run: RunId, begun: Call, ended: asyncio.Future[bytes], duration_us: int
) -> None:
    """What a call that was cut off came to in the end, if that is still in question."""
    state = journal.run(run)
    call = state.calls.get(begun.id)
    if call is None or call.attempt != begun.attempt or call.phase not in ("in_doubt", "unknown"):
        return
    error = ended.exception()
    if error is None:
        tool, args = _tool(services, state, call), arguments(journal, run, call)
        _succeed(services, journal, run, call, tool, args, ended.result(), duration_us, "late")
    elif isinstance(error, NotDone):
        finished = e.CallFinished(call.id, call.attempt, "failed", error.code, duration_us=duration_us)
        _finish(journal, run, call.id, finished, reason=error.message)


def _in_doubt(
    services: Services,
    journal: Journal,
    run: RunId,
    call: Call,
    outcome: Outcome,
    code: str,
    tool: Tool,
    error: Exception,
) -> None:
    """A call that broke off. Only of a `once` call can nobody say whether it happened."""
    state = journal.run(run)
    current = state.calls.get(call.id)
    if current is None or current.phase not in ("running", "ready"):
        return
    failure = told(services, journal, state, f"{call.id} {call.tool}", code, error)
    contents, label = moves.as_contents(sealed(failure), state.subject), label_of(services, state, current)
    if call.effects == "once":
        draft = e.Draft(e.CallProgressed(call.id, current.attempt, "in_doubt", code), contents, label)
        journal.append({run_stream(run): (draft,)})
        return
    terms = terms_of(journal, run, current, tool)
    if terms.retries_all and terms.may_retry(current.attempt, code):
        due_us = services.clock() + terms.pause_us(current.attempt)
        draft = e.Draft(e.CallProgressed(call.id, current.attempt, "retry", code, due_us), contents, label)
        journal.append({run_stream(run): (draft,)})
        return
    finished = e.CallFinished(call.id, current.attempt, outcome, code)
    _finish(journal, run, call.id, finished, failure=failure, label=label)


def _not_done(services: Services, journal: Journal, run: RunId, call: Call, tool: Tool, error: NotDone) -> None:
    terms = terms_of(journal, run, call, tool)
    may_retry = error.retryable and terms.may_retry(call.attempt, error.code)
    state = journal.run(run)
    current = state.calls.get(call.id)
    failure = told(services, journal, state, f"{call.id} {call.tool}", error.code, error)
    if may_retry and current is not None and current.phase in ("running", "ready"):
        due_us = services.clock() + terms.pause_us(call.attempt)
        contents, label = moves.as_contents(sealed(failure), state.subject), label_of(services, state, call)
        draft = e.Draft(e.CallProgressed(call.id, call.attempt, "retry", error.code, due_us), contents, label)
        journal.append({run_stream(run): (draft,)})
        return
    finished = e.CallFinished(call.id, call.attempt, "failed", error.code)
    label = label_of(services, state, call)
    _finish(journal, run, call.id, finished, reason=error.message, failure=failure, label=label)


# -- settle ------------------------------------------------------------------------------------------------------


async def settle(services: Services, journal: Journal, run: RunId, id: CallId, *, let_go: bool) -> None:
    """Performs `settle`: finds out whether a call in doubt happened. `let_go`: its executor does not run any more."""
    state = journal.run(run)
    call = state.calls.get(id)
    if call is None or call.phase != "in_doubt":
        return
    try:
        tool, args = _tool(services, state, call, or_current=True), arguments(journal, run, call)
    except LichenError:
        tool, args, found = None, b"", CannotTell()
    else:
        found = await _probe(services, tool, args, meta(services, journal, state, call, tool.spec.timeout_s))
    faults.hit("probe.after")
    state = journal.run(run)
    current = state.calls.get(id)
    if current is None or current.phase != "in_doubt":
        return
    match found:
        case Happened(result) if tool is not None:
            _succeed(services, journal, run, current, tool, args, result, 0, "probed")
        case DidNotHappen() if let_go and tool is not None:
            _go_again(services, journal, state, current, tool)
        case CannotTell(failure) if failure is not None:
            tell(services, journal, state, f"{id} {current.tool} probe", "probe_failed", failure)
            _unknown(services, journal, state, current, failure)
        case _:
            _unknown(services, journal, state, current)


async def _probe(services: Services, tool: Tool, args: bytes, meta: CallMeta) -> Probe:
    if not tool.spec.has_probe:
        return CannotTell()
    try:
        async with asyncio.timeout(services.options.settle_timeout_s):
            return await tool.probe(args, meta)
    except Exception as error:  # noqa: BLE001 - a probe that fails knows nothing
        return CannotTell(failure_of(error))


def _go_again(services: Services, journal: Journal, state: RunState, call: Call, tool: Tool) -> None:
    """It certainly did not happen: after a crash go again as if nothing had been; else as `retry` says."""
    if state.cancel or state.failure or state.limit == "time":
        outcome = "cancelled" if state.cancel else "timed_out"
        _finish(journal, state.id, call.id, e.CallFinished(call.id, call.attempt, outcome, call.doubt))
    elif not call.doubt:
        journal.append({run_stream(state.id): (e.Draft(e.CallProgressed(call.id, call.attempt, "not_done")),)})
    elif call.attempt < (terms := terms_of(journal, state.id, call, tool)).retry.attempts:
        due_us = services.clock() + terms.pause_us(call.attempt)
        draft = e.Draft(e.CallProgressed(call.id, call.attempt, "retry", call.doubt, due_us))
        journal.append({run_stream(state.id): (draft,)})
    else:
        _finish(journal, state.id, call.id, e.CallFinished(call.id, call.attempt, "failed", call.doubt))


def _unknown(services: Services, journal: Journal, state: RunState, call: Call, failure: Failure | None = None) -> None:
    opened = e.WaitOpened(
        run=state.id,
        wait=moves.next_wait(state),
        kind="reconcile",
        call=call.id,
        may_answer=("operator",),
        requesters=state.requesters,
        digest=call.digest,
    )
    facts = {
        "tool": call.tool,
        "arguments": _shown(journal, state, call),
        "idempotency_key": idempotency_key(state.id, call.id),
        "attempt": call.attempt,
        "reason": call.doubt or "the process died while the call was under way",
    }
    told = texts_for(services, journal, state).unknown
    parts = [("public", told.encode()), ("operator", msgspec.json.encode(facts))]
    drafts = (
        e.Draft(
            e.CallFinished(call.id, call.attempt, "unknown", call.doubt or "crash"),
            moves.as_contents(sealed(failure), state.subject),
            label_of(services, state, call) if failure is not None else EMPTY,
        ),
        e.Draft(opened, moves.as_contents(parts, state.subject)),
    )
    sends = ruled(services, journal, state, release(services, journal, state, told, f"unknown/{call.id}"))
    _append(journal, state, (*drafts, *sends.refused), sends.session)


def _shown(journal: Journal, state: RunState, call: Call) -> Json | None:
    try:
        return msgspec.json.decode(arguments(journal, state.id, call), type=Json)
    except Erased:
        return None


# -- appending ---------------------------------------------------------------------------------------------------


def _finish(
    journal: Journal,
    run: RunId,
    id: CallId,
    finished: e.CallFinished,
    *,
    reason: str = "",
    result: bytes = b"",
    audit: bytes = b"",
    label: Label = EMPTY,
    failure: Failure | None = None,
) -> None:
    state = journal.run(run)
    if id not in state.calls:
        return  # closed by a cancel, a limit or an answer meanwhile
    parts = [("result", result), ("reason", reason.encode()), *sealed(failure)]
    contents = moves.as_contents(parts, state.subject)
    if audit:
        contents = (*contents, Content("audit", RETENTION, audit))
    _append(journal, state, moves.finish_call(state, finished, contents, label=label), ())


def _append(journal: Journal, state: RunState, drafts: moves.Drafts, session: moves.Drafts) -> None:
    appended = {run_stream(state.id): labelled(drafts, state.label)}
    if session and state.session is not None:
        appended[session_stream(state.session)] = session
    journal.append(appended, actor=f"agent:{state.agent}", turn=state.turn)
