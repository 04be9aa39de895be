"""Conversations: who talks with which agent, what was said by both, and what did not arrive."""

from __future__ import annotations

from typing import Annotated

import msgspec
from starlette.responses import Response

from lichen.core.words.ids import SessionId
from lichen.runtime.views.session import HandoverView, SessionDetail, Standing
from lichen.runtime.views.talks.conversation import ChannelCount, ConversationView
from lichen.serve.console.visit import Outcome, Query, Visit
from lichen.serve.files.download import download

PAGE = 50


class Wanted(Query, frozen=True):
    """Conversations by a channel, that stand so, in which nothing happened since the moment `before`; else the
    newest."""

    channel: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    standing: Standing | None = None
    before: Annotated[int, msgspec.Meta(ge=1)] | None = None


class SessionList(msgspec.Struct, frozen=True):
    """A page of conversations, the one that something happened in last first."""

    sessions: tuple[ConversationView, ...]
    channels: tuple[ChannelCount, ...]
    channel: str | None
    standing: Standing | None
    next_before: int | None


class SessionPage(msgspec.Struct, frozen=True):
    """A conversation, and where a person is awaited in it."""

    session: SessionDetail
    handovers: tuple[HandoverView, ...] = ()


async def listing(visit: Visit) -> SessionList:
    """The conversations of this scope."""
    wanted, conversations = visit.query(Wanted), visit.runtime.conversations
    book = await conversations.list(
        visit.scope, visit.actor, channel=wanted.channel, standing=wanted.standing, limit=PAGE, before=wanted.before
    )
    return SessionList(book.conversations, book.channels, wanted.channel, wanted.standing, book.next_before)


async def show(visit: Visit) -> SessionPage:
    """The conversation of the path. Raises NotFound (`session_unknown`)."""
    session = visit.runtime.sessions.get(visit.scope, SessionId(visit.part("session")), visit.actor)
    handovers = visit.runtime.handovers.list(visit.scope, visit.actor)
    return SessionPage(await session.detail(), tuple(each for each in handovers if each.session == session.id))


async def erase(visit: Visit) -> Outcome:
    """Forgets the customer of the session of the path. Raises Denied, NotFound."""
    session = visit.runtime.sessions.get(visit.scope, SessionId(visit.part("session")), visit.actor)
    await visit.runtime.people.erase(visit.scope, session.summary().customer, visit.actor)
    return Outcome(f"/console/sessions/{session.id}")


async def take(visit: Visit) -> Response:
    """A file that came with a message of the session of the path. Raises NotFound (`attachment_unknown`)."""
    session = visit.runtime.sessions.get(visit.scope, SessionId(visit.part("session")), visit.actor)
    return download(await session.file(int(visit.part("n")), int(visit.part("i"))))
