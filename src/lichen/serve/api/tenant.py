"""What governs a tenant: its agents, its kill switches, its keys, and how the runtime is."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from lichen.core.call import Effects
from lichen.core.errors import NotFound
from lichen.core.scope import Actor, ActorKind, Scope
from lichen.log.apikeys import ApiKey
from lichen.runtime.runtime import Health
from lichen.serve.api.route import ApiRoute
from lichen.serve.exchange import Body, Exchange, Nothing

StopKind = Literal["tenant", "agent", "tool", "run"]


class ToolLine(msgspec.Struct, frozen=True):
    """A tool of an agent."""

    name: str
    effects: Effects
    description: str


class AgentLine(msgspec.Struct, frozen=True):
    """An agent and what it may call."""

    name: str
    tools: tuple[ToolLine, ...]
    digest: str


class Stopping(Body, frozen=True):
    """What to stop: everything of the tenant, one agent, one tool, one run."""

    kind: StopKind
    name: str
    reason: str = ""


class Starting(Body, frozen=True):
    """Which stop to take back."""

    kind: StopKind
    name: str


class Issuing(Body, frozen=True):
    """Whose key it is and how long it is valid; without `valid_s`, for good."""

    actor: str
    kind: ActorKind | None = None
    roles: tuple[str, ...] | None = None
    valid_s: Annotated[int, msgspec.Meta(gt=0, le=10 * 366 * 86_400)] | None = None


class Issued(msgspec.Struct, frozen=True):
    """The key. It is told once and stored nowhere."""

    key: str
    id: str


async def health(x: Exchange) -> Health:
    """How the runtime is."""
    return x.runtime.health()


async def scopes(x: Exchange) -> tuple[Scope, ...]:
    """Every tenant in each of its environments."""
    return x.runtime.settings.scopes if x.runtime.settings is not None else ()


async def agents(x: Exchange) -> tuple[AgentLine, ...]:
    """The agents the runtime hosts."""
    return tuple(
        AgentLine(
            agent.name,
            tuple(ToolLine(tool.spec.name, tool.spec.effects, tool.spec.description) for tool in agent.tools.values()),
            agent.digest,
        )
        for agent in x.runtime.agents
    )


async def stop(x: Exchange) -> Nothing:
    """From now on nothing of what is named begins an effect."""
    wanted = x.body(Stopping)
    await x.runtime.stop(x.scope, wanted.kind, wanted.name, x.actor, reason=wanted.reason)
    return Nothing()


async def start(x: Exchange) -> Nothing:
    """Takes a stop back."""
    wanted = x.body(Starting)
    await x.runtime.start(x.scope, wanted.kind, wanted.name, x.actor)
    return Nothing()


async def issue_key(x: Exchange) -> Issued:
    """A key for an actor of the caller's tenant; kind and roles are the declared ones unless they are named."""
    wanted = x.body(Issuing)
    actor = _actor(x, wanted)
    expires_at_us = x.runtime.engine.services.clock() + wanted.valid_s * 1_000_000 if wanted.valid_s else None
    key = x.runtime.keyring.api_keys.issue(
        x.scope.tenant,
        x.scope.env,
        actor_kind=actor.kind,
        actor_id=actor.id,
        roles=actor.roles,
        expires_at_us=expires_at_us,
    )
    return Issued(key, key.split("_")[1])


def _actor(x: Exchange, wanted: Issuing) -> Actor:
    if wanted.kind is not None:
        return Actor(wanted.kind, wanted.actor, wanted.roles or ())
    if x.runtime.settings is None:
        raise NotFound("This runtime declares no actors.", code="actor_unknown", next_step="Name the actor's kind.")
    declared = x.runtime.settings.actor(x.scope.tenant, wanted.actor)
    return Actor(declared.kind, declared.id, declared.roles if wanted.roles is None else wanted.roles)


async def list_keys(x: Exchange) -> tuple[ApiKey, ...]:
    """The keys of the caller's tenant and environment, without their secrets."""
    return tuple(key for key in x.runtime.keyring.api_keys.list() if Scope(key.tenant, key.env) == x.scope)


async def revoke_key(x: Exchange) -> Nothing:
    """Makes a key of the caller's tenant worthless at once."""
    id = x.part("id")
    if id not in {key.id for key in await list_keys(x)}:
        raise NotFound("There is no such key in this scope.", code="api_key_missing", next_step="List the keys.")
    x.runtime.keyring.api_keys.revoke(id)
    return Nothing()


ROUTES = (
    ApiRoute("GET", "health", "anybody", health),
    ApiRoute("GET", "scopes", "owner", scopes),
    ApiRoute("GET", "agents", "chat", agents, owner_may=True),
    ApiRoute("POST", "stops", "stops.set", stop),
    ApiRoute("POST", "stops/release", "stops.set", start),
    ApiRoute("POST", "keys", "owner", issue_key),
    ApiRoute("GET", "keys", "owner", list_keys),
    ApiRoute("DELETE", "keys/{id}", "owner", revoke_key),
)
