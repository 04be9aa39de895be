from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from lichen.core.words.errors import Conflict, ContentErased, Corrupt, NotFound
from lichen.core.words.ids import RunId, run_stream
from lichen.core.words.scope import Customer, Scope
from lichen.log.audit.backup import accept_loss, backup, backup_keys, restore_keys, restore_logs
from lichen.log.audit.verify import verify
from lichen.log.keys.keyring import Keyring
from lichen.log.log import Log
from lichen.testing.log_conformance import OTHER, RUN, put, started
from tests.log.busy import A, live
from tests.log.homes import Home


@pytest.fixture
async def log(home: Home) -> Log:
    log = await home.reopen()
    put(log, RUN, started(log, b"a secret"))
    await live(log)
    return log


def restored(tmp_path: Path, home: Home) -> Home:
    """Where a backup is put back."""
    other = Home(tmp_path / "restored")
    other.clock = home.clock
    return other


def open_keyring(home: Home) -> Keyring:
    assert home.keyring is not None
    return home.keyring


async def test_a_backup_of_a_volume_in_use_is_one_consistent_moment(log: Log, home: Home, tmp_path: Path) -> None:
    writing = True

    async def write() -> None:
        number = 0
        while writing:
            put(log, run_stream(RunId(f"run-{number + 10}")), started(log))
            number += 1
            await log.durable()

    writer = asyncio.ensure_future(write())
    report = await asyncio.to_thread(backup, home.logs, tmp_path / "backup")
    writing = False
    await writer
    checked = verify(tmp_path / "backup", public_keys={log.id: log.public_key})
    assert checked.findings == ()
    assert (report.records, report.blobs) == (checked.logs[0].records, 1)


async def test_a_backup_of_logs_holds_no_key(log: Log, home: Home, tmp_path: Path) -> None:
    backup(home.logs, tmp_path / "backup")
    names = sorted(path.name for path in (tmp_path / "backup").rglob("*") if path.is_file())
    assert [name for name in names if len(name) != 64] == ["lichen.sqlite"]
    everything = b"".join(path.read_bytes() for path in (tmp_path / "backup").rglob("*") if path.is_file())
    assert (home.keys / "master.key").read_bytes() not in everything
    assert b"a secret" not in everything


async def test_backups_are_for_their_owner_only(log: Log, home: Home, tmp_path: Path) -> None:
    backup(home.logs, tmp_path / "backup")
    assert {oct(path.stat().st_mode & 0o077) for path in (tmp_path / "backup").rglob("*")} == {"0o0"}


async def test_a_backup_never_overwrites(log: Log, home: Home, tmp_path: Path) -> None:
    backup(home.logs, tmp_path / "backup")
    with pytest.raises(Conflict, match="target_not_empty"):
        backup(home.logs, tmp_path / "backup")
    with pytest.raises(NotFound, match="volume_missing"):
        backup(tmp_path / "nowhere", tmp_path / "other")


@pytest.mark.parametrize("place", ["backup", "backup/keys", "backup/deep/down"])
async def test_keys_are_never_backed_up_beside_or_under_logs(log: Log, home: Home, tmp_path: Path, place: str) -> None:
    backup(home.logs, tmp_path / "backup")
    with pytest.raises(Conflict) as caught:
        backup_keys(open_keyring(home), tmp_path / place)
    assert caught.value.code == "backup_together"


@pytest.mark.req("LIC-5.24")
async def test_restored_logs_and_keys_open_and_read_as_before(log: Log, home: Home, tmp_path: Path) -> None:
    await log.sign()
    backup(home.logs, tmp_path / "logs-backup")
    backup_keys(open_keyring(home), tmp_path / "keys-backup")
    expected = [(record, dict(log.contents(record.stream, record.n))) for record in log.records(A)]
    await home.close()
    other = restored(tmp_path, home)
    restore_keys(tmp_path / "keys-backup", other.keys, homes=[home.logs], erasure_lists=[home.keys / "erasures.jsonl"])
    restore_logs(tmp_path / "logs-backup", other.logs)
    async with other.opened() as again:
        assert [(record, dict(again.contents(record.stream, record.n))) for record in again.records(A)] == expected
        put(again, OTHER, started(again))
    keyring = Keyring.open(other.keys, os.urandom)
    assert verify(other.logs, keyring=keyring).findings == ()
    keyring.close()


