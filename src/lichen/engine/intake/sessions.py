"""Sessions: opened for a customer, and closed with everything that goes on in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.words.ids import AgentName, SessionId, StreamId, session_stream
from lichen.engine.intake.keys import id_of
from lichen.engine.intake.request import Request, merged
from lichen.engine.intake.sizes import check_address
from lichen.engine.journal.attributes import check_needs, sealed
from lichen.engine.journal.tree import cancel_tree


class Opening(msgspec.Struct, frozen=True):
    """How a session begins.

    `attributes` are those of every run of the session, for its planner and its tools. `language` is what the customer
    wants, as Accept-Language has it; the session gets one that the tenant speaks. `address` is where its channel
    pushes messages to.
    """

    agent: AgentName
    channel: str = "api"
    delivery: Literal["pull", "push"] = "pull"
    double_texting: e.DoubleTexting = "enqueue"
    attributes: Mapping[str, str] = {}
    language: str = ""
    address: bytes = b""


def session_id(request: Request, agent: AgentName, *, channel: str, key: str | None, generation: int = 0) -> SessionId:
    """The id of a session that is to be opened; with a `key` always the same for this actor, agent and channel, and so
    many `generation`s of it that were closed.

    Raises NotFound (`agent_unknown`), Invalid (`key_invalid`).
    """
    request.agent(agent)
    actor, later = request.actor, f"#{generation}" if generation else ""
    return SessionId(id_of(request, "ses", key, salt=f"{actor.kind}:{actor.id}:{agent}:{channel}{later}"))


async def open_session(request: Request, session: SessionId, opening: Opening, *, is_fresh: bool = False) -> bool:
    """Opens a session of the actor under an id from `session_id`, and says whether this did: once it is open, it does
    nothing. `is_fresh`: the id was drawn just now.

    Raises Invalid (`attributes_invalid`, `attributes_missing`, `address_too_large`), Unavailable.
    """
    attributes = sealed(opening.attributes)
    spoken = ("language",) if opening.language else ()
    check_needs(request.agent(opening.agent), "channel", *spoken, *opening.attributes)
    check_address(opening.address)
    journal, stream = request.journal, session_stream(session)
    if is_fresh:
        journal.log.begin(stream)
    await request.engine.turn(journal)
    is_new = journal.state(stream).n == 0
    if is_new:
        request.engine.admit(request.scope, request.actor)
        request.append({stream: (_opened(request, opening, attributes),)})
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
    )
    actor = msgspec.json.encode(request.actor)
    parts = [("actor", actor), ("attributes", attributes), ("address", opening.address)]
    return e.Draft(opened, moves.as_contents(parts, opened.subject))


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
