"""What every keeper of windows must do, whether a process has them alone or shares them. An adapter's test subclasses
one of the two suites."""

# ruff: noqa: D102 - a test's name is its sentence

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Final

import pytest

from lichen.agents.lanes.meeting import LEASE_S, Meeting
from lichen.agents.lanes.shared import EVERY_S, LINGERS_S, Shared
from lichen.agents.lanes.window import CLOSED_S_MAX, SIZE_MAX, WAYS_MAX, Change, Way, Window, Windows, cut, grown
from lichen.testing.clock import SimulatedClock

WAY, OTHER = Way("key-1", "far:one"), Way("key-2", "far:one")
HEARD_S: Final = 2 * EVERY_S  # after so long everybody knows it


def too_much(clock: SimulatedClock, in_flight: int, *, asked_s: float | None = None) -> Change:
    """What a process learns that had so many requests under way."""
    now_us = clock.now_us()
    return lambda window: cut(window, in_flight=in_flight, begun_us=now_us, now_us=now_us, asked_s=asked_s)


class WindowsConformance:
    """`alone(clock)` gives the windows of a process that no other is beside."""

    @asynccontextmanager
    async def alone(self, clock: SimulatedClock) -> AsyncGenerator[Windows]:
        """The windows, in a running loop."""
        raise NotImplementedError
        yield

    @pytest.mark.req("GOA-65.2")
    async def test_a_way_that_nobody_used_is_wide_open(self) -> None:
        with SimulatedClock() as clock:
            async with self.alone(clock) as windows:
                assert windows.of(WAY) == Window()
                assert windows.processes == 1
                windows.use(WAY, in_flight=0, waiting=1)
                await clock.advance(HEARD_S)
                assert windows.share(WAY) == (int(SIZE_MAX), 0)

    @pytest.mark.req("GOA-65.2")
    async def test_what_a_process_learns_it_knows_at_once_and_of_that_way_alone(self) -> None:
        with SimulatedClock() as clock:
            async with self.alone(clock) as windows:
                windows.use(WAY, in_flight=9, waiting=0)
                await clock.advance(HEARD_S)
                windows.change(WAY, too_much(clock, 9, asked_s=7.0))
                learnt = windows.of(WAY)
                assert (learnt.size, learnt.closed_until_us) == (4.5, clock.now_us() + 7_000_000)
                assert windows.share(WAY).places == 4
                await clock.advance(HEARD_S)
                assert windows.of(WAY) == learnt
                assert windows.of(OTHER) == Window()

    @pytest.mark.req("GOA-65.2")
    async def test_each_answer_counts_once(self) -> None:
        with SimulatedClock() as clock:
            async with self.alone(clock) as windows:
                windows.use(WAY, in_flight=4, waiting=0)
                windows.change(WAY, too_much(clock, 4))
                expected = windows.of(WAY)
                for _ in range(40):
                    windows.change(WAY, grown)
                    expected = grown(expected)
                    await clock.advance(0.017)
                await clock.advance(HEARD_S)
                assert windows.of(WAY) == expected

    @pytest.mark.req("GOA-65.4")
    async def test_what_is_remembered_is_bounded_and_the_newest_stays(self) -> None:
        with SimulatedClock() as clock:
            async with self.alone(clock) as windows:
                for number in range(WAYS_MAX + 5):
                    windows.change(Way(f"key-{number}", "far:one"), too_much(clock, 8))
                assert windows.of(Way("key-0", "far:one")) == Window()
                assert windows.of(Way(f"key-{WAYS_MAX + 4}", "far:one")).size == 4.0


