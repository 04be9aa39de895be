"""What governs a tenant: its kill switches, and how the runtime is."""

from __future__ import annotations

from typing import Literal

from lichen.core.scope import Scope
from lichen.runtime.operations.admin import Health
from lichen.serve.api.route import ApiRoute
from lichen.serve.exchange import Body, Exchange, Name, Note, Nothing

StopKind = Literal["tenant", "agent", "tool", "run"]


class Stopping(Body, frozen=True):
    """What to stop: everything of the tenant, one agent, one tool, one run."""

    kind: StopKind
    name: Name
    reason: Note = ""


class Releasing(Body, frozen=True):
    """Which stop to take back."""

    kind: StopKind
    name: Name


async def health(x: Exchange) -> Health:
    """How the runtime is. Where its data lies is told to those who run it."""
    return x.runtime.admin.health(x.caller.where, x.actor)


async def scopes(x: Exchange) -> tuple[Scope, ...]:
    """Every tenant in each of its environments."""
    return x.runtime.settings.scopes if x.runtime.settings is not None else ()


async def stop(x: Exchange) -> Nothing:
    """From now on nothing of what is named begins an effect."""
    wanted = x.body(Stopping)
    await x.runtime.stops.set(x.scope, wanted.kind, wanted.name, x.actor, reason=wanted.reason)
    return Nothing()


async def start(x: Exchange) -> Nothing:
    """Takes a stop back."""
    wanted = x.body(Releasing)
    await x.runtime.stops.clear(x.scope, wanted.kind, wanted.name, x.actor)
    return Nothing()


ROUTES = (
    ApiRoute("GET", "health", "anybody", health),
    ApiRoute("GET", "scopes", "owner", scopes),
    ApiRoute("POST", "stops", "stop.set", stop, body=Stopping),
    ApiRoute("POST", "stops/release", "stop.clear", start, body=Releasing),
)
