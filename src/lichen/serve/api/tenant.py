"""What governs a tenant: its kill switches, and how the runtime is."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from lichen.core.words.scope import Scope
from lichen.runtime.operations.admin import Health
from lichen.runtime.operations.governing.stops import Stopped
from lichen.runtime.views.models.costs import CostBook
from lichen.runtime.views.tenant import Stop
from lichen.serve.api.route import ApiRoute
from lichen.serve.http.exchange import Body, Exchange, Note, Nothing

StopName = Annotated[str, msgspec.Meta(max_length=256)]
StopKind = Literal["tenant", "agent", "tool", "run"]


class Stopping(Body, frozen=True):
    """What to stop: everything of the tenant, which needs no name, one agent, one tool, one run.

    With `anyway` also what is not there yet.
    """

    kind: StopKind
    name: StopName = ""
    reason: Note = ""
    anyway: bool = False


class Releasing(Body, frozen=True):
    """Which stop to take back."""

    kind: StopKind
    name: StopName = ""
    reason: Note = ""


async def health(x: Exchange) -> Health:
    """How the runtime is. Where its data lies is told to those who run it."""
    return x.runtime.admin.health(x.caller.where, x.actor)


async def scopes(x: Exchange) -> tuple[Scope, ...]:
    """Every tenant in each of its environments."""
    return x.runtime.settings.scopes if x.runtime.settings is not None else ()


class Days(Body, frozen=True):
    """How many days, today included."""

    days: Annotated[int, msgspec.Meta(ge=1, le=366)] = 14


async def costs(x: Exchange) -> CostBook:
    """What models cost, by day, agent and model, and what is left of today's budgets."""
    return x.runtime.costs.show(x.scope, x.actor, days=x.query(Days).days)


async def list_stops(x: Exchange) -> tuple[Stop, ...]:
    """What is stopped now, by whom and why, the oldest first."""
    return x.runtime.stops.list(x.scope, x.actor)


async def stop_process(x: Exchange) -> Nothing:
    """Ends the process in order, as SIGTERM does: what is in flight may end, nothing is lost."""
    x.runtime.admin.stop(x.caller.where, x.actor)
    return Nothing()


async def stop(x: Exchange) -> Stopped:
    """From now on nothing of what is named begins an effect."""
    wanted = x.body(Stopping)
    return await x.runtime.stops.set(
        x.scope, wanted.kind, wanted.name, x.actor, reason=wanted.reason, anyway=wanted.anyway
    )


async def start(x: Exchange) -> Stopped:
    """Takes a stop back."""
    wanted = x.body(Releasing)
    return await x.runtime.stops.clear(x.scope, wanted.kind, wanted.name, x.actor, reason=wanted.reason)


ROUTES = (
    ApiRoute("GET", "costs", "run.read", costs, query=Days),
    ApiRoute("GET", "health", "anybody", health),
    ApiRoute("GET", "scopes", "owner", scopes),
    ApiRoute("POST", "process/stop", "owner", stop_process),
    ApiRoute("GET", "stops", "stop.read", list_stops),
    ApiRoute("POST", "stops", "stop.set", stop, body=Stopping, fails=(404,)),
    ApiRoute("POST", "stops/release", "stop.clear", start, body=Releasing, fails=(404,)),
)