@pytest.mark.req("LIC-5.23")
@pytest.mark.parametrize("known_by", ["newest log", "erasure list"])
async def test_keys_restored_from_before_an_erasure_do_not_bring_it_back(
    log: Log, home: Home, tmp_path: Path, known_by: str
) -> None:
    backup(home.logs, tmp_path / "logs-backup")
    backup_keys(open_keyring(home), tmp_path / "keys-backup")
    await log.erase(log.name(Customer("customer-7")), "erasure-2")
    await home.close()
    other = restored(tmp_path, home)
    homes = [home.logs] if known_by == "newest log" else []
    lists = [home.keys / "erasures.jsonl"] if known_by == "erasure list" else []
    entries = restore_keys(tmp_path / "keys-backup", other.keys, homes=homes, erasure_lists=lists)
    assert len(entries) == 2
    restore_logs(tmp_path / "logs-backup", other.logs)
    async with other.opened() as again:
        with pytest.raises(ContentErased):
            again.contents(RUN, 0)
        assert again.state(RUN).n == 1


@pytest.mark.req("LIC-5.23")
async def test_an_erasure_reaches_the_logs_in_every_backup(log: Log, home: Home, tmp_path: Path) -> None:
    backup(home.logs, tmp_path / "logs-backup")
    await log.erase(log.name(Customer("customer-7")), "erasure-2")
    await home.close()
    restore_logs(tmp_path / "logs-backup", tmp_path / "older")
    keyring = Keyring.open(home.keys, os.urandom)
    accept_loss(tmp_path / "older", keyring, home.clock())
    keyring.close()
    home.logs = tmp_path / "older"
    async with home.opened() as older:
        with pytest.raises(ContentErased):
            older.contents(RUN, 0)


async def test_an_older_log_is_refused_until_its_loss_is_accepted(log: Log, home: Home, tmp_path: Path) -> None:
    backup(home.logs, tmp_path / "logs-backup")
    put(log, OTHER, started(log))
    await home.close()
    restore_logs(tmp_path / "logs-backup", tmp_path / "older")
    home.logs = tmp_path / "older"
    with pytest.raises(Corrupt, match="log_rolled_back"):
        await home.open()
    keyring = Keyring.open(home.keys, os.urandom)
    (head,) = accept_loss(home.logs, keyring, home.clock())
    keyring.close()
    async with home.opened() as older:
        assert older.state(OTHER).n == 0
        assert older.last_seq == head.size + 1  # this boot's own record
        put(older, OTHER, started(older))
    keyring = Keyring.open(home.keys, os.urandom)
    assert verify(home.logs, keyring=keyring).findings == ()
    keyring.close()


