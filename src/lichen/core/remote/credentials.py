"""What a project says of credentials of agents (AgentPin): whose it takes, as whom, and which its own agents show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Final, Literal, NamedTuple

import msgspec

_DOMAIN: Final = r"([a-z0-9-]+\.)+[a-z][a-z0-9-]*"
Domain = Annotated[str, msgspec.Meta(pattern=f"^{_DOMAIN}$", max_length=100)]
Urn = Annotated[str, msgspec.Meta(pattern=f"^urn:agentpin:{_DOMAIN}:[A-Za-z0-9._-]{{1,64}}$", max_length=128)]
Trust = Literal["first_use", "review"]
Capability = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]+:[A-Za-z0-9._*-]+$", max_length=128)]


class AgentTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """As whom an agent of somebody else comes in. `capabilities` are those that policies are told of where its
    credential has them; whatever else it claims counts for nothing here."""

    kind: Literal["service", "customer"] = "service"
    roles: tuple[str, ...] = ()
    capabilities: tuple[Capability, ...] = ()


class OwnAgent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An agent of one's own at its domain, and the secret that holds its key (PEM)."""

    agent: Urn
    key: str


class ShownAs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which agent of one's own asks a server, and what its credentials say.

    `key` names the secret with its key (PEM), `to` the agent there, to which it delegates what it `can` and whose
    `audience` is its domain where nothing else is said. A credential counts `ttl_s` and once. `proves`: the server
    first proves that it has the key of that agent, which stands at its domain or, as `DOMAIN.json`, in `known`.
    """

    agent: Urn
    key: str
    to: Urn
    can: Annotated[tuple[Capability, ...], msgspec.Meta(min_length=1, max_length=100)]
    audience: Domain | None = None
    ttl_s: Annotated[int, msgspec.Meta(ge=1, le=3_600)] = 60
    proves: bool = False
    known: str = ""

    @property
    def receiver(self) -> str:
        """The domain that the credentials are for."""
        return self.audience or domain_of(self.to)


class AgentPinTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whose credentials count at the doors of one environment: those for its `audience`, of these `agents`.

    `env` may be left out where the tenant has one. `vouchers` are domains that may stand in a chain of delegation
    beside those of the agents; nobody else is ever asked about. `known` is a folder of `DOMAIN.json` and
    `DOMAIN.revocations.json`, or a trust bundle, instead of the domains themselves. `trust`: the first key of a domain
    is pinned (`first_use`), or waits for somebody to accept it (`review`). `own` is who we are there: it answers
    challenges, and what is delegated is delegated to it.
    """

    audience: Domain
    tenant: str
    env: str | None = None
    agents: Mapping[Urn, AgentTerms]
    vouchers: tuple[Domain, ...] = ()
    known: str = ""
    trust: Trust = "first_use"
    skew_s: Annotated[int, msgspec.Meta(ge=0, le=300)] = 60
    ttl_s_max: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 3_600
    own: OwnAgent | None = None

    @property
    def domains(self) -> frozenset[str]:
        """Every domain that may be asked about."""
        return frozenset((*map(domain_of, self.agents), *self.vouchers))


def domain_of(agent: str) -> str:
    """The domain in an agent's name."""
    return agent.split(":")[2]


class Wrong(NamedTuple):
    """What is wrong with one of the tables, and in which field."""

    number: int
    field: str
    message: str
    code: str
    next_step: str


def wrong_with_doors(tables: Sequence[AgentPinTable], tenants: Mapping[str, Sequence[str]]) -> Iterator[Wrong]:
    """Doors of nobody, and two with one audience: by that alone it is known whose a credential is."""
    for number, table in enumerate(tables):
        known = tenants.get(table.tenant)
        if known is None:
            step = f"Name one of: {', '.join(tenants)}."
            yield Wrong(
                number, "tenant", f"There is no tenant {table.tenant!r}.", code="tenant_unknown", next_step=step
            )
        elif table.env is None and len(known) != 1:
            step = f"Write `env`, one of: {', '.join(known)}."
            yield Wrong(number, "tenant", "The tenant has several environments.", code="env_ambiguous", next_step=step)
        elif table.env is not None and table.env not in known:
            step = f"Name one of: {', '.join(known)}."
            yield Wrong(number, "env", f"There is no environment {table.env!r}.", code="env_unknown", next_step=step)
        if any(other.audience == table.audience for other in tables[:number]):
            step = "Give each environment a domain of its own."
            yield Wrong(number, "audience", "Two have this audience.", code="audience_twice", next_step=step)
