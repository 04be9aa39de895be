"""A store in one SQLite file, its large contents in files beside it: one writer, one fsync a batch, any readers."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from lichen.log.disk.blobs import Blobs
from lichen.log.disk.files import write_new_file
from lichen.log.sqlite.file import FILE_NAME, connect, prepare, storage_error
from lichen.log.sqlite.statements import apply, create, insert, select, totals
from lichen.log.store.port import Batch, LeaseLost
from lichen.log.store.selection import Rows
from lichen.log.store.tables import HEADS, RECORDS, Op, Row, Table

BLOBS = "blobs"

_LATER = "SELECT log, epoch FROM leases WHERE log IN (SELECT value FROM json_each(?))"
_VERSION = "PRAGMA data_version"  # another number whenever another connection has written


class SqliteStore:
    """The store in the directory `home`."""

    def __init__(self, home: Path) -> None:
        self._path = home / FILE_NAME
        self.blobs = Blobs(home / BLOBS)

    def prepare(self, tables: Sequence[Table], /) -> tuple[Table, ...]:
        """Makes the file when it is missing, and checks its format."""
        if not self._path.exists():
            write_new_file(self._path, b"")  # SQLite would make it readable by others; its WAL takes this mode over
        with self._connected() as connection:
            return prepare(connection, tables)

    def remake(self, tables: Sequence[Table], ops: Iterable[Op], /) -> None:
        """Makes lacking tables with the rows that these changes leave."""
        with self._connected() as connection:
            connection.execute("BEGIN IMMEDIATE")
            for statement in create(tables):
                connection.execute(statement)
            apply(connection, ops)
            connection.execute("COMMIT")

    @contextmanager
    def _connected(self) -> Generator[sqlite3.Connection]:
        try:
            connection = connect(self._path)
            try:
                yield connection
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise storage_error(error) from error

    def read(self) -> SqliteReading:
        """One more connection, which only reads."""
        return SqliteReading(self._path)

    def write(self) -> SqliteWriting:
        """The connection that writes. Raises sqlite3.Error."""
        return SqliteWriting(connect(self._path))


class SqliteReading:
    """Reads what is committed. For one thread at a time."""

    def __init__(self, path: Path) -> None:
        try:
            self._connection = connect(path, is_reader=True)
        except sqlite3.Error as error:
            raise storage_error(error) from error

    def rows(self, which: Rows, /) -> list[Row]:
        """All these rows."""
        try:
            return self._connection.execute(*select(which)).fetchall()
        except sqlite3.Error as error:
            raise storage_error(error) from error

    def each(self, which: Rows, /) -> Iterator[Row]:
        """These rows one after another."""
        try:
            yield from self._connection.execute(*select(which))
        except sqlite3.Error as error:
            raise storage_error(error) from error

    def totals(self, which: Rows, by: str, of: str | None = None, /) -> dict[str, int]:
        """Sums or counts by the values of a column."""
        try:
            return dict(self._connection.execute(*totals(which, by, of)).fetchall())
        except sqlite3.Error as error:
            raise storage_error(error) from error

    def close(self) -> None:
        """Lets go of the file."""
        self._connection.close()


class SqliteWriting:
    """The connection that writes. For one thread at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._seen: int | None = None  # what the file was when nobody had a later lease of the logs in `_held`
        self._held: dict[int, int] = {}

    def put(self, batch: Batch, /) -> None:
        """One transaction of few statements."""
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            self._check(batch)
            insert(connection, RECORDS, batch.records)
            apply(connection, batch.ops)
            insert(connection, HEADS, batch.heads)
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise

    def _check(self, batch: Batch) -> None:
        """Looks at the leases of these logs, but not again of those that it looked at since anybody else wrote."""
        (seen,) = self._connection.execute(_VERSION).fetchone()
        if seen != self._seen:
            self._seen, self._held = seen, {}
        held = batch.held
        if held.items() <= self._held.items():
            return
        if any(epoch > held[log] for log, epoch in self._connection.execute(_LATER, (json.dumps([*held]),))):
            raise LeaseLost
        self._held.update(held)

    def probe(self) -> None:
        """Writes a page although nothing changes."""
        self._connection.execute("BEGIN IMMEDIATE")
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        self._connection.execute(f"PRAGMA user_version = {version}")
        self._connection.execute("COMMIT")

    def close(self) -> None:
        """Moves what is in the WAL over to the file, if that is possible, and lets go of it."""
        with suppress(sqlite3.Error):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._connection.close()
