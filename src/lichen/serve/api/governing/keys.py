"""The API keys of a tenant: who holds one is whom it names."""

from __future__ import annotations

from typing import Annotated

import msgspec

from lichen.core.words.errors import NotFound
from lichen.core.words.scope import Actor, ActorKind
from lichen.runtime.views.tenant import KeyView
from lichen.serve.api.route import ApiRoute
from lichen.serve.http.exchange import Body, Exchange, Nothing

BUILT_IN = ("operator", "channel")
VALID_S_MAX = 10 * 366 * 86_400


class Issuing(Body, frozen=True):
    """Whose key it is and how long it is valid; without `valid_s`, for good."""

    actor: str
    kind: ActorKind | None = None
    roles: tuple[str, ...] | None = None
    valid_s: Annotated[int, msgspec.Meta(gt=0, le=VALID_S_MAX)] | None = None


class Issued(msgspec.Struct, frozen=True):
    """The key. It is told once and stored nowhere. `unknown_roles`: nobody declared has them, and no approval asks for
    them; a policy may still name them."""

    key: str
    id: str
    unknown_roles: tuple[str, ...] = ()


async def issue(x: Exchange) -> Issued:
    """A key for an actor of the caller's tenant; kind and roles are the declared ones unless they are named."""
    wanted = x.body(Issuing)
    holder = _actor(x, wanted)
    key = await x.runtime.keys.issue(x.scope, holder, x.actor, valid_s=wanted.valid_s)
    return Issued(key, key.split("_")[1], tuple(role for role in holder.roles if role not in _roles(x)))


def _roles(x: Exchange) -> set[str]:
    """The roles that mean something here: built in, of declared actors, or asked for by an approval."""
    declared = x.runtime.settings.tenants.get(x.scope.tenant) if x.runtime.settings is not None else None
    held = {role for actor in declared.actors for role in actor.roles} if declared is not None else set[str]()
    terms = x.runtime.gate.policies(x.scope).terms
    asked = {each.approval.role for each in terms if each.approval is not None}
    return {*BUILT_IN, *asked, *held}


def _actor(x: Exchange, wanted: Issuing) -> Actor:
    if wanted.kind is not None:
        return Actor(wanted.kind, wanted.actor, wanted.roles or ())
    if x.runtime.settings is None:
        raise NotFound(
            "This runtime declares no actors.",
            code="actor_unknown",
            next_step="Name the actor's kind with --kind, or add the actor to `actors` of the tenant.",
        )
    declared = x.runtime.settings.actor(x.scope.tenant, wanted.actor)
    return Actor(declared.kind, declared.id, declared.roles if wanted.roles is None else wanted.roles)


async def list_keys(x: Exchange) -> tuple[KeyView, ...]:
    """The keys of the caller's tenant and environment, without their secrets."""
    return x.runtime.keys.list(x.scope, x.actor)


async def revoke(x: Exchange) -> Nothing:
    """Makes a key of the caller's tenant worthless at once."""
    await x.runtime.keys.revoke(x.scope, x.part("id"), x.actor)
    return Nothing()


ROUTES = (
    ApiRoute("POST", "keys", "owner", issue, body=Issuing, fails=(404,)),
    ApiRoute("GET", "keys", "owner", list_keys),
    ApiRoute("DELETE", "keys/{id}", "owner", revoke),
)
