"""What a call or a plan waits for: another person's approval, a requester's word that they want it, or somebody who
knows what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders import moves, talk
from lichen.core.ports.model import MODEL
from lichen.core.ports.policy import Check, Confirmation, Verdict
from lichen.core.words.content import Content
from lichen.core.words.errors import ContentErased
from lichen.core.words.ids import idempotency_key, root_run
from lichen.engine.act import Act, CallAct
from lichen.engine.journal.labels import labelled


def confirmation(act: CallAct, asked: Confirmation) -> e.Draft:
    """The wait for a requester's word that they want exactly this call. It grants no approval."""
    state, call = act.state, act.call
    opened = e.WaitOpened(
        run=state.id,
        wait=moves.next_wait(state),
        kind="confirmation",
        call=call.id,
        may_answer=("customer",),
        requester=state.subject,
        requesters=state.requesters,
        digest=call.digest,
        expires_at_us=_expires_at_us(act, asked.expires_s),
    )
    return _opened(act, opened, asked.text, {"tool": call.tool, "arguments": _shown(act)})


def confirmation_asked(act: CallAct, wait: e.Draft, asked: Confirmation) -> moves.Drafts:
    """The question to the customer, and in the session's stream the wait that their next message answers."""
    state = act.state
    if state.session is None:
        return ()
    content = Content("text", state.subject, asked.text.encode())
    token = f"confirmation/{state.id}/{state.waits_made}"
    mailbox = act.journal.mailbox(state.session)
    question = talk.queue(mailbox, "question", content, run=root_run(state.id), token=token, label=state.label)
    return (question, *labelled((wait,), state.label))


def approval(act: CallAct, question: Check, verdict: Verdict) -> e.Draft:
    """The wait for a person who may approve exactly this call, with all that policy saw of it."""
    assert verdict.approval is not None
    state, call = act.state, act.call
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
        expires_at_us=_expires_at_us(act, verdict.approval.expires_s),
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
    return _opened(act, opened, verdict.public_reason, operator)


def model_approval(act: Act, question: Check, verdict: Verdict) -> e.Draft:
    """The wait for a person who may let the run ask a model, with what policy saw of it. It is for the rest of the
    run."""
    assert verdict.approval is not None
    state = act.state
    opened = e.WaitOpened(
        run=state.id,
        wait=moves.next_wait(state),
        kind="approval",
        may_answer=(verdict.approval.role,),
        requester=state.subject,
        requesters=state.requesters,
        digest=act.journal.log.digest(f"{question.action}\x00{question.resource}".encode()),
        role=verdict.approval.role,
        expires_at_us=_expires_at_us(act, verdict.approval.expires_s),
    )
    operator: dict[str, Any] = {
        MODEL: question.resource,
        "meters": dict(question.asking.used()) if question.asking is not None else {},
        "sources": list(question.label.sources),
        "requesters": list(state.requesters),
        "policies": verdict.policies,
        "reason": verdict.operator_reason,
    }
    return _opened(act, opened, verdict.public_reason, operator)


def reconciling(act: CallAct, notice: str) -> e.Draft:
    """The wait for a person who says what became of a call in doubt."""
    state, call = act.state, act.call
    opened = e.WaitOpened(
        run=state.id,
        wait=moves.next_wait(state),
        kind="reconcile",
        call=call.id,
        may_answer=("operator",),
        requesters=state.requesters,
        digest=call.digest,
    )
    operator = {
        "tool": call.tool,
        "arguments": _shown(act),
        "idempotency_key": idempotency_key(state.id, call.id),
        "attempt": call.attempt,
        "reason": call.doubt or "the process died while the call was under way",
    }
    return _opened(act, opened, notice, operator)


def _shown(act: CallAct) -> Mapping[str, Any] | None:
    """The arguments as whoever is asked about the call sees them, None once they are erased."""
    try:
        return act.arguments.fields
    except ContentErased:
        return None


def _opened(act: Act, opened: e.WaitOpened, public: str, operator: dict[str, Any]) -> e.Draft:
    parts = [("public", public.encode()), ("operator", msgspec.json.encode(operator))]
    return e.Draft(opened, moves.as_contents(parts, act.state.subject))


def _expires_at_us(act: Act, expires_s: float) -> int:
    return act.services.clock() + int(expires_s * 1e6)
