"""Files that were damaged or cannot be written: what is wrong is said in our own words, and nothing is changed."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from lichen.core.deciders import events as e
from lichen.core.words.content import Sealed
from lichen.core.words.errors import Corrupt, LichenError, Unavailable
from lichen.core.words.ids import AgentName, RunId, run_stream
from lichen.core.words.limits import Limits
from lichen.core.words.scope import Customer
from lichen.log.audit.verify import verify
from lichen.log.disk.lock import DirectoryLock
from lichen.log.keys.keyring import Keyring
from lichen.testing.log_conformance import RUN, put, started
from tests.log.busy import live
from tests.log.homes import SCOPE, Home

NOBODY = 65_534


@pytest.fixture
async def lived(home: Home) -> Home:
    """A closed home in which people acted."""
    volume = await home.open()
    log = volume.log(SCOPE)
    await live(log)
    put(log, RUN, started(log))
    assert home.keyring is not None
    home.keyring.api_keys.issue("acme", "dev", actor_kind="operator", actor_id="ops", roles=("operator",))
    await log.durable()
    await home.close()
    return home


def found(home: Home) -> list[str]:
    with closing(Keyring.open(home.keys, home.random)) as keyring:
        return [str(finding) for finding in verify(home.logs, keyring=keyring).findings]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@contextmanager
def unwritable(*folders: Path) -> Generator[None]:
    """As on media that nobody can write. Root may write everywhere, so root becomes somebody else meanwhile."""
    files = [each for folder in folders for each in (folder, *folder.rglob("*"))]
    modes = {each: each.stat().st_mode for each in files}
    is_root = os.geteuid() == 0
    for each in files:
        if is_root:
            os.chown(each, NOBODY, NOBODY)
        each.chmod(0o500 if each.is_dir() else 0o400)
    opened = [folder for folder in Path(folders[0]).parents if is_root and folder.stat().st_mode & 0o011 != 0o011]
    for folder in opened:
        folder.chmod(folder.stat().st_mode | 0o011)
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        for folder in opened:
            folder.chmod(folder.stat().st_mode & ~0o011)
        for each, mode in modes.items():
            each.chmod(mode)


@pytest.mark.req("LIC-2.27")
async def test_on_media_that_nobody_can_write_a_log_is_verified_and_nothing_is_changed(lived: Home) -> None:
    before = contents(lived.logs), contents(lived.keys)
    with unwritable(lived.logs, lived.keys):
        assert found(lived) == []
        with pytest.raises(Unavailable) as refused:
            DirectoryLock(lived.logs)
        assert refused.value.code == "home_unusable"
        with closing(Keyring.open(lived.keys, lived.random)) as keyring, pytest.raises(Unavailable) as unchanged:
            keyring.api_keys.revoke("00000000")
        assert unchanged.value.code == "keys_readonly"
    assert (contents(lived.logs), contents(lived.keys)) == before


@pytest.mark.req("LIC-2.28")
async def test_a_name_that_was_taken_out_is_missed_unless_its_person_was_erased(home: Home) -> None:
    volume = await home.open()
    log = volume.log(SCOPE)
    for i, who in enumerate(("ann", "bob")):
        run, name = run_stream(RunId(f"run-of-{i}")), log.name(Customer(who))
        draft = e.Draft(e.RunStarted(AgentName("shop.support"), "", Limits()))
        log.append(e.Part(run, 0, (draft,)), actor=name)
    put(log, RUN, started(log))
    for who in ("bob", "customer-7"):
        await log.erase(log.name(Customer(who)), f"erasure-{who}")
    await home.close()
    assert found(home) == []
    ((name,),) = home.sql("SELECT pseudonym FROM names")
    home.sql("DELETE FROM names")
    (finding,) = found(home)
    assert name in finding
    assert "missing" in finding


@pytest.mark.req("SYM-77.3")
@pytest.mark.parametrize("damage", ["CREATE TABLE \xff", "\xfe\xff\x00"])
async def test_a_file_whose_description_of_itself_is_no_text_is_a_finding(lived: Home, damage: str) -> None:
    data = lived.file.read_bytes()
    at = data.index(b"CREATE TABLE records")
    lived.file.write_bytes(data[:at] + damage.encode("latin-1").ljust(20, b"\xff") + data[at + 20 :])
    (first, *_) = found(lived)
    assert "file" in first


@pytest.mark.req("SYM-77.3")
@pytest.mark.parametrize("value", ["-7", "1000000000000", "NULL", "'text'", "1.5"])
async def test_a_record_that_became_something_else_is_a_finding(lived: Home, value: str) -> None:
    """As a flipped bit of a row's header makes it; SQLite itself would refuse the value."""
    ((strict,),) = lived.sql("SELECT sql FROM sqlite_schema WHERE name = 'records'")
    loose = strict.replace("record BLOB NOT NULL", "record BLOB").replace("BLOB", "").replace(" STRICT", "")
    for sql, then in ((loose, f"UPDATE records SET record = {value} WHERE seq = 5"), (strict, "SELECT 1")):  # noqa: S608
        with closing(sqlite3.connect(lived.file, isolation_level=None)) as volume:
            volume.execute("PRAGMA writable_schema = ON")
            volume.execute("UPDATE sqlite_schema SET sql = ? WHERE name = 'records'", (sql,))
        lived.sql(then)
    assert any("record" in finding for finding in found(lived))


@pytest.mark.req("SYM-77.3")
async def test_a_flipped_bit_of_the_keys_is_said_to_be_damage_whatever_it_hits(lived: Home, tmp_path: Path) -> None:
    seed = 20_261
    chance = random.Random(seed)
    whole = (lived.keys / "keys.sqlite").read_bytes()
    used = [i for i, byte in enumerate(whole) if byte]
    codes = set[str]()
    for _ in range(150):
        flipped = bytearray(whole)
        flipped[chance.choice(used)] ^= 1 << chance.randrange(8)
        copy = tmp_path / "copy"
        shutil.copytree(lived.keys, copy)
        (copy / "keys.sqlite").write_bytes(flipped)
        try:
            with closing(Keyring.open(copy, lived.random)) as keyring:
                verify(lived.logs, keyring=keyring)
                keyring.api_keys.list()
        except LichenError as error:
            codes.add(error.code)
        finally:
            shutil.rmtree(copy)
    assert "corrupt" in codes, f"seed {seed}"


@pytest.mark.req("SYM-77.3")
async def test_what_is_no_text_among_the_keys_is_damage(lived: Home) -> None:
    with closing(sqlite3.connect(lived.keys / "keys.sqlite")) as keys, keys:
        keys.execute("UPDATE api_keys SET entry = x'ff7b22'")
        keys.execute("UPDATE data_keys SET subject = CAST(x'ff7b22' AS TEXT)")
    with closing(Keyring.open(lived.keys, lived.random)) as keyring:
        with pytest.raises(Corrupt):
            keyring.api_keys.list()
        with pytest.raises(Corrupt):
            keyring.unseal(Sealed(1, bytes(12), bytes(16)), b"")
