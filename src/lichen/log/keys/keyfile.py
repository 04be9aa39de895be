"""The keyring's SQLite file: two connections, one for reading beside the loop and one for whoever commits."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from lichen.core.words.errors import Conflict, Corrupt, Invalid, Unavailable
from lichen.log.disk.files import sync_directory, write_new_file
from lichen.log.disk.readonly import connect_readonly, is_writable

_APPLICATION_ID = 0x4C4B4559  # "LKEY"
_FORMAT = 1
NO_TEXT = "Could not decode to UTF-8"  # what the driver says of a text that is none

_PRAGMAS = (
    "busy_timeout = 5000",
    "journal_mode = WAL",
    "synchronous = FULL",
    "secure_delete = ON",
    "temp_store = MEMORY",  # VACUUM would copy every row into a temporary file
)

_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE data_keys (
    id INTEGER PRIMARY KEY,
    log_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    reserved INTEGER NOT NULL, -- uses that may have happened: never fewer than did
    wrapped BLOB               -- null once destroyed; the row stays, so the id is never given again
);
CREATE INDEX data_keys_by_subject ON data_keys (log_id, subject, id);
CREATE TABLE log_secrets (log_id TEXT PRIMARY KEY, wrapped BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE heads (log_id TEXT PRIMARY KEY, text BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE erasures (n INTEGER PRIMARY KEY, entry TEXT NOT NULL UNIQUE);
CREATE TABLE api_keys (id TEXT PRIMARY KEY, secret_hash BLOB NOT NULL, entry BLOB NOT NULL) WITHOUT ROWID;
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_FORMAT};
COMMIT;
"""

Row = tuple[Any, ...]  # what SQLite hands out; the reader of a query knows its columns


class KeyFile:
    """The file `keys.sqlite`. Reads never wait for a commit; one thread at a time writes.

    On media that nobody can write it is read as it is; every change of it is refused then.

    Every method raises Unavailable (`keys_readonly`) when the disk refuses, Corrupt when the file is not what we wrote.
    """

    def __init__(self, path: Path) -> None:
        """Opens `path`, making it (mode 0600) when it is not there. Raises Invalid (`keys_format`) for a stranger's."""
        self.path = path
        self.writing = threading.RLock()  # held while a commit waits for the disk
        self._reading = threading.Lock()  # never held while anything waits for the disk
        with storage_errors():
            if path.exists() and not is_writable(path):
                self._writer, self._reader = connect_readonly(path), connect_readonly(path)
                _is_new(self._writer)
                return
            if not path.exists():
                write_new_file(path, b"")  # SQLite would make it readable by others; its WAL takes this mode over
            self._writer = _connect(path)
            self._reader = _connect(path)
            sync_directory(path.parent)

    def read(self, query: str, *values: object) -> list[Row]:
        """The committed rows that `query` finds."""
        with storage_errors(), self._reading:
            return self._reader.execute(query, values).fetchall()

    @contextmanager
    def transaction(self) -> Generator[sqlite3.Connection, None, None]:
        """One durable change: everything done to the connection, or nothing when the body raises."""
        with self.writing, storage_errors():
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    def scrub(self) -> None:
        """Leaves no byte of a destroyed row in the file or its WAL.

        `secure_delete` overwrites freed cells, but a page that was split or joined may keep a stale copy in its gap.
        So the file is rebuilt (VACUUM, which itself writes through the WAL), and then the WAL is cut to nothing.
        """
        with self.writing, storage_errors():
            self._writer.execute("VACUUM")
            (busy, _, _) = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if busy:
                raise sqlite3.OperationalError("the WAL is in use")
            self._writer.execute("DELETE FROM meta WHERE name = 'scrub_due'")

    def scrub_due(self) -> bool:
        """Whether rows were destroyed and their last bytes may still be about."""
        return bool(self.read("SELECT 1 FROM meta WHERE name = 'scrub_due'"))

    def backup(self, target: Path, *, logs: Collection[str] | None = None) -> None:
        """A consistent copy as the new file `target`, mode 0600, durable; with `logs`, of what is theirs."""
        with self.writing, storage_errors():
            write_new_file(target, b"")
            copy = sqlite3.connect(target)
            try:
                if logs is None:
                    self._writer.backup(copy)
                else:
                    _copy_of(self._writer, copy, frozenset(logs))
            finally:
                copy.close()
            with target.open("rb") as file:
                os.fsync(file.fileno())

    def close(self) -> None:
        """Closes both connections; the last one empties the WAL."""
        with self.writing, self._reading, storage_errors():
            self._reader.close()
            self._writer.close()


@contextmanager
def storage_errors() -> Generator[None, None, None]:
    """Turns what the disk and SQLite raise into Unavailable, Conflict and Corrupt."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise  # a mistake of ours, such as using a closed keyring
    except sqlite3.IntegrityError as error:
        raise in_use() from error
    except UnicodeDecodeError as error:
        raise _damaged() from error
    except (OSError, sqlite3.OperationalError) as error:
        if NO_TEXT in str(error):
            raise _damaged() from error
        raise Unavailable(
            "The keyring cannot be written or read now.",
            code="keys_readonly",
            next_step="Free disk space, make the keys directory writable, then try again.",
        ) from error
    except sqlite3.DatabaseError as error:
        raise _damaged() from error


def _damaged() -> Corrupt:
    return Corrupt("The keyring's file is damaged.", next_step="Restore the keys from their backup.")


def _copy_of(source: sqlite3.Connection, target: sqlite3.Connection, logs: frozenset[str]) -> None:
    """Copies what belongs to these logs, row by row: no byte of another one's keys reaches the new file."""
    target.executescript(_SCHEMA)
    for table, log_of in _LOG_OF.items():
        rows = [row for row in source.execute(f"SELECT * FROM {table}") if log_of(row) in {*logs, ""}]  # noqa: S608 - our own names
        if rows:
            target.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)  # noqa: S608
    target.commit()


def _log_of_api_key(row: Row) -> str:
    """API keys are of an environment: its first log."""
    entry = msgspec.json.decode(row[2])
    return f"{entry['tenant']}/{entry['env']}/0"


_LOG_OF: dict[str, Callable[[Row], str]] = {
    "meta": lambda row: "",
    "data_keys": lambda row: row[1],
    "log_secrets": lambda row: row[0],
    "heads": lambda row: row[0],
    "erasures": lambda row: msgspec.json.decode(row[1])["log_id"],
    "api_keys": _log_of_api_key,
}
"""By table: whose log a row belongs to, empty for what every keyring has."""


def in_use() -> Conflict:
    """The error for a row that somebody else wrote since we read it."""
    return Conflict("Another process writes to this keyring.", code="keys_in_use", next_step="Stop the other process.")


def _connect(path: Path) -> sqlite3.Connection:
    """A connection in autocommit mode, for whichever thread holds its lock. Makes the tables of a new file."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        is_new = _is_new(connection)  # before anything is written: a stranger's file stays as it is
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}").fetchall()
        if is_new:
            connection.executescript(_SCHEMA)
    except BaseException:
        connection.close()
        raise
    return connection


def _is_new(connection: sqlite3.Connection) -> bool:
    """Whether the file is still empty. Raises Invalid (`keys_format`) when another program or version wrote it."""
    (stamp,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if (stamp, version, tables) == (0, 0, 0):
        return True
    if (stamp, version) != (_APPLICATION_ID, _FORMAT):
        raise Invalid(
            f"The keyring's file has format {version}, and this version of Lichen knows only format {_FORMAT}.",
            code="keys_format",
            next_step="Open it with the version of Lichen that wrote it.",
        )
    return False
