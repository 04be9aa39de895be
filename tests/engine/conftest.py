"""The world of one test, closed when it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from lichen.testing.clock import SimulatedClock
from tests.engine.world import FakeAgent, World

MakeWorld = Callable[..., Awaitable[World]]


@pytest.fixture
async def clock() -> AsyncIterator[SimulatedClock]:
    with SimulatedClock() as clock:
        yield clock


@pytest.fixture
async def make_world(tmp_path: Path, clock: SimulatedClock) -> AsyncIterator[MakeWorld]:
    """`await make_world(agent, ...)`: an open world that hosts these agents."""
    worlds: list[World] = []

    async def make(*agents: FakeAgent, **more: Any) -> World:
        worlds.append(World(tmp_path / f"world-{len(worlds)}", clock, *agents, **more))
        return await worlds[-1].open()

    yield make
    for world in worlds:
        await world.close()
