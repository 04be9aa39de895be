"""Backups of a volume in SQLite: the logs to one place, their keys to another. Together they would undo every erasure
made since.

Restoring takes the keys first, destroys in them everything that was erased since they were copied, and only then the
logs.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from lichen.core.words.errors import Conflict, NotFound, Unavailable
from lichen.core.words.ids import LogId
from lichen.log.audit.extract import extract
from lichen.log.disk.blobs import Blobs
from lichen.log.disk.files import sync_directory, write_new_file
from lichen.log.keys.erasures import Erasure, decode_erasure
from lichen.log.keys.keyring import Keyring
from lichen.log.keys.secretfiles import copy_secrets
from lichen.log.proof.checkpoint import TreeHead, sign
from lichen.log.proof.tree import Frontier
from lichen.log.records.record import Blob, Record, decode
from lichen.log.sqlite.file import FILE_NAME, connect
from lichen.log.sqlite.store import SqliteReading
from lichen.log.store.selection import rows
from lichen.log.store.tables import LOGS, RECORDS
from lichen.log.views.recorded import recorded_erasures

BLOBS = "blobs"
KEY_FILES = ("master.key", "keys.sqlite")


class BackupReport(msgspec.Struct, frozen=True):
    """What a backup of logs holds."""

    logs: tuple[str, ...]
    records: int
    blobs: int


def backup(home: Path, target: Path, *, logs: Collection[str] | None = None) -> BackupReport:
    """Copies the logs of `home`, in use or not, into the new directory `target`: one consistent moment, never any key.

    With `logs` only those with these ids. Waits for the disk: call it in a thread. Raises Conflict when `target` holds
    something, NotFound (`log_missing`), Unavailable.
    """
    _refuse_full(target)
    if not (home / FILE_NAME).exists():
        raise NotFound(f"There are no logs in {home}.", code="volume_missing")
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        if logs is None:
            _copy_file(home / FILE_NAME, target / FILE_NAME)
        else:
            extract(home / FILE_NAME, target / FILE_NAME, logs)
        report = _copy_blobs(target / FILE_NAME, home / BLOBS, target / BLOBS)
        sync_directory(target)
    except (sqlite3.Error, OSError) as error:
        raise Unavailable(
            "The backup could not be written.", code="backup_failed", next_step="Free disk space and try again."
        ) from error
    return report


def backup_keys(keyring: Keyring, target: Path, *, logs: Collection[str] | None = None) -> None:
    """Copies the keys, with `logs` those of these logs, into the new directory `target`.

    Raises Conflict when a backup of logs is there or above.
    """
    _refuse_logs(target)
    _refuse_full(target)
    keyring.backup(target, logs=logs)


def refuse_together(to: Path, keys: Path | None) -> None:
    """Raises Conflict when a backup of logs to `to` and keys to `keys` would overwrite, or lie in one another."""
    _refuse_full(to)
    if keys is None:
        return
    _refuse_full(keys)
    _refuse_logs(keys)
    if to.resolve() in (keys.resolve(), *keys.resolve().parents):
        raise _together(to)


def _refuse_logs(keys: Path) -> None:
    """Raises Conflict where logs lie in the directory for keys or above it."""
    for directory in (keys, *keys.resolve().parents):
        if (directory / FILE_NAME).exists():
            raise _together(directory)


def _together(directory: Path) -> Conflict:
    return Conflict(
        f"The directory {directory} is for logs; keys beside them would undo every erasure.",
        code="backup_together",
        next_step="Name a directory in another place, best on another machine.",
    )


def restore_keys(source: Path, target: Path, *, homes: Iterable[Path], erasure_lists: Iterable[Path]) -> list[Erasure]:
    """Copies backed-up keys into the new directory `target`, without any that was destroyed since.

    `homes` are directories with logs, the newest there are; `erasure_lists` are kept copies of `erasures.jsonl`.
    Their erasures are put on the list before anything can use a key. Returns them. Raises NotFound, Conflict, Corrupt.
    """
    _refuse_full(target)
    entries = [*_listed(erasure_lists), *_recorded(homes)]
    if not all((source / name).exists() for name in KEY_FILES):
        raise NotFound(f"There are no keys in {source}.", code="backup_missing")
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    lines = "".join(line + "\n" for line in dict.fromkeys(msgspec.json.encode(each).decode() for each in entries))
    write_new_file(target / "erasures.jsonl", lines.encode())  # whoever opens the keys applies the list first
    for name in KEY_FILES:
        write_new_file(target / name, (source / name).read_bytes())
    copy_secrets(source, target)
    return entries


def restore_logs(source: Path, target: Path) -> None:
    """Copies backed-up logs into the new directory `target`. Raises NotFound, Conflict.

    Opening a log that is older than the head remembered with the keys is refused then (`log_rolled_back`), until
    `accept_loss` says so.
    """
    if not (source / FILE_NAME).exists():
        raise NotFound(f"There are no logs in {source}.", code="backup_missing")
    if (target / FILE_NAME).exists():
        raise Conflict(f"The directory {target} holds logs already.", next_step="Name a new directory.")
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    _copy_file(source / FILE_NAME, target / FILE_NAME)
    _copy_blobs(target / FILE_NAME, source / BLOBS, target / BLOBS)
    sync_directory(target)


def accept_loss(home: Path, keyring: Keyring, at_us: int) -> list[TreeHead]:
    """Makes restored logs that are older than what the keys remember the truth: signs and remembers them as they are.

    What came after them is lost from here on. Verify the logs first. Returns the new heads.
    """
    connection = connect(home / FILE_NAME)
    try:
        heads = [_end_of(connection, number, LogId(id), at_us) for number, id in _logs(connection)]
        for number, head in heads:
            text = sign(head, keyring.secrets(head.log_id).signer)
            _store_head(connection, number, head.size, text)
            keyring.remember_head(head.log_id, text)
        keyring.commit()
    finally:
        connection.close()
    return [head for _, head in heads]


def _logs(connection: sqlite3.Connection) -> list[tuple[int, str]]:
    return connection.execute("SELECT log, id FROM logs ORDER BY log").fetchall()


def _end_of(connection: sqlite3.Connection, number: int, id: LogId, at_us: int) -> tuple[int, TreeHead]:
    query = "SELECT frontier, chain FROM frontiers JOIN records USING (log) WHERE log = ? ORDER BY seq DESC LIMIT 1"
    frontier_bytes, chain = connection.execute(query, (number,)).fetchone()
    frontier = Frontier.decode(frontier_bytes)
    return number, TreeHead(id, frontier.size, frontier.root(), chain, at_us)


def _store_head(connection: sqlite3.Connection, number: int, size: int, text: bytes) -> None:
    query = "INSERT INTO heads SELECT ?, coalesce(max(number), 0) + 1, ?, ? FROM heads WHERE log = ?"
    connection.execute(query, (number, size, text, number))


# -- copying -----------------------------------------------------------------------------------------------------


def _refuse_full(target: Path) -> None:
    if target.exists() and any(target.iterdir()):
        raise Conflict(f"The directory {target} is not empty.", code="target_not_empty", next_step="Name a new one.")


def _copy_file(source: Path, target: Path) -> None:
    """One consistent moment of a SQLite file, also while somebody writes to it; durable."""
    if not source.exists():
        raise NotFound(f"There are no logs in {source.parent}.", code="volume_missing")
    write_new_file(target, b"")
    reading, writing = connect(source, is_reader=True), sqlite3.connect(target)
    try:
        reading.backup(writing)
        writing.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        writing.close()
        reading.close()
    with target.open("rb") as file:
        os.fsync(file.fileno())


def _copy_blobs(file: Path, source: Path, target: Path) -> BackupReport:
    """Every blob that the copied records name: each was durable before its record, so all of them are there."""
    with closing(SqliteReading(file)) as reading:
        logs = tuple(id for _, id in reading.rows(rows(LOGS).by("log")))
        blobs, copies, records = Blobs(source), Blobs(target), 0
        named: set[bytes] = set()
        for record in _records(reading):
            records += not record.i  # stored ones
            for each in record.contents:
                if isinstance(each.body, Blob) and each.body.digest not in named:
                    named.add(copies.put(blobs.get(each.body.digest, each.body.size)))
    return BackupReport(logs, records, len(named))


def _records(reading: SqliteReading) -> Iterator[Record]:
    return (record for (data,) in reading.each(rows(RECORDS).by("pos").of("record")) for record in decode(data))


# -- erasures ----------------------------------------------------------------------------------------------------


def _listed(paths: Iterable[Path]) -> list[Erasure]:
    return [decode_erasure(line) for path in paths for line in path.read_bytes().splitlines()]


def _recorded(homes: Iterable[Path]) -> list[Erasure]:
    """The erasures that the logs themselves record."""
    found: list[Erasure] = []
    for home in homes:
        if not (home / FILE_NAME).exists():
            raise NotFound(f"There are no logs in {home}.", code="volume_missing")
        with closing(SqliteReading(home / FILE_NAME)) as reading:
            found += recorded_erasures(reading)
    return found
