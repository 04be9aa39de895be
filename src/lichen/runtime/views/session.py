"""Conversations as people and programs read them: a row of a list, what was said, and which a person is to have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, cast

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders.mailbox import MailboxState
from lichen.core.speech import saying
from lichen.core.speech.attached import named
from lichen.core.speech.saying import Attachment, Format, Saying
from lichen.core.words.ids import MessageId, RunId, SessionId, TurnId
from lichen.log.log import Log
from lichen.log.projections.sessions import Conversation, SessionRow, conversation
from lichen.log.projections.streamrow import StreamRow
from lichen.log.records.record import Record
from lichen.runtime.redaction import nothing_hidden
from lichen.runtime.views.models.costs import SessionCost
from lichen.runtime.views.record import WHOLE, Sight, sight
from lichen.runtime.views.story.replies import WaitingReply, waiting_replies
from lichen.runtime.views.talks.delivery import DeliveryView, Lost, Ways, deliveries
from lichen.runtime.views.wait import WaitView

TRANSCRIPT_MAX = 200

Standing = Conversation
"""A session is over, a person has it, its customer was asked something, is owed something, waits for somebody else, or
none of it."""


class SessionSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a list. `customer` is the pseudonym of who talks; `status` is `open` or `closed`.

    `undelivered` messages wait to be fetched or sent.
    """

    id: SessionId
    agent: str
    customer: str
    status: str
    opened_at_us: int
    first_seq: int
    channel: str
    standing: Standing
    turns: int
    undelivered: int
    last_at_us: int
    summary: str


class FileView(msgspec.Struct, frozen=True):
    """A file that came with a message: `i` of record `n` of the session, by its own bytes of this media type."""

    n: int
    i: int
    name: str
    media_type: str
    size_bytes: int


class SentFile(msgspec.Struct, frozen=True):
    """A file that came with a message, whole."""

    name: str
    media_type: str
    data: bytes


class Said(msgspec.Struct, frozen=True):
    """One message of a conversation. `text` is None once it was erased; `kind` says what it is to its reader.

    `card` and `attachments` stand beside the words for channels that show more; `format` is that of the text.

    `state` is what became of it: `queued`, `joined`, `answered`, `rejected` or `handed` for a customer's, `delivered`,
    `failed`, `in_doubt`, `dropped` or `undelivered` for others. `turn` is the one it belongs to. An operator's is a
    person's who had the conversation; `by` is the name they go by. `files` came with a customer's message.

    `delivery` is how far a message to the customer came; `choices` are what it let them choose from. `filled` are the
    fields of a form, or the data of a button, that came with a customer's words.
    """

    id: MessageId
    role: Literal["customer", "agent", "operator"]
    kind: str
    text: str | None
    run: RunId | None
    at_us: int
    state: str
    turn: TurnId | None
    card: Mapping[str, Any] | None = None
    attachments: tuple[Attachment, ...] = ()
    by: str = ""
    files: tuple[FileView, ...] = ()
    format: Format = "plain"
    delivery: DeliveryView | None = None
    choices: tuple[str, ...] = ()
    filled: Mapping[str, Any] = {}


class SessionDetail(SessionSummary, frozen=True, kw_only=True):
    """A session and the last of what was said, oldest first. `earlier` says how much was said before that. `cost` is
    None for customers, whom it does not concern. `is_sealed`: whoever reads it may not read what was said. `waiting`
    are messages to the customer that have not left yet, and why; empty for customers."""

    is_owing: bool
    earlier: int
    transcript: tuple[Said, ...]
    cost: SessionCost | None
    is_sealed: bool = False
    waiting: tuple[WaitingReply, ...] = ()


