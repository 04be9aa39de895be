"""Sessions: opened for a customer, told what nobody asked for, closed with everything that goes on in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders import moves, talk
from lichen.core.deciders.mailbox import OUTBOX_MAX
from lichen.core.speech.saying import Saying, check, contents, read
from lichen.core.words.errors import Conflict, ContentErased, Denied, Unavailable
from lichen.core.words.ids import AgentName, MessageId, SessionId, StreamId, session_stream
from lichen.core.words.label import EMPTY, Label
from lichen.core.words.scope import Actor
from lichen.engine.act import SessionAct
from lichen.engine.acts.turn import acting
from lichen.engine.intake.keys import id_of, of_team, token_of
from lichen.engine.intake.request import Request, merged
from lichen.engine.intake.sizes import check_address, text_of
from lichen.engine.journal.attributes import check_needs, sealed
from lichen.engine.journal.tree import cancel_tree
from lichen.engine.ports import Whose
from lichen.engine.sends.sends import volunteered
from lichen.engine.sends.starts import opener


class Opening(msgspec.Struct, frozen=True):
    """How a session begins.

    `attributes` are those of every run of the session, for its planner and its tools. `language` is what the customer
    wants, as Accept-Language has it; the session gets one that the tenant speaks. `address` is where its channel
    pushes messages to. `team` is that whose rules of access bind it, for good.
    """

    agent: AgentName
    channel: str = "api"
    delivery: Literal["pull", "push"] = "pull"
    double_texting: e.DoubleTexting = "enqueue"
    attributes: Mapping[str, str] = {}
    language: str = ""
    address: bytes = b""
    team: str = ""


def session_id(
    request: Request, agent: AgentName, *, channel: str, key: str | None, generation: int = 0, team: str = ""
) -> SessionId:
    """The id of a session that is to be opened; with a `key` always the same for this actor, agent, channel and team,
    and so many `generation`s of it that were closed.

    Raises NotFound (`agent_unknown`), Invalid (`key_invalid`).
    """
    request.agent(agent)
    actor, later = request.actor, f"#{generation}" if generation else ""
    return SessionId(
        id_of(request, "ses", key, salt=f"{actor.kind}:{actor.id}:{agent}:{channel}{later}{of_team(team)}")
    )


async def open_session(
    request: Request, session: SessionId, opening: Opening, *, is_fresh: bool = False, by: Actor | None = None
) -> bool:
    """Opens a session of the actor under an id from `session_id`, and says whether this did: once it is open, it does
    nothing. `is_fresh`: the id was drawn just now. `by`: who does it, where it is not whose it is.

    Raises Invalid (`attributes_invalid`, `attributes_missing`, `address_too_large`), Unavailable.
    """
    attributes = sealed(opening.attributes)
    spoken = ("language",) if opening.language else ()
    check_needs(request.agent(opening.agent, Whose(session)), "channel", *spoken, *opening.attributes)
    check_address(opening.address)
    journal, stream = request.journal, session_stream(session)
    if is_fresh:
        journal.log.begin(stream)
    await request.engine.turn(journal)
    is_new = journal.state(stream).n == 0
    if is_new:
        request.engine.admit(request.scope, request.actor)
        who = request.by if by is None else journal.log.name(by)
        journal.append({stream: (_opened(request, opening, attributes),)}, actor=who)
    await journal.durable(session=session)
    return is_new


def _opened(request: Request, opening: Opening, attributes: bytes) -> e.Draft:
    wording = request.services.wording(request.scope)
    opened = e.MailboxOpened(
        opening.agent,
        request.subject,
        opening.channel,
        opening.delivery,
        opening.double_texting,
        wording.chosen(opening.language) if opening.language else "",
        ruling=request.ruling,
        has_address=bool(opening.address),
        team=opening.team,
    )
    actor = msgspec.json.encode(request.actor)
    parts = [("actor", actor), ("attributes", attributes), ("address", opening.address)]
    return e.Draft(opened, moves.as_contents(parts, opened.subject))


class Told(msgspec.Struct, frozen=True):
    """A message that somebody wrote to a session of their own accord: on its way, under this id."""

    session: SessionId
    message: MessageId
    is_repeated: bool = False


async def tell(
    request: Request, session: SessionId, said: Saying, *, key: str | None = None, label: Label = EMPTY
) -> Told:
    """Says something to a session that nobody asked for: it goes the way of an answer. Returns once it is durable.

    Twice under one `key` is once. An operator's is a person's words; of an agent `label` is what its run has read.
    Raises NotFound (`session_unknown`), Conflict (`session_closed`, `key_reused`), Denied (`message_refused`), Invalid
    (`message_empty`, `saying_too_large`, `saying_invalid`, `key_invalid`), ContentErased, Unavailable (`outbox_full`).
    """
    check(said)
    text_of(said.text)
    await request.admitted()
    act = SessionAct(request.services, request.journal, request.mailbox(session))
    token = f"tell/{token_of(request, key) or request.services.new_id('told')}"
    told = _told_before(act, token, said) or _told(request, act, token, said, label)
    await request.journal.durable(session=session)
    return told


def _told_before(act: SessionAct, token: str, said: Saying) -> Told | None:
    """What was told under this token. Raises Conflict (`key_reused`)."""
    n = act.journal.log.find(act.stream, f"message_queued/{token}")
    if n is None:
        return None
    if read(act.contents(n)) != said:
        raise Conflict("This idempotency key was used for another message.", code="key_reused")
    control = act.journal.event(act.stream, n).control
    assert isinstance(control, e.MessageQueued)
    return Told(act.mailbox.id, control.message, is_repeated=True)


def _told(request: Request, act: SessionAct, token: str, said: Saying, label: Label) -> Told:
    mailbox, actor = act.mailbox, request.actor
    if mailbox.is_closed:
        raise Conflict("The session is closed.", code="session_closed", next_step="Begin another conversation.")
    if act.journal.is_erased(mailbox.subject):
        raise ContentErased("This subject was erased, so nothing more is said to them.")
    if len(mailbox.outbox) >= OUTBOX_MAX:
        raise Unavailable("Too many replies of this session were not received.", code="outbox_full")
    kind = "reply" if actor.kind == "operator" else "say"
    draft = talk.queue(mailbox, kind, *contents(said, mailbox.subject), token=token, label=label, by=request.by)
    sender = actor if actor.kind == "agent" else acting(mailbox.agent, opener(act))
    sends = volunteered(act, sender, (draft,), label=label)
    if sends.refused:
        act.note(*sends.refused)
        raise Denied("Policy does not let this be said to the customer.", code="message_refused")
    request.append({act.stream: sends.session})
    return Told(mailbox.id, MessageId(f"o{mailbox.sent + 1}"))


async def close_session(request: Request, session: SessionId) -> None:
    """Takes no further message and cancels every run of the session, those included that wait for somebody else.

    Closing twice is no error. Raises NotFound (`session_unknown`), Unavailable.
    """
    journal, mailbox = request.journal, request.mailbox(session)
    if not mailbox.is_closed:
        closed = e.Draft(e.MailboxClosed("requested", request.ruling))
        appended: dict[StreamId, moves.Drafts] = {session_stream(session): (closed,)}
        turn = () if mailbox.turn is None else (mailbox.turn.run,)
        for run in (*turn, *mailbox.released):
            appended = merged(appended, cancel_tree(journal, journal.run(run), "session_ended", "session-ended"))
        request.append(appended)
    await journal.durable(session=session)
