"""Who somebody is by declaration, and what each kind of actor may ask of the runtime.

This table decides first, and by default; policy can only take away from it. What agents may do to the world is for
policies alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from lichen.core.errors import NotFound
from lichen.core.scope import Actor, ActorKind
from lichen.gate.schema import Action

_TALK: Final[tuple[Action, ...]] = (
    "agent.list", "health.read", "run.result", "run.start", "session.close", "session.open", "session.read",
    "session.say", "wait.answer",
)  # fmt: skip
_LOOK: Final[tuple[Action, ...]] = (
    "agent.list", "agent.read", "health.read", "policy.check", "run.read", "run.result", "session.list",
    "session.read", "stop.read", "wait.read",
)  # fmt: skip
_STEER: Final[tuple[Action, ...]] = ("run.cancel", "run.pause", "run.resume")
_ACT: Final[tuple[Action, ...]] = ("message.send", "model.invoke")
_PROVE: Final[tuple[Action, ...]] = ("log.backup", "log.export", "log.read", "log.verify")
_KEEP: Final[tuple[Action, ...]] = ("key.issue", "key.read", "key.revoke", "policy.reload")
_GOVERN: Final[tuple[Action, ...]] = (
    "log.erase", "run.declassify", "session.declassify", "stop.clear", "stop.set",
)  # fmt: skip

MAY: Final[Mapping[ActorKind, frozenset[Action]]] = {
    "customer": frozenset(_TALK),
    "operator": frozenset((*_TALK, *_LOOK, *_STEER, *_PROVE, *_KEEP, *_GOVERN)),
    "service": frozenset((*_TALK, *_LOOK, *_STEER)),
    "system": frozenset((*_LOOK, *_PROVE, *_KEEP, "agent.create", "process.stop", "run.pause", "run.resume")),
    "agent": frozenset(_ACT),
}
"""What each kind of actor may ask for. Customers see what is theirs alone: that is no matter of kinds."""

_ANSWERS: Final[Mapping[ActorKind, tuple[str, ...]]] = {
    "customer": ("clarification", "confirmation", "external"),
    "service": ("clarification", "confirmation", "external", "handover", "pause", "preempt"),
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


def may(actor: Actor, action: Action, resource: str = "") -> bool:
    """Whether actors of this kind may ask for this. Whom somebody acts for gives them nothing.

    Of waits, whose resource is their kind, only operators answer those that are about effects.
    """
    if action == "wait.answer" and resource and actor.kind in _ANSWERS:
        return resource in _ANSWERS[actor.kind]
    return action in MAY[actor.kind]


def may_answer(actor: Actor, requester: Actor, *, role: str = "operator") -> bool:
    """Whether `actor` may answer an approval for `role` of a call that `requester` wants.

    Only operators answer; every operator has the role `operator`, others are given. Nobody agrees to their own call,
    whoever made it on their behalf.
    """
    return (
        may(actor, "wait.answer", "approval")
        and (role == "operator" or role in actor.roles)
        and _person(actor) != _person(requester)
    )


def _person(actor: Actor) -> tuple[ActorKind, str]:
    return actor.subject.kind, actor.subject.id