class HandoverView(msgspec.Struct, frozen=True):
    """A conversation that a person is to have, or has: `has` is their name, empty while nobody took it.

    `id` is that of the wait that stands for it. `said` is what the customer wrote when they wanted a person; `unread`
    are the messages they wrote since that person looked. `read` is what to say of a page that shows all of it.
    """

    id: str
    session: SessionId
    agent: str
    customer: str
    customer_name: str
    said: str
    has: str
    is_own: bool
    unread: tuple[MessageId, ...]
    opened_at_us: int
    expires_at_us: int | None
    read: int
    may_answer: bool
    summary: str


def handover_view(log: Log, mailbox: MailboxState, wait: WaitView, *, who: str, may_answer: bool) -> HandoverView:
    """A hand-over as somebody sees it whose pseudonym is `who`."""
    handover = mailbox.handover
    by = handover.by if handover is not None else ""
    unread = tuple(message.message for message in handover.unread) if handover is not None else ()
    has = sight(not wait.is_sealed).name_of(log, by) if by else ""
    count = f", {len(unread)} unread" if unread else ""
    return HandoverView(
        id=wait.id,
        session=mailbox.id,
        agent=mailbox.agent,
        customer=wait.customer,
        customer_name=wait.customer_name,
        said=wait.asked.said,
        has=has,
        is_own=bool(by) and by == who,
        unread=unread,
        opened_at_us=wait.opened_at_us,
        expires_at_us=wait.expires_at_us,
        read=mailbox.n,
        may_answer=may_answer,
        summary=f"{f'{has} has it' if has else 'nobody has it'}{count}",
    )


def session_summary(mailbox: MailboxState, first: Record, last: Record) -> SessionSummary:
    """A session in one line, by its first and its last record."""
    standing = conversation(mailbox)
    return SessionSummary(
        id=mailbox.id,
        agent=mailbox.agent,
        customer=mailbox.subject,
        status=mailbox.outcome or "open",
        opened_at_us=first.ts_us,
        first_seq=first.seq,
        channel=mailbox.channel,
        standing=standing,
        turns=mailbox.turns,
        undelivered=len(mailbox.outbox),
        last_at_us=last.ts_us,
        summary=_line(standing, mailbox.turns),
    )


def session_line(stream: StreamRow, row: SessionRow) -> SessionSummary:
    """A session in one line, by its rows: nothing is folded for it."""
    return SessionSummary(
        id=SessionId(stream.id),
        agent=stream.agent,
        customer=stream.subject,
        status=stream.outcome or "open",
        opened_at_us=stream.started_us,
        first_seq=stream.first_seq,
        channel=row.channel,
        standing=row.standing,
        turns=row.turns,
        undelivered=row.undelivered,
        last_at_us=row.last_us,
        summary=_line(row.standing, row.turns),
    )


def _line(standing: Standing, turns: int) -> str:
    return f"{standing}, {turns} turn{'' if turns == 1 else 's'}"


def session_detail(
    log: Log, mailbox: MailboxState, records: Sequence[Record], cost: SessionCost | None, sight: Sight = WHOLE
) -> SessionDetail:
    """A session and the last messages of it, in the order they came and went."""
    spoken = [record for record in records if isinstance(record.control, (e.MessageReceived, e.MessageQueued))]
    turns, settled = _turns(records), _settled(records)
    ways = deliveries(mailbox.id, records, is_pushed=mailbox.delivery == "push", lost=_lost(log, sight))
    shown = spoken[-TRANSCRIPT_MAX:]
    return SessionDetail(
        **msgspec.structs.asdict(session_summary(mailbox, records[0], records[-1])),
        is_owing=mailbox.is_owing_customer,
        earlier=len(spoken) - len(shown),
        transcript=tuple(_with_way(_said(log, record, turns, settled, sight), ways) for record in shown),
        cost=cost,
        is_sealed=sight.is_sealed,
        waiting=() if cost is None else waiting_replies(log, mailbox),
    )


# -- what was said -----------------------------------------------------------------------------------------------

Turns = dict[MessageId, tuple[TurnId, RunId | None]]
Settled = dict[MessageId, str]


