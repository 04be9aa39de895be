"""Places on a way: no more than its window says, fairly, and none is lost."""

from __future__ import annotations

import asyncio
import random

import pytest

from lichen.agents.lanes import limiter as rule
from lichen.agents.lanes.limiter import Limiter, Place
from lichen.agents.lanes.window import InMemory, Way, Window
from lichen.core.ports.model import ModelError
from lichen.testing.clock import SimulatedClock

WAY = Way("key-1", "far:one")


class Fixed(InMemory):
    """A window that nothing changes."""

    def __init__(self, window: Window) -> None:
        super().__init__()
        self._window = window

    def of(self, way: Way) -> Window:
        return self._window


def limited(clock: SimulatedClock, places: float, *, closed_until_us: int = 0) -> Limiter:
    return Limiter(WAY, Fixed(Window(places, 0, closed_until_us)), clock.now_us)


async def test_no_more_requests_are_under_way_than_there_are_places() -> None:
    with SimulatedClock() as clock:
        limiter = limited(clock, 3.9)
        places = [await limiter.place("acme", within_s=1.0) for _ in range(3)]
        fourth = asyncio.ensure_future(limiter.place("acme", within_s=10.0))
        await clock.settle()
        assert (limiter.in_flight, limiter.waiting, fourth.done()) == (3, 1, False)
        limiter.leave(places[0], None, is_answer=True)
        await fourth
        assert (limiter.in_flight, limiter.waiting) == (3, 0)


@pytest.mark.req("GOA-65.2")
@pytest.mark.parametrize("seed", range(8))
async def test_whatever_comes_and_goes_no_place_is_lost_or_given_twice(seed: int) -> None:
    chance = random.Random(seed)
    with SimulatedClock() as clock:
        limiter, under_way, most = limited(clock, 4.0), 0, 0

        async def request(tenant: str, lasts_s: float, within_s: float) -> None:
            nonlocal under_way, most
            place = await limiter.place(tenant, within_s=within_s)
            under_way += 1
            most = max(most, under_way)
            try:
                await asyncio.sleep(lasts_s)
            finally:
                under_way -= 1
                limiter.leave(place, None, is_answer=False)

        tasks = list[asyncio.Task[None]]()
        for _ in range(200):
            work = request(chance.choice("abc"), chance.uniform(0, 5), chance.uniform(0, 8))
            tasks.append(asyncio.ensure_future(work))
            if chance.random() < 0.4:
                chance.choice(tasks).cancel()
            await clock.advance(chance.uniform(0, 0.5))
        await clock.advance(100.0)
        await asyncio.gather(*tasks, return_exceptions=True)
        assert most == 4
        assert limiter.is_idle
        assert [await limiter.place("a", within_s=0.0) for _ in range(4)]


@pytest.mark.req("GOA-65.5")
async def test_a_place_that_comes_too_late_is_not_waited_for() -> None:
    with SimulatedClock() as clock:
        limiter = limited(clock, 1.0)
        await limiter.place("acme", within_s=1.0)
        late = asyncio.ensure_future(limiter.place("acme", within_s=5.0))
        await clock.advance(5.0)
        with pytest.raises(ModelError) as failure:
            await late
        assert (failure.value.code, failure.value.tries) == ("model_rate_limited", 0)
        assert (limiter.in_flight, limiter.waiting) == (1, 0)


@pytest.mark.req("GOA-65.20")
async def test_nobody_waits_for_a_way_that_opens_after_their_time() -> None:
    with SimulatedClock() as clock:
        limiter = limited(clock, 1.0, closed_until_us=clock.now_us() + 300_000_000)
        with pytest.raises(ModelError) as failure:
            await limiter.place("acme", within_s=120.0)
        assert (failure.value.code, failure.value.tries, failure.value.retry_after_s) == (
            "model_rate_limited",
            0,
            300.0,
        )
        patient = asyncio.ensure_future(limiter.place("acme", within_s=301.0))
        await clock.advance(300.5)
        assert await patient
        assert (limiter.in_flight, limiter.waiting) == (1, 0)


@pytest.mark.req("GOA-65.20")
async def test_who_waits_already_is_told_when_the_way_closes_for_longer_than_they_have() -> None:
    with SimulatedClock() as clock:
        windows = InMemory()
        windows.change(WAY, lambda window: Window(1.0))
        limiter = Limiter(WAY, windows, clock.now_us)
        place = await limiter.place("acme", within_s=1.0)
        short = asyncio.ensure_future(limiter.place("acme", within_s=120.0))
        long = asyncio.ensure_future(limiter.place("acme", within_s=400.0))
        await clock.settle()
        limiter.leave(place, ModelError("Much.", code="model_rate_limited", retry_after_s=7_200.0), is_answer=False)
        await clock.settle()
        with pytest.raises(ModelError) as failure:
            await short
        assert failure.value.code == "model_rate_limited"
        assert (limiter.in_flight, limiter.waiting, long.done()) == (0, 1, False)
        await clock.advance(301.0)
        assert await long


@pytest.mark.req("GOA-65.5")
async def test_who_waits_may_be_cancelled_also_in_the_moment_in_which_a_place_comes() -> None:
    with SimulatedClock() as clock:
        limiter = limited(clock, 1.0)
        place = await limiter.place("acme", within_s=1.0)
        waiting = [asyncio.ensure_future(limiter.place("acme", within_s=60.0)) for _ in range(2)]
        await clock.settle()
        limiter.leave(place, None, is_answer=True)
        waiting[0].cancel()
        assert isinstance(await waiting[1], Place)
        assert waiting[0].cancelled()
        assert (limiter.in_flight, limiter.waiting) == (1, 0)


@pytest.mark.req("GOA-65.5")
async def test_only_so_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule, "WAITING_MAX", 3)
    with SimulatedClock() as clock:
        limiter = limited(clock, 1.0)
        await limiter.place("acme", within_s=1.0)
        waiting = [asyncio.ensure_future(limiter.place("acme", within_s=60.0)) for _ in range(3)]
        await clock.settle()
        with pytest.raises(ModelError, match="too many wait"):
            await limiter.place("acme", within_s=60.0)
        for task in waiting:
            task.cancel()


@pytest.mark.req("GOA-65.6")
async def test_a_tenant_that_floods_a_way_does_not_hold_up_another_one() -> None:
    with SimulatedClock() as clock:
        limiter, served = limited(clock, 1.0), list[str]()

        async def request(tenant: str) -> None:
            place = await limiter.place(tenant, within_s=1_000.0)
            served.append(tenant)
            await asyncio.sleep(1.0)
            limiter.leave(place, None, is_answer=True)

        flood = [asyncio.ensure_future(request("loud")) for _ in range(100)]
        await clock.advance(3.5)
        other = [asyncio.ensure_future(request("quiet")) for _ in range(3)]
        await clock.advance(6.0)
        assert served.count("quiet") == 3
        await clock.advance(100.0)
        await asyncio.gather(*flood, *other)


@pytest.mark.req("GOA-65.3")
async def test_a_way_that_is_closed_opens_at_its_time_and_not_before() -> None:
    with SimulatedClock() as clock:
        limiter = limited(clock, 2.0, closed_until_us=clock.now_us() + 7_000_000)
        waiting = [asyncio.ensure_future(limiter.place("acme", within_s=60.0)) for _ in range(2)]
        await clock.advance(6.9)
        assert limiter.in_flight == 0
        await clock.advance(0.2)
        await asyncio.gather(*waiting)
        assert limiter.in_flight == 2
