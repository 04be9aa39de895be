"""A conversation as its client reads it: the lines of the session as activities, page by page.

A watermark is the number of records of the session that were looked at. An activity's id is its record's number, so it
is the same however often it is read.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any, Protocol

import msgspec

from lichen.channels.tokens import Visitor
from lichen.channels.webchat import WebChatChannel
from lichen.core.speech.wording import Greeting
from lichen.core.words.ids import SessionId
from lichen.engine.pace.deltas import Partial
from lichen.engine.ports import Outbound
from lichen.runtime.operations.talk.conversation import Began, Conversation, Heard, Line, Told
from lichen.runtime.views.session import FileView
from lichen.serve.http.errors import JSON

ACTIVITIES_MAX = 200  # of one page
TEXT_BYTES_MAX = 1024 * 1024  # of one page; one more message always fits


class Page(msgspec.Struct, frozen=True):
    """Activities after a watermark, and the next one. `is_last`: there was nothing more when it was read."""

    activities: tuple[dict[str, Any], ...]
    watermark: int
    is_last: bool

    @property
    def tells(self) -> bool:
        """Whether the customer is told something, which arrives with this page."""
        return any(activity["from"]["role"] == "bot" for activity in self.activities)

    def frame(self) -> bytes:
        """The page as Direct Line has it, in a response or on the WebSocket."""
        return msgspec.json.encode({"activities": self.activities, "watermark": str(self.watermark)})


def activity_id(conversation: str, n: int) -> str:
    """The id of the activity that record `n` of a conversation is."""
    return f"{conversation}|{n:07d}"


def beginning(visitor: Visitor, channel: WebChatChannel, greeting: Greeting, after: int) -> Page:
    """A conversation of which nothing is stored: its greeting stands where its first record will, so that whoever has
    seen it is not shown it again."""
    if after or not greeting.text:
        return Page((), 1, is_last=True)
    shown = channel.greeting(greeting, visitor.since_s * 1_000_000)
    shown["id"] = activity_id(visitor.conversation, 0)
    shown["conversation"] = {"id": visitor.conversation}
    return Page((shown,), 1, is_last=True)


class Addresses(Protocol):
    """Where the reader of a conversation gets what lies in it."""

    def file_url(self, n: int, i: int) -> str:
        """File `i` of the customer's message that is record `n`."""
        ...

    def artifact_url(self, n: int, i: int) -> str:
        """What a tool gave, number `i` beside the answer that is record `n`."""
        ...


class Transcript:
    """One conversation, which begins with what `greeting` says in its language."""

    def __init__(
        self,
        session: SessionId,
        conversation: Conversation,
        visitor: Visitor,
        channel: WebChatChannel,
        greeting: Callable[[str], Greeting],
        addresses: Addresses,
    ) -> None:
        self.conversation = visitor.conversation
        self._session = session
        self._lines = conversation
        self._visitor = visitor
        self._channel = channel
        self._greeting = greeting
        self._addresses = addresses

    async def page(self, after: int) -> Page:
        """What is durable after a watermark. Raises Unavailable."""
        found = await self._lines.page(after, messages_max=ACTIVITIES_MAX, bytes_max=TEXT_BYTES_MAX)
        shown = (self._activity(line) for line in found.lines)
        return Page(tuple(each for each in shown if each is not None), found.next, found.is_last)

    def confirm(self, before: int) -> None:
        """The client has everything below this watermark. Raises Unavailable."""
        self._lines.confirm(before)

    def partials(self, after: int) -> AsyncGenerator[Partial]:
        """What a model says so far, until there is more than this watermark. Raises Unavailable."""
        return self._lines.partials(after)

    def _activity(self, line: Line) -> dict[str, Any] | None:
        """What a line shows; None for the beginning of a conversation that nobody is greeted in."""
        match line:
            case Began():
                greeting = self._greeting(line.language)
                shown = self._channel.greeting(greeting, line.at_us) if greeting.text else None
            case Heard():
                files = [self._file(each) for each in line.files]
                shown = self._channel.echo(self._visitor, line.text, line.channel_data, line.at_us, files=files)
            case Told():
                shown = self._channel.render(self._outbound(line))
                if made := self._artifacts(line):
                    shown["attachments"] = [*shown.get("attachments", ()), *made]
        if shown is not None:
            shown["id"] = activity_id(self.conversation, line.n)
            shown["conversation"] = {"id": self.conversation}
        return shown

    def _file(self, file: FileView) -> dict[str, Any]:
        named = {"name": file.name} if file.name else {}
        return {"contentType": file.media_type, "contentUrl": self._addresses.file_url(file.n, file.i), **named}

    def _artifacts(self, line: Told) -> list[dict[str, Any]]:
        """What tools gave for people's eyes, each as a file of JSON."""
        return [
            {"contentType": JSON, "contentUrl": self._addresses.artifact_url(line.n, i), "name": f"{kind}.json"}
            for i, kind in enumerate(line.artifacts)
        ]

    def _outbound(self, line: Told) -> Outbound:
        asked = None if line.reply_to is None else activity_id(self.conversation, line.reply_to)
        offered = msgspec.json.decode(line.suggestions, type=tuple[str, ...])
        return Outbound(
            line.message,
            self._session,
            line.kind,
            line.saying,
            line.at_us,
            reply_to=asked,
            suggestions=offered,
            metadata=line.metadata,
            schema=msgspec.json.decode(line.schema, type=dict[str, Any]) if line.schema else {},
            language=self._visitor.language,
        )
