from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from lichen.core.deciders import events as e
from lichen.core.words.ids import RunId, run_stream
from lichen.log import feed
from lichen.log.log import Log
from lichen.log.records.record import Place, Record
from lichen.testing.log_conformance import OTHER, RUN, put, started
from tests.log.homes import Home


def plan_started(log: Log, count: int) -> None:
    """So many more records of RUN, each in an append of its own."""
    n = log.state(RUN).n
    for number in range(count):
        put(log, RUN, e.Draft(e.PlanStarted(n, number, "start")))


async def take(records: AsyncGenerator[Record], count: int) -> AsyncGenerator[Record]:
    """The next so many."""
    async with aclosing(records):
        for _ in range(count):
            yield await asyncio.wait_for(anext(records), 10)


@pytest.fixture
async def log(home: Home) -> Log:
    log = await home.reopen()
    put(log, RUN, started(log))
    await log.durable()
    return log


@pytest.mark.req("LIC-2.21")
async def test_a_follower_that_is_slow_misses_nothing_and_holds_nothing_up(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "BUFFERED_MAX", 5)
    monkeypatch.setattr(feed, "PAGE", 4)
    following = log.follow(0)
    seen = [(await anext(following)).place for _ in range(2)]
    for _ in range(4):
        plan_started(log, 7)
        await log.durable()
        seen.append((await anext(following)).place)
    there = [record.place for record in log.read()]
    while len(seen) < len(there):
        seen.append((await anext(following)).place)
    assert seen == there
    assert len(there) > log.last_seq  # some share a stored record


async def test_a_follower_begins_after_the_position_it_names(log: Log) -> None:
    plan_started(log, 3)
    await log.durable()
    following = log.follow(log.last_seq - 1)
    assert (await anext(following)).seq == log.last_seq


@pytest.mark.req("LIC-2.43")
async def test_a_follower_that_left_in_the_midst_of_a_record_goes_on_with_the_next_fact(log: Log) -> None:
    plan_started(log, 4)
    await log.durable()
    whole = [record.place async for record in take(log.follow(0), len(log.read()))]
    for k, place in enumerate(whole[:-1], 1):
        rest = [record.place async for record in take(log.follow(place), len(whole) - k)]
        assert rest == whole[k:]
        own = [record.place async for record in take(log.follow(place, streams=(RUN,)), len(whole) - max(k, 1))]
        assert own == whole[max(k, 1) :]
    assert [place.i for place in whole if place.seq == log.last_seq] == [0, 1, 2, 3]


async def test_a_follower_sleeps_until_a_record_is_durable(log: Log) -> None:
    following = log.follow(log.last_seq)
    waiting = asyncio.ensure_future(anext(following))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    assert not waiting.done()
    plan_started(log, 1)
    record = await asyncio.wait_for(waiting, 10)
    assert (record.seq, log.durable_seq) == (log.last_seq, log.last_seq)


async def test_a_stream_that_begins_later_is_followed_from_its_first_record(log: Log) -> None:
    following = log.follow(0, streams=(OTHER,))
    waiting = asyncio.ensure_future(anext(following))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    put(log, OTHER, started(log))
    assert (await asyncio.wait_for(waiting, 10)).stream == OTHER


async def test_followers_that_leave_are_forgotten(log: Log) -> None:
    following = [log.follow(0), log.follow(0, streams=(RUN, OTHER))]
    for each in following:
        await anext(each)
        await each.aclose()  # type: ignore[attr-defined]
    plan_started(log, 1)
    await log.durable()
    assert len(log.feed) == 0


async def test_followers_end_when_the_volume_closes_and_have_seen_everything(log: Log, home: Home) -> None:
    async def all_of(streams: tuple[RunId, ...] | None) -> list[Place]:
        chosen = None if streams is None else [run_stream(run) for run in streams]
        return [record.place async for record in log.follow(0, streams=chosen)]

    readers = [asyncio.ensure_future(all_of(None)), asyncio.ensure_future(all_of((RunId("run-1"),)))]
    await asyncio.sleep(0)
    plan_started(log, 3)
    await log.durable()
    there = [record.place for record in log.read()]
    await home.close()
    everything, run = await asyncio.gather(*readers)
    assert everything == there
    assert run == everything[1:]


async def test_two_followers_see_the_same(log: Log) -> None:
    first, second = log.follow(0), log.follow(0)
    await anext(first)
    plan_started(log, 5)
    await log.durable()
    count = len(log.read())
    seen = [(await anext(first)).place for _ in range(count - 1)]
    assert [(await anext(second)).place for _ in range(count)] == [Place(1), *seen]