class SharedConformance(WindowsConformance):
    """`meeting()` gives one process's way to the same meeting, which is empty when a test begins."""

    @pytest.fixture(autouse=True)
    def _met(self, make: Callable[[], Meeting]) -> None:
        self.meeting = make

    @asynccontextmanager
    async def alone(self, clock: SimulatedClock) -> AsyncGenerator[Windows]:
        async with self.member(clock, "a") as windows:
            yield windows

    def member(self, clock: SimulatedClock, name: str) -> Shared:
        """A process. Its exchanges happen in no time: what a thread takes, no simulated clock waits for."""
        meeting = self.meeting()

        async def exchange(told: object) -> object:
            return meeting.exchange(told)  # type: ignore[arg-type]

        return Shared(meeting, name, clock.now_us, exchange=exchange)  # type: ignore[arg-type]

    @pytest.mark.req("GOA-65.14")
    async def test_what_one_learns_all_know_soon_and_everything_that_anybody_learnt_counts(self) -> None:
        with SimulatedClock() as clock:
            async with self.member(clock, "a") as a, self.member(clock, "b") as b:
                for windows in (a, b):
                    windows.use(WAY, in_flight=20, waiting=0)
                await clock.advance(HEARD_S)
                a.change(WAY, too_much(clock, 40, asked_s=30.0))
                await clock.advance(HEARD_S)
                assert b.of(WAY) == a.of(WAY)
                assert (b.of(WAY).size, b.of(WAY).closed_until_us > clock.now_us()) == (20.0, True)
                a.change(WAY, grown)
                b.change(WAY, grown)
                await clock.advance(HEARD_S)
                assert a.of(WAY).size == b.of(WAY).size == pytest.approx(20.1)

    @pytest.mark.req("GOA-65.14")
    async def test_what_all_were_sent_away_from_together_is_cut_once(self) -> None:
        with SimulatedClock() as clock:
            async with self.member(clock, "a") as a, self.member(clock, "b") as b:
                for windows in (a, b):
                    windows.use(WAY, in_flight=8, waiting=0)
                await clock.advance(HEARD_S)
                begun_us = clock.now_us()
                await clock.advance(1.0)
                now_us = clock.now_us()
                for windows in (a, b):
                    windows.change(
                        WAY, lambda known: cut(known, in_flight=16, begun_us=begun_us, now_us=now_us, asked_s=None)
                    )
                await clock.advance(HEARD_S)
                assert a.of(WAY).size == b.of(WAY).size == 8.0

    @pytest.mark.req("GOA-65.7")
    async def test_those_who_use_a_way_divide_it_and_who_wants_little_leaves_the_rest(self) -> None:
        with SimulatedClock() as clock:
            async with self.member(clock, "a") as a, self.member(clock, "b") as b, self.member(clock, "c") as c:
                a.use(WAY, in_flight=0, waiting=50)
                a.change(WAY, too_much(clock, 20))
                b.use(WAY, in_flight=0, waiting=50)
                c.use(WAY, in_flight=0, waiting=2)
                await clock.advance(HEARD_S)
                assert [each.share(WAY).places for each in (a, b)] == [4, 4]
                assert c.share(WAY).places >= 3
                assert a.processes == b.processes == c.processes == 3
                b.use(WAY, in_flight=0, waiting=0)
                await clock.advance(HEARD_S)
                assert a.share(WAY).places == 8

    @pytest.mark.req("GOA-65.7")
    async def test_no_place_is_given_that_another_still_has(self) -> None:
        with SimulatedClock() as clock:
            async with self.member(clock, "a") as a, self.member(clock, "b") as b:
                a.use(WAY, in_flight=10, waiting=20)
                a.change(WAY, too_much(clock, 20))
                b.use(WAY, in_flight=0, waiting=20)
                await clock.advance(HEARD_S)
                assert (b.share(WAY).places, b.share(WAY).elsewhere) == (0, 10)
                a.use(WAY, in_flight=7, waiting=20)
                await clock.advance(HEARD_S)
                assert (a.share(WAY).places, b.share(WAY).places) == (5, 3)

    @pytest.mark.req("GOA-65.15")
    async def test_of_one_that_says_nothing_any_more_nothing_is_kept_free(self) -> None:
        with SimulatedClock() as clock:
            async with self.member(clock, "a") as a:
                killed = self.member(clock, "b")
                await killed.__aenter__()
                killed.use(WAY, in_flight=4, waiting=50)
                a.use(WAY, in_flight=4, waiting=50)
                a.change(WAY, too_much(clock, 16))
                await clock.advance(HEARD_S)
                assert a.share(WAY) == (4, 4)
                await self.kill(killed)
                await clock.advance(LEASE_S + HEARD_S)
                assert (a.share(WAY), a.processes) == ((8, 0), 1)

    @pytest.mark.req("GOA-65.15")
    async def test_who_leaves_is_gone_at_once(self) -> None:
        with SimulatedClock() as clock:
            async with self.member(clock, "a") as a:
                async with self.member(clock, "b") as b:
                    b.use(WAY, in_flight=4, waiting=0)
                    a.use(WAY, in_flight=0, waiting=5)
                    await clock.advance(HEARD_S)
                    assert a.share(WAY).elsewhere == 4
                await clock.advance(HEARD_S)
                assert a.share(WAY).elsewhere == 0

    @pytest.mark.req("GOA-65.14")
    async def test_a_process_that_begins_asks_nobody_before_it_heard_of_the_others(self) -> None:
        with SimulatedClock() as clock:
            async with self.member(clock, "a") as a, self.member(clock, "b") as b:
                a.use(WAY, in_flight=2, waiting=0)
                a.change(WAY, too_much(clock, 4))
                await clock.advance(HEARD_S)
                b.use(WAY, in_flight=0, waiting=9)
                assert b.share(WAY).places == 0
                await clock.settle()
                assert b.of(WAY).size == 2.0

    @pytest.mark.req("GOA-65.14")
    async def test_who_waits_is_told_when_there_is_something_new(self) -> None:
        with SimulatedClock() as clock:
            async with self.member(clock, "a") as a:
                told = list[Way]()
                a.watch(told.append)
                a.use(WAY, in_flight=1, waiting=0)
                a.use(OTHER, in_flight=0, waiting=1)
                await clock.advance(HEARD_S)
                assert set(told) == {OTHER}

    @pytest.mark.req("GOA-65.14")
    async def test_a_process_that_asks_nothing_says_nothing(self) -> None:
        with SimulatedClock() as clock:
            said = list[object]()
            meeting = self.meeting()

            async def exchange(told: object) -> object:
                said.append(told)
                return meeting.exchange(told)  # type: ignore[arg-type]

            async with Shared(meeting, "a", clock.now_us, exchange=exchange) as a:  # type: ignore[arg-type]
                await clock.advance(60.0)
                assert not said
                a.use(WAY, in_flight=1, waiting=0)
                await clock.advance(1.0)
                a.use(WAY, in_flight=0, waiting=0)
                await clock.advance(LINGERS_S)
                count = len(said)
                assert count >= 10
                await clock.advance(600.0)
                assert len(said) == count

    @pytest.mark.req("GOA-65.14")
    async def test_a_clock_that_was_set_back_closes_no_way_for_long_and_keeps_nobody_there(self) -> None:
        with SimulatedClock(2_000_000_000_000_000) as clock:
            async with self.member(clock, "b") as b:
                b.use(WAY, in_flight=3, waiting=0)
                b.change(WAY, too_much(clock, 6, asked_s=60.0))
                await clock.advance(HEARD_S)
                await self.kill(b)
        with SimulatedClock(1_900_000_000_000_000) as clock:
            async with self.member(clock, "a") as a:
                a.use(WAY, in_flight=0, waiting=1)
                await clock.advance(HEARD_S)
                assert a.share(WAY).elsewhere == 0
                assert a.of(WAY).closed_until_us <= clock.now_us() + CLOSED_S_MAX * 1e6
                assert a.of(WAY).cut_us <= clock.now_us()

    @staticmethod
    async def kill(member: Shared) -> None:
        """Ends a process that says nothing of it."""
        telling = member._telling  # pyright: ignore[reportPrivateUsage]
        assert telling is not None
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
        member._telling = None  # pyright: ignore[reportPrivateUsage]
