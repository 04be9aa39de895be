"""A store in a real Postgres does what a store must."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from itertools import count
from pathlib import Path

import psycopg
import pytest

from lichen.core.words.errors import Unavailable
from lichen.log.log import Log
from lichen.log.postgres.claim import PostgresClaim
from lichen.log.postgres.store import PostgresStore
from lichen.log.store.port import Batch, LeaseLost, Store
from lichen.log.store.selection import rows
from lichen.log.store.tables import RECORDS
from lichen.log.volume import VolumeOptions
from lichen.testing.log_conformance import RUN, LogConformance, Reopen, planned, put, started
from lichen.testing.stores.store_conformance import TABLES, OpenStore, StoreConformance, read, record
from tests.log.homes import SCOPE, Home
from tests.log.postgres import Postgres, running

ROOT = Path(__file__).parents[2]

_SCHEMAS = (f"volume {n}" for n in count())


@pytest.fixture(scope="module")
def postgres() -> Generator[Postgres]:
    with running() as server:
        yield server


@pytest.fixture
def schema() -> str:
    return next(_SCHEMAS)


class TestPostgresStore(StoreConformance):
    @pytest.fixture
    def open_store(self, postgres: Postgres, schema: str) -> OpenStore:
        self.url, self.schema = postgres.url, schema
        return lambda: PostgresStore(postgres.url, schema=schema)

    def make_foreign(self, store: Store) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute(f'UPDATE "{self.schema}".format SET version = 2'.encode())  # noqa: S608 - our own name


class TestLogInPostgres(LogConformance):
    @pytest.fixture
    def reopen(self, home: Home, postgres: Postgres, schema: str) -> Reopen:
        options = VolumeOptions(store=lambda path: PostgresStore(postgres.url, schema=schema))

        async def reopen() -> Log:
            await home.close()
            return (await home.open(options)).log(SCOPE)

        return reopen


@pytest.mark.req("LIC-26.10")
async def test_what_was_acknowledged_is_there_after_the_server_was_killed_and_the_volume_goes_on(
    home: Home, schema: str
) -> None:
    with running() as server:
        volume = await home.open(VolumeOptions(store=lambda path: PostgresStore(server.url, schema=schema)))
        log = volume.log(SCOPE)
        put(log, RUN, started(log))
        await log.durable()
        server.kill()
        put(log, RUN, planned(log))
        with pytest.raises(Unavailable, match="volume_readonly"):
            await log.durable()
        with pytest.raises(Unavailable, match="volume_readonly"):
            await volume.recover()
        server.start()
        await volume.recover()
        assert log.state(RUN).n == 1
        put(log, RUN, planned(log))
        await log.durable()
        assert [record.type for record in log.records(RUN)] == ["run_started", "planned"]
        await home.close()


def nothing() -> None:
    """Whoever loses the store does nothing about it."""


# -- who may write -----------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-26.11")
def test_one_process_has_a_store_and_the_next_has_it_once_that_is_done(postgres: Postgres, schema: str) -> None:
    first, second = (PostgresStore(postgres.url, schema=schema) for _ in range(2))
    assert first.prepare(TABLES) == second.prepare(TABLES) == ()
    claim = first.claim("first", nothing)
    with pytest.raises(Unavailable, match=r"store_in_use.*in use by first"):
        second.claim("second", nothing)
    claim.close()
    assert not claim.stands()
    again = second.claim("second", nothing)
    assert again.stands()
    again.close()


@pytest.mark.req("LIC-26.12")
def test_of_many_that_want_a_store_at_once_one_has_it(postgres: Postgres, schema: str) -> None:
    store = PostgresStore(postgres.url, schema=schema)
    store.prepare(TABLES)

    def wanted(number: int) -> PostgresClaim | str:
        try:
            return PostgresStore(postgres.url, schema=schema).claim(f"process {number}", nothing)
        except Unavailable as error:
            return error.code

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(wanted, range(8)))
    claims = [each for each in found if isinstance(each, PostgresClaim)]
    assert (len(claims), found.count("store_in_use")) == (1, 7)
    claims[0].close()


@pytest.mark.req("LIC-26.13")
def test_whoever_lost_a_store_commits_nothing_more(postgres: Postgres, schema: str) -> None:
    slow, other = (PostgresStore(postgres.url, schema=schema) for _ in range(2))
    slow.prepare(TABLES)
    claim = slow.claim("slow", nothing)
    writing = slow.write()
    writing.put(Batch([record(1)]))
    claim.close()  # as if its time had passed
    taken = other.claim("other", nothing)
    for batch in (Batch([record(2)]), Batch(heads=[(1, 1, 1, b"head")])):
        with pytest.raises(LeaseLost):
            writing.put(batch)
    with pytest.raises(LeaseLost):
        writing.probe()
    with closing(other.write()) as now:
        now.put(Batch([record(2)]))
    assert read(other, rows(RECORDS).of("pos").by("pos")) == [(1,), (2,)]
    writing.close()
    taken.close()


@pytest.mark.req("LIC-26.14")
def test_a_process_that_slept_or_died_is_followed_within_five_seconds_and_writes_nothing_when_it_wakes(
    postgres: Postgres, schema: str, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        first = stack.enter_context(holding(tmp_path, postgres, schema))
        acknowledged = {first.pid: said(first, 20)}
        second = stack.enter_context(holding(tmp_path, postgres, schema))
        first.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        acknowledged[second.pid] = said(second, 5)
        assert time.monotonic() - began < 5.0
        first.send_signal(signal.SIGCONT)
        woken, _ = first.communicate(timeout=10)
        assert woken.split()[-1] == "lease_lost"
        with holding(tmp_path, postgres, schema) as third:
            second.kill()
            began = time.monotonic()
            acknowledged[third.pid] = said(third, 5)
            assert time.monotonic() - began < 5.0
    found = Counter(
        stream for (stream,) in read(PostgresStore(postgres.url, schema=schema), rows(RECORDS).of("stream"))
    )
    assert min(sorted(found.values())[-3:]) >= min(acknowledged.values())


@contextmanager
def holding(folder: Path, postgres: Postgres, schema: str) -> Generator[subprocess.Popen[str]]:
    """A process that holds the store as soon as nobody else does."""
    command = [sys.executable, "-m", "tests.log.holders", str(folder), postgres.url, schema]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def said(process: subprocess.Popen[str], lines: int) -> int:
    """How many records were durable when it had said so, so many times after it had the store."""
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return int([process.stdout.readline() for _ in range(lines)][-1])
