"""What waits for a person: approvals, and outcomes that nobody but a person can find out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from starlette.responses import Response

from lichen.core.state.replies import ReplyScope
from lichen.core.words.errors import Invalid
from lichen.core.words.wait import OUTCOMES, WaitOutcome
from lichen.runtime.operations.replies import TTL_S_MAX
from lichen.runtime.operations.waits import FOR_PEOPLE
from lichen.runtime.views.wait import WaitView
from lichen.serve.api.route import ApiRoute
from lichen.serve.http.exchange import Body, Exchange, Note, Nothing, Position
from lichen.serve.http.sse import MEDIA, EventStream, waiting_frames

ALL_KINDS = tuple(OUTCOMES)
GONE = (409, 410)  # somebody answered before, or time did


class Answering(Body, frozen=True):
    """An answer. `digest` is the one shown with the wait: then it is about exactly what was seen."""

    note: Note = ""
    digest: str | None = None


class Past(Body, frozen=True):
    """A page of answers: those before position `before` of the log, or the newest."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    before: Position | None = None


class Reconciling(Body, frozen=True):
    """What a person found out about an effect: `result` is the tool's result when it happened."""

    outcome: Literal["happened", "did_not_happen", "try_again"]
    result: dict[str, Any] | None = None
    note: Note = ""
    digest: str | None = None


class Told(Body, frozen=True):
    """What a run waits for from outside: `result` is handed to its planner."""

    result: Mapping[str, Any] = {}
    digest: str | None = None


async def list_all(x: Exchange) -> tuple[WaitView, ...]:
    """Every open wait of this scope's runs, of whatever kind, oldest first."""
    return x.runtime.waits.list(x.scope, x.actor, kinds=ALL_KINDS)


async def events(x: Exchange) -> Response:
    """How much waits for people, as server-sent events: at once, and again whenever something about it changes."""
    name = x.scope.log_id()
    x.streams.check(name)
    if x.request.method == "HEAD":
        return Response(media_type=MEDIA)
    news = x.runtime.waits.news(x.scope, x.actor)
    return EventStream(waiting_frames(news, closing=x.closing, holding=x.holding), slot=x.streams.holding(name))


async def answer(x: Exchange) -> Nothing:
    """Brings what a run waits for from outside: a clarification or an external result."""
    given = x.body(Told)
    return await _answer(x, "answered", given.digest, {"result": given.result})


class Scoped(Body, frozen=True):
    """Where an answer comes back: `conversation`, and what tells it from others there. `user` is the customer who
    answers, if it is one alone."""

    conversation: str
    thread: str = ""
    reply_to: str = ""
    correlation: str = ""
    user: Annotated[str, msgspec.Meta(max_length=128)] = ""

    @property
    def reply(self) -> ReplyScope:
        """The place."""
        return ReplyScope(self.conversation, self.thread, self.reply_to, self.correlation)


class Expected(Scoped, frozen=True):
    """Where the answer to a wait comes back, and for how many seconds; 0 for as long as it waits."""

    ttl_s: Annotated[int, msgspec.Meta(ge=0, le=TTL_S_MAX)] = 0


class Brought(Scoped, frozen=True):
    """What came back, and where: `result` is handed to the planner of the run that waits for it."""

    result: Mapping[str, Any] = {}


async def expect(x: Exchange) -> Nothing:
    """Has answers that come back there be for a wait for something from outside."""
    given = x.body(Expected)
    await x.runtime.replies.expect(x.scope, x.part("wait"), given.reply, x.actor, user=given.user, ttl_s=given.ttl_s)
    return Nothing()


async def bring(x: Exchange) -> Nothing:
    """Answers the wait that is registered for what comes back there."""
    given = x.body(Brought)
    await x.runtime.replies.bring(x.scope, given.reply, x.actor, result=given.result, user=given.user, key=x.key)
    return Nothing()


async def list_waits(x: Exchange) -> tuple[WaitView, ...]:
    """Everything in this scope that waits for a person, oldest first."""
    return x.runtime.waits.list(x.scope, x.actor, kinds=FOR_PEOPLE)


async def history(x: Exchange) -> tuple[WaitView, ...]:
    """What people were asked and answered, the last answer first."""
    wanted = x.query(Past)
    return x.runtime.waits.history(x.scope, x.actor, limit=wanted.limit, before=wanted.before)


async def closed(x: Exchange) -> WaitView:
    """One that was answered: what was asked, who decided, when, with which note."""
    return x.runtime.waits.closed(x.scope, x.part("wait"), x.actor)


async def show(x: Exchange) -> WaitView:
    """One of them."""
    return x.runtime.waits.show(x.scope, x.part("wait"), x.actor)


async def approve(x: Exchange) -> Nothing:
    """Agrees to exactly the call that is shown."""
    given = x.body(Answering)
    return await _answer(x, "approved", given.digest, {"note": given.note})


async def deny(x: Exchange) -> Nothing:
    """Refuses it."""
    given = x.body(Answering)
    return await _answer(x, "denied", given.digest, {"note": given.note})


async def reconcile(x: Exchange) -> Nothing:
    """Says what became of an effect in doubt."""
    given = x.body(Reconciling)
    if given.result is not None and given.outcome != "happened":
        raise Invalid("Only what happened has a result.", code="body_invalid", place="$.result")
    body: dict[str, Any] = {"note": given.note}
    return await _answer(
        x, given.outcome, given.digest, body if given.result is None else {**body, "result": given.result}
    )


async def _answer(x: Exchange, outcome: WaitOutcome, digest: str | None, body: dict[str, Any]) -> Nothing:
    await x.runtime.waits.answer(x.scope, x.part("wait"), outcome, x.actor, digest=digest, body=body, key=x.key)
    return Nothing()


ROUTES = (
    ApiRoute("GET", "approvals", "wait.read", list_waits),
    ApiRoute("GET", "approvals/closed", "wait.read", history, query=Past),
    ApiRoute("GET", "approvals/closed/{wait}", "wait.read", closed),
    ApiRoute("GET", "approvals/{wait}", "wait.read", show, fails=(409,)),
    ApiRoute("POST", "approvals/{wait}/approve", "wait.answer", approve, body=Answering, fails=GONE, takes_key=True),
    ApiRoute("POST", "approvals/{wait}/deny", "wait.answer", deny, body=Answering, fails=GONE, takes_key=True),
    ApiRoute(
        "POST",
        "approvals/{wait}/reconcile",
        "wait.answer",
        reconcile,
        body=Reconciling,
        fails=GONE,
        takes_key=True,
    ),
    ApiRoute("GET", "waits", "wait.read", list_all),
    ApiRoute("GET", "waits/events", "wait.read", events, media=MEDIA, fails=(429,)),
    ApiRoute("POST", "waits/replies", "wait.answer", bring, body=Brought, fails=GONE, takes_key=True),
    ApiRoute("POST", "waits/{wait}/reply-scope", "wait.answer", expect, body=Expected, fails=(409,)),
    ApiRoute("POST", "waits/{wait}/answer", "wait.answer", answer, body=Told, fails=GONE, takes_key=True),
)
