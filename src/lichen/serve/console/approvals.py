"""What waits for a person: the inbox, one of them with everything to decide on, and the answer."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from lichen.core.words.errors import Conflict, Invalid
from lichen.core.words.wait import OUTCOMES, WaitOutcome
from lichen.runtime.operations.waits import PEOPLE, parse
from lichen.runtime.views.wait import WaitView
from lichen.serve.console.visit import Outcome, Visit

NOTE_CHARS_MAX = 2_000
LISTED_MAX = 50


class Inbox(msgspec.Struct, frozen=True):
    """Everything in this scope that waits for a person, oldest first, and what was decided lately, newest first."""

    waits: tuple[WaitView, ...]
    decided: tuple[WaitView, ...]


class WaitPage(msgspec.Struct, frozen=True):
    """One thing to decide, bound to `wait.digest`. `answers` are the outcomes an answer may say."""

    wait: WaitView
    answers: tuple[str, ...]
    may_answer: bool
    is_requester: bool


async def inbox(visit: Visit) -> Inbox:
    """The open waits for people, and the last that were answered."""
    waits = visit.runtime.waits
    return Inbox(
        waits=waits.list(visit.scope, visit.actor),
        decided=waits.history(visit.scope, visit.actor, limit=LISTED_MAX),
    )


async def show(visit: Visit) -> WaitPage:
    """The wait of the path. Raises NotFound (`wait_unknown`), Conflict (`wait_closed`), Invalid (`wait_id_invalid`)."""
    wait = visit.runtime.waits.show(visit.scope, visit.part("wait"), visit.actor)
    who = visit.runtime.waits.answerer(visit.scope, wait.id, visit.actor)
    return WaitPage(wait, OUTCOMES[wait.kind], who.may_answer, who.is_requester)


async def answer(visit: Visit) -> Outcome:
    """Answers about exactly what was shown. Raises Conflict (`wait_closed`), Denied, Expired, Invalid."""
    id, outcome = visit.part("wait"), visit.form.get("outcome", "")
    if outcome not in {each for kind in PEOPLE for each in OUTCOMES[kind]}:
        raise Invalid("This is no answer to a wait.", code="answer_invalid")
    digest = visit.form.get("digest", "")
    if not digest:
        raise Invalid("The answer does not say what it is about.", code="digest_missing", next_step="Open it again.")
    body: dict[str, Any] = {"note": visit.form.get("note", "")[:NOTE_CHARS_MAX]}
    if result := visit.form.get("result", "").strip():
        body["result"] = _result(result)
    await visit.runtime.waits.answer(visit.scope, id, cast(WaitOutcome, outcome), visit.actor, digest=digest, body=body)
    run, _ = parse(id)
    return Outcome(f"/console/runs/{run}")


def _result(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        raise Invalid("The result is not JSON.", code="body_invalid", place="$.result") from None


def closed(visit: Visit, error: Conflict) -> WaitView | None:
    """What was asked and decided in the wait of the path, when that is what the error is about."""
    id = visit.part("wait") if error.code == "wait_closed" else ""
    return visit.runtime.waits.closed(visit.scope, id, visit.actor) if id else None
