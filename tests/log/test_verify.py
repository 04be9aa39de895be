# ruff: noqa: S608 - tables and columns are our own names
from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lichen.core.deciders.events import TYPES
from lichen.core.words.scope import Customer, Scope
from lichen.log.audit.findings import Report
from lichen.log.audit.verify import verify
from lichen.log.keys.keyring import Keyring
from lichen.log.projections.every import TABLES, VIEWS
from lichen.log.proof.tree import chain_hash, leaf_hash
from lichen.log.records.record import decode
from lichen.log.store.tables import FRONTIERS, HEADS, LOGS, NAMES, RECORDS, Column, Table
from lichen.runtime.views.tenant import verification
from lichen.testing.log_conformance import OTHER, RUN, put, started
from tests.log.busy import live
from tests.log.homes import SCOPE, Clock, Home

PAGE_BYTES = 8192


@pytest.fixture
async def lived(home: Home) -> Home:
    """A closed home with rows in every table, of two logs."""
    volume = await home.open()
    log, other = volume.log(SCOPE), volume.log(Scope("acme", "prod"))
    put(other, RUN, started(other))
    await live(log)
    home.clock.tick(2)
    put(other, OTHER, started(other))
    put(log, RUN, started(log))
    await log.durable()
    await home.close()
    return home


def check(home: Home, **options: object) -> Report:
    keyring = Keyring.open(home.keys, home.random)
    try:
        return verify(home.logs, keyring=keyring, **options)  # type: ignore[arg-type]
    finally:
        keyring.close()


def columns() -> list[tuple[Table, Column]]:
    return [(table, column) for table in TABLES for column in table.columns]


def is_row_number(table: Table, column: Column) -> bool:
    """Whether the column is the row's own number in SQLite, which cannot be anything but a number."""
    return table.key == 1 and column is table.columns[0] and column.type == "INTEGER"


def name_of(param: object) -> str:
    return param.name if isinstance(param, (Table, Column)) else str(param)


# -- sound -------------------------------------------------------------------------------------------------------


async def test_a_volume_that_was_left_alone_is_sound(lived: Home) -> None:
    report = check(lived)
    assert report.findings == ()
    assert report.is_sound
    by_id = {log.id: log for log in report.logs}
    assert set(by_id) == {"acme/dev/0", "acme/prod/0"}
    assert by_id["acme/dev/0"].records == lived.sql("SELECT count(*) FROM records WHERE log = 1")[0][0]
    assert all(log.unsigned == 0 and log.heads > 0 and log.is_signed_by_known_key for log in report.logs)
    assert (report.blobs, report.orphans, report.remembered) == (1, 0, 2)


async def test_the_life_that_is_tampered_with_has_every_record_type_and_rows_everywhere(lived: Home) -> None:
    types = {fact.type for (data,) in lived.sql("SELECT record FROM records") for fact in decode(data)}
    assert types == set(TYPES)
    assert [table.name for table in TABLES if not lived.sql(f"SELECT count(*) FROM {table.name}")[0][0]] == []


async def test_an_open_volume_is_verified_as_of_its_last_commit(home: Home) -> None:
    log = await home.reopen()
    await live(log)
    report = verify(home.logs, keyring=home.keyring)
    assert report.findings == ()
    assert report.logs[0].records == log.durable_seq
    assert report.logs[0].unsigned > 0
    put(log, RUN, started(log))
    await log.durable()


async def test_verifying_needs_only_public_keys(lived: Home) -> None:
    keyring = Keyring.open(lived.keys, lived.random)
    public = {id: keyring.secrets(id).signer.public_key for id in ("acme/dev/0", "acme/prod/0")}
    keyring.close()
    report = verify(lived.logs, public_keys=public)
    assert report.is_sound
    assert report.remembered == 0


async def test_without_any_key_the_report_says_that_signatures_were_not_checked(lived: Home) -> None:
    report = verify(lived.logs)
    assert report.is_sound
    assert not any(log.is_signed_by_known_key for log in report.logs)


