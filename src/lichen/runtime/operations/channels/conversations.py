"""The conversations of a scope, as whoever answers for its customers looks through them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Final, NamedTuple

from lichen.core.deciders import events as e
from lichen.core.words.ids import SessionId, session_stream
from lichen.core.words.scope import Actor, Scope
from lichen.engine.engine import Engine
from lichen.log.projections.sessions import SessionRow
from lichen.log.projections.streamrow import StreamRow
from lichen.log.views.durable import Durable
from lichen.runtime.access.access import EVERYTHING, Access
from lichen.runtime.views.record import Sight, sight
from lichen.runtime.views.session import Standing
from lichen.runtime.views.talks.conversation import (
    ChannelCount,
    ConversationBook,
    ConversationView,
    Found,
    conversation_view,
)

LOOKED_BACK: Final = 64  # stored records of a conversation that are read to find what was said last
OPEN_MAX: Final = 10_000  # messages
OPEN: Final[tuple[Standing, ...]] = ("busy", "handed")
"""Of which more is to be said than their rows say."""


class _Wanted(NamedTuple):
    channel: str | None
    standing: Standing | None
    limit: int
    before: int | None


class _Page(NamedTuple):
    found: tuple[Found, ...]
    channels: Mapping[str, int]
    stuck: Mapping[str, Mapping[str, int]]


class Conversations:
    """Lists conversations. Raises Denied."""

    def __init__(self, engine: Engine, access: Access) -> None:
        self._engine, self._access = engine, access

    async def list(
        self,
        scope: Scope,
        actor: Actor,
        *,
        channel: str | None = None,
        standing: Standing | None = None,
        limit: int = 50,
        before: int | None = None,
    ) -> ConversationBook:
        """A page of them, the one that something happened in last first; what was said last for whoever may read it.
        `before` is `next_before` of the page before. Those that share the last moment of a page are all on it."""
        self._access.ask("session.list", scope, actor, EVERYTHING)
        log, sees = self._engine.journal(scope).log, self._sight(scope, actor)
        wanted = _Wanted(channel, standing, limit, before)
        page = await log.looked_back(lambda durable: _page(durable, wanted))
        views = [await self._view(scope, each, page.stuck.get(each.stream.id, {}), sees) for each in page.found]
        channels = [ChannelCount(name, count) for name, count in sorted(page.channels.items())]
        next_before = views[-1].last_at_us if len(views) >= limit else None
        return ConversationBook(tuple(views), tuple(channels), next_before)

    async def _view(self, scope: Scope, found: Found, stuck: Mapping[str, int], sees: Sight) -> ConversationView:
        journal, mailbox = self._engine.journal(scope), None
        if found.row.standing in OPEN:
            id = SessionId(found.stream.id)
            await journal.log.load(session_stream(id))
            mailbox = journal.mailbox(id)
        return conversation_view(journal.log, found, mailbox, stuck, sees)

    def _sight(self, scope: Scope, actor: Actor) -> Sight:
        """Whether the actor sees words, which is noted then."""
        ruling = self._access.allowed("run.contents", scope, actor, EVERYTHING)
        if ruling is not None:
            self._access.openings.note("session", scope, actor, "conversations", ruling)
        return sight(ruling is not None)


def _page(durable: Durable, wanted: _Wanted) -> _Page:
    rows = durable.recent_sessions(
        limit=wanted.limit, before_us=wanted.before, channel=wanted.channel, standing=wanted.standing
    )
    return _Page(tuple([_found(durable, *each) for each in rows]), durable.channel_counts(), _stuck(durable))


def _found(durable: Durable, stream: StreamRow, row: SessionRow) -> Found:
    records = durable.last_of(stream.stream, None, LOOKED_BACK)
    spoken = (each for each in reversed(records) if isinstance(each.control, e.MessageReceived | e.MessageQueued))
    last = next(spoken, None)
    return Found(stream, row, last, None if last is None else durable.contents(last))


def _stuck(durable: Durable) -> Mapping[str, Mapping[str, int]]:
    """How many messages of each session are in which state."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in durable.open_rows(OPEN_MAX):
        found[row.session][row.state] += 1
    return found
