from __future__ import annotations

import asyncio
from itertools import count

import msgspec
import pytest

from lichen.core.deciders import events as e
from lichen.core.words.ids import RunId, StreamId, run_stream
from lichen.core.words.scope import Scope
from lichen.log.audit.verify import verify
from lichen.log.log import Log, LogOptions
from lichen.log.volume import VolumeOptions
from lichen.log.write import gathering
from lichen.log.write.shared import ROWS_TOGETHER
from lichen.testing.log_conformance import OTHER, RUN, planned, put, started
from lichen.testing.stores.disk import Disk
from tests.log.busy import A, S, first_day
from tests.log.homes import SCOPE, Home
from tests.log.test_writer import settle


def held(log: Log) -> dict[StreamId, list[int]]:
    """The records whose contents are in memory."""
    lives = log.lives.values()
    return {live.stream: list(live.contents) for live in lives if live.contents}


@pytest.mark.req("LIC-2.42")
async def test_what_a_few_turns_of_the_loop_append_is_one_commit(home: Home) -> None:
    disk = Disk()
    log = (await home.open(VolumeOptions(store=disk.open))).log(SCOPE)
    await settle(log)
    disk.rows.clear()
    for number in range(5):
        put(log, run_stream(RunId(f"run-{number}")), started(log))
        await asyncio.sleep(0)
    await log.durable()
    assert disk.rows == [5]


@pytest.mark.req("LIC-2.42")
async def test_a_loop_that_always_appends_more_does_not_hold_a_record_back(home: Home) -> None:
    disk = Disk()
    log = (await home.open(VolumeOptions(store=disk.open))).log(SCOPE)
    await settle(log)
    before = log.durable_seq
    async with asyncio.timeout(60):
        for number in count():
            put(log, run_stream(RunId(f"run-{number}")), started(log))
            await asyncio.sleep(0)
            if log.durable_seq > before:
                return
            if number > gathering.TURNS_MAX:
                await disk.stands_still()  # the writer has it, and writes beside the loop


async def test_a_turn_that_appends_very_much_hands_it_over_in_portions(home: Home) -> None:
    disk = Disk()
    log = (await home.open(VolumeOptions(store=disk.open))).log(SCOPE)
    await settle(log)
    disk.rows.clear()
    with disk.standing_still():
        for number in range(gathering.ROWS_MAX + 1):
            put(log, run_stream(RunId(f"run-{number}")), started(log))
        assert disk.is_written_to(), "the loop does not turn meanwhile, so the last one waits"
    await log.durable()
    assert disk.rows == [gathering.ROWS_MAX, 1]


@pytest.mark.req("LIC-2.42")
async def test_a_life_that_is_handed_over_at_once_leaves_the_rows_it_would_leave_step_by_step(home: Home) -> None:
    log = await home.reopen()
    first_day(log)
    await log.durable()
    assert [(row.stream, row.standing) for row in log.stream_rows("run")] == [(A, "finished")]
    assert home.sql("SELECT message, state, attempts FROM outbox") == [("o1", "delivered", 2)]
    assert home.sql("SELECT count(*) FROM timers") == [(0,)]
    assert log.timers().keys().isdisjoint({A, S})
    await home.close()
    assert verify(home.logs).findings == ()


async def test_appending_now_needs_no_position(home: Home) -> None:
    log = await home.reopen()
    appended = log.append_now({RUN: (started(log),), OTHER: (started(log),)}, actor="system")
    assert [[event.n for event in events] for events in appended.events] == [[0], [0]]
    assert (log.state(RUN).n, log.state(OTHER).n) == (1, 1)
    assert log.append_now({RUN: (planned(log),)}).events[0][0].n == 1


async def test_appending_now_the_same_again_changes_nothing(home: Home) -> None:
    log = await home.reopen()
    first = log.append_now({RUN: (started(log),)})
    last = log.last_seq
    assert log.append_now({RUN: (started(log),)}) == msgspec.structs.replace(first, repeated=True)
    assert log.last_seq == last


async def test_contents_of_what_is_finished_go_before_those_of_what_is_not(home: Home) -> None:
    log = (await home.open(VolumeOptions(log=LogOptions(contents_bytes_max=10_000)))).log(SCOPE)
    put(log, RUN, started(log, b"x" * 3_000))
    put(log, OTHER, started(log, b"y" * 3_000), e.Draft(e.RunFinished("cancelled")))
    await log.durable()
    put(log, run_stream(RunId("run-3")), started(log, b"z" * 4_000))
    assert held(log) == {RUN: [0], run_stream(RunId("run-3")): [0]}
    assert (log.contents(RUN, 0)["input"][:1], log.contents(OTHER, 0)["input"][:1]) == (b"x", b"y")


async def test_contents_of_a_stream_that_is_let_go_of_are_let_go_of_too(home: Home) -> None:
    log = (await home.open(VolumeOptions(log=LogOptions(contents_bytes_max=10_000)))).log(SCOPE)
    for number in range(20):
        stream = run_stream(RunId(f"gone-{number}"))
        put(log, stream, started(log, b"x" * 3_000))
        await log.durable()
        log.park(stream)
    put(log, RUN, started(log, b"x" * 3_000))
    await log.durable()
    assert held(log) == {RUN: [0]}


@pytest.mark.req("LIC-14.9")
async def test_a_log_in_a_hurry_goes_before_what_others_have_waiting(home: Home) -> None:
    disk = Disk()
    volume = await home.open(VolumeOptions(store=disk.open))
    busy, quiet = volume.log(SCOPE), volume.log(Scope("globex", "dev"))
    await settle(busy)
    await settle(quiet)
    with disk.standing_still():
        put(busy, RUN, started(busy))
        await disk.stands_still()
        for number in range(gathering.ROWS_MAX + 1):
            put(busy, run_stream(RunId(f"run-{number}")), started(busy))
        put(quiet, RUN, started(quiet))
        quiet.hurry()
        disk.rows.clear()
    await quiet.durable()
    assert busy.durable_seq < busy.last_seq
    await busy.durable()
    await home.close()
    assert verify(home.logs).findings == ()


@pytest.mark.req("LIC-14.9")
async def test_a_log_in_a_hurry_never_overtakes_itself(home: Home) -> None:
    disk = Disk()
    volume = await home.open(VolumeOptions(store=disk.open))
    busy, quiet = volume.log(SCOPE), volume.log(Scope("globex", "dev"))
    await settle(busy)
    with disk.standing_still():
        put(busy, RUN, started(busy))
        await disk.stands_still()
        for number in range(3):
            put(busy, run_stream(RunId(f"run-{number}")), started(busy))
            put(quiet, run_stream(RunId(f"run-{number}")), started(quiet))
            quiet.hurry()
            quiet.hurry()
    await quiet.durable()
    await busy.durable()
    await home.close()
    assert verify(home.logs).findings == ()


@pytest.mark.req("LIC-14.7")
async def test_who_waits_for_room_is_woken_one_after_another_and_nobody_is_forgotten(home: Home) -> None:
    volume = await home.open()
    busy, quiet = volume.log(SCOPE), volume.log(Scope("globex", "dev"))
    await settle(quiet)
    fill = [run_stream(RunId(f"run-{number}")) for number in range(ROWS_TOGETHER)]
    for stream in fill:
        put(busy, stream, started(busy))
    put(quiet, RUN, started(quiet))
    order: list[int] = []

    async def wait(number: int) -> None:
        await busy.room()
        order.append(number)

    waiting = [asyncio.create_task(wait(number)) for number in range(50)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    waiting[7].cancel()
    await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 10)
    assert order == [number for number in range(50) if number not in {0, 7}]
