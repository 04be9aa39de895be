"""What got stuck on its way in or out: dead letters, messages in doubt, and those that could not be delivered."""

from __future__ import annotations

from typing import Annotated

import msgspec

from lichen.runtime.views.talks.letter import LetterDetail, LetterState, LetterView
from lichen.serve.api.route import ApiRoute
from lichen.serve.http.exchange import Body, Exchange, Name, Nothing

LISTED_MAX = 1_000
GONE = (409, 410, 503)  # somebody was first, it is refused again, or it cannot be taken now


class Wanted(Body, frozen=True):
    """Which letters: those in a state, of a channel; so many of the oldest at most."""

    state: LetterState | None = None
    channel: Name | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=LISTED_MAX)] = 100


async def list_all(x: Exchange) -> tuple[LetterView, ...]:
    """What got stuck in this scope and nobody settled, the oldest first; what it says for whoever may read contents."""
    wanted = x.query(Wanted)
    return await x.runtime.letters.list(
        x.scope, x.actor, limit=wanted.limit, state=wanted.state, channel=wanted.channel
    )


async def show(x: Exchange) -> LetterDetail:
    """One of them, as a record of a dead letter queue."""
    return await x.runtime.letters.show(x.scope, x.part("letter"), x.actor)


async def replay(x: Exchange) -> Nothing:
    """Has a message taken after all, or sent again."""
    await x.runtime.letters.replay(x.scope, x.part("letter"), x.actor)
    return Nothing()


async def drop(x: Exchange) -> Nothing:
    """Puts it away: it is neither taken nor sent."""
    await x.runtime.letters.drop(x.scope, x.part("letter"), x.actor)
    return Nothing()


async def delivered(x: Exchange) -> Nothing:
    """Says of a message that was to go that the customer has it."""
    await x.runtime.letters.delivered(x.scope, x.part("letter"), x.actor)
    return Nothing()


ROUTES = (
    ApiRoute("GET", "letters", "letter.read", list_all, query=Wanted),
    ApiRoute("GET", "letters/{letter}", "letter.read", show, fails=(409,)),
    ApiRoute("POST", "letters/{letter}/replay", "letter.replay", replay, fails=GONE),
    ApiRoute("POST", "letters/{letter}/drop", "letter.drop", drop, fails=(409,)),
    ApiRoute("POST", "letters/{letter}/delivered", "letter.drop", delivered, fails=(409,)),
)