def _turns(records: Iterable[Record]) -> Turns:
    """The turn that each message of the customer is in, and its run unless policy refused it."""
    controls = [record.control for record in records]
    refused = {each.run for each in controls if isinstance(each, e.TurnClosed) and each.outcome == "refused"}
    return {
        message: (turn.turn, None if turn.run in refused else turn.run)
        for turn in controls
        if isinstance(turn, e.TurnOpened)
        for message in turn.messages
    }


def _lost(log: Log, sight: Sight) -> Lost:
    """What platforms show with less, for whoever may read what was said."""

    def lost(record: Record) -> tuple[str, ...]:
        if not record.contents:
            return ()
        parts = sight.opened(log, record, nothing_hidden).parts
        return msgspec.json.decode((parts or {}).get("warnings", b"[]"), type=tuple[str, ...])

    return lost


def _settled(records: Iterable[Record]) -> Settled:
    """How the way of each message to the customer ended."""
    ended: Settled = {}
    for record in records:
        match record.control:
            case e.DeliverySettled(message=message, outcome="delivered" | "failed" as how):
                ended[message] = how
            case e.DeliveryDoubted(message=message, decision="hold"):
                ended[message] = "in_doubt"
            case e.DeliveryResolved(message=message, decision=how):
                ended[message] = "undelivered" if how == "again" else how
            case _:
                pass
    return ended


def _said(log: Log, record: Record, turns: Turns, settled: Settled, sight: Sight) -> Said:
    each = sight.opened(log, record, nothing_hidden)
    words = None if each.parts is None else saying.read(each.parts)
    match record.control:
        case e.MessageReceived() as control:
            turn, run = turns.get(control.message, (None, control.run))
            kind = state = control.disposition
            said = Said(control.message, "customer", kind, None, run, record.ts_us, state, turn)
            if each.parts is not None:
                files = files_of(record.n, control, each.parts) if control.attachments else ()
                said = msgspec.structs.replace(said, files=files, filled=_filled(each.parts))
        case e.MessageQueued() as control:
            state = settled.get(control.message, "undelivered")
            said = Said(control.message, "agent", control.kind, None, control.run, record.ts_us, state, control.turn)
            if control.kind == "reply":
                said = msgspec.structs.replace(said, role="operator", by=sight.name_of(log, control.by))
            if each.parts is not None and "suggestions" in each.parts:
                choices = msgspec.json.decode(each.parts["suggestions"], type=tuple[str, ...])
                said = msgspec.structs.replace(said, choices=choices)
        case _:
            raise AssertionError("a transcript is made of messages")
    return said if words is None else _worded(said, words)


def _with_way(said: Said, ways: Ways) -> Said:
    way = None if said.role == "customer" else ways.get(said.id)
    return said if way is None else msgspec.structs.replace(said, delivery=way)


def _worded(said: Said, words: Saying) -> Said:
    return msgspec.structs.replace(
        said, text=words.text, card=words.card, attachments=words.attachments, format=words.format
    )


def _filled(contents: Mapping[str, bytes]) -> Mapping[str, Any]:
    """What was filled in or pressed, without the rest of what a channel brings beside the words."""
    data: Any = msgspec.json.decode(contents.get("data", b"null"))
    fields: Any = data.get("value") if isinstance(data, dict) else None  # type: ignore[misc]
    return cast("dict[str, Any]", fields) if isinstance(fields, dict) else {}


def files_of(n: int, control: e.MessageReceived, contents: Mapping[str, bytes]) -> tuple[FileView, ...]:
    """The files of a message, record `n` of its session. Raises ContentErased."""
    names = {each.i: each.name for each in named(msgspec.json.decode(contents.get("data", b"null")))}
    return tuple(
        [
            FileView(n, i, names.get(i, ""), what.media_type, what.size_bytes)
            for i, what in enumerate(control.attachments)
        ]
    )
