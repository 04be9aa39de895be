from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from lichen.core.deciders.events import LogOpened
from lichen.core.words.errors import Corrupt, Invalid
from lichen.core.words.ids import TENANT_STREAM, RunId, run_stream
from lichen.core.words.scope import Customer, Scope
from lichen.log.log import LogOptions
from lichen.log.proof.checkpoint import parse_and_verify
from lichen.log.sqlite.file import connect
from lichen.log.volume import VolumeOptions
from lichen.log.write.shared import ROWS_TOGETHER
from lichen.testing.log_conformance import OTHER, RUN, planned, put, started
from tests.log.homes import SCOPE, START_US, Home


def heads(home: Home) -> list[tuple[int, bytes]]:
    return home.sql("SELECT size, checkpoint FROM heads ORDER BY number")


# -- the directory -----------------------------------------------------------------------------------------------


async def test_a_second_opener_is_refused_and_told_who_is_first(home: Home) -> None:
    await home.open(VolumeOptions(socket=Path("/run/lichen.sock")))
    lock = (home.logs / "lock").read_text()
    code = f"""
import asyncio, os, pathlib
from lichen.log.keys.keyring import Keyring
from lichen.log.volume import Volume
async def main():
    keyring = Keyring.open(pathlib.Path({str(home.keys.with_name("other"))!r}), os.urandom)
    Volume.open(pathlib.Path({str(home.logs)!r}), keyring=keyring, clock=lambda: 0, random=os.urandom)
asyncio.run(main())
"""
    second = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stderr=asyncio.subprocess.PIPE)
    _, output = await second.communicate()
    assert f"data_dir_in_use: The data directory {home.logs} is in use by process {os.getpid()}" in output.decode()
    assert lock == f"{os.getpid()}\n/run/lichen.sock\n"


async def test_closing_lets_the_next_one_in(home: Home) -> None:
    await home.open()
    await home.close()
    await home.open()


async def test_a_volume_that_cannot_be_opened_lets_go_of_its_directory(home: Home) -> None:
    home.logs.mkdir(parents=True)
    home.file.write_bytes(b"this is not a database, and longer than its header would be " * 20)
    with pytest.raises(Corrupt):
        await home.open()
    home.file.unlink()
    await home.open()


async def test_files_are_for_their_owner_only(home: Home) -> None:
    log = (await home.open()).log(SCOPE)
    put(log, RUN, started(log))
    await log.durable()
    assert {path.name: oct(path.stat().st_mode & 0o077) for path in (home.logs, *home.logs.iterdir())} == {
        path.name: "0o0" for path in (home.logs, *home.logs.iterdir())
    }


async def test_a_file_of_another_format_is_refused_with_a_next_step(home: Home) -> None:
    await home.open()
    await home.close()
    home.sql("PRAGMA user_version = 2")
    with pytest.raises(Invalid) as caught:
        await home.open()
    assert caught.value.code == "format_unknown"
    assert "format 2" in caught.value.message
    assert "version of Lichen that wrote it" in caught.value.next_step


async def test_commits_wait_for_the_disk(home: Home) -> None:
    log = (await home.open()).log(SCOPE)
    await log.durable()
    connection = connect(home.file)
    try:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    finally:
        connection.close()


# -- logs --------------------------------------------------------------------------------------------------------


async def test_every_boot_is_noted_once_in_each_log_it_opens(home: Home) -> None:
    for boots in (1, 2):
        volume = await home.open()
        log = volume.log(SCOPE)
        assert volume.log(SCOPE) is log
        opened = [event.control for event in log.events(TENANT_STREAM) if isinstance(event.control, LogOpened)]
        assert len({each.boot for each in opened}) == len(opened) == boots
        assert opened[-1].format_v == 1
        await home.close()


async def test_logs_of_one_volume_do_not_see_each_other(home: Home) -> None:
    volume = await home.open()
    first, second = volume.log(Scope("acme", "dev")), volume.log(Scope("acme", "prod"))
    put(first, RUN, started(first, b"one"))
    assert second.state(RUN).n == 0
    put(second, RUN, started(second, b"two"))
    put(second, OTHER, started(second))
    await home.close()
    volume = await home.open()
    first, second = volume.log(Scope("acme", "dev")), volume.log(Scope("acme", "prod"))
    assert (first.contents(RUN, 0)["input"], second.contents(RUN, 0)["input"]) == (b"one", b"two")
    assert [row.id for row in first.stream_rows("run")] == ["run-1"]
    assert {str(scope) for scope in volume.scopes()} == {str(Scope("acme", "dev")), str(Scope("acme", "prod"))}


async def test_the_same_person_has_another_pseudonym_in_another_log(home: Home) -> None:
    volume = await home.open()
    names = {volume.log(scope).name(Customer("customer-7")) for scope in (Scope("acme", "dev"), Scope("acme", "prod"))}
    assert len(names) == 2


async def test_parked_streams_leave_nothing_in_memory(home: Home) -> None:
    log = (await home.open()).log(SCOPE)
    for number in range(50):
        stream = run_stream(RunId(f"run-{number}"))
        put(log, stream, started(log))
        log.park(stream)
    await log.durable()
    assert log.streams_in_memory == 1  # the tenant's own


async def test_streams_in_memory_are_bounded_and_come_back_from_disk(home: Home) -> None:
    log = (await home.open(VolumeOptions(log=LogOptions(streams_max=10, contents_bytes_max=1)))).log(SCOPE)
    streams = [run_stream(RunId(f"run-{number}")) for number in range(40)]
    for stream in streams:
        put(log, stream, started(log, stream.id.encode()))
        await log.durable()
    assert log.streams_in_memory <= 10
    assert [log.contents(stream, 0)["input"] for stream in streams] == [stream.id.encode() for stream in streams]
    assert all(log.state(stream).n == 1 for stream in streams)