async def test_heads_signed_by_somebody_else_are_found(lived: Home) -> None:
    stranger = Keyring.open(lived.keys.with_name("stranger"), Home(lived.keys.parent, seed=7).random)
    report = verify(lived.logs, keyring=stranger)
    stranger.close()
    assert report.first is not None
    assert (report.first.place.table, report.first.place.column) == ("heads", "checkpoint")


async def test_a_kept_head_of_a_log_whose_key_nobody_has_is_a_finding(lived: Home) -> None:
    ((kept,),) = lived.sql("SELECT checkpoint FROM heads WHERE log = 1 ORDER BY number DESC LIMIT 1")
    report = verify(lived.logs, remembered=[kept])
    assert [finding.place.table for finding in report.findings] == ["heads"]
    assert "no public key" in report.findings[0].problem
    assert report.remembered == 0


@pytest.mark.parametrize("by", ["keyring", "public_keys"])
async def test_a_log_whose_name_was_taken_out_of_the_file_does_not_put_its_heads_in_doubt(lived: Home, by: str) -> None:
    keyring = Keyring.open(lived.keys, lived.random)
    public = {id: keyring.secrets(id).signer.public_key for id in ("acme/dev/0", "acme/prod/0")}
    lived.sql("DELETE FROM logs WHERE id = 'acme/prod/0'")
    known = {"keyring": keyring} if by == "keyring" else {"public_keys": public}
    report = verify(lived.logs, **known)  # type: ignore[arg-type]
    keyring.close()
    assert not report.is_sound
    assert "heads" not in {finding.place.table for finding in report.findings}


# -- every column of every table ---------------------------------------------------------------------------------


def change(column: Column, value: object) -> object:
    """A value of the same type that is not this one."""
    if isinstance(value, int):
        return value + 1_000_000
    if isinstance(value, str):
        return value + "x"
    if isinstance(value, bytes):
        return value[:-1] + bytes([value[-1] ^ 1])
    return 7 if column.type == "INTEGER?" else "x"


@pytest.mark.req("LIC-3.1", "SYM-77.2")
@pytest.mark.parametrize(("table", "column"), columns(), ids=name_of)
async def test_a_changed_value_is_found_and_its_column_named(lived: Home, table: Table, column: Column) -> None:
    key = [each.name for each in table.columns[: table.key]]
    row = lived.sql(f"SELECT {', '.join(key)}, {column.name} FROM {table.name} LIMIT 1 OFFSET 1")
    row = row or lived.sql(f"SELECT {', '.join(key)}, {column.name} FROM {table.name} LIMIT 1")
    *place, value = row[0]
    where = " AND ".join(f"{name} = ?" for name in key)
    lived.sql(f"UPDATE {table.name} SET {column.name} = ? WHERE {where}", change(column, value), *place)
    report = check(lived)
    assert not report.is_sound
    found = {(finding.place.table, finding.place.column) for finding in report.findings}
    if column.name in key and table not in (RECORDS, HEADS):
        assert any(name == table.name for name, _ in found)  # one row too many, and one too few
    elif table is NAMES:
        assert ("names", "ciphertext") in found  # the three of them open together or not at all
    else:
        assert (table.name, column.name) in found, [str(finding) for finding in report.findings]


@pytest.mark.req("LIC-3.2")
@pytest.mark.parametrize(("table", "column"), [each for each in columns() if not is_row_number(*each)], ids=name_of)
async def test_a_value_of_another_type_is_reported_and_breaks_nothing(
    lived: Home, table: Table, column: Column
) -> None:
    value = "CAST(x'ff00' AS TEXT)" if column.type.startswith(("BLOB", "TEXT")) else "CAST(1.5 AS REAL)"
    first = table.columns[0].name
    with loosened(lived, table):
        where = f"WHERE {first} = (SELECT max({first}) FROM {table.name})"
        lived.sql(f"UPDATE OR REPLACE {table.name} SET {column.name} = {value} {where}")
    report = check(lived)
    assert not report.is_sound
    assert table.name in {finding.place.table for finding in report.findings}


