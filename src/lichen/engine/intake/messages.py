"""Messages: each is taken once, under a number of its session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.deciders.mailbox import OUTBOX_MAX, MailboxState
from lichen.core.ports.overrides import NONE, Overrides, check, sealed
from lichen.core.ports.plan import SpeakerRole
from lichen.core.speech.attached import Attached, File
from lichen.core.words.errors import Conflict, Unavailable
from lichen.core.words.ids import MessageId, RunId, SessionId, StreamId, WaitId, session_stream
from lichen.core.words.scope import speaks_as
from lichen.engine.answers import attached
from lichen.engine.answers.messages import encoded
from lichen.engine.intake.disposition import Disposition, Words, disposed, without_stale_questions
from lichen.engine.intake.keys import token_of
from lichen.engine.intake.request import Request, merged
from lichen.engine.intake.sizes import check_address, text_of
from lichen.engine.journal.labels import said_by
from lichen.engine.ports import Whose


class Receipt(msgspec.Struct, frozen=True):
    """What became of a message: it waits for its turn, joined the open one, answered a wait, was refused, or is for
    the person who has the conversation."""

    session: SessionId
    message: MessageId
    n: int  # the session's record that holds the message
    disposition: Literal["queued", "joined", "answered", "rejected", "handed"]
    run: RunId | None = None
    wait: WaitId | None = None
    is_repeated: bool = False


class Said(NamedTuple):
    """What somebody says: the text, also as it is kept, the JSON beside it, and what their channel keeps with it."""

    text: str
    said: bytes
    data: bytes
    channel_data: bytes
    address: bytes
    key: str | None
    schema: bytes = b""
    overrides: Overrides = NONE
    files: tuple[File, ...] = ()
    origin: str = ""

    @property
    def is_own_turn(self) -> bool:
        """Whether it has a turn of its own: what is asked for holds for no other message."""
        return bool(self.schema) or self.overrides != NONE


class Coming(NamedTuple):
    """A message that comes: who says it, in which session, and what."""

    request: Request
    session: SessionId
    said: Said


def read(
    text: str,
    *,
    key: str | None = None,
    channel_data: bytes = b"",
    data: Any = None,
    address: bytes = b"",
    schema: bytes = b"",
    overrides: Overrides = NONE,
    files: tuple[File, ...] = (),
    origin: str = "",
) -> Said:
    """What somebody says, as it is kept.

    `channel_data` is kept with the message for its channel alone. `data`, any JSON, goes to the planner with the
    words: what a channel knows beside them. `address` is where the channel pushes replies to from now on. `schema` is
    what the answer is to fit, `overrides` what the run is held to; with either the message has a turn of its own.
    `origin` is what its platform calls it. `files` were taken out of the data before (`attached.taken`); their names
    are what a message says that has no words.

    Raises Invalid (`message_too_large`, `message_empty`, `input_too_large`, `input_invalid`, `address_too_large`).
    """
    if files and not text.strip():
        text = attached.names(data)
    said, beside = text_of(text), encoded(data)
    check_address(address)
    return Said(text, said, beside, channel_data, address, key, schema, overrides, files, origin)


async def say(coming: Coming) -> Receipt:
    """Takes one message of the session's customer; returns once it is durable. Raises as `receive`, Unavailable
    (nothing was taken)."""
    await coming.request.admitted()
    receipt = receive(coming)
    await coming.request.journal.durable(session=coming.session)
    return receipt


def receive(coming: Coming) -> Receipt:
    """Appends a message, now. Raises as `received`, Unavailable."""
    receipt, drafts = received(coming)
    if drafts:
        coming.request.append(drafts)
    return receipt


def received(coming: Coming) -> tuple[Receipt, Mapping[StreamId, moves.Drafts]]:
    """What becomes of a message that comes now, and what is to be appended for it: nothing, if it was taken before.

    Raises Invalid (`key_invalid`, `overrides_invalid`), NotFound (`session_unknown`), Conflict (`session_closed`,
    `key_reused`, `session_busy`), Unavailable (`outbox_full`), TooMany (`file_bytes`).
    """
    request, session, said = coming
    mailbox = request.mailbox(session)
    number = MessageId(f"m{mailbox.received + 1}")
    token = token_of(request, said.key) or number
    receipt = _repeated(request, session, token, said)
    if receipt is not None:
        return receipt, {}
    _check_takes(mailbox)
    if said.overrides != NONE:
        check(request.agent(mailbox.agent, Whose(mailbox.id, mailbox.opened_us)), said.overrides)
    attached.check_room(request.services, request.journal, request.actor, said.files)
    words = Words(number, token, said.text, (), *_speaker(request, mailbox))
    return _taken(request, mailbox, words, said)


def _contents(said: Said, subject: str, n: int) -> moves.Contents:
    """What a message says that is record `n` of its session."""
    data = attached.told(said.data, said.files, n)
    parts = [("text", said.said), ("data", data), ("channel", said.channel_data), ("address", said.address)]
    parts += [("schema", said.schema), ("overrides", sealed(said.overrides)), ("id", said.origin.encode())]
    return (*moves.as_contents(parts, subject), *attached.sealed(said.files, subject))


def taken(request: Request, session: SessionId, key: str) -> Receipt | None:
    """The receipt of the message that was taken under a key; None where none was. Raises Invalid (`key_invalid`)."""
    return _taken_under(request, session, token_of(request, key) or "")


def _taken_under(request: Request, session: SessionId, token: str) -> Receipt | None:
    journal, stream = request.journal, session_stream(session)
    n = journal.log.find(stream, f"message_received/{token}")
    if n is None:
        return None
    control = journal.event(stream, n).control
    assert isinstance(control, e.MessageReceived)
    return Receipt(session, control.message, n, control.disposition, control.run, control.wait, is_repeated=True)


def _repeated(request: Request, session: SessionId, token: str, said: Said) -> Receipt | None:
    """The receipt of the message that was taken under this token. Raises Conflict (`key_reused`): it was another."""
    receipt = _taken_under(request, session, token)
    if receipt is None:
        return None
    journal, stream, n = request.journal, session_stream(session), receipt.n
    contents = journal.log.contents(stream, n)
    kept = (contents.get("text"), *(contents.get(part, b"") for part in ("data", "schema", "overrides")))
    control = journal.event(stream, n).control
    assert isinstance(control, e.MessageReceived)
    is_same = kept == (said.said, attached.told(said.data, said.files, n), said.schema, sealed(said.overrides))
    if not is_same or control.attachments != _named(said):
        raise Conflict("This idempotency key was used for another message.", code="key_reused")
    return receipt


def _named(said: Said) -> tuple[Attached, ...]:
    return tuple([file.what for file in said.files])


def _check_takes(mailbox: MailboxState) -> None:
    """Raises Conflict (`session_closed`), Unavailable (`outbox_full`)."""
    if mailbox.is_closed:
        raise Conflict("The session is closed.", code="session_closed", next_step="Open a new session.")
    if len(mailbox.outbox) >= OUTBOX_MAX:
        raise Unavailable("Too many replies of this session were not received.", code="outbox_full")


def _speaker(request: Request, mailbox: MailboxState) -> tuple[SpeakerRole, str]:
    """Whose words they are: of a channel's that vouches, the session's customer's; else the actor's."""
    role = speaks_as(request.actor)
    is_vouched_for = role == "customer" and request.actor.kind != "customer"
    return role, mailbox.subject if is_vouched_for else request.by


def _is_free(request: Request, does: Disposition, said: Said) -> bool:
    """Whether what is asked for can hold: the message has a turn of its own, or goes to a run held to the same."""
    if does.disposition in ("queued", "rejected") or not said.is_own_turn:
        return True
    is_held = does.run is not None and request.journal.overrides_of(does.run) == sealed(said.overrides)
    return is_held and not said.schema


def _disposed(
    request: Request, mailbox: MailboxState, words: Words, said: Said, *, first: int
) -> tuple[Words, Disposition]:
    """What a message does that is record `first` of its session, or stands behind what is appended before it: its
    files are named by its place."""
    words = words._replace(contents=_contents(said, mailbox.subject, first))
    does = disposed(request, mailbox, words)
    if said.files and does.before:
        words = words._replace(contents=_contents(said, mailbox.subject, first + len(does.before)))
        does = disposed(request, mailbox, words)
    return words, does


def _taken(
    request: Request, mailbox: MailboxState, words: Words, said: Said
) -> tuple[Receipt, Mapping[StreamId, moves.Drafts]]:
    mailbox, withdrawn = without_stale_questions(request.journal, mailbox)
    words, does = _disposed(request, mailbox, words, said, first=mailbox.n + len(withdrawn))
    if not _is_free(request, does, said):
        step = "Ask once what goes on there is answered."
        raise Conflict("The session is busy with something else.", code="session_busy", next_step=step)
    received = e.MessageReceived(
        words.message,
        words.token,
        does.disposition,
        does.run,
        does.wait,
        words.role,
        request.ruling,
        words.by,
        words.has_address,
        _named(said),
    )
    before = (*withdrawn, *does.before)
    draft = e.Draft(received, words.contents, said_by(words.role, words.by, subject=mailbox.subject))
    n = mailbox.n + len(before)
    receipt = Receipt(mailbox.id, words.message, n, does.disposition, does.run, does.wait)
    return receipt, merged({session_stream(mailbox.id): (*before, draft, *does.after)}, does.elsewhere)
