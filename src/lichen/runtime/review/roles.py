"""Roles that people are asked by and nobody has."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from lichen.core.scope import ActorKind
from lichen.gate.reading import Written
from lichen.runtime.review.flaw import Flaw
from lichen.settings import Tenant

_APPROVE: Final[tuple[ActorKind, ...]] = ("operator",)


def role_unheld(name: str, tenant: Tenant, part: Written, place: str) -> Iterator[Flaw]:
    """The role of a policy's approval, when no operator of the tenant has it."""
    approval = part.terms.approval
    if approval is not None:
        yield from _unheld(
            name, tenant, f"Policy {part.terms.id} waits for approval by", approval.role, _APPROVE, place
        )


def _unheld(name: str, tenant: Tenant, who: str, role: str, kinds: Collection[ActorKind], place: str) -> Iterator[Flaw]:
    people = [actor for actor in tenant.actors if actor.kind in kinds]
    if role not in {held for actor in people for held in (*actor.roles, actor.kind)}:
        known = ", ".join(sorted({held for actor in people for held in actor.roles})) or "none"
        yield Flaw(
            "role_unheld",
            "warning",
            f"{who} {role!r}, a role that no {' or '.join(kinds)} of {name} has.",
            f"Give the role to an actor or a key, or name one of those there are: {known}.",
            place,
        )