@contextmanager
def loosened(home: Home, table: Table) -> Generator[None]:
    """A table that takes any type meanwhile, as one who edits the file with a program of his own can have it."""
    (strict,) = home.sql("SELECT sql FROM sqlite_schema WHERE name = ?", table.name)[0]
    lax = re.sub(r" (INTEGER|TEXT|BLOB)( NOT NULL)?(?=,)", "", strict).replace("STRICT, ", "").replace(" STRICT", "")
    if is_row_number(table, table.columns[0]):
        lax = lax.replace(f"({table.columns[0].name},", f"({table.columns[0].name} INTEGER NOT NULL,", 1)
    set_schema(home, table, lax)
    yield
    set_schema(home, table, strict)


def set_schema(home: Home, table: Table, sql: str) -> None:
    db = sqlite3.connect(home.file, isolation_level=None)
    try:
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_schema SET sql = ? WHERE name = ? AND type = 'table'", (sql, table.name))
        db.execute("PRAGMA writable_schema = RESET")
    finally:
        db.close()


@pytest.mark.req("LIC-3.10")
@pytest.mark.parametrize(("table", "column"), columns(), ids=name_of)
async def test_what_is_wrong_with_one_log_is_not_told_of_another(lived: Home, table: Table, column: Column) -> None:
    if table is LOGS or (table is RECORDS and column.name == "pos"):
        return  # these number the logs and records of a volume, and are nobody's
    key = [each.name for each in table.columns[: table.key]]
    *place, value = lived.sql(f"SELECT {', '.join(key)}, {column.name} FROM {table.name} WHERE log = 1 LIMIT 1")[0]
    where = " AND ".join(f"{name} = ?" for name in key)
    lived.sql(f"UPDATE {table.name} SET {column.name} = ? WHERE {where}", change(column, value), *place)
    report = check(lived)
    assert not report.is_sound
    neighbour = verification(report, "acme/prod/0")
    if column.name == "log" and table is not RECORDS:  # now the row is of no log, and does not say whose it was
        assert not any(str(value) in finding for value in place[1:] for finding in neighbour.findings)
    else:
        assert (neighbour.ok, neighbour.findings) == (True, ())
        assert not verification(report, "acme/dev/0").ok


# -- rows --------------------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-3.3", "SYM-78.2")
@pytest.mark.parametrize("seq", [1, 2, 20, 35])
async def test_a_missing_record_is_found_at_its_position(lived: Home, seq: int) -> None:
    lived.sql("DELETE FROM records WHERE log = 1 AND seq = ?", seq)
    first = check(lived).first
    assert first is not None
    assert (first.place.table, first.place.log) == ("records", "acme/dev/0")
    positions = {finding.place.seq for finding in check(lived).findings if finding.place.column == "seq"}
    assert positions == {seq}


@pytest.mark.req("LIC-3.3")
async def test_two_records_that_changed_places_are_found(lived: Home) -> None:
    lived.sql(
        """UPDATE records SET record = CASE seq
            WHEN 5 THEN (SELECT record FROM records WHERE log = 1 AND seq = 6)
            ELSE (SELECT record FROM records WHERE log = 1 AND seq = 5) END
        WHERE log = 1 AND seq IN (5, 6)"""
    )
    positions = [finding.place.seq for finding in check(lived).findings if finding.place.table == "records"]
    assert positions[0] in (5, 6)


@pytest.mark.req("LIC-3.3")
async def test_a_rewritten_record_with_a_recomputed_chain_is_found_by_the_heads(lived: Home) -> None:
    rows = lived.sql("SELECT seq, record FROM records WHERE log = 1 ORDER BY seq")
    chain = bytes(32)
    for seq, record in rows:
        data = record.replace(b"webchat", b"weechat")
        chain = chain_hash(chain, leaf_hash(data))
        lived.sql("UPDATE records SET record = ?, chain = ? WHERE log = 1 AND seq = ?", data, chain, seq)
    report = check(lived)
    assert any("are not those of the head signed" in finding.problem for finding in report.findings)


@pytest.mark.req("LIC-3.3")
async def test_a_tail_that_was_cut_off_is_found(lived: Home) -> None:
    (last,) = lived.sql("SELECT max(seq) FROM records WHERE log = 1")[0]
    lived.sql("DELETE FROM records WHERE log = 1 AND seq > ?", last - 3)
    report = check(lived)
    assert any(f.place.seq == last - 2 and "it was cut" in f.problem for f in report.findings)


