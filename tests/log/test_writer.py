from __future__ import annotations

import asyncio
import resource
import signal
import sqlite3
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest

from lichen.core.deciders import events as e
from lichen.core.deciders.run import RunState
from lichen.core.words import faults
from lichen.core.words.errors import Unavailable
from lichen.core.words.ids import TENANT_STREAM, RunId, run_stream
from lichen.core.words.scope import Customer, Scope
from lichen.log.audit.verify import verify
from lichen.log.log import Log
from lichen.log.store.selection import rows
from lichen.log.store.tables import RECORDS
from lichen.log.volume import VolumeOptions
from lichen.log.write import writer
from lichen.testing.log_conformance import C1, OTHER, RUN, planned, put, started
from lichen.testing.stores.disk import Disk
from tests.log.homes import SCOPE, Home
from tests.runtime.world import until

FAILED = sqlite3.OperationalError("disk I/O error")


def many(log: Log, count: int, prefix: str = "run") -> None:
    for number in range(count):
        put(log, run_stream(RunId(f"{prefix}-{number}")), started(log))


def many_large(log: Log, count: int) -> None:
    for number in range(count):
        put(log, run_stream(RunId(f"large-{number}")), started(log, b"x" * 60_000))


async def settle(log: Log) -> None:
    """Has everything on disk that comes with the first record about somebody."""
    put(log, run_stream(RunId("warm-up")), started(log))
    await log.durable()


# -- group commit ------------------------------------------------------------------------------------------------


async def test_what_queues_during_a_commit_goes_with_the_next_one(home: Home) -> None:
    disk = Disk()
    log = (await home.open(VolumeOptions(store=disk.open))).log(SCOPE)
    await settle(log)
    disk.rows.clear()
    with disk.standing_still():
        put(log, RUN, started(log))
        await disk.stands_still()
        many(log, 50, "other")
    await log.durable()
    assert disk.rows == [1, 50]


async def test_a_commit_is_bounded_in_rows(home: Home) -> None:
    disk = Disk()
    options = VolumeOptions(store=disk.open, commit_rows_max=20)
    log = (await home.open(options)).log(SCOPE)
    await settle(log)
    disk.rows.clear()
    with disk.standing_still():
        put(log, RUN, started(log))
        await disk.stands_still()
        many(log, 50, "other")
    await log.durable()
    assert disk.rows == [1, 20, 20, 10]


async def test_a_commit_is_bounded_in_bytes_and_an_append_that_is_larger_goes_alone(home: Home) -> None:
    disk = Disk()
    options = VolumeOptions(store=disk.open, commit_bytes_max=30_000)
    log = (await home.open(options)).log(SCOPE)
    await settle(log)
    disk.rows.clear()
    with disk.standing_still():
        put(log, RUN, started(log))
        await disk.stands_still()
        for number in range(4):
            put(log, run_stream(RunId(f"large-{number}")), started(log, b"x" * 12_000))
        put(log, OTHER, started(log, b"x" * 50_000))
    await log.durable()
    assert disk.rows == [1, 2, 2, 1]


async def test_an_append_is_never_divided_between_commits(home: Home) -> None:
    disk = Disk()
    options = VolumeOptions(store=disk.open, commit_rows_max=5)
    log = (await home.open(options)).log(SCOPE)
    await settle(log)
    disk.rows.clear()
    with disk.standing_still():
        put(log, RUN, started(log))
        await disk.stands_still()
        log.append(*(e.Part(run_stream(RunId(f"other-{n}")), 0, (started(log),)) for n in range(9)))
    await log.durable()
    assert disk.rows == [1, 9]


async def test_logs_share_a_commit(home: Home) -> None:
    disk = Disk()
    volume = await home.open(VolumeOptions(store=disk.open))
    logs = [volume.log(Scope(f"tenant-{number}", "dev")) for number in range(5)]
    for log in logs:
        await settle(log)
    disk.rows.clear()
    with disk.standing_still():
        put(logs[0], RUN, started(logs[0]))
        await disk.stands_still()
        for log in logs:
            put(log, OTHER, started(log))
    for log in logs:
        await log.durable()
    assert disk.rows == [1, 5]


