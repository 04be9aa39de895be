"""What happens in a run, as it happens."""

from __future__ import annotations

import functools

from starlette.responses import Response

from lichen.core.words.errors import Invalid
from lichen.core.words.ids import RunId
from lichen.log.records.record import Place
from lichen.serve.api.route import ApiRoute
from lichen.serve.http.exchange import Body, Exchange, Spot
from lichen.serve.http.sse import MEDIA, EventStream, passing, piece_frames, run_frames


class Following(Body, frozen=True):
    """Records after the one at `after` (a `Last-Event-ID` header counts more), of the run and with `session` of its
    session too; with `follow` the stream stays open when the run has finished."""

    after: Spot = "0"
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


async def said(x: Exchange) -> Response:
    """What the run's models say, think and call from now on, as server-sent events: piece by piece, in order, until
    the run is over. Nothing of it is kept; what counts stands in the run's records."""
    feed = x.runtime.runs.pieces(x.scope, RunId(x.part("run")), x.actor)
    name = x.scope.log_id()
    x.streams.check(name)
    if x.request.method == "HEAD":
        return Response(media_type=MEDIA)
    return EventStream(piece_frames(feed, closing=x.closing, holding=x.holding), slot=x.streams.holding(name))


async def partials(x: Exchange) -> Response:
    """What there is so far of an answer that has a type, as server-sent events, each time there is more, and then all
    of it. Ends with how the run stands: its value, or the code of its failure."""
    run = RunId(x.part("run"))
    values = x.runtime.runs.partials(x.scope, run, x.actor)
    name = x.scope.log_id()
    x.streams.check(name)
    if x.request.method == "HEAD":
        return Response(media_type=MEDIA)
    ended = functools.partial(x.runtime.runs.outcome, x.scope, run, x.actor)
    frames = passing("partial", values, ended, closing=x.closing, holding=x.holding)
    return EventStream(frames, slot=x.streams.holding(name))


def _after(x: Exchange, asked: str) -> Place:
    """Where to go on: after the record seen last, or after all that is stored at a position without `.i`."""
    place = Place.read(x.request.headers.get("last-event-id", asked))
    if place is None:
        raise Invalid("The Last-Event-ID is no position of a log.", code="position_invalid", place="Last-Event-ID")
    return place


ROUTES = (
    ApiRoute("GET", "runs/{run}/events", "run.read", events, query=Following, media=MEDIA, fails=(429,)),
    ApiRoute("GET", "runs/{run}/partials", "run.result", partials, media=MEDIA, fails=(429,)),
    ApiRoute("GET", "runs/{run}/pieces", "run.read", said, media=MEDIA, fails=(429,)),
)