@pytest.mark.req("LIC-3.4")
@pytest.mark.parametrize("which", ["min(number)", "max(number)"])
async def test_a_missing_head_is_found(lived: Home, which: str) -> None:
    lived.sql(f"DELETE FROM heads WHERE log = 1 AND number = (SELECT {which} FROM heads WHERE log = 1)")
    report = check(lived)
    assert {finding.place.table for finding in report.findings} == {"heads"}


@pytest.mark.req("LIC-3.5", "LIC-3.6")
async def test_a_roll_back_to_an_earlier_head_is_found_by_the_keys_and_by_whoever_kept_a_head(home: Home) -> None:
    log = await home.reopen()
    put(log, RUN, started(log))
    await home.close()
    older = home.file.read_bytes()
    log = await home.reopen()
    put(log, OTHER, started(log))
    size = log.last_seq
    key = log.public_key
    await home.close()
    kept = home.sql("SELECT checkpoint FROM heads ORDER BY number DESC LIMIT 1")[0][0]
    home.file.write_bytes(older)
    wanted = f"signed when it had {size} records"
    assert any(wanted in finding.problem for finding in check(home).findings)
    by_kept = verify(home.logs, public_keys={"acme/dev/0": key}, remembered=[kept])
    assert any(wanted in finding.problem for finding in by_kept.findings)
    assert verify(home.logs, public_keys={"acme/dev/0": key}).is_sound  # nobody can tell from the file alone


async def test_a_kept_head_of_a_log_that_is_gone_is_found(lived: Home) -> None:
    kept = lived.sql("SELECT checkpoint FROM heads WHERE log = 2 LIMIT 1")[0][0]
    for table in (RECORDS, LOGS, FRONTIERS, HEADS, *(each for each in VIEWS if each.name != "names"), NAMES):
        lived.sql(f"DELETE FROM {table.name} WHERE log = 2")
    report = check(lived, remembered=[kept])
    assert any("was signed when it had" in finding.problem for finding in report.findings)


@pytest.mark.parametrize("table", [*VIEWS, LOGS, FRONTIERS], ids=name_of)
async def test_a_missing_row_of_a_view_is_found(lived: Home, table: Table) -> None:
    first = table.columns[0].name
    lived.sql(f"DELETE FROM {table.name} WHERE {first} = (SELECT max({first}) FROM {table.name})")
    report = check(lived)
    assert not report.is_sound
    assert table is LOGS or table.name in {finding.place.table for finding in report.findings}


@pytest.mark.parametrize("table", VIEWS, ids=name_of)
async def test_a_row_that_no_record_calls_for_is_found(lived: Home, table: Table) -> None:
    names = [column.name for column in table.columns]
    key = names[table.key - 1]
    added = "99999" if table.columns[table.key - 1].type == "INTEGER" else "'made-up'"
    chosen = ", ".join(added if name in (key, "id") and name == key else name for name in names)
    if table.name == "streams":
        chosen = chosen.replace(" id,", " 'made-up',")
    lived.sql(f"INSERT INTO {table.name} SELECT {chosen} FROM {table.name} LIMIT 1")
    found = [f for f in check(lived).findings if f.place.table == table.name]
    assert [f.problem for f in found] == ["no record calls for this row"]


async def test_a_name_that_was_to_go_with_its_subject_is_found(home: Home) -> None:
    log = await home.reopen()
    put(log, RUN, started(log))
    await log.durable()
    row = home.sql("SELECT * FROM names")[0]
    await log.erase(row[1], "erasure-1")
    await home.close()
    home.sql("INSERT INTO names VALUES (?, ?, ?, ?, ?)", *row)
    first = check(home).first
    assert first is not None
    assert (first.place.table, first.problem) == ("names", "the row was to go when its subject was erased")


