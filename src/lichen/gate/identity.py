"""Who somebody is by declaration, and what each kind of actor may ask of the doors.

This table guards operations on the runtime itself; what agents may do to the world is for policies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, get_args

import msgspec

from lichen.core.errors import NotFound
from lichen.core.scope import Actor, ActorKind

Capability = Literal[
    "chat", "runs.read", "runs.cancel", "approvals.answer", "waits.answer", "policy.check", "stops.set",
    "log.verify", "log.export", "log.erase",
]  # fmt: skip
"""What a door asks before it lets an actor in."""

CAPABILITIES: Final[tuple[Capability, ...]] = get_args(Capability)

_MAY: Final[Mapping[ActorKind, frozenset[Capability]]] = {
    "customer": frozenset[Capability](("chat",)),
    "operator": frozenset(CAPABILITIES),
    "service": frozenset[Capability](("chat", "runs.read", "runs.cancel", "waits.answer", "policy.check")),
    "system": frozenset[Capability](("runs.read", "log.verify", "log.export")),
    "agent": frozenset(),
}


class Declared(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An actor as settings declare it. Agents and the system are never declared: Lichen makes them."""

    kind: Literal["customer", "operator", "service"]
    id: str
    roles: tuple[str, ...] = ()


def resolve_declared(name: str, declared: Mapping[str, Declared], *, auth: str = "declared") -> Actor:
    """The actor declared as `name`.

    Raises NotFound (`actor_unknown`), which names nobody else, and Invalid (`actor_invalid`) for an unusable id.
    """
    found = declared.get(name)
    if found is None:
        raise NotFound(
            "No actor of this name is declared.",
            code="actor_unknown",
            next_step="Add it to `actors` of the tenant in lichen.toml, or name one that is there.",
        )
    return Actor(found.kind, found.id, found.roles, auth=auth)


def may(actor: Actor, capability: Capability) -> bool:
    """Whether actors of this kind may ask for this. Whom somebody acts for gives them nothing."""
    return capability in _MAY[actor.kind]


def may_answer(actor: Actor, requester: Actor, *, role: str = "operator") -> bool:
    """Whether `actor` may answer an approval for `role` of a call that `requester` wants.

    Only operators answer; every operator has the role `operator`, others are given. Nobody agrees to their own call,
    whoever made it on their behalf.
    """
    return (
        may(actor, "approvals.answer")
        and (role == "operator" or role in actor.roles)
        and _person(actor) != _person(requester)
    )


def _person(actor: Actor) -> tuple[ActorKind, str]:
    return actor.subject.kind, actor.subject.id
