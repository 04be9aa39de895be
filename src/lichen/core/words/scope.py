"""Where something happens and who asks. Both are parameters of every operation that touches state."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

import msgspec

from lichen.core.words.errors import Invalid
from lichen.core.words.ids import LogId

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_ACTOR_ID = re.compile(r"[^\x00-\x1f\x7f]{1,128}")

ActorKind = Literal["customer", "operator", "agent", "service", "system"]


class Scope(msgspec.Struct, frozen=True):
    """Where: a tenant, one of its environments, optionally a team. Lower-case letters, digits and hyphens.

    Raises Invalid (`scope_invalid`) for any other spelling, so a scope can be part of a path or a key.
    """

    tenant: str
    env: str
    team: str | None = None

    def __post_init__(self) -> None:
        for part in (self.tenant, self.env, self.team or "x"):
            if not _NAME.fullmatch(part):
                raise Invalid(
                    "A tenant, environment or team name has characters that are not allowed.",
                    code="scope_invalid",
                    next_step="Use 1-63 lower-case letters, digits and hyphens.",
                )

    def log_id(self, shard: int = 0) -> LogId:
        """The log that holds this scope's records."""
        return LogId(f"{self.tenant}/{self.env}/{shard}")


def apart(scope: Scope, team: str = "") -> tuple[Scope, str]:
    """The scope without its team, whose log is the same, and the team: `team`, else the scope's, empty for none.

    Raises Invalid (`scope_invalid`) for a team that is spelt otherwise.
    """
    named = team or scope.team
    if not named:
        return scope, ""
    return Scope(scope.tenant, scope.env), Scope(scope.tenant, scope.env, named).team or ""


class Actor(msgspec.Struct, frozen=True):
    """Who: a person, an agent, a service or the system itself, with the roles a key or declaration gave.

    `auth` names how the identity was established (`declared`, `key:<id>`, `agentpin:<thumbprint>`, `system`); an agent
    carries the person it acts for in `on_behalf_of`. Of an agent of somebody else, `capabilities` are those of its
    credential that count here, and `delegated` is the chain by which ours may go on in its name, each a JSON text.
    """

    kind: ActorKind
    id: str
    roles: tuple[str, ...] = ()
    auth: str = "declared"
    on_behalf_of: Actor | None = None
    capabilities: tuple[str, ...] = ()
    delegated: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _ACTOR_ID.fullmatch(self.id):
            raise Invalid(
                "An actor id is empty, too long or has control characters.",
                code="actor_invalid",
                next_step="Use 1-128 printable characters.",
            )

    @property
    def subject(self) -> Actor:
        """The person or service this is about in the end: whom an agent acts for, else the actor itself."""
        return self.on_behalf_of.subject if self.on_behalf_of else self


CLAIMED = "webchat:"  # begins the ids of customers for whom nobody vouched
_UNPROVEN = ":claimed:"  # stands in those of others: `email:claimed:ann@example.com`
CHANNEL = "channel"  # the role of a service that vouches for whom its messages are from


def is_claimed(customer: str) -> bool:
    """Whether nobody vouches for who a customer of this id is."""
    return customer.startswith(CLAIMED) or _UNPROVEN in customer


def speaks_as(actor: Actor) -> Literal["customer", "operator", "service"]:
    """Whose words an actor's are: the customer's only where they speak themselves, or a channel vouches for them."""
    if actor.kind == "customer" or (actor.kind == "service" and CHANNEL in actor.roles):
        return "customer"
    return "operator" if actor.kind == "operator" else "service"


def Customer(id: str, roles: tuple[str, ...] = ()) -> Actor:  # noqa: N802 - reads as the noun users write
    """A customer of the tenant."""
    return Actor("customer", id, roles)


def Operator(id: str, roles: tuple[str, ...] = ()) -> Actor:  # noqa: N802
    """A person who runs the tenant's agents and answers approvals."""
    return Actor("operator", id, roles)


def Service(id: str, roles: tuple[str, ...] = ()) -> Actor:  # noqa: N802
    """A program of the tenant."""
    return Actor("service", id, roles)


class Environment(msgspec.Struct, frozen=True):
    """What one environment of a tenant is for. Only one for development may be lenient.

    `self_approval`: a requester may approve what they asked for, and the record says so. `error_text`: messages of
    failing tools and planners also go to the process's own log.
    """

    is_development: bool = False
    self_approval: bool = False
    error_text: bool = False


PRODUCTION = Environment()

SYSTEM = Actor("system", "lichen", auth="system")


class TenantCtx(NamedTuple):
    """The documented name for a scope with an actor."""

    scope: Scope
    actor: Actor