async def test_what_is_not_durable_can_be_read_however_small_the_cache(home: Home) -> None:
    log = (await home.open(VolumeOptions(log=LogOptions(contents_bytes_max=1)))).log(SCOPE)
    put(log, RUN, started(log, b"x" * 100_000))
    put(log, OTHER, started(log, b"y" * 100_000))
    assert (log.contents(RUN, 0)["input"][:1], log.contents(OTHER, 0)["input"][:1]) == (b"x", b"y")


# -- shares -------------------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-14.7")
async def test_while_others_write_too_a_log_has_no_more_waiting_for_the_disk_than_a_commit_does_quickly(
    home: Home,
) -> None:
    volume = await home.open()
    busy, quiet = volume.log(SCOPE), volume.log(Scope("globex", "dev"))
    await busy.durable()

    def fill() -> None:
        for number in range(ROWS_TOGETHER):
            put(busy, run_stream(RunId(f"run-{busy.last_seq}-{number}")), started(busy))

    fill()
    assert (busy.has_room, quiet.has_room) == (False, True)
    await busy.room()
    assert busy.has_room
    home.clock.tick(2)
    fill()
    assert busy.has_room  # nobody else is about any more


# -- time --------------------------------------------------------------------------------------------------------


async def test_records_never_go_back_in_time_and_a_jump_of_the_clock_is_noted(home: Home) -> None:
    volume = await home.open()
    log = volume.log(SCOPE)
    put(log, RUN, started(log))
    home.clock.tick(-3600)
    put(log, RUN, planned(log))
    home.clock.tick(7200)
    put(log, OTHER, started(log))
    assert [record.ts_us - START_US for record in (*log.records(RUN), *log.records(OTHER))] == [0, 0, 3_600_000_000]
    assert [(jump.at_us, jump.back_us) for jump in volume.clock_jumps] == [(START_US, 3_600_000_000)]


async def test_a_small_step_back_is_smoothed_over_in_silence(home: Home) -> None:
    volume = await home.open()
    log = volume.log(SCOPE)
    put(log, RUN, started(log))
    home.clock.tick(-0.5)
    assert put(log, RUN, planned(log)).events[0][0].ts_us == START_US
    assert volume.clock_jumps == ()


async def test_time_does_not_go_back_across_a_restart(home: Home) -> None:
    log = await home.reopen()
    put(log, RUN, started(log))
    await home.close()
    home.clock.tick(-86_400)
    log = await home.reopen()
    assert put(log, RUN, planned(log)).events[0][0].ts_us == START_US


# -- heads -------------------------------------------------------------------------------------------------------


async def test_heads_are_signed_at_most_once_a_second(home: Home) -> None:
    log = await home.reopen()
    for number in range(30):
        put(log, run_stream(RunId(f"run-{number}")), started(log))
        await log.durable()
        home.clock.tick(0.1)
    signed = heads(home)
    assert 3 <= len(signed) <= 4


async def test_closing_signs_everything(home: Home) -> None:
    log = await home.reopen()
    put(log, RUN, started(log))
    await log.durable()
    put(log, RUN, planned(log))
    last, key = log.last_seq, log.public_key
    await home.close()
    size, text = heads(home)[-1]
    assert size == last == parse_and_verify(text, key).size


async def test_the_last_head_lies_with_the_keys(home: Home) -> None:
    log = await home.reopen()
    put(log, RUN, started(log))
    await log.durable()
    await log.sign()
    assert home.keyring is not None
    assert home.keyring.remembered_head(log.id) == heads(home)[-1][1]


async def test_signing_what_is_signed_adds_no_head(home: Home) -> None:
    log = await home.reopen()
    put(log, RUN, started(log))
    await log.durable()
    await log.sign()
    before = heads(home)
    await log.sign()
    await home.reopen()
    await home.close()
    assert heads(home)[: len(before)] == before
    assert len(heads(home)) == len(before) + 1  # of the second boot's own record


@pytest.mark.req("LIC-3.6")
async def test_a_log_rolled_back_behind_its_remembered_head_is_refused(home: Home) -> None:
    log = await home.reopen()
    await home.close()
    older = home.file.read_bytes()
    log = await home.reopen()
    put(log, RUN, started(log))
    last = log.last_seq
    await home.close()
    home.file.write_bytes(older)
    with pytest.raises(Corrupt) as caught:
        await home.open()
    assert caught.value.code == "log_rolled_back"
    assert "has 1 records" in caught.value.message
    assert f"when it had {last}" in caught.value.message


@pytest.mark.req("LIC-3.6")
async def test_a_log_that_grew_differently_since_its_remembered_head_is_refused(home: Home) -> None:
    log = await home.reopen()
    put(log, RUN, started(log))
    await home.close()
    home.sql("UPDATE records SET chain = zeroblob(32) WHERE seq = 2")
    with pytest.raises(Corrupt, match="log_rolled_back"):
        await home.open()


@pytest.mark.req("LIC-3.6")
async def test_a_log_that_is_gone_altogether_is_not_begun_anew(home: Home) -> None:
    log = await home.reopen()
    put(log, RUN, started(log))
    await home.close()
    home.file.unlink()
    volume = await home.open()
    with pytest.raises(Corrupt, match="log_rolled_back"):
        volume.log(SCOPE)


async def test_reopening_does_not_read_the_whole_log_again(home: Home) -> None:
    log = await home.reopen()
    for number in range(300):
        put(log, run_stream(RunId(f"run-{number}")), started(log))
    await home.close()
    home.sql("UPDATE records SET record = x'00' WHERE seq = 150")
    log = await home.reopen()
    put(log, run_stream(RunId("run-new")), started(log))
    assert log.last_seq == 303
    await log.durable()