async def test_an_append_waits_for_nothing_and_room_waits_for_the_disk(home: Home) -> None:
    disk = Disk()
    volume = await home.open(VolumeOptions(store=disk.open, queued_rows_max=10))
    log = volume.log(SCOPE)
    await log.durable()
    with disk.standing_still():
        many(log, 11)
        waiting = asyncio.ensure_future(log.room())
        await disk.stands_still()
        assert volume.queued_rows == 11
        assert not waiting.done()
    await waiting
    assert volume.queued_rows <= 10


async def test_room_is_free_while_little_is_queued(home: Home) -> None:
    log = await home.reopen()
    put(log, RUN, started(log))
    await log.room()


async def test_waiting_for_a_stream_does_not_wait_for_later_records_of_others(home: Home) -> None:
    disk = Disk()
    log = (await home.open(VolumeOptions(store=disk.open))).log(SCOPE)
    put(log, RUN, started(log))
    await log.durable()
    with disk.standing_still():
        put(log, OTHER, started(log))
        await disk.stands_still()
        await log.durable_stream(RUN)
        waiting = asyncio.ensure_future(log.durable_stream(OTHER, RUN))
        await asyncio.sleep(0)
        assert not waiting.done()
    await waiting


async def test_one_who_stops_waiting_does_not_stop_the_others(home: Home) -> None:
    disk = Disk()
    log = (await home.open(VolumeOptions(store=disk.open))).log(SCOPE)
    await log.durable()
    with disk.standing_still():
        put(log, RUN, started(log))
        first, second = asyncio.ensure_future(log.durable()), asyncio.ensure_future(log.durable())
        await disk.stands_still()
        first.cancel()
    await second
    assert first.cancelled()


async def test_closing_makes_everything_durable_first(home: Home) -> None:
    log = await home.reopen()
    many(log, 500)
    await home.close()
    log = await home.reopen()
    assert len(log.stream_rows("run", limit=1000)) == 500


async def test_a_name_that_nobody_waited_for_is_kept_when_the_volume_closes(home: Home) -> None:
    log = await home.reopen()
    who = log.name(Customer("customer-7"))
    await home.close()
    assert (await home.reopen()).display(who) == "customer-7"


async def test_every_record_type_of_a_commit_passes_a_fault_point_before_and_after_it(home: Home) -> None:
    log = await home.reopen()
    await settle(log)
    seen: list[tuple[str, int]] = []
    counter = log.read_apart()

    def count(name: str) -> None:
        seen.append((name, len(counter.rows(rows(RECORDS)))))

    faults.install(count)
    try:
        put(log, RUN, started(log), e.Draft(e.PlanStarted(0, 1, "start")))
        await log.durable()
    finally:
        faults.install(None)
        counter.close()
    assert sorted(each for each in seen if each[0].startswith("commit.")) == [
        ("commit.after/plan_started", 3),
        ("commit.after/run_started", 3),
        ("commit.before/plan_started", 2),
        ("commit.before/run_started", 2),
    ]


async def test_keys_are_durable_before_the_records_they_seal(home: Home) -> None:
    log = await home.reopen()
    await log.durable()
    keyring = home.keyring
    assert keyring is not None
    at_commit: list[tuple[str, bool]] = []
    faults.install(lambda name: at_commit.append((name, keyring.pending())))
    try:
        put(log, RUN, started(log))
        assert keyring.pending()
        await log.durable()
    finally:
        faults.install(None)
    assert ("commit.before/run_started", False) in at_commit


# -- failure and recovery ----------------------------------------------------------------------------------------


@pytest.mark.req("LIC-2.24")
async def test_a_failed_commit_tells_those_who_wait_and_refuses_those_who_come(home: Home) -> None:
    disk = Disk()
    volume = await home.open(VolumeOptions(store=disk.open))
    log = volume.log(SCOPE)
    await log.durable()
    put(log, OTHER, started(log))
    await log.durable()
    disk.error = FAILED
    put(log, RUN, started(log))
    with pytest.raises(Unavailable) as caught:
        await log.durable()
    assert caught.value.code == "volume_readonly"
    assert "lichen doctor" in caught.value.next_step
    assert volume.is_readonly
    for attempt in (lambda: put(log, RUN, started(log)), lambda: log.append(e.Part(RUN, 0, (started(log),)))):
        with pytest.raises(Unavailable, match="volume_readonly"):
            attempt()
    with pytest.raises(Unavailable):
        await log.room()
    with pytest.raises(Unavailable):
        await log.durable_stream(RUN)
    disk.error = None


