"""The first of several things to happen."""

from __future__ import annotations

import asyncio

import pytest

from lichen.engine.pace.race import race


async def test_the_first_wins_and_the_others_are_over() -> None:
    ended = list[str]()

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("forever")

    async def at_once() -> None:
        await asyncio.sleep(0)

    assert await race({"slow": forever(), "fast": at_once()}) == "fast"
    assert ended == ["forever"]


async def test_of_those_that_end_together_the_first_named_wins() -> None:
    event = asyncio.Event()
    event.set()
    assert await race({"a": event.wait(), "b": event.wait()}) == "a"


async def test_what_the_first_raises_is_raised() -> None:
    async def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await race({"fails": fail(), "waits": asyncio.Event().wait()})


async def test_nobody_wins_when_the_time_is_over() -> None:
    assert await race({"never": asyncio.Event().wait()}, timeout_s=0.0) is None


async def test_who_is_cancelled_leaves_nothing_behind() -> None:
    before = asyncio.all_tasks()
    racing = asyncio.ensure_future(race({"never": asyncio.Event().wait(), "nor": asyncio.Event().wait()}))
    await asyncio.sleep(0)
    racing.cancel()
    await asyncio.wait([racing])
    assert asyncio.all_tasks() == before
