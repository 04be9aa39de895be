"""A list of conversations as a person looks through it: what was said last, by whom, and what is to be done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders.mailbox import MailboxState
from lichen.core.speech import saying
from lichen.log.log import Log
from lichen.log.projections.sessions import SessionRow
from lichen.log.projections.streamrow import StreamRow
from lichen.log.records.record import Record
from lichen.runtime.views.record import Sight
from lichen.runtime.views.session import SessionSummary, session_line

TEXT_CHARACTERS_MAX = 160


class LastSaid(msgspec.Struct, frozen=True):
    """The last that was said, by the customer, the assistant or a person (`by` is the name they go by). `text` is how
    it begins; None for whoever may not read it, and once it was erased. `files` came with it."""

    role: Literal["customer", "agent", "operator"]
    kind: str
    by: str
    at_us: int
    text: str | None
    files: int


class ConversationView(SessionSummary, frozen=True, kw_only=True):
    """A conversation in one line. `has` is the person who has it, empty while nobody took it; `unread` messages its
    customer wrote since that person looked. `waiting` messages wait for the assistant. `failed` messages could not be
    delivered, and of those `in_doubt` nobody knows whether they were: a person settles both. `is_sealed`: whoever reads
    it may not read what was said."""

    said: LastSaid | None
    has: str
    unread: int
    waiting: int
    failed: int
    in_doubt: int
    is_sealed: bool


class ChannelCount(msgspec.Struct, frozen=True):
    """A channel that conversations came by, and how many did."""

    name: str
    conversations: int


class ConversationBook(msgspec.Struct, frozen=True):
    """A page of conversations, the one that something happened in last first, and the channels that there are.
    `next_before` is the moment that the next page begins before; None at the end."""

    conversations: tuple[ConversationView, ...]
    channels: tuple[ChannelCount, ...]
    next_before: int | None


class Found(NamedTuple):
    """A conversation as it lies on disk, with the last record that is a message, and what that says."""

    stream: StreamRow
    row: SessionRow
    last: Record | None
    contents: Mapping[str, bytes] | None


def conversation_view(
    log: Log, found: Found, mailbox: MailboxState | None, stuck: Mapping[str, int], sight: Sight
) -> ConversationView:
    """A conversation in one line. `mailbox` is its state where more is to be said of it than its row says; `stuck` is
    how many of its messages failed or are in doubt."""
    handover = mailbox.handover if mailbox is not None else None
    has = handover.by if handover is not None else ""
    return ConversationView(
        **msgspec.structs.asdict(session_line(found.stream, found.row)),
        said=_said(log, found, sight),
        has=sight.name_of(log, has) if has else "",
        unread=len(handover.unread) if handover is not None else 0,
        waiting=_waiting(mailbox),
        failed=stuck.get("failed", 0),
        in_doubt=stuck.get("in_doubt", 0),
        is_sealed=sight.is_sealed,
    )


def _waiting(mailbox: MailboxState | None) -> int:
    if mailbox is None:
        return 0
    return len(mailbox.queued) + (mailbox.turn is not None)


def _said(log: Log, found: Found, sight: Sight) -> LastSaid | None:
    if found.last is None:
        return None
    text = None
    if found.contents is not None and not sight.is_sealed:
        text = _short(saying.read(found.contents).text)
    at_us = found.last.ts_us
    match found.last.control:
        case e.MessageReceived() as c:
            return LastSaid("customer", "message", "", at_us, text, len(c.attachments))
        case e.MessageQueued(kind="reply") as c:
            return LastSaid("operator", c.kind, sight.name_of(log, c.by), at_us, text, 0)
        case e.MessageQueued() as c:
            return LastSaid("agent", c.kind, "", at_us, text, 0)
        case _:
            raise AssertionError("what was said last is a message")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= TEXT_CHARACTERS_MAX else f"{line[: TEXT_CHARACTERS_MAX - 1]}…"
