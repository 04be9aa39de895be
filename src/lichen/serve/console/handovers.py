"""Conversations that were handed over to a person: which ones, what the customer said, and the person's reply."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from lichen.core.words.errors import Invalid
from lichen.runtime.operations.waits import parse
from lichen.runtime.views.wait import WaitView
from lichen.serve.console.visit import Outcome, Visit

REST_S = 2.0  # how long a reply may take to leave before the page is shown again


class HandedOver(msgspec.Struct, frozen=True):
    """A conversation in which a person is awaited; `wait.asked.said` is what the customer wrote, empty once it was
    answered."""

    wait: WaitView
    may_answer: bool


def open_handovers(visit: Visit, session: str | None = None) -> tuple[HandedOver, ...]:
    """Those of this scope, or of one session, the oldest first."""
    waits = visit.runtime.waits
    found = waits.list(visit.scope, visit.actor, kinds=("handover",))
    return tuple(
        HandedOver(wait, waits.answerer(visit.scope, wait.id, visit.actor).may_answer)
        for wait in found
        if wait.session is not None and session in (None, wait.session)
    )


async def reply(visit: Visit) -> Outcome:
    """Writes to the customer, and stays or goes. Raises Conflict (`wait_closed`), Denied, Expired, Invalid."""
    text, then = visit.form.get("text", "").strip(), visit.form.get("then", "")
    if then not in ("stay", "go", "close") or (then != "close" and not text):
        raise Invalid("There is nothing to send.", code="reply_empty", next_step="Write something, or close it.")
    body: dict[str, Any] = {"goes_on": then == "stay", **({} if then == "close" else {"text": text})}
    id = visit.form.get("wait", "")
    digest = visit.form.get("digest", "")
    await visit.runtime.waits.answer(visit.scope, id, "answered", visit.actor, digest=digest, body=body)
    await _sent(visit, id)
    return Outcome(f"/console/sessions/{visit.part('session')}#reply")


async def _sent(visit: Visit, id: str) -> None:
    """Returns once the reply is on its way and the person is awaited again or not any more."""
    run, _ = parse(id)
    try:
        async with asyncio.timeout(REST_S):
            await visit.runtime.runs.rest(visit.scope, run, visit.actor)
    except TimeoutError:
        return
