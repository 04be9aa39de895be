"""How a world begins: from agents, or from a project."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lichen.agents.agent import Agent
from lichen.core.words.scope import Scope
from lichen.runtime import Runtime
from lichen.runtime.project.loading import load
from lichen.settings import FILE, Settings
from lichen.testing.secrets import HeldSecrets
from lichen.testing.worlds import mistakes
from lichen.testing.worlds.world import World

if TYPE_CHECKING:
    from lichen.core.ports.model import Model
    from lichen.engine.ports import Channel, Options

SCOPE = Scope("acme", "dev")


@asynccontextmanager
async def world(
    agents: Sequence[Agent],
    *,
    policies: str | Path | None = None,
    scope: Scope = SCOPE,
    home: str | Path | None = None,
    channels: Mapping[str, Channel] | None = None,
    options: Options | None = None,
    secrets: Mapping[str, str] | None = None,
    models: Mapping[str, Model] | None = None,
    seed: int = 1,
) -> AsyncGenerator[World]:
    """A world with these agents:

        async with world([support], policies="policies") as w:
            talk = await w.talk("customer-7")
            assert (await talk.say("Where is order 1042?")).text == "It is on its way."

    `policies` is a directory of Cedar files; without it the starter policies hold, as they do in `Runtime.open`.
    `home` is a folder for its data that stays, else one that goes with the world. The same `seed` gives the same ids.
    `secrets` are what tools are handed, by name; none of them is real. `models` answer, by the agent's name, in the
    place of whatever model that agent asks.

    Raises Invalid when a policy does not load, or the event loop is none of asyncio's own (`loop_unsuitable`), Conflict
    (`world_open`) inside another world.
    """
    if not agents:
        raise mistakes.agent_unnamed(())
    with _folder(home) as folder:

        def make() -> Runtime:
            return Runtime.open(
                folder, agents=agents, policies=policies, channels=channels, options=options, secrets=_held(secrets)
            )

        async with World(make, scope, seed=seed, models=models) as opened:
            yield opened


@asynccontextmanager
async def project_world(
    project: str | Path = FILE,
    *,
    tenant: str | None = None,
    env: str | None = None,
    home: str | Path | None = None,
    secrets: Mapping[str, str] | None = None,
    models: Mapping[str, Model] | None = None,
    seed: int = 1,
) -> AsyncGenerator[World]:
    """A world of a project: the agents, flows, policies and actors of its `lichen.toml`, for one tenant.

    `tenant` may be left out when the project has one, `env` for its first environment. Actors are named as the project
    declares them: `w.talk("ann")`, `w.approve(by="lena")`. With `secrets`, all that tools are handed comes from there.
    With `models`, an agent of that name is answered by this one whatever model it asks, and needs no key.

    Raises what loading the project raises, Invalid (`tenant_unnamed`), NotFound (`tenant_unknown`, `env_unknown`), and
    as `world`.
    """
    with _folder(home) as folder:
        loaded = load(Path(project), environ={"LICHEN_HOME": str(folder)})
        scope = _scope(loaded.settings, tenant, env)
        async with World(lambda: Runtime.of(loaded, secrets=_held(secrets)), scope, seed=seed, models=models) as opened:
            yield opened


def _held(secrets: Mapping[str, str] | None) -> HeldSecrets | None:
    return None if secrets is None else HeldSecrets(secrets)


def _scope(settings: Settings, tenant: str | None, env: str | None) -> Scope:
    if tenant is None:
        if len(settings.tenants) != 1:
            raise mistakes.tenant_unnamed(tuple(settings.tenants))
        (tenant,) = settings.tenants
    declared = settings.tenants.get(tenant)
    first = declared.environments[0] if declared is not None and declared.environments else None
    return settings.scope(tenant, env or first)


@contextmanager
def _folder(home: str | Path | None) -> Generator[Path]:
    if home is not None:
        yield Path(home)
        return
    with tempfile.TemporaryDirectory(prefix="lichen-world-") as made:
        yield Path(made)
