"""Windows that processes share: divided among them, whatever keeps them."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.agents.lanes import file
from lichen.agents.lanes.division import SLOT_US, Other, Use, places
from lichen.agents.lanes.file import FILE, MeetingFile
from lichen.agents.lanes.meeting import FORGOTTEN_S, Meeting, Told
from lichen.agents.lanes.shared import EVERY_S, Shared
from lichen.agents.lanes.window import InMemory, Way, Window, Windows
from lichen.testing.clock import SimulatedClock
from lichen.testing.stores.meeting import MemoryMeeting
from lichen.testing.stores.windows_conformance import (
    HEARD_S,
    WAY,
    SharedConformance,
    WindowsConformance,
    too_much,
)


class TestOfOneProcess(WindowsConformance):
    @asynccontextmanager
    async def alone(self, clock: SimulatedClock) -> AsyncGenerator[Windows]:
        yield InMemory()


class TestInMemory(SharedConformance):
    @pytest.fixture
    def make(self) -> Callable[[], Meeting]:
        meeting = MemoryMeeting()
        return lambda: meeting


class TestInAFile(SharedConformance):
    @pytest.fixture
    def make(self, tmp_path: Path) -> Callable[[], Meeting]:
        return lambda: MeetingFile(tmp_path)


uses = st.builds(Use, st.integers(0, 30), st.integers(0, 30))


@pytest.mark.req("GOA-65.7")
@given(st.integers(1, 40), st.lists(uses, min_size=1, max_size=6), st.integers(0, 12))
def test_all_places_are_given_to_who_wants_them_and_none_twice(size: int, wanted: list[Use], slot: int) -> None:
    members = [Other(f"m{number}", use, 0) for number, use in enumerate(wanted)]
    filled = 0
    for member in members:
        others = [other for other in members if other is not member]
        filled += min(member.use.wanted, places(size, member.member, others, slot * SLOT_US))
    assert filled == min(size, sum(use.wanted for use in wanted))


@pytest.mark.req("GOA-65.7")
@given(st.integers(1, 40), st.integers(2, 6))
def test_places_that_do_not_divide_go_round_so_that_in_time_all_have_as_many(size: int, count: int) -> None:
    members = [Other(f"m{number}", Use(0, 100), 0) for number in range(count)]
    had = [
        sum(
            places(size, member.member, [other for other in members if other is not member], slot * SLOT_US)
            for slot in range(count)
        )
        for member in members
    ]
    assert had == [size] * count


@pytest.mark.req("GOA-65.14")
async def test_where_the_others_are_not_to_be_heard_a_process_goes_on_and_tells_them_later() -> None:
    meeting = MemoryMeeting()

    async def exchange(told: Told) -> object:
        return meeting.exchange(told)

    with SimulatedClock() as clock:
        async with (
            Shared(meeting, "a", clock.now_us, exchange=exchange) as a,  # type: ignore[arg-type]
            Shared(meeting, "b", clock.now_us, exchange=exchange) as b,  # type: ignore[arg-type]
        ):
            meeting.is_away = True
            a.use(WAY, in_flight=8, waiting=0)
            await clock.advance(HEARD_S)
            a.change(WAY, too_much(clock, 8))
            assert a.share(WAY).places == 4
            await clock.advance(5.0)
            assert a.share(WAY).places == 4
            meeting.is_away = False
            b.use(WAY, in_flight=0, waiting=1)
            await clock.advance(HEARD_S)
            assert b.of(WAY).size == 4.0


def told(member: str, now_us: int, *, in_flight: int = 1) -> Told:
    return Told(member, now_us, {}, {WAY: Use(in_flight, 0)})


@pytest.mark.req("GOA-65.16")
def test_a_file_that_is_damaged_is_made_anew_and_whoever_had_it_open_finds_the_new_one(tmp_path: Path) -> None:
    first, second = MeetingFile(tmp_path), MeetingFile(tmp_path)
    first.exchange(told("a", 1_000))
    second.exchange(told("b", 1_000))
    second.close()
    with sqlite3.connect(tmp_path / FILE) as by_hand:
        by_hand.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    by_hand.close()
    (tmp_path / FILE).write_bytes(b"nothing of ours" * 400)
    with pytest.raises(OSError, match="damaged"):
        second.exchange(told("b", 2_000))
    assert second.exchange(told("b", 2_000)).others == {WAY: ()}
    assert [other.member for other in first.exchange(told("a", 3_000)).others[WAY]] == ["b"]
    first.close()
    second.close()


@pytest.mark.req("GOA-65.16")
def test_a_file_that_somebody_holds_is_not_waited_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "BUSY_MS", 10)
    meeting = MeetingFile(tmp_path)
    meeting.exchange(told("a", 1_000))
    holder = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    meeting.close()
    with pytest.raises(OSError, match="locked"):
        meeting.exchange(told("a", 2_000))
    holder.execute("ROLLBACK")
    holder.close()
    assert meeting.exchange(told("a", 3_000)).windows == {WAY: Window()}
    meeting.close()


@pytest.mark.req("GOA-65.16")
def test_the_file_is_its_owners_alone_and_forgets_what_is_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "WAYS_MAX", 3)
    meeting = MeetingFile(tmp_path)
    ways = [Way(f"key-{number}", "far:one") for number in range(6)]
    for number, way in enumerate(ways):
        meeting.exchange(Told("a", 1_000 + number, {way: [lambda window: Window(3.0)]}, {}))
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0
    kept = [way for way in ways if _window(meeting, way, 61_000_000).size == 3.0]
    assert kept == ways[3:]
    later_us = 62_000_000 + round(FORGOTTEN_S * 1e6)
    assert all(_window(meeting, way, later_us) == Window() for way in ways)
    meeting.close()


def _window(meeting: MeetingFile, way: Way, now_us: int) -> Window:
    return meeting.exchange(Told("a", now_us, {}, {way: Use(1, 0)})).windows[way]


@pytest.mark.req("GOA-65.14")
async def test_a_way_is_shared_in_a_thread_and_nobody_waits_for_the_file(tmp_path: Path) -> None:
    now_us = 1_000_000
    async with (
        Shared(MeetingFile(tmp_path), "a", lambda: now_us) as a,
        Shared(MeetingFile(tmp_path), "b", lambda: now_us) as b,
    ):
        heard = asyncio.Event()
        b.watch(lambda way: heard.set() if b.share(way).elsewhere else None)
        a.use(WAY, in_flight=3, waiting=0)
        b.use(WAY, in_flight=0, waiting=1)
        async with asyncio.timeout(50 * EVERY_S):
            await heard.wait()
        assert b.share(WAY).elsewhere == 3


@pytest.mark.req("GOA-65.19")
def test_whoever_closes_a_file_waits_for_the_exchange_that_goes_on_in_another_thread(tmp_path: Path) -> None:
    meeting = MeetingFile(tmp_path)
    told = Told("a", 1_000, {}, {WAY: Use(1, 0)})
    meeting.exchange(told)
    with sqlite3.connect(tmp_path / FILE, isolation_level=None) as other, ThreadPoolExecutor(1) as threads:
        other.execute("BEGIN IMMEDIATE")  # so the exchange waits, in SQLite
        under_way = threads.submit(meeting.exchange, told)
        while not meeting.is_in_use:
            time.sleep(0.001)
        meeting.close()
        with pytest.raises(OSError, match="cannot be shared"):
            under_way.result(10)
    other.close()
