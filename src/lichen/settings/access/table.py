"""The `.gmap` files that a tenant and its teams name, for each of its environments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Final, NamedTuple

import msgspec

TEAMS_MAX: Final = 256

TeamName = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}\Z")]
FileName = Annotated[str, msgspec.Meta(min_length=1, max_length=1_024)]
Access = FileName | Mapping[str, FileName]
"""A file for every environment, or one for each by its name."""


class Team(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A team of a tenant. What its `access` says of a path stands above what the tenant's says."""

    access: Access


class AccessFiles(msgspec.Struct, frozen=True):
    """The files that are in force in one environment: the tenant's, empty for none, and by name those of its teams."""

    tenant: str = ""
    teams: Mapping[str, str] = {}


class Wrong(NamedTuple):
    """What is wrong with one of the fields, at `steps` below the tenant."""

    steps: tuple[str, ...]
    message: str
    code: str
    next_step: str


def files_in(access: Access | None, teams: Mapping[str, Team], env: str) -> AccessFiles:
    """The files of an environment."""
    return AccessFiles(
        _in(access, env), {name: file for name, team in teams.items() if (file := _in(team.access, env))}
    )


def wrong_with_access(access: Access | None, teams: Mapping[str, Team], environments: Sequence[str]) -> Iterator[Wrong]:
    """Environments that nobody declared, and those that no file is said for: they would be open without being meant."""
    named = [(("access",), access), *((("team", name, "access"), team.access) for name, team in teams.items())]
    for steps, files in named:
        if files is None or isinstance(files, str):
            continue
        for env in files:
            if env not in environments:
                step = f"Name one of: {', '.join(environments)}."
                yield Wrong((*steps, env), f"There is no environment {env!r}.", "env_unknown", step)
        missing = [env for env in environments if env not in files]
        if missing:
            step = 'Name a file for each environment, or one for all of them: access = "acme.gmap".'
            message = f"No rules are said for {', '.join(missing)}."
            yield Wrong(steps, message, "access_env_missing", step)


def _in(access: Access | None, env: str) -> str:
    if access is None or isinstance(access, str):
        return access or ""
    return access.get(env, "")
