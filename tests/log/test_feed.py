from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator
from contextlib import aclosing, closing
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from lichen.core.deciders import events as e
from lichen.core.words.ids import TENANT_STREAM, AgentName, MessageId, RunId, StreamId, run_stream
from lichen.log import feed
from lichen.log.log import Log
from lichen.log.records.record import Place, Record
from lichen.log.store.selection import rows
from lichen.log.store.tables import RECORDS
from lichen.log.views.queries import Queries
from lichen.testing.log_conformance import OTHER, RUN, SESSION, put, started
from tests.log.homes import SCOPE, Home, stored


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


# -- any log, left anywhere --------------------------------------------------------------------------------------

STREAMS = (RUN, OTHER, SESSION)


class Step(NamedTuple):
    """So many facts to one stream; durable before the next step, or gathered with it. Some stand alone."""

    stream: int
    facts: int
    stands_alone: bool
    waits: bool


steps = st.lists(st.builds(Step, st.integers(0, 2), st.integers(1, 20), st.booleans(), st.booleans()), max_size=14)


def perform(log: Log, number: int, step: Step) -> None:
    """The session's facts are messages that begin a record and their deliveries, a run's are plans."""
    stream = STREAMS[step.stream]
    n = log.state(stream).n
    if stream == SESSION:
        drafts = [e.Draft(e.MessageQueued(MessageId(f"o{n}-{k}"), "answer")) for k in range(step.facts)]
    else:
        drafts = [e.Draft(e.PlanStarted(n, k, "start")) for k in range(step.facts)]
    alone = e.Draft(e.Refused("run.start", "x", "deny", f"{number}"))
    put(log, stream, *drafts)
    if step.stands_alone:
        put(log, TENANT_STREAM, alone)


async def cuts(home: Home, history: list[Step]) -> None:
    log = (await home.open()).log(SCOPE)
    put(log, RUN, started(log))
    put(log, OTHER, started(log))
    put(log, SESSION, e.Draft(e.MailboxOpened(AgentName("shop.bot"), "", "webchat")))
    live = log.follow(0)
    seen = [await anext(live)]
    for number, step in enumerate(history):
        perform(log, number, step)
        if step.waits:
            await log.durable()
            seen.append(await asyncio.wait_for(anext(live), 10))
    await log.durable()
    whole = [record.place for record in log.read(0, 10_000)]
    assert whole == sorted(set(whole))
    seen += [record async for record in take(live, len(whole) - len(seen))]
    assert [record.place for record in seen] == whole
    own = {stream: [record.place for record in log.records(stream)] for stream in STREAMS}
    for k, place in enumerate(whole):
        assert await rest(log, place, whole[k + 1 :]) == whole[k + 1 :]
        later = [each for each in whole if each.seq > place.seq]
        assert await rest(log, place.seq, later) == later
        for streams in ((RUN,), (OTHER, SESSION)):
            mine = [each for each in whole[k + 1 :] if any(each in own[stream] for stream in streams)]
            assert await rest(log, place, mine, streams) == mine
    await pages(log, whole)


async def rest(
    log: Log, after: int | Place, expected: list[Place], streams: tuple[StreamId, ...] | None = None
) -> list[Place]:
    """What a reader that goes on after a place gets, as much as is expected and whatever is there besides."""
    found = [record.place async for record in take(log.follow(after, streams), len(expected))]
    assert all(place > after if isinstance(after, Place) else place.seq > after for place in found)
    return found


async def pages(log: Log, whole: list[Place]) -> None:
    """A cursor of the log, and a watermark of a stream, whatever the size of a page."""
    for limit in (1, 2, 7, 1_000):
        found: list[Place] = []
        while page := log.read(found[-1].seq if found else 0, limit):
            found += [record.place for record in page]
        assert found == whole
    for stream in STREAMS:
        there = log.records(stream)
        for n in range(len(there) + 1):
            for limit in (1, 3, 1_000):
                opened = await log.page(stream, n, limit)
                assert [each.record for each in opened] == there[n : n + limit]


@pytest.mark.req("LIC-2.43")
@settings(max_examples=20, deadline=None, derandomize=True, phases=[Phase.generate])
@given(history=steps, together=st.booleans())
def test_whoever_left_anywhere_goes_on_with_the_next_record(history: list[Step], together: bool) -> None:
    async def lived() -> None:
        with tempfile.TemporaryDirectory() as directory:
            home = Home(Path(directory))
            await cuts(home, history)
            await home.close()

    with stored(together=together):
        asyncio.run(lived())


@pytest.mark.req("LIC-2.21")
async def test_a_commit_between_two_streams_that_are_read_is_not_missed(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(log, OTHER, started(log))
    await log.durable()
    stream_row, asked = Queries.stream_row, list[StreamId]()

    def meanwhile(queries: Queries, stream: StreamId) -> object:
        """Before the second stream is asked for, the writer commits to both, and the loop was not told yet."""
        asked.append(stream)
        if len(asked) == 2:
            for each in asked:
                put(log, each, e.Draft(e.PlanStarted(9, 1, "start")))
            log._shared.gathering.hand_over()  # pyright: ignore[reportPrivateUsage]
            with closing(log.read_apart()) as reading:
                while not reading.rows(rows(RECORDS, log=log.number, seq=log.last_seq)):
                    pass
        return stream_row(queries, stream)

    before = log.durable_seq
    monkeypatch.setattr(Queries, "stream_row", meanwhile)
    following = log.follow(before, streams=(RUN, OTHER))
    found = [record.place.seq async for record in take(following, 2)]
    assert found == [before + 1, before + 2]


@pytest.mark.req("LIC-2.21")
async def test_a_follower_reads_on_from_disk_when_the_volume_recovered(log: Log) -> None:
    following = log.follow(log.last_seq)
    waiting = asyncio.ensure_future(anext(following))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    settle, told = log.feed.offer, list[int]()
    log.feed.offer = lambda records: told.append(len(records))  # type: ignore[method-assign]  # it is not told of it
    plan_started(log, 1)
    await log.durable()
    assert not waiting.done()
    log.feed.offer = settle  # type: ignore[method-assign]
    log.reload(log.tip, 0)
    assert (await asyncio.wait_for(waiting, 10)).seq == log.last_seq
    assert told == [1]
