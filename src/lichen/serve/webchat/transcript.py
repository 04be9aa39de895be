"""A conversation as its client reads it: a view of the session's stream, page by page, durable records only.

A watermark is the number of records of the stream that were looked at. An activity's id is its record's number, so it
is the same however often it is read.
"""

from __future__ import annotations

from typing import Any

import msgspec

from lichen.channels.port import Outbound
from lichen.channels.tokens import Visitor
from lichen.channels.webchat import WebChatChannel
from lichen.core import events as e
from lichen.core.ids import MessageId, SessionId, session_stream
from lichen.core.wording import Greeting
from lichen.engine.journal import Journal
from lichen.log.erasures import Erased

ACTIVITIES_MAX = 200  # of one page
TEXT_BYTES_MAX = 1024 * 1024  # of one page; one more message always fits
RECORDS = 256  # read at once
QUESTION_RECORDS = 64  # how far back the message is looked for that a reply answers


class Page(msgspec.Struct, frozen=True):
    """Activities after a watermark, and the next one. `is_last`: there was nothing more when it was read."""

    activities: tuple[dict[str, Any], ...]
    watermark: int
    is_last: bool

    @property
    def frame(self) -> bytes:
        """The page as Direct Line has it, in a response or on the WebSocket."""
        return msgspec.json.encode({"activities": self.activities, "watermark": str(self.watermark)})


def activity_id(conversation: str, n: int) -> str:
    """The id of the activity that record `n` of a conversation is."""
    return f"{conversation}|{n:07d}"


class Transcript:
    """One conversation, which begins with the greeting. Reading records that it was tried; confirming records that the
    client has it."""

    def __init__(
        self,
        journal: Journal,
        session: SessionId,
        visitor: Visitor,
        channel: WebChatChannel,
        greeting: Greeting,
    ) -> None:
        self._journal = journal
        self._session = session
        self._stream = session_stream(session)
        self._visitor = visitor
        self._channel = channel
        self._greeting = greeting

    async def page(self, after: int) -> Page:
        """What is durable after a watermark. That it leaves is recorded first. Raises Unavailable."""
        n = self._journal.mailbox(self._session).n
        await self._journal.log.durable_stream(self._stream)
        page = self._read(min(after, n), n)
        if page.activities:
            await self._attempt(page.watermark)
        return page

    async def confirm(self, before: int) -> None:
        """The client has everything below this watermark. Saying so twice is no error. Raises Unavailable."""
        outbox = self._journal.mailbox(self._session).outbox.values()
        has = [e.DeliverySettled(out.message, out.attempt, "delivered") for out in outbox if out.n < before]
        await self._append(has)

    async def _attempt(self, before: int) -> None:
        outbox = self._journal.mailbox(self._session).outbox.values()
        tried = [e.DeliveryAttempted(o.message, o.attempt) for o in outbox if o.n < before and not o.is_in_flight]
        await self._append(tried)

    async def _append(self, controls: list[e.DeliverySettled] | list[e.DeliveryAttempted]) -> None:
        if controls:
            self._journal.append({self._stream: tuple(e.Draft(control) for control in controls)})
            await self._journal.log.durable_stream(self._stream)

    def _read(self, after: int, end: int) -> Page:
        """The page of the records from `after` up to `end`, all of them durable."""
        found: list[dict[str, Any]] = []
        size = 0
        while after < end:
            for event in self._journal.events(self._stream, after, min(RECORDS, end - after)):
                after = event.n + 1
                activity = self._activity(event)
                if activity is not None:
                    found.append(activity)
                    size += len(activity["text"].encode())
                if len(found) == ACTIVITIES_MAX or size >= TEXT_BYTES_MAX:
                    return Page(tuple(found), after, after == end)
        return Page(tuple(found), after, is_last=True)

    def _activity(self, event: e.Event) -> dict[str, Any] | None:
        """What the record shows; None for one that shows nothing, or not any more."""
        conversation = self._visitor.conversation
        own = {"id": activity_id(conversation, event.n), "conversation": {"id": conversation}}
        if isinstance(event.control, e.MailboxOpened) and self._greeting.text:
            return {**self._channel.greeting(self._greeting, event.ts_us), **own}
        if not isinstance(event.control, (e.MessageReceived, e.MessageQueued)):
            return None
        try:
            shown = self._shown(event, event.control)
        except Erased:
            return None
        return {**shown, **own}

    def _shown(self, event: e.Event, control: e.MessageReceived | e.MessageQueued) -> dict[str, Any]:
        contents = self._journal.log.contents(self._stream, event.n)
        text = contents["text"].decode()
        if isinstance(control, e.MessageReceived):
            return self._channel.echo(self._visitor, text, contents.get("channel", b""), event.ts_us)
        reply_to = self._question(control)
        offered = msgspec.json.decode(contents.get("suggestions", b"[]"), type=tuple[str, ...])
        said = Outbound(control.message, self._session, control.kind, text, event.ts_us, reply_to, offered)
        return self._channel.render(said)

    def _question(self, control: e.MessageQueued) -> str | None:
        """The activity that opened the turn of a reply, if it lies close before it."""
        n = self._journal.log.find(self._stream, f"turn_opened/{control.turn}") if control.turn else None
        if n is None:
            return None
        opened = self._journal.log.event(self._stream, n).control
        assert isinstance(opened, e.TurnOpened)
        wanted: MessageId = opened.messages[-1]
        first = max(0, n - QUESTION_RECORDS)
        for event in reversed(self._journal.events(self._stream, first, n - first)):
            if isinstance(event.control, e.MessageReceived) and event.control.message == wanted:
                return activity_id(self._visitor.conversation, event.n)
        return None
