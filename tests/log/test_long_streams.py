"""Long streams and many people: nothing that is appended or found asks the store on the loop's thread."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from lichen.core.deciders import events as e
from lichen.core.words.content import INLINE_BYTES_MAX, RETENTION, Content
from lichen.core.words.errors import Conflict, Corrupt
from lichen.core.words.ids import RunId, run_stream
from lichen.core.words.scope import Customer
from lichen.log.log import Appended
from lichen.log.sqlite.store import SqliteReading
from lichen.log.store.selection import Rows
from lichen.log.views import live
from lichen.log.views.keyindex import KeyIndex
from lichen.testing.log_conformance import OTHER, RUN, put, started
from tests.log.homes import Home


@contextmanager
def refusing_on_the_loop() -> Generator[None]:
    """A reader that nobody may ask on this thread."""
    loop = threading.get_ident()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("rows", "each", "totals"):
            inner = vars(SqliteReading)[name]

            def asked(self: SqliteReading, which: Rows, *rest: str, _inner: object = inner) -> object:
                assert threading.get_ident() != loop, "the store was asked on the loop"
                return _inner(self, which, *rest)  # type: ignore[operator]

            patch.setattr(SqliteReading, name, asked)
        yield


@contextmanager
def counting() -> Generator[list[str]]:
    """The tables that a reader is asked about meanwhile, one for each time."""
    asked: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for name in ("rows", "each", "totals"):
            inner = vars(SqliteReading)[name]

            def counted(self: SqliteReading, which: Rows, *rest: str, _inner: object = inner) -> object:
                asked.append(which.table.name)
                return _inner(self, which, *rest)  # type: ignore[operator]

            patch.setattr(SqliteReading, name, counted)
        yield asked


@pytest.mark.req("LIC-2.54")
async def test_a_long_stream_grows_and_is_searched_without_asking_the_store(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "KEYS_MAX", 10)
    log = await home.reopen()
    put(log, RUN, started(log), *(e.Draft(e.PlanStarted(0, n, "start")) for n in range(50)))
    await log.durable()
    log = await home.reopen()
    await log.load(RUN)
    with refusing_on_the_loop():
        put(log, RUN, *(e.Draft(e.PlanStarted(1, n, "start")) for n in range(50)))
        assert [log.find(RUN, f"plan_started/0/{n}") for n in range(50)] == list(range(1, 51))
        assert [log.find(RUN, f"plan_started/1/{n}") for n in range(50)] == list(range(51, 101))
        assert log.find(RUN, "plan_started/2/0") is None
    again = log.append(e.Part(RUN, 1, (e.Draft(e.PlanStarted(0, 40, "start")),)))
    assert isinstance(again, Appended)
    assert again.repeated
    with pytest.raises(Conflict, match="key_reused"):
        put(log, RUN, e.Draft(e.PlanStarted(0, 40, "resume")))


@pytest.mark.req("LIC-2.54")
async def test_the_first_word_of_somebody_known_before_does_not_ask_the_store(home: Home) -> None:
    log = await home.reopen()
    who = log.name(Customer("customer-7"))
    await log.durable()
    log = await home.reopen()
    with refusing_on_the_loop():
        assert log.name(Customer("customer-7")) == who
        assert log.name(Customer("customer-8")) != who
    await log.durable()
    assert (log.display(who), len(home.sql("SELECT pseudonym FROM names"))) == ("customer-7", 2)


def test_a_key_index_finds_every_key_it_was_given_and_no_other() -> None:
    index = KeyIndex()
    for n in range(45_000):
        index.add(f"key/{n}", n)
    assert [index.find(f"key/{n}") for n in range(0, 45_000, 7)] == list(range(0, 45_000, 7))
    assert [index.find(f"other/{n}") for n in range(2_000)] == [None] * 2_000


@pytest.mark.req("LIC-2.55")
async def test_what_a_process_left_behind_is_folded_in_few_readings_however_many_streams_there_are(home: Home) -> None:
    log = await home.reopen()
    runs = [run_stream(RunId(f"run-{number}")) for number in range(100)]
    for run in runs:
        put(log, run, started(log), e.Draft(e.PlanStarted(0, 1, "start")))
    await log.durable()
    before = {run: log.state(run) for run in runs}
    log = await home.reopen()
    with counting() as asked:
        owing = log.load_owing()
        assert {run: log.state(run) for run in owing} == before
        put(log, runs[0], e.Draft(e.PlanStarted(0, 2, "start")))
        assert log.find(runs[1], "plan_started/0/1") == 1
    assert owing == runs
    assert asked == ["streams", "records"]


@pytest.mark.req("LIC-2.55")
async def test_a_stream_that_is_in_memory_already_is_not_folded_again(home: Home) -> None:
    log = await home.reopen()
    put(log, RUN, started(log))
    await log.durable()
    log = await home.reopen()
    put(log, RUN, e.Draft(e.PlanStarted(0, 1, "start")))  # not durable yet, and still there after it
    assert log.load_owing() == [RUN]
    assert log.state(RUN).n == 2


@pytest.mark.req("LIC-2.55")
async def test_words_of_a_stream_at_rest_are_read_without_folding_it(home: Home) -> None:
    log = await home.reopen()
    put(log, RUN, started(log))
    await log.durable()
    words = dict(log.contents(RUN, 0))
    log = await home.reopen()
    assert dict(log.contents(RUN, 0)) == words
    assert log.streams_in_memory == 1  # the tenant's


@pytest.mark.req("LIC-2.55")
async def test_words_of_a_stream_left_behind_are_read_with_it_and_opened_once(home: Home) -> None:
    log = await home.reopen()
    put(log, RUN, started(log))
    await log.durable()
    words = dict(log.contents(RUN, 0))
    log = await home.reopen()
    log.load_owing()
    with counting() as asked:
        assert log.contents(RUN, 0) is log.contents(RUN, 0)
    assert dict(log.contents(RUN, 0)) == words
    assert asked == []


@pytest.mark.req("LIC-2.55")
async def test_of_a_stream_left_behind_long_words_stay_on_disk_until_they_are_asked_for(home: Home) -> None:
    log = await home.reopen()
    words = Content("state", RETENTION, b"s" * (INLINE_BYTES_MAX + 1))
    put(log, RUN, started(log), e.Draft(e.PlanStarted(0, 1, "start"), (words,)))
    await log.durable()
    log = await home.reopen()
    log.load_owing()
    assert log.known(RUN, 1) is None
    assert log.contents(RUN, 1)["state"] == words.data


@pytest.mark.req("LIC-2.55")
async def test_what_a_process_left_behind_is_taken_over_though_the_words_of_one_record_are_damaged(home: Home) -> None:
    log = await home.reopen()
    put(log, RUN, started(log))
    put(log, OTHER, started(log))
    await log.durable()
    first = log.record(RUN, 0)
    body = first.contents[0].body
    assert isinstance(body, bytes)
    await home.close()
    [(stored,)] = home.sql("SELECT record FROM records WHERE seq = ?", first.seq)
    home.sql("UPDATE records SET record = ? WHERE seq = ?", stored.replace(body, bytes(len(body))), first.seq)
    log = await home.reopen()
    assert log.load_owing() == [RUN, OTHER]
    assert log.known(RUN, 0) is None
    with pytest.raises(Corrupt):
        log.contents(RUN, 0)
    assert log.known(OTHER, 0) is not None
