"""Conversations that a person has: they take one, write in it as often as they like, and give it back.

Everything is kept in the order in which it came. What the customer writes meanwhile lies in their session, unread until
the person did something there that says they saw it.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders import moves, talk
from lichen.core.deciders.mailbox import OUTBOX_MAX, Handover
from lichen.core.words.content import Content
from lichen.core.words.errors import Conflict, Denied, Expired, Invalid, NotFound, Unavailable
from lichen.core.words.ids import RunId, StreamId, WaitId, root_run, session_stream
from lichen.core.words.wait import Wait, may_answer
from lichen.engine.act import Act, SessionAct
from lichen.engine.drafts.handed import Return, is_of, returned
from lichen.engine.intake.keys import token_of
from lichen.engine.intake.request import Request
from lichen.engine.intake.sizes import text_of
from lichen.engine.intake.waits import may_not, open_wait
from lichen.engine.sends.sends import ruled

Then = Literal["returned", "closed"]
"""How a person ends it: the assistant goes on, or everything is said."""


class Looked(NamedTuple):
    """What a person had before them as they did something: so many records of the session, all of them for None.
    `key` is their idempotency key."""

    read: int | None = None
    key: str | None = None


class _Kept(NamedTuple):
    """A hand-over that somebody does something with: the run that asked for it, its wait, its session."""

    act: Act
    wait: Wait
    session: SessionAct
    handover: Handover
    token: str


async def take(request: Request, run: RunId, wait: WaitId, looked: Looked) -> None:
    """Makes the conversation the actor's, whoever had it; the customer is told when nobody had. Returns once durable.

    Raises NotFound, Denied (`may_not_answer`), Conflict (`wait_closed`), Expired, Invalid (`key_invalid`).
    """
    kept = _kept(request, run, wait, looked)
    if kept is not None:
        attended = _attended(request, kept, looked)
        told: moves.Drafts = ()
        refused: moves.Drafts = ()
        if not kept.handover.by:
            text = Content("text", kept.act.subject, kept.act.texts.attended.encode())
            token, root = f"attended/{run}/{wait}", root_run(run)
            notice = talk.queue(kept.session.mailbox, "notice", text, run=root, token=token, label=kept.act.state.label)
            told, refused = ruled(kept.act, (notice,))
        request.append({kept.session.stream: (attended, *told), kept.act.stream: refused})
    await _durable(request, run)


async def reply(request: Request, run: RunId, wait: WaitId, text: str, looked: Looked) -> None:
    """Writes to the customer; the conversation is the actor's from then on. Returns once durable.

    Raises as `take` does; Conflict (`handover_taken`) while somebody else has it, Denied (`message_refused`) where
    policy keeps it back, Invalid (`message_empty`, `message_too_large`), Unavailable (`outbox_full`).
    """
    said = text_of(text)
    kept = _kept(request, run, wait, looked)
    if kept is None:
        _check_same(request, run, looked, said)
    else:
        _check_is_theirs(request, kept)
        attended = _attended(request, kept, looked)
        request.append({kept.session.stream: (attended, *_written(request, kept, said))})
    await _durable(request, run)


async def give_back(request: Request, run: RunId, wait: WaitId, then: Then, looked: Looked, *, text: str = "") -> None:
    """Ends it, with a last message or without one. `returned`: the customer is told that the assistant is there again.

    What they wrote that the actor had not before them goes to the assistant. Raises as `reply` does.
    """
    said = text_of(text) if text.strip() else b""
    kept = _kept(request, run, wait, looked)
    if kept is None:
        _check_same(request, run, looked, said)
    else:
        _check_is_theirs(request, kept)
        attended = _attended(request, kept, looked)
        written = _written(request, kept, said) if said else ()
        back = _back(request, kept, then, said.decode(), offset=len(written))
        session = (attended, *written, *back.before, *back.after)
        request.append({kept.session.stream: session, kept.act.stream: back.run})
    await _durable(request, run)


# -- what is looked up and checked -------------------------------------------------------------------------------


def _kept(request: Request, run: RunId, wait: WaitId, looked: Looked) -> _Kept | None:
    """The hand-over, open and one that the actor may answer; None where this was done before under the same key."""
    state = request.run(run)
    if state.session is None:
        raise NotFound("The run has no such hand-over.", code="wait_unknown")
    token = token_of(request, looked.key)
    if token is not None and _done_before(request, session_stream(state.session), token):
        return None
    asked = open_wait(state, wait)
    if asked.kind != "handover":
        raise Invalid(f"A wait of kind {asked.kind} is no hand-over.", code="answer_invalid")
    if not may_answer(asked, request.actor, request.by):
        raise may_not(asked, request.by)
    act = Act(request.services, request.journal, state)
    session = SessionAct.on(request.services, request.journal, state.session)
    _check_time(session)
    is_known = is_of(session, act, asked) and session.mailbox.handover is not None
    handover = session.mailbox.handover if is_known else None
    found = handover or Handover(run, wait)
    return _Kept(act, asked, session, found, token or request.services.new_id("attended"))


def _done_before(request: Request, stream: StreamId, token: str) -> bool:
    return request.journal.log.find(stream, f"handover_attended/{token}") is not None


def _check_time(session: SessionAct) -> None:
    handover, mailbox = session.mailbox.handover, session.mailbox
    due_us = None if handover is None else mailbox.timers.get(handover.timer)
    if due_us is not None and session.services.clock() >= due_us:
        raise Expired("The time to answer is over: the assistant has the conversation again.", code="wait_expired")


def _check_is_theirs(request: Request, kept: _Kept) -> None:
    if kept.handover.by not in ("", request.by):
        raise Conflict(
            "Somebody else has this conversation.",
            code="handover_taken",
            next_step=f"Run `lichen handovers take {kept.act.state.id}.{kept.wait.id}` to take it over.",
        )


def _check_same(request: Request, run: RunId, looked: Looked, said: bytes) -> None:
    """Raises Conflict (`key_reused`) where something else was said under the key."""
    session, token = request.run(run).session, token_of(request, looked.key)
    assert session is not None
    stream = session_stream(session)
    n = request.journal.log.find(stream, f"message_queued/reply/{token}")
    before = b"" if n is None else request.journal.log.contents(stream, n).get("text", b"")
    if before != said:
        raise Conflict("This idempotency key was used for another reply.", code="key_reused")


async def _durable(request: Request, run: RunId) -> None:
    await request.journal.durable(run=run, session=request.run(run).session)


# -- what is appended --------------------------------------------------------------------------------------------


def _attended(request: Request, kept: _Kept, looked: Looked) -> e.Draft:
    mailbox, rest_us = kept.session.mailbox, kept.handover.rest_us
    read = mailbox.n if looked.read is None else max(0, min(looked.read, mailbox.n))
    until_us = request.services.clock() + rest_us if rest_us else 0
    return e.Draft(
        e.HandoverAttended(kept.handover.run, kept.wait.id, request.by, kept.token, read, until_us, request.ruling)
    )


def _written(request: Request, kept: _Kept, said: bytes) -> moves.Drafts:
    """The message as policy lets it go. It is made from what the run has read, as far as anybody knows, and endorses
    nothing."""
    mailbox, act = kept.session.mailbox, kept.act
    if len(mailbox.outbox) >= OUTBOX_MAX:
        raise Unavailable("Too many replies of this session were not received.", code="outbox_full")
    draft = talk.queue(
        mailbox,
        "reply",
        Content("text", act.subject, said),
        run=root_run(act.state.id),
        token=f"reply/{kept.token}",
        label=act.state.label,
        by=request.by,
    )
    sends = ruled(act, (draft,))
    if sends.refused:
        act.note(*sends.refused)
        raise Denied("Policy does not let this be said to the customer.", code="message_refused")
    return sends.session


def _back(request: Request, kept: _Kept, then: Then, text: str, *, offset: int) -> Return:
    body = msgspec.json.encode({"text": text, "then": then})
    told = kept.act.texts.returned if then == "returned" else ""
    contents = (Content("body", kept.act.subject, body),)
    return returned(kept.act, kept.wait, "answered", by=request.by, told=told, body=contents, offset=offset)