async def test_after_a_failure_states_are_those_of_the_disk(home: Home) -> None:
    disk = Disk()
    log = (await home.open(VolumeOptions(store=disk.open))).log(SCOPE)
    put(log, RUN, started(log))
    await log.durable()
    disk.error = FAILED
    put(log, RUN, planned(log))
    put(log, OTHER, started(log))
    assert (log.state(RUN).n, log.state(OTHER).n) == (2, 1)
    with pytest.raises(Unavailable):
        await log.durable()
    assert (log.state(RUN).n, log.state(OTHER).n) == (1, 0)
    assert log.contents(RUN, 0)["input"] == b"hello"
    disk.error = None


@pytest.mark.req("LIC-2.24")
async def test_recovery_goes_on_from_the_disk_and_loses_nothing_acknowledged(home: Home) -> None:
    disk = Disk()
    volume = await home.open(VolumeOptions(store=disk.open))
    log, other = volume.log(SCOPE), volume.log(Scope("acme", "prod"))
    put(log, RUN, started(log))
    await log.durable()
    disk.error = FAILED
    put(log, RUN, planned(log))
    put(other, RUN, started(other))
    await asyncio.wait_for(volume.failed(), 10)
    with pytest.raises(Unavailable):
        await volume.recover()
    disk.error = None
    await volume.recover()
    assert not volume.is_readonly
    put(log, RUN, planned(log, b"another plan"))
    put(other, OTHER, started(other))
    await log.durable()
    await other.durable()
    assert log.contents(RUN, 1) == {"c1/args": b"another plan"}
    assert other.state(RUN).n == 0
    assert cast(RunState, log.state(RUN)).calls.keys() == {C1}
    assert [record.seq for record in log.read()] == list(range(1, log.last_seq + 1))
    keyring = home.keyring
    await volume.close()
    assert verify(home.logs, keyring=keyring).findings == ()


async def test_a_log_whose_very_first_commit_failed_begins_after_recovery(home: Home) -> None:
    disk = Disk()
    disk.error = FAILED
    volume = await home.open(VolumeOptions(store=disk.open))
    log = volume.log(SCOPE)
    await asyncio.wait_for(volume.failed(), 10)
    disk.error = None
    await volume.recover()
    put(log, RUN, started(log))
    await log.durable()
    assert [type(record.control) for record in log.read()] == [e.LogOpened, e.RunStarted]
    assert len(log.events(TENANT_STREAM)) == 1


async def test_names_kept_only_in_memory_are_kept_again_after_recovery(home: Home) -> None:
    disk = Disk()
    volume = await home.open(VolumeOptions(store=disk.open))
    log = volume.log(SCOPE)
    await log.durable()
    disk.error = FAILED
    who = log.name(Customer("customer-7"))
    await asyncio.wait_for(volume.failed(), 10)
    disk.error = None
    await volume.recover()
    assert log.name(Customer("customer-7")) == who
    put(log, RUN, started(log))
    await log.durable()
    assert log.display(who) == "customer-7"


async def test_a_volume_that_failed_can_be_closed_and_opened(home: Home) -> None:
    disk = Disk()
    volume = await home.open(VolumeOptions(store=disk.open))
    log = volume.log(SCOPE)
    await log.durable()
    disk.error = FAILED
    put(log, RUN, started(log))
    await asyncio.wait_for(volume.failed(), 10)
    await home.close()
    log = await home.reopen()
    assert log.state(RUN).n == 0


async def test_a_closed_volume_takes_nothing(home: Home) -> None:
    log = await home.reopen()
    await home.close()
    with pytest.raises(Unavailable, match="volume_closed"):
        log.append(e.Part(RUN, 0, (e.Draft(e.PlanStarted(0, 1, "start")),)))


