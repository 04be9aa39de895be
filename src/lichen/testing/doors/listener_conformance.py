"""What every listener must do, whatever it listens to. An adapter's test subclasses it and says how it is reached."""

# ruff: noqa: D102 - a test's name is its sentence

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from lichen.agents.agent import Agent
from lichen.core.ports.plan import Plan
from lichen.core.words.errors import Unavailable
from lichen.runtime.runtime import Runtime
from lichen.serve.host import Listener
from lichen.testing.models import scripted_planner

DEADLINE_S = 20.0

Finish = Callable[[], Awaitable[bool]]
"""Ends what was begun, and says whether it was answered as it would have been before."""


class ListenerConformance:
    """Subclass it as `Test…` and give `listener`, `asks`, `begins` and `unusable`."""

    def listener(self, folder: Path) -> Listener:
        """A new listener at a place of its own."""
        raise NotImplementedError

    async def asks(self, listener: Listener) -> bool:
        """Comes in anew with something small, and says whether it was let in and answered."""
        raise NotImplementedError

    async def begins(self, listener: Listener) -> Finish:
        """Comes in with something that is let in now and ends when it is told to."""
        raise NotImplementedError

    def unusable(self, listener: Listener, folder: Path) -> Listener:
        """A new listener at a place that cannot be used, because `listener` is there already or for another reason."""
        raise NotImplementedError

    @pytest.fixture
    async def runtime(self, tmp_path: Path) -> AsyncIterator[Runtime]:
        planner = scripted_planner([Plan(answer="done")])
        async with Runtime.open(tmp_path / "data", agents=[Agent("shop.bot", planner=planner)]) as runtime:
            yield runtime

    @pytest.mark.req("LIC-17.4")
    async def test_it_lets_in_from_its_start_to_its_stop(self, runtime: Runtime, tmp_path: Path) -> None:
        listener = self.listener(tmp_path)
        async with asyncio.timeout(DEADLINE_S):
            assert not await self.asks(listener)
            await listener.start(runtime)
            assert await self.asks(listener)
            listener.drain()
            await listener.stop()
            assert not await self.asks(listener)

    @pytest.mark.req("LIC-17.4")
    async def test_once_it_drains_nothing_new_is_taken_and_what_has_begun_ends(
        self, runtime: Runtime, tmp_path: Path
    ) -> None:
        listener = self.listener(tmp_path)
        async with asyncio.timeout(DEADLINE_S):
            await listener.start(runtime)
            finish = await self.begins(listener)
            listener.drain()
            assert not await self.asks(listener)
            stopping = asyncio.ensure_future(listener.stop())
            assert await finish()
            await stopping

    @pytest.mark.req("LIC-17.4")
    async def test_it_may_be_drained_and_stopped_more_than_once_and_before_it_started(
        self, runtime: Runtime, tmp_path: Path
    ) -> None:
        idle = self.listener(tmp_path)
        async with asyncio.timeout(DEADLINE_S):
            idle.drain()
            await idle.stop()
            listener = self.listener(tmp_path)
            await listener.start(runtime)
            for _ in range(2):
                listener.drain()
                await listener.stop()
            assert not await self.asks(listener)

    @pytest.mark.req("LIC-17.4")
    async def test_a_place_that_cannot_be_used_is_an_error_with_a_code_and_disturbs_nobody(
        self, runtime: Runtime, tmp_path: Path
    ) -> None:
        listener = self.listener(tmp_path)
        async with asyncio.timeout(DEADLINE_S):
            await listener.start(runtime)
            other = self.unusable(listener, tmp_path)
            with pytest.raises(Unavailable) as refused:
                await other.start(runtime)
            assert refused.value.code != Unavailable.code, "it has a code of its own"
            other.drain()
            await other.stop()
            assert await self.asks(listener)
            listener.drain()
            await listener.stop()