@pytest.mark.req("LIC-5.22")
async def test_after_an_erasure_the_chain_verifies_and_the_keys_are_in_no_file(home: Home) -> None:
    log = await home.reopen()
    put(log, RUN, started(log))
    await live(log)
    assert home.keyring is not None
    wrapped = [row[0] for row in keys_of(home)]
    destroyed = await log.erase(log.name(Customer("customer-7")), "erasure-2")
    left = [row[0] for row in keys_of(home)]
    gone = [key for key in wrapped if key not in left and key is not None]
    assert gone
    assert destroyed
    await home.close()
    assert check(home).findings == ()
    assert not [key for key in gone if key in everything_in(home.keys) + everything_in(home.logs)]


def everything_in(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.iterdir() if path.is_file())


def keys_of(home: Home) -> list[tuple[bytes | None]]:
    db = sqlite3.connect(home.keys / "keys.sqlite")
    try:
        return db.execute("SELECT wrapped FROM data_keys").fetchall()
    finally:
        db.close()


# -- blobs and the file ------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-3.1")
async def test_a_changed_or_missing_blob_is_found(lived: Home) -> None:
    (blob,) = (lived.logs / "blobs").iterdir()
    data = blob.read_bytes()
    blob.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert [finding.place.table for finding in check(lived).findings] == ["blobs"]
    blob.unlink()
    assert [finding.place.table for finding in check(lived).findings] == ["blobs"]


async def test_a_blob_that_no_record_names_is_counted_and_no_harm(lived: Home) -> None:
    (lived.logs / "blobs" / ("0" * 64)).write_bytes(b"left by a crash")
    report = check(lived)
    assert (report.is_sound, report.orphans) == (True, 1)


def test_a_file_that_is_no_volume_is_reported(tmp_path: Path) -> None:
    report = verify(tmp_path)
    assert report.first is not None
    assert report.first.place.table == "file"
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "lichen.sqlite").write_bytes(b"not a database " * 100)
    report = verify(tmp_path)
    assert report.first is not None
    assert report.first.place.table == "file"


async def test_an_added_trigger_is_found(lived: Home) -> None:
    lived.sql("CREATE TRIGGER sly AFTER INSERT ON records BEGIN DELETE FROM heads; END")
    first = check(lived).first
    assert first is not None
    assert (first.place.table, first.place.column) == ("file", "schema")


async def test_a_file_with_torn_pages_is_reported_whatever_is_torn(lived: Home, tmp_path: Path) -> None:
    data = lived.file.read_bytes()
    for page in range(1, len(data) // PAGE_BYTES):
        torn = bytearray(data)
        torn[page * PAGE_BYTES : (page + 1) * PAGE_BYTES - PAGE_BYTES // 2] = bytes(PAGE_BYTES // 2)
        lived.file.write_bytes(torn)
        assert not check(lived).is_sound, f"page {page}"
    shutil.rmtree(tmp_path / "keys")


async def test_findings_are_bounded_and_counted(lived: Home) -> None:
    lived.sql("UPDATE records SET n = n + 1000000, key = key || 'x', stream = stream + 5000 WHERE log = 1")
    report = check(lived)
    assert len(report.findings) == 100
    assert report.count > 100


async def test_a_clock_is_not_needed(lived: Home) -> None:
    lived.clock = Clock(0)
    assert check(lived).is_sound


@pytest.mark.req("LIC-3.1")
async def test_every_byte_of_a_record_and_of_a_head_is_covered(home: Home) -> None:
    log = await home.reopen()
    put(log, RUN, started(log))
    keys: dict[str, bytes] = {log.id: log.public_key}
    await home.close()
    for table, column, order in (("records", "record", "pos"), ("heads", "checkpoint", "number")):
        (data,) = home.sql(f"SELECT {column} FROM {table} ORDER BY {order} DESC LIMIT 1")[0]
        for index in range(len(data)):
            changed = data[:index] + bytes([data[index] ^ 1]) + data[index + 1 :]
            home.sql(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", changed, data)
            places = {finding.place.table for finding in verify(home.logs, public_keys=keys).findings}
            assert table in places, f"byte {index} of {table}.{column}"
            home.sql(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", data, changed)
    assert check(home).is_sound
