"""A volume that moves between files and a Postgres is the same volume, with the same proofs."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from lichen.core.deciders import events as e
from lichen.core.words.content import Content
from lichen.core.words.errors import Conflict
from lichen.core.words.ids import RunId, run_stream
from lichen.core.words.scope import Customer
from lichen.log.audit.copying import FromFiles, copy, files_of
from lichen.log.audit.verify import verify
from lichen.log.keys.keyring import Keyring
from lichen.log.postgres.store import PostgresStore
from lichen.log.projections.every import TABLES
from lichen.log.sqlite.store import SqliteStore
from lichen.log.store.selection import rows
from lichen.log.store.tables import Row
from lichen.log.volume import VolumeOptions
from lichen.testing.log_conformance import put, started
from tests.log.homes import Home
from tests.log.postgres import Postgres, running

LARGE = 70_000
_SCHEMAS = (f"copied_{n}" for n in count())


@pytest.fixture(scope="module")
def postgres() -> Generator[Postgres]:
    with running() as server:
        yield server


@pytest.fixture
def store(postgres: Postgres) -> PostgresStore:
    return PostgresStore(postgres.url, schema=next(_SCHEMAS))


async def written(home: Home, runs: int = 40) -> bytes:
    """Logs with records of many runs, large contents and an erased person; returns a head that was kept of one."""
    async with home.opened() as log:
        for number in range(runs):
            stream = run_stream(RunId(f"run-{number}"))
            put(log, stream, started(log))
            who = log.name(Customer(f"customer-{number % 5}"))
            size = LARGE if number % 10 == 0 else 10
            put(log, stream, e.Draft(e.Signal("input", "s"), (Content("input", who, b"x" * size),)))
        await log.erase(log.name(Customer("customer-3")), "erasure-1")
        await log.sign()
        assert home.keyring is not None
        head = home.keyring.remembered_head(log.id)
        assert head is not None
        return head


def everything(store: SqliteStore | PostgresStore) -> dict[str, list[Row]]:
    with closing(store.read()) as reading:
        return {
            table.name: reading.rows(rows(table).by(*(column.name for column in table.columns[: table.key])))
            for table in TABLES
        }


@pytest.mark.req("LIC-26.17")
async def test_a_volume_in_a_postgres_is_the_one_that_was_in_a_file_and_so_is_the_file_after_it(
    home: Home, store: PostgresStore, tmp_path: Path
) -> None:
    head = await written(home)
    before = everything(SqliteStore(home.logs))
    assert copy(FromFiles(home.logs), store) == len(before["records"])
    assert everything(store) == before
    async with home.opened(VolumeOptions(store=lambda path: store)) as log:
        assert log.contents(run_stream(RunId("run-0")), 1)["input"] == b"x" * LARGE
        put(log, run_stream(RunId("run-later")), started(log))
        await log.durable()
        with files_of(home.logs, store) as folder, closing(Keyring.open(home.keys, home.random)) as keys:
            report = verify(folder, keyring=keys, remembered=(head,))
        assert (report.findings, folder.exists()) == ((), False)
    again = SqliteStore(tmp_path / "again")
    copy(store, again)
    assert everything(again) == everything(store)


@pytest.mark.req("LIC-26.18")
async def test_nothing_is_copied_to_where_logs_are_already(home: Home, store: PostgresStore) -> None:
    await written(home, runs=1)
    copy(FromFiles(home.logs), store)
    before = everything(store)
    for source, target in ((FromFiles(home.logs), store), (store, SqliteStore(home.logs))):
        with pytest.raises(Conflict, match="store_not_empty"):
            copy(source, target)
    assert everything(store) == before
