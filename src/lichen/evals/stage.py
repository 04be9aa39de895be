"""Where cases are held and flows are played: a world of a project with data of its own that is gone afterwards."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from lichen.agents.agent import Agent
from lichen.core.ports.model import Model
from lichen.core.words.scope import Scope
from lichen.runtime.project.project import Project
from lichen.runtime.runtime import Runtime
from lichen.testing.worlds import LiveClock, World, WorldClock

OFFLINE: Final = ("echo", "scripted", "recorded")  # providers that no time passes for


@asynccontextmanager
async def on_stage(
    project: Project, scope: Scope, *, seed: int, models: Mapping[str, Model] | None = None, live: bool | None = None
) -> AsyncGenerator[World]:
    """A world of the project. Its time is everybody's where something is asked over a network, or `live` says so."""
    answering = models or {}
    is_live = _is_live(project.agents, answering) if live is None else live
    with TemporaryDirectory(prefix="lichen-eval-") as home:
        settings = msgspec.structs.replace(project.settings, home=Path(home))
        staged = msgspec.structs.replace(project, settings=settings)
        async with World(
            lambda: Runtime.of(staged),
            scope,
            seed=seed,
            models=answering,
            clock=LiveClock() if is_live else WorldClock(),
            shares=project.settings.home if is_live else None,
        ) as world:
            yield world


def _is_live(agents: Sequence[Agent], models: Mapping[str, Model]) -> bool:
    """Whether something is asked over a network, so that time is everybody's."""
    asked = [name for agent in agents if agent.name not in models for name in getattr(agent.planner, "models", ())]
    return any(name.partition(":")[0] not in OFFLINE for name in asked)
