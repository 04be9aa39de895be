"""Labels: an operator vouches for what a run or a session has read."""

from __future__ import annotations

from typing import Annotated

import msgspec

from lichen.core.words.ids import RunId, SessionId
from lichen.serve.api.route import ApiRoute
from lichen.serve.http.exchange import Body, Exchange, Name, Note, Nothing

SOURCES_MAX = 64


class Vouching(Body, frozen=True):
    """Sources that what was read so far goes without, such as `third_party:web.fetch`, and why."""

    sources: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1, max_length=SOURCES_MAX)]
    reason: Note


async def declassify_run(x: Exchange) -> Nothing:
    """Lets what the run has read so far go without these sources."""
    wanted = x.body(Vouching)
    run = RunId(x.part("run"))
    await x.runtime.runs.declassify(x.scope, run, wanted.sources, x.actor, reason=wanted.reason)
    return Nothing()


async def declassify_session(x: Exchange) -> Nothing:
    """Lets what was said in the session so far go without these sources in the turns to come."""
    wanted = x.body(Vouching)
    session = x.runtime.sessions.get(x.scope, SessionId(x.part("session")), x.actor)
    await session.declassify(wanted.sources, reason=wanted.reason)
    return Nothing()


ROUTES = (
    ApiRoute("POST", "runs/{run}/declassify", "run.declassify", declassify_run, body=Vouching, fails=(409,)),
    ApiRoute("POST", "sessions/{session}/declassify", "session.declassify", declassify_session, body=Vouching),
)
