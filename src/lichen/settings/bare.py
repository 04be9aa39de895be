"""The settings of data that nobody has a project for: the tenants its logs are of, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lichen.core.words.scope import Scope
from lichen.settings.file import Settings, Tenant


def undeclared(home: Path, scopes: Iterable[Scope]) -> Settings:
    """The settings under which the logs of these scopes can be looked at: no agents, no actors, no policies."""
    environments: dict[str, tuple[str, ...]] = {}
    for scope in scopes:
        environments[scope.tenant] = (*environments.get(scope.tenant, ()), scope.env)
    return Settings(home, home, {name: Tenant(environments=envs) for name, envs in environments.items()})
