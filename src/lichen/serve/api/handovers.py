"""Conversations that a person is to have: who wants one, who has which, what they write, and how it goes back."""

from __future__ import annotations

from typing import Annotated

import msgspec

from lichen.engine.intake.handovers import Then
from lichen.runtime.views.session import HandoverView
from lichen.serve.api.route import ApiRoute
from lichen.serve.http.exchange import Body, Exchange, Nothing, Position

Text = Annotated[str, msgspec.Meta(max_length=16_384)]
GONE = (409, 410, 503)  # it is over, somebody else has it, or time did; too much lies there unread


class Taking(Body, frozen=True):
    """`read` is that of the hand-over as it was shown; everything there is when it is left out."""

    read: Position | None = None


class Replying(Body, frozen=True):
    """What the customer reads; `read` as in taking one."""

    text: Text
    read: Position | None = None


class Ending(Body, frozen=True):
    """How it goes back: the assistant goes on (`returned`), or everything is said (`closed`); with a last message or
    without."""

    then: Then = "returned"
    text: Text = ""
    read: Position | None = None


async def list_all(x: Exchange) -> tuple[HandoverView, ...]:
    """Every conversation of this scope that a person is to have, the oldest first."""
    return x.runtime.handovers.list(x.scope, x.actor)


async def show(x: Exchange) -> HandoverView:
    """One of them."""
    return x.runtime.handovers.show(x.scope, x.part("wait"), x.actor)


async def take(x: Exchange) -> Nothing:
    """Makes it the caller's, whoever had it; the customer is told when nobody had."""
    given = x.body(Taking)
    await x.runtime.handovers.take(x.scope, x.part("wait"), x.actor, read=given.read, key=x.key)
    return Nothing()


async def reply(x: Exchange) -> Nothing:
    """Writes to the customer; it is the caller's from then on."""
    given = x.body(Replying)
    await x.runtime.handovers.reply(x.scope, x.part("wait"), given.text, x.actor, read=given.read, key=x.key)
    return Nothing()


async def end(x: Exchange) -> Nothing:
    """Gives it back. What the customer wrote that was not read goes to the assistant."""
    given = x.body(Ending)
    await x.runtime.handovers.give_back(
        x.scope, x.part("wait"), x.actor, then=given.then, text=given.text, read=given.read, key=x.key
    )
    return Nothing()


ROUTES = (
    ApiRoute("GET", "handovers", "wait.read", list_all),
    ApiRoute("GET", "handovers/{wait}", "wait.read", show, fails=(409,)),
    ApiRoute("POST", "handovers/{wait}/take", "wait.answer", take, body=Taking, fails=GONE, takes_key=True),
    ApiRoute("POST", "handovers/{wait}/reply", "wait.answer", reply, body=Replying, fails=GONE, takes_key=True),
    ApiRoute("POST", "handovers/{wait}/end", "wait.answer", end, body=Ending, fails=GONE, takes_key=True),
)
