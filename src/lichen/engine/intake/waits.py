"""Waits: answered once, by whoever may, about exactly what is asked."""

from __future__ import annotations

from typing import Any

import msgspec

from lichen.core.deciders import moves
from lichen.core.deciders.run import RunState
from lichen.core.words.content import Content
from lichen.core.words.errors import Conflict, Denied, Expired, Invalid, NotFound
from lichen.core.words.ids import RunId, WaitId, run_stream, session_stream
from lichen.core.words.label import EMPTY, EXTERNAL, Label
from lichen.core.words.scope import Scope
from lichen.core.words.wait import (
    ABOUT_EFFECTS,
    ANSWER_BYTES_MAX,
    HALTING,
    Wait,
    WaitOutcome,
    is_requester,
    may_answer,
    outcomes_of,
)
from lichen.engine.act import Act
from lichen.engine.answers.expected import answer_to, check_answer, expected_of
from lichen.engine.intake.request import Request
from lichen.engine.intake.runs import resume
from lichen.engine.journal.labels import label_of
from lichen.engine.journal.tree import mirror
from lichen.engine.ports import Services


def allows_own(services: Services, scope: Scope) -> bool:
    """Whether people of an environment may approve what they asked for themselves."""
    environment = services.environment(scope)
    return environment.is_development and environment.self_approval


async def answer(
    request: Request,
    run: RunId,
    wait: WaitId,
    outcome: WaitOutcome,
    *,
    digest: bytes,
    body: dict[str, Any] | None = None,
) -> None:
    """Answers a wait; returns once the answer is durable. One that is not what the wait expects leaves it open.

    `digest` is that of what the answer is about. Raises NotFound (`run_unknown`, `wait_unknown`), Denied
    (`may_not_answer`), Conflict (`wait_closed`, `digest_differs`), Expired, Invalid (`answer_invalid`,
    `answer_too_large`, `answer_unexpected` with the place).
    """
    state = request.run(run)
    asked = open_wait(state, wait)
    if not may_answer(asked, request.actor, request.by, self_approval=allows_own(request.services, request.scope)):
        raise may_not(asked, request.by)
    _check(asked, outcome, digest, request.services.clock())
    if asked.kind in HALTING:
        await resume(request, run)
        return
    drafts = _closing(request, state, asked, outcome, body or {})
    appended = {run_stream(run): drafts}
    if state.session is not None and (mirrored := mirror(request.journal, state, drafts)):
        appended[session_stream(state.session)] = mirrored
    request.append_to(state, appended, turn=state.turn)
    await request.journal.durable(run=run)


def open_wait(state: RunState, wait: WaitId) -> Wait:
    """An open wait of a run. Raises NotFound (`wait_unknown`), Conflict (`wait_closed`)."""
    found = state.waits.get(wait)
    if found is not None:
        return found
    number = int(wait[1:]) if wait[1:].isdigit() else 0
    if wait.startswith("w") and 0 < number <= state.waits_made:
        step = "`lichen runs show RUN` says by whom."
        raise Conflict("This was answered already.", code="wait_closed", next_step=step)
    raise NotFound("The run has no such wait.", code="wait_unknown")


def may_not(wait: Wait, by: str) -> Denied:
    """Why somebody may not answer a wait (`may_not_answer`)."""
    if wait.kind in ABOUT_EFFECTS and is_requester(wait, by):
        return Denied("Whoever spoke for it may not decide it; somebody else of the role may.", code="may_not_answer")
    return Denied("This actor may not answer this.", code="may_not_answer")


def _check(wait: Wait, outcome: WaitOutcome, digest: bytes, now_us: int) -> None:
    if outcome not in outcomes_of(wait.kind, of_call=wait.call is not None):
        raise Invalid(f"A wait of kind {wait.kind} is not answered with {outcome}.", code="answer_invalid")
    if digest != wait.digest:
        raise Conflict("The answer is about something else than what is asked.", code="digest_differs")
    if wait.expires_at_us is not None and now_us >= wait.expires_at_us:
        raise Expired("The time to answer is over.", code="wait_expired")


def _closing(request: Request, state: RunState, wait: Wait, outcome: WaitOutcome, body: dict[str, Any]) -> moves.Drafts:
    """The end of a wait with what was brought, which is what the wait expects."""
    data = msgspec.json.encode(answer_to(wait.kind, body))
    if len(data) > ANSWER_BYTES_MAX:
        raise Invalid("The answer is too large.", code="answer_too_large")
    if outcome == "answered":
        check_answer(expected_of(Act(request.services, request.journal, state), wait), body)
    result = [("result", msgspec.json.encode(body.get("result", {})))] if outcome == "happened" else []
    return moves.close_wait(
        state,
        wait.id,
        outcome,
        by=request.by,
        body=(Content("body", state.subject, data),),
        result=moves.as_contents(result, state.subject),
        label=_label(request, state, wait, outcome),
        is_own=wait.kind in ABOUT_EFFECTS and is_requester(wait, request.by),
    )


def _label(request: Request, state: RunState, wait: Wait, outcome: WaitOutcome) -> Label:
    """The label of an answer: a result belongs to its tool, whoever brings it, and what a program brings to nobody."""
    call = state.calls.get(wait.call) if wait.call is not None else None
    if call is not None and outcome == "happened":
        return label_of(request.services, request.scope, state, call, "ok")
    is_vouched_for = wait.kind != "external" or request.actor.kind in ("customer", "operator")
    return EMPTY if is_vouched_for else Label((EXTERNAL,))
