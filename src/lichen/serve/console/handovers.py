"""Conversations that a person is to have: who wants one, what is said in one as it comes, and what that person does."""

from __future__ import annotations

import msgspec

from lichen.core.words.errors import Invalid
from lichen.core.words.ids import SessionId
from lichen.runtime.views.session import HandoverView, SessionDetail
from lichen.serve.console.visit import Outcome, Visit


class HandoverList(msgspec.Struct, frozen=True):
    """The open ones of this scope, the oldest first."""

    handovers: tuple[HandoverView, ...]


class HandoverPage(msgspec.Struct, frozen=True):
    """One of them with its conversation. `key` is for what is done from this page, so that it is done once."""

    handover: HandoverView
    session: SessionDetail
    key: str


async def listing(visit: Visit) -> HandoverList:
    """Who wants a person, and who has which."""
    return HandoverList(visit.runtime.handovers.list(visit.scope, visit.actor))


async def show(visit: Visit) -> HandoverPage:
    """The hand-over of the path. Raises NotFound (`wait_unknown`), Conflict (`wait_closed`)."""
    found = visit.runtime.handovers.show(visit.scope, visit.part("wait"), visit.actor)
    session = visit.runtime.sessions.get(visit.scope, SessionId(found.session), visit.actor)
    return HandoverPage(found, await session.detail(), visit.runtime.engine.services.new_id("form"))


async def take(visit: Visit) -> Outcome:
    """Makes it the visitor's. Raises Conflict (`wait_closed`), Denied, Expired."""
    id, read = visit.part("wait"), _read(visit)
    await visit.runtime.handovers.take(visit.scope, id, visit.actor, read=read, key=_key(visit))
    return Outcome(f"/console/handovers/{id}#reply")


async def reply(visit: Visit) -> Outcome:
    """Writes to the customer, or gives it back with a last message or without one.

    Raises Conflict (`wait_closed`, `handover_taken`), Denied, Expired, Invalid (`reply_empty`).
    """
    id, then = visit.part("wait"), visit.form.get("then", "stay")
    text, read = visit.form.get("text", "").strip(), _read(visit)
    handovers = visit.runtime.handovers
    match then:
        case "stay" if text:
            await handovers.reply(visit.scope, id, text, visit.actor, read=read, key=_key(visit))
            return Outcome(f"/console/handovers/{id}#reply")
        case "returned" | "closed":
            session = handovers.show(visit.scope, id, visit.actor).session
            await handovers.give_back(visit.scope, id, visit.actor, then=then, text=text, read=read, key=_key(visit))
            return Outcome(f"/console/sessions/{session}")
        case _:
            raise Invalid(
                "There is nothing to send.", code="reply_empty", next_step="Write something, or give it back."
            )


def _read(visit: Visit) -> int | None:
    given = visit.form.get("read", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 12 else None


def _key(visit: Visit) -> str | None:
    return visit.form.get("key", "")[:64] or None
