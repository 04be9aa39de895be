"""What happens in a run, as it happens."""

from __future__ import annotations

import re

from starlette.responses import Response

from lichen.core.words.errors import Invalid
from lichen.core.words.ids import RunId
from lichen.log.records.record import FACTS_MAX, Place
from lichen.serve.api.route import ApiRoute
from lichen.serve.http.exchange import Body, Exchange, Position
from lichen.serve.http.sse import MEDIA, EventStream, run_frames

_POSITION = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,2}))?")


class Following(Body, frozen=True):
    """Records after position `after` (a `Last-Event-ID` header counts more), of the run and with `session` of its
    session too; with `follow` the stream stays open when the run has finished."""

    after: Position = 0
    session: bool = False
    follow: bool = False


async def events(x: Exchange) -> Response:
    """The run's durable records as server-sent events: those that are there, then as they come."""
    wanted = x.query(Following)
    after = _after(x, wanted.after)
    feed = x.runtime.runs.follow(x.scope, RunId(x.part("run")), x.actor, with_session=wanted.session)
    name = x.scope.log_id()
    x.streams.check(name)
    if x.request.method == "HEAD":
        return Response(media_type=MEDIA)
    frames = run_frames(feed, after, follows=wanted.follow, closing=x.closing, holding=x.holding)
    return EventStream(frames, slot=x.streams.holding(name))


def _after(x: Exchange, asked: int) -> Place:
    """Where to go on: after all that is stored at the position asked for, or after the very record seen last."""
    given = x.request.headers.get("last-event-id")
    if given is None:
        return Place(asked, FACTS_MAX)
    found = _POSITION.fullmatch(given)
    if found is None:
        raise Invalid("The Last-Event-ID is no position of a log.", code="position_invalid", place="Last-Event-ID")
    return Place(int(found[1]), int(found[2] or 0))


ROUTES = (ApiRoute("GET", "runs/{run}/events", "run.read", events, query=Following, media=MEDIA, fails=(429,)),)
