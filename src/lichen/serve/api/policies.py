"""Policies as they lie on disk: whether they load, before anybody depends on it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from lichen.agents.agent import Agent
from lichen.core.errors import Invalid, NotFound
from lichen.gate.policies import PolicySet, load_policies, starter_policies
from lichen.serve.api.route import ApiRoute
from lichen.serve.exchange import Exchange
from lichen.settings import Settings


class Policies(msgspec.Struct, frozen=True):
    """Policies that load. `directory` is None for the starter policies; `digest` pins what would be in force."""

    directory: str | None
    policies: tuple[str, ...]
    meters: tuple[str, ...]
    digest: str


def policies_in(directory: Path | None, agents: Iterable[Agent]) -> Policies:
    """What a directory holds, for the tools of these agents. Raises Invalid with file, line and column."""
    specs = [tool.spec for agent in agents for tool in agent.tools.values()]
    if directory is None:
        return _summary(None, starter_policies(specs))
    try:
        return _summary(str(directory), load_policies(directory, specs))
    except Invalid as error:
        if error.place is not None and not Path(error.place).is_absolute():
            error.place = str(directory / error.place)
        raise


def policies_of(settings: Settings, tenant: str) -> Policies:
    """The policies of a declared tenant. Raises Invalid with file, line and column, NotFound (`tenant_unknown`)."""
    declared = settings.tenants.get(tenant)
    if declared is None:
        raise NotFound(f"No tenant {tenant!r} is declared.", code="tenant_unknown")
    return policies_in(settings.root / declared.policies if declared.policies else None, settings.agents)


def _summary(directory: str | None, found: PolicySet) -> Policies:
    return Policies(
        directory,
        tuple(terms.id for terms in found.terms),
        tuple(meter.name for meter in found.meters),
        found.digest,
    )


async def check(x: Exchange) -> Policies:
    """The caller's policies as they are on disk now."""
    if x.runtime.settings is None:
        raise NotFound("This runtime declares no tenants.", code="tenant_unknown")
    return policies_of(x.runtime.settings, x.scope.tenant)


ROUTES = (ApiRoute("POST", "policies/check", "policy.check", check, owner_may=True),)