@contextmanager
def file_size_limit(size: int) -> Generator[None]:
    """No file of this process grows beyond `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.req("LIC-2.24")
async def test_a_file_that_may_not_grow_is_survived(home: Home) -> None:
    assert signal.getsignal(signal.SIGXFSZ) == signal.SIG_IGN
    volume = await home.open()
    log = volume.log(SCOPE)
    put(log, RUN, started(log))
    await log.durable()
    with file_size_limit(256 * 1024):
        many_large(log, 20)
        await asyncio.wait_for(volume.failed(), 10)
        with pytest.raises(Unavailable):
            await log.durable()
    await volume.recover()
    put(log, RUN, planned(log))
    await log.durable()
    assert log.state(RUN).n == 2


async def run(*command: str) -> bool:
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    return await process.wait() == 0


@pytest.mark.req("LIC-2.24")
async def test_a_full_disk_is_named_survived_and_left_behind(tmp_path: Path) -> None:
    if not await run("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(tmp_path)):
        pytest.skip("may not mount here")
    home = Home(tmp_path)
    try:
        volume = await home.open()
        log = volume.log(SCOPE)
        put(log, RUN, started(log))
        await log.durable()
        ballast = tmp_path / "ballast"
        ballast.write_bytes(b"x" * 2_000_000)
        many_large(log, 40)
        with pytest.raises(Unavailable) as caught:
            await log.durable()
        assert caught.value.code == "disk_full"
        assert "Free disk space" in caught.value.next_step
        ballast.unlink()
        await volume.recover()
        put(log, RUN, planned(log))
        await log.durable()
        await home.close()
        assert (await home.reopen()).state(RUN).n == 2
    finally:
        await home.close()
        assert await run("umount", str(tmp_path))


@pytest.mark.req("LIC-3.9")
async def test_what_was_written_last_is_signed_although_nothing_follows(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "QUIET_S", 0.01)
    async with home.opened() as log:
        for number in range(3):
            put(log, run_stream(RunId(f"run-{number}")), started(log))
            await log.durable()
        home.clock.tick(2)
        known = {str(log.id): log.public_key}
        await until(lambda: verify(home.logs, public_keys=known).logs[0].unsigned == 0)


@pytest.mark.req("LIC-3.9")
async def test_a_disk_that_fails_while_the_last_records_are_signed_is_told(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "QUIET_S", 0.01)
    disk = Disk()
    async with home.opened(VolumeOptions(store=disk.open)) as log:
        for stream in (RUN, OTHER):  # the first commit is signed at once, the second is not
            put(log, stream, started(log))
            await log.durable()
        disk.error, disk.refuses = FAILED, lambda batch: bool(batch.heads)
        home.clock.tick(2)
        assert home.volume is not None
        async with asyncio.timeout(10):
            await home.volume.failed()
        disk.error = None


@pytest.mark.req("LIC-2.24")
async def test_after_a_failure_nothing_is_signed_until_the_volume_recovers(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "QUIET_S", 0.01)
    disk = Disk()
    async with home.opened(VolumeOptions(store=disk.open)) as log:
        for stream in (RUN, OTHER):  # the first commit is signed at once, the second is not
            put(log, stream, started(log))
            await log.durable()
        disk.error = FAILED
        put(log, RUN, planned(log))
        assert home.volume is not None
        async with asyncio.timeout(10):
            await home.volume.failed()
        disk.error = None
        signed = home.sql("SELECT count(*) FROM heads")
        home.clock.tick(2)
        assert not await asyncio.to_thread(threading.Event().wait, 0.2)  # twenty times as long as it takes to sign
        assert home.sql("SELECT count(*) FROM heads") == signed
        await home.volume.recover()
        put(log, RUN, planned(log))
        await log.durable()


@pytest.mark.req("LIC-3.11")
async def test_whoever_stops_waiting_for_a_signature_does_not_stop_the_writer(home: Home) -> None:
    disk = Disk()
    log = (await home.open(VolumeOptions(store=disk.open))).log(SCOPE)
    await settle(log)
    with disk.standing_still():
        put(log, RUN, started(log))
        await disk.stands_still()
        signing = asyncio.ensure_future(log.sign())
        await asyncio.sleep(0)
        signing.cancel()
        await asyncio.gather(signing, return_exceptions=True)
    async with asyncio.timeout(10):
        await log.durable()
        await log.sign()