def bytes_under(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


ACME, GLOBEX = "acme/dev/0", "globex/dev/0"


@pytest.fixture
async def both(home: Home, log: Log) -> Log:
    """Two tenants in one volume, their records in turn."""
    assert home.volume is not None
    other = home.volume.log(Scope("globex", "dev"))
    for number in range(3):
        put(other, run_stream(RunId(f"run-{number}")), started(other, b"the neighbour's words"))
        put(log, run_stream(RunId(f"run-{number}0")), started(log))
    await log.durable()
    await other.durable()
    assert home.keyring is not None
    home.keyring.api_keys.issue("globex", "dev", actor_kind="operator", actor_id="their-ops")
    home.keyring.api_keys.issue("acme", "dev", actor_kind="operator", actor_id="our-ops")
    return log


@pytest.mark.req("LIC-5.30")
async def test_a_backup_of_one_tenant_holds_no_byte_of_another(both: Log, home: Home, tmp_path: Path) -> None:
    report = backup(home.logs, tmp_path / "logs-only", logs={ACME})
    backup_keys(open_keyring(home), tmp_path / "keys-only", logs={ACME})
    assert report.logs == (ACME,)
    everything = bytes_under(tmp_path / "logs-only") + bytes_under(tmp_path / "keys-only")
    theirs = home.keyring.secrets(GLOBEX).pseudonym("customer", "customer-7") if home.keyring else ""
    assert b"globex" not in everything
    assert b"their-ops" not in everything
    assert theirs.encode() not in everything
    assert b"our-ops" in everything


@pytest.mark.req("LIC-5.30")
async def test_a_backup_of_one_tenant_verifies_and_reads_as_before(both: Log, home: Home, tmp_path: Path) -> None:
    await both.sign()
    backup(home.logs, tmp_path / "logs-backup", logs={ACME})
    backup_keys(open_keyring(home), tmp_path / "keys-backup", logs={ACME})
    expected = [(record, dict(both.contents(record.stream, record.n))) for record in both.records(A)]
    await home.close()
    other = restored(tmp_path, home)
    restore_keys(tmp_path / "keys-backup", other.keys, homes=[home.logs], erasure_lists=[])
    restore_logs(tmp_path / "logs-backup", other.logs)
    keyring = Keyring.open(other.keys, os.urandom)
    report = verify(other.logs, keyring=keyring)
    keyring.close()
    assert report.findings == ()
    assert [log.id for log in report.logs] == [ACME]
    async with other.opened() as again:
        assert [(record, dict(again.contents(record.stream, record.n))) for record in again.records(A)] == expected
        put(again, OTHER, started(again))


async def test_a_backup_of_a_log_that_is_not_there_is_refused(log: Log, home: Home, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="log_missing"):
        backup(home.logs, tmp_path / "backup", logs={"nobody/dev/0"})


@pytest.mark.req("LIC-5.26")
@pytest.mark.parametrize("way", ["copied by hand", "restored without the newest logs"])
async def test_older_keys_beside_newer_logs_do_not_undo_what_the_logs_record(
    log: Log, home: Home, tmp_path: Path, way: str
) -> None:
    backup_keys(open_keyring(home), tmp_path / "keys-backup")
    subject = log.name(Customer("customer-7"))
    await log.erase(subject, "erasure-2")
    await home.close()
    older = tmp_path / "older-keys"
    if way == "copied by hand":
        shutil.copytree(tmp_path / "keys-backup", older)
    else:
        restore_keys(tmp_path / "keys-backup", older, homes=[], erasure_lists=[])
    home.keys = older
    async with home.opened() as again:
        assert home.volume is not None
        assert subject in {erasure.subject for erasure in home.volume.erasures_applied}
        with pytest.raises(ContentErased):
            again.contents(RUN, 0)
    keys = b"".join(path.read_bytes() for path in older.iterdir())
    assert keys.count(subject.encode()) > 0  # named as erased, its keys gone
    async with home.opened():
        assert home.volume is not None
        assert home.volume.erasures_applied == []


async def test_somebody_who_may_have_keys_again_keeps_them_when_the_log_is_opened(log: Log, home: Home) -> None:
    subject = log.name(Customer("customer-7"))
    await log.erase(subject, "erasure-2")
    open_keyring(home).revive(log.id, subject, home.clock() + 1)
    put(log, OTHER, started(log, b"new words"))
    again = await home.reopen()
    assert again.contents(OTHER, 0)["input"] == b"new words"
    with pytest.raises(ContentErased):
        again.contents(RUN, 0)


async def test_restoring_never_overwrites_and_says_what_is_missing(log: Log, home: Home, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="backup_missing"):
        restore_logs(tmp_path / "nowhere", tmp_path / "other")
    with pytest.raises(NotFound, match="backup_missing"):
        restore_keys(tmp_path / "nowhere", tmp_path / "other", homes=[], erasure_lists=[])
    backup(home.logs, tmp_path / "logs-backup")
    with pytest.raises(Conflict):
        restore_logs(tmp_path / "logs-backup", home.logs)
    backup_keys(open_keyring(home), tmp_path / "keys-backup")
    with pytest.raises(Conflict, match="target_not_empty"):
        restore_keys(tmp_path / "keys-backup", home.keys, homes=[], erasure_lists=[])


async def test_a_backup_with_a_rotten_blob_is_no_backup(log: Log, home: Home, tmp_path: Path) -> None:
    (blob,) = (home.logs / "blobs").iterdir()
    blob.write_bytes(blob.read_bytes()[:-1] + b"x")
    with pytest.raises(Corrupt):
        backup(home.logs, tmp_path / "backup")
