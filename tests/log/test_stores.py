"""Both stores do what a store must, and a log and an engine cannot tell them apart."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from lichen.core.deciders import events as e
from lichen.core.words.errors import Unavailable
from lichen.core.words.ids import TENANT_STREAM
from lichen.log.disk.space import is_full
from lichen.log.log import Log, LogOptions
from lichen.log.projections.every import TABLES as ALL
from lichen.log.sqlite.file import FILE_NAME
from lichen.log.sqlite.store import SqliteStore
from lichen.log.store.port import Batch, Store
from lichen.log.store.selection import rows
from lichen.log.store.tables import LEASES, RECORDS
from lichen.log.volume import VolumeOptions
from lichen.testing.log_conformance import RUN, LogConformance, Reopen, planned, put, started
from lichen.testing.stores.disk import Disk, full
from lichen.testing.stores.memory import MemoryStore, PowerLost
from lichen.testing.stores.store_conformance import TABLES, OpenStore, StoreConformance, kept, read, record
from tests.log.homes import SCOPE, Home


class TestSqliteStore(StoreConformance):
    @pytest.fixture
    def open_store(self, tmp_path: Path) -> OpenStore:
        self.file = tmp_path / FILE_NAME
        return lambda: SqliteStore(tmp_path)

    def make_foreign(self, store: Store) -> None:
        with closing(sqlite3.connect(self.file)) as connection:
            connection.execute("PRAGMA user_version = 2")


class TestMemoryStore(StoreConformance):
    @pytest.fixture
    def open_store(self) -> OpenStore:
        memory = MemoryStore()
        return lambda: memory

    def make_foreign(self, store: Store) -> None:
        assert isinstance(store, MemoryStore)
        store.format = 2


class TestLogInMemory(LogConformance):
    @pytest.fixture
    def reopen(self, home: Home) -> Reopen:
        memory = MemoryStore()
        options = VolumeOptions(store=lambda path: memory)

        async def reopen() -> Log:
            await home.close()
            return (await home.open(options)).log(SCOPE)

        return reopen


def in_memory(home: Path) -> Store:
    """A new store in memory, wherever it is asked for."""
    return MemoryStore()


# -- a disk that fails -------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-2.50")
@pytest.mark.parametrize("after", range(6))
def test_a_batch_that_was_torn_by_a_power_loss_is_gone_when_the_store_is_opened_again(after: int) -> None:
    store = MemoryStore()
    store.prepare(TABLES)
    store.write().put(Batch([record(1)], [kept(1, "a", 1)]))
    store.tears_after = after
    with pytest.raises(PowerLost):
        store.write().put(
            Batch([record(2), record(3)], [kept(1, "a", 2), kept(1, "b", 2), (LEASES, (1,), (1,))], [(1, 1, 3, b"h")])
        )
    assert store.prepare(TABLES) == ()
    assert read(store, rows(RECORDS).of("pos")) == [(1,)]
    assert read(store, rows(kept(1, "a", 1)[0]).of("id", "day")) == [("a", 1)]
    store.write().put(Batch([record(2)]))
    assert read(store, rows(RECORDS).of("pos").by("pos")) == [(1,), (2,)]


@pytest.mark.req("LIC-2.24")
@pytest.mark.parametrize("over", [SqliteStore, in_memory], ids=["sqlite", "memory"])
async def test_a_disk_that_fills_up_under_any_store_is_named_and_left_behind(
    home: Home, over: Callable[[Path], Store]
) -> None:
    disk = Disk(over)
    volume = await home.open(VolumeOptions(store=disk.open))
    log = volume.log(SCOPE)
    await log.durable()
    disk.error = full()
    assert is_full(disk.error)
    put(log, RUN, started(log))
    with pytest.raises(Unavailable) as caught:
        await log.durable()
    assert caught.value.code == "disk_full"
    with pytest.raises(Unavailable, match="disk_full"):
        await volume.recover()
    disk.error = None
    await volume.recover()
    put(log, RUN, started(log))
    await log.durable()
    assert log.state(RUN).n == 1


# -- the lease ---------------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-2.51")
async def test_whoever_finds_a_later_epoch_acknowledges_nothing_and_drops_its_states(home: Home) -> None:
    memory = MemoryStore()
    volume = await home.open(VolumeOptions(store=lambda path: memory))
    log = volume.log(SCOPE)
    put(log, RUN, started(log))
    await log.durable()
    with closing(memory.write()) as other:  # another process leases the log
        other.put(Batch(ops=[(LEASES, (log.number,), (1,))], held={log.number: 1}))
    put(log, RUN, planned(log))
    with pytest.raises(Unavailable) as caught:
        await log.durable()
    assert caught.value.code == "lease_lost"
    assert log.state(RUN).n == 1
    assert ("planned/0/1",) not in read(memory, rows(RECORDS, log=log.number).of("key"))
    with pytest.raises(Unavailable, match="lease_lost"):
        put(log, RUN, planned(log))
    with pytest.raises(Unavailable, match="lease_lost"):
        await volume.recover()  # it is somebody else's, however well the disk does


@pytest.mark.req("LIC-2.51")
async def test_the_process_that_records_a_lease_writes_under_it_and_so_does_the_next(home: Home) -> None:
    log = await home.reopen()
    put(log, TENANT_STREAM, e.Draft(e.Leased("boot-1", 3, 0)))
    await log.durable()
    put(log, RUN, started(log))
    await log.durable()
    assert home.sql("SELECT epoch FROM leases") == [(3,)]
    log = await home.reopen()
    put(log, RUN, planned(log))
    await log.durable()


# -- by an index -------------------------------------------------------------------------------------------------


async def test_an_older_file_without_the_newer_views_is_opened_and_has_them(home: Home) -> None:
    log = await home.reopen()
    put(log, RUN, started(log))
    await home.close()
    for table in ALL[5:]:
        home.sql(f"DROP TABLE {table.name}")
    options = VolumeOptions(log=LogOptions())
    async with home.opened(options) as log:
        assert [row.id for row in log.stream_rows("run")] == [RUN.id]
