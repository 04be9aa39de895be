"""Conversations that were handed over to a person: which ones, what the customer said, and the person's reply."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from lichen.core.ports.handover import KEY
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import RunId, run_stream
from lichen.engine.journal.journal import Journal
from lichen.runtime.operations.waits import parse
from lichen.serve.console.visit import Outcome, Visit

REST_S = 2.0  # how long a reply may take to leave before the page is shown again


class HandedOver(msgspec.Struct, frozen=True):
    """A conversation in which a person is awaited. `said` is what the customer wrote, empty once it was answered."""

    id: str
    digest: str
    run: RunId
    session: str
    customer: str
    said: str
    opened_at_us: int
    expires_at_us: int | None
    may_answer: bool


def open_handovers(visit: Visit, session: str | None = None) -> tuple[HandedOver, ...]:
    """Those of this scope, or of one session, the oldest first."""
    journal = visit.runtime.engine.journal(visit.scope)
    found: list[HandedOver] = []
    for wait in visit.runtime.waits.list(visit.scope, visit.actor, kinds=("handover",)):
        state = journal.run(wait.run)
        if state.session is None or session not in (None, state.session):
            continue
        found.append(
            HandedOver(
                wait.id,
                wait.digest,
                wait.run,
                state.session,
                state.subject,
                str(wait.operator.get(KEY, "")),
                wait.opened_at_us,
                wait.expires_at_us,
                visit.actor.kind in wait.may_answer or any(role in wait.may_answer for role in visit.actor.roles),
            )
        )
    return tuple(found)


async def reply(visit: Visit) -> Outcome:
    """Writes to the customer, and stays or goes. Raises Conflict (`wait_closed`), Denied, Expired, Invalid."""
    text, then = visit.form.get("text", "").strip(), visit.form.get("then", "")
    if then not in ("stay", "go", "close") or (then != "close" and not text):
        raise Invalid("There is nothing to send.", code="reply_empty", next_step="Write something, or close it.")
    body: dict[str, Any] = {"goes_on": then == "stay", **({} if then == "close" else {"text": text})}
    id = visit.form.get("wait", "")
    digest = visit.form.get("digest", "")
    await visit.runtime.waits.answer(visit.scope, id, "answered", visit.actor, digest=digest, body=body)
    run, _ = parse(id)
    await _sent(visit.runtime.engine.journal(visit.scope), run)
    return Outcome(f"/console/sessions/{visit.part('session')}#reply")


async def _sent(journal: Journal, run: RunId) -> None:
    """Returns once the reply is on its way and the person is awaited again or not any more."""
    try:
        async with asyncio.timeout(REST_S):
            while not (journal.run(run).outcome or journal.run(run).waits):
                await journal.watch(run_stream(run)).next()
    except TimeoutError:
        return
