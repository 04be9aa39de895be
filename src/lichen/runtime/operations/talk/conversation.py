"""A conversation as the channel of its customer reads it: what was said, once durable, and what of it arrived.

A place in it is a number of records of its session that were looked at. Nothing here waits for the disk on the loop:
what happened lately is in memory, everything else is read in pages by a thread.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from typing import Final

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders.mailbox import MailboxState
from lichen.core.speech import saying
from lichen.core.speech.saying import Saying
from lichen.core.words.errors import ContentErased
from lichen.core.words.ids import MessageId, SessionId, TurnId, session_stream
from lichen.core.words.scope import Actor
from lichen.engine.journal.journal import Journal
from lichen.engine.pace.deltas import Deltas, Partial
from lichen.engine.pace.race import race
from lichen.engine.sends.failures import metadata_of
from lichen.log.streams import Opened
from lichen.runtime.access.access import Access, of_session
from lichen.runtime.operations.talk import artifacts
from lichen.runtime.views.session import FileView, files_of

RECORDS = 64  # read at once
TOLD_RECORDS = 128  # how far back the message is looked for whose choices a reply means
TOLD_BYTES_MAX = 4 * 1024 * 1024
QUESTION_RECORDS = 64  # how far back from its turn the message is looked for that a reply answers

_SHOWN: Final = (e.MailboxOpened, e.MessageReceived, e.MessageQueued)
"""What a line of the conversation may be made of."""

Read = tuple[e.Event, Mapping[str, bytes] | None]
"""An event, with the contents of a record that holds words; None for others, and once they were erased."""


class Began(msgspec.Struct, frozen=True, gc=False):
    """That the conversation was opened, and in which language."""

    n: int
    at_us: int
    language: str


class Heard(msgspec.Struct, frozen=True, gc=False):
    """What the customer said, what their channel keeps with it, and the files that came with it."""

    n: int
    at_us: int
    text: str
    channel_data: bytes
    files: tuple[FileView, ...] = ()


class Told(msgspec.Struct, frozen=True, gc=False):
    """What the customer was told. `suggestions` is a JSON list of answers; `reply_to` the record that it answers.
    `schema` is the JSON Schema of a form that it asks for. `artifacts` are the kinds of what tools gave for people's
    eyes beside it."""

    n: int
    at_us: int
    message: MessageId
    kind: str
    saying: Saying
    suggestions: bytes
    reply_to: int | None
    artifacts: tuple[str, ...] = ()
    metadata: Mapping[str, str] = {}
    schema: bytes = b""


Line = Began | Heard | Told


class Page(msgspec.Struct, frozen=True, gc=False):
    """Lines after a place, and where to read on. `is_last`: there was nothing more when it was read."""

    lines: tuple[Line, ...]
    next: int
    is_last: bool


class Conversation:
    """One session as its channel reads it. Each thing done with it is asked for."""

    def __init__(self, access: Access, journal: Journal, deltas: Deltas, id: SessionId, actor: Actor) -> None:
        self._access, self._journal, self._deltas = access, journal, deltas
        self._id, self._stream, self._actor = id, session_stream(id), actor

    async def page(self, after: int, *, messages_max: int, bytes_max: int) -> Page:
        """What was said after a place, so many messages at most, or bytes of text and one message more.

        All of it, and everything below the place where to read on, is durable when this returns.
        Raises NotFound (`session_unknown`), Denied, Unavailable.
        """
        await self._journal.log.load(self._stream)
        self._hear()
        end = self._mailbox.n
        found = await self._page(min(after, end), end, messages_max, bytes_max)
        await self._journal.durable(session=self._id)
        return found

    async def told(self, message: str = "") -> tuple[Told, ...]:
        """What the customer was told last, everything since they wrote before it, the newest first; or the one message
        of this id. It lies among the last TOLD_RECORDS records, and what was not handed to the platform is left out.

        Raises NotFound (`session_unknown`), Denied, Unavailable.
        """
        await self._journal.log.load(self._stream)
        self._hear()
        unseen = {out.message for out in self._mailbox.outbox.values() if not out.was_tried}
        end = self._mailbox.n
        page = await self._page(max(0, end - TOLD_RECORDS), end, TOLD_RECORDS, TOLD_BYTES_MAX)
        found: list[Told] = []
        for line in reversed(page.lines):
            if isinstance(line, Told) and line.message not in unseen and message in ("", line.message):
                found.append(line)
            elif isinstance(line, Heard) and found:
                break
        return tuple(found)

    def confirm(self, before: int) -> None:
        """The customer has everything below a place. Saying so twice is no error.

        It is one record for each message, and nobody waits for it: a customer whose confirmation was lost confirms the
        same again as they read on. Raises NotFound (`session_unknown`), Denied, Unavailable.
        """
        self._ask()
        outbox = self._mailbox.outbox.values()
        has = [e.DeliverySettled(out.message, out.attempt, "delivered") for out in outbox if out.n < before]
        if has:
            self._journal.append({self._stream: tuple(map(e.Draft, has))})

    async def partials(self, after: int) -> AsyncGenerator[Partial]:
        """What a model says so far, each time there is more of it; ends when there is something to read after a place.

        Records that show nothing end nothing: a page after this place still begins there.
        Raises NotFound (`session_unknown`), Denied, Unavailable when no record will come.
        """
        self._hear()
        scope, shown = self._journal.scope, None
        watch = self._journal.watch(self._stream, *_SHOWN, e.TurnOpened)
        while not self._shows(after):
            speaking = self._deltas.speaking(scope, self._id)
            partial = None if speaking is None else speaking.shown()
            if self._mailbox.turn is None:
                await watch.next()
            elif partial is not None and partial != shown:
                shown = partial
                yield partial
            else:
                await race({"record": watch.next(), "more": self._deltas.changed(scope, self._id)})

    def _shows(self, after: int) -> bool:
        """Whether a record after a place shows something; what is not in memory may."""
        if self._mailbox.n <= after:
            return False
        events = self._journal.recent(self._stream, after)
        return events is None or any(isinstance(event.control, _SHOWN) for event in events)

    # -- reading -------------------------------------------------------------------------------------------------

    async def _page(self, after: int, end: int, messages_max: int, bytes_max: int) -> Page:
        lines: list[Line] = []
        seen, count, size = _Seen(), 0, 0
        while after < end:
            batch = await self._batch(after, min(RECORDS, end - after))
            if not batch:
                break  # the volume failed meanwhile: waiting for what is durable says so
            for event, contents in batch:
                after = event.n + 1
                line = await self._line(event, contents, seen)
                if line is not None:
                    lines.append(line)
                if contents is None or not isinstance(line, (Heard, Told)):
                    continue
                count, size = count + 1, size + sum(map(len, contents.values()))
                if count >= messages_max or size >= bytes_max:
                    return Page(tuple(lines), after, after == end)
        return Page(tuple(lines), after, is_last=True)

    async def _batch(self, after: int, limit: int) -> Sequence[Read]:
        """The next events with the contents of those that hold words: from memory, else by a thread."""
        recent = self._recent(after, limit)
        if recent is not None:
            return recent
        return [(record.event, contents) for record, contents in await self._from_disk(after, limit)]

    def _recent(self, after: int, limit: int) -> Sequence[Read] | None:
        events = self._journal.recent(self._stream, after, limit)
        if events is None:
            return None
        known = self._journal.log.known
        found = [(event, known(self._stream, event.n) if _has_words(event) else None) for event in events]
        return found if all(contents is not None or not _has_words(event) for event, contents in found) else None

    async def _from_disk(self, after: int, limit: int) -> Sequence[Opened]:
        await self._journal.durable(session=self._id)
        return await self._journal.log.page(self._stream, after, limit)

    async def _line(self, event: e.Event, contents: Mapping[str, bytes] | None, seen: _Seen) -> Line | None:
        """What a record shows; None for one that shows nothing, or not any more."""
        control = event.control
        match control:
            case e.MailboxOpened():
                return Began(event.n, event.ts_us, control.locale)
            case e.TurnOpened():
                seen.note(control)
                return None
            case e.MessageReceived() | e.MessageQueued() if contents is not None:
                with suppress(ContentErased):
                    return await self._words(event, control, contents, seen)
                return None
            case _:
                return None

    async def _words(
        self,
        event: e.Event,
        control: e.MessageReceived | e.MessageQueued,
        contents: Mapping[str, bytes],
        seen: _Seen,
    ) -> Line:
        if isinstance(control, e.MessageReceived):
            seen.received[control.message] = event.n
            files = files_of(event.n, control, contents) if control.attachments else ()
            return Heard(event.n, event.ts_us, contents["text"].decode(), contents.get("channel", b""), files)
        offered = contents.get("suggestions", b"[]")
        reply_to = None if control.turn is None else await self._question(control.turn, seen)
        said, kinds = saying.read(contents), tuple([each.kind for each in artifacts.named(contents)])
        beside = (kinds, metadata_of(contents), contents.get("schema", b""))
        return Told(event.n, event.ts_us, control.message, control.kind, said, offered, reply_to, *beside)

    async def _question(self, turn: TurnId, seen: _Seen) -> int | None:
        """The record of the message that opened a turn, if it lies close before it."""
        if turn in seen.opened:
            return seen.opened[turn]
        n = self._journal.log.find(self._stream, f"turn_opened/{turn}")
        if n is None:
            return None
        first = max(0, n - QUESTION_RECORDS)
        events = self._journal.recent(self._stream, first, n + 1 - first)
        if events is None:
            events = [record.event for record, _ in await self._from_disk(first, n + 1 - first)]
        return _opener(events, turn)

    @property
    def _mailbox(self) -> MailboxState:
        return self._journal.mailbox(self._id)

    def _hear(self) -> None:
        self._ask()
        self._access.hear(self._journal.scope, self._actor, of_session(self._id))

    def _ask(self) -> None:
        self._access.ask("session.read", self._journal.scope, self._actor, of_session(self._id))


class _Seen:
    """The messages of a page, and the records that opened its turns."""

    def __init__(self) -> None:
        self.received: dict[MessageId, int] = {}
        self.opened: dict[TurnId, int] = {}

    def note(self, control: e.TurnOpened) -> None:
        """A turn begins, with a message of this page or an earlier one."""
        n = self.received.get(control.messages[-1])
        if n is not None:
            self.opened[control.turn] = n


def _opener(events: Sequence[e.Event], turn: TurnId) -> int | None:
    """The record of the message that a turn, the last of these events, began with."""
    wanted: MessageId | None = None
    for event in reversed(events):
        control = event.control
        if isinstance(control, e.TurnOpened) and control.turn == turn:
            wanted = control.messages[-1]
        elif isinstance(control, e.MessageReceived) and control.message == wanted:
            return event.n
    return None


def _has_words(event: e.Event) -> bool:
    return isinstance(event.control, (e.MessageReceived, e.MessageQueued))
