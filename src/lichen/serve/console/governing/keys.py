"""The API keys of a tenant: who holds one, a new one, and the end of one.

Keys of operators are made by whoever owns the data (`lichen keys create`): an operator who could make another one could
approve what they asked for themselves.
"""

from __future__ import annotations

import re
from typing import Final, get_args

import msgspec

from lichen.core.words.errors import Denied, Invalid
from lichen.core.words.scope import Actor, ActorKind
from lichen.runtime.views.tenant import KeyView
from lichen.serve.console.visit import Outcome, Visit

DAY_S: Final = 86_400
DAYS_MAX: Final = 3_660
ROLES_MAX: Final = 16
KINDS: Final = ("service", "customer")
_ROLE: Final = re.compile(r"[\w .-]{1,64}")


class KeyList(msgspec.Struct, frozen=True):
    """The keys of this scope without their secrets, and for whom one can be made here."""

    keys: tuple[KeyView, ...]
    kinds: tuple[str, ...] = KINDS


class NewKey(msgspec.Struct, frozen=True):
    """A key that was made just now. It is shown once and stored nowhere."""

    key: str
    id: str
    holder: str


async def listing(visit: Visit) -> KeyList:
    """Who holds a key."""
    return KeyList(visit.runtime.keys.list(visit.scope, visit.actor))


async def issue(visit: Visit) -> Outcome:
    """Makes a key for a service or customer. Raises Denied (`key_kind`), Invalid."""
    kind, name = visit.form.get("kind", ""), visit.form.get("actor", "").strip()
    if kind not in KINDS:
        if kind in get_args(ActorKind):
            step = "Whoever owns the data runs `lichen keys create`."
            raise Denied("Keys of this kind are not made here.", code="key_kind", next_step=step)
        raise Invalid("A key is for a service or a customer.", code="key_kind", place="kind")
    holder = Actor("service" if kind == "service" else "customer", name, _roles(visit))
    key = await visit.runtime.keys.issue(visit.scope, holder, visit.actor, valid_s=_valid_s(visit))
    return Outcome(template="console/key.html", view=NewKey(key, key.split("_")[1], f"{holder.kind} {holder.id}"))


async def revoke(visit: Visit) -> Outcome:
    """Makes the key of the path worthless at once. Raises NotFound (`api_key_missing`), Denied."""
    await visit.runtime.keys.revoke(visit.scope, visit.part("id"), visit.actor)
    return Outcome("/console/keys")


def _roles(visit: Visit) -> tuple[str, ...]:
    roles = tuple(role for each in visit.form.get("roles", "").split(",") if (role := each.strip()))
    if len(roles) > ROLES_MAX or not all(_ROLE.fullmatch(role) for role in roles):
        raise Invalid("Roles are words, divided by commas.", code="role_invalid", place="roles")
    return roles


def _valid_s(visit: Visit) -> int | None:
    given = visit.form.get("days", "").strip()
    if not given:
        return None
    if not (given.isascii() and given.isdigit() and 0 < int(given[:8]) <= DAYS_MAX):
        raise Invalid(f"A key is good for 1 to {DAYS_MAX} days, or for good.", code="days_invalid", place="days")
    return int(given) * DAY_S
