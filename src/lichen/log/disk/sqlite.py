"""The SQLite file of a volume: its tables, its format stamp, and how rows get in by few statements.

A column that repeats what a record says is there to be looked up by, never believed: `verify` derives it again.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from lichen.core.words.errors import Corrupt, Invalid, Unavailable

APPLICATION_ID = 0x4C494348  # "LICH"
FORMAT = 1
FILE_NAME = "lichen.sqlite"

Verb = Literal["INSERT", "INSERT OR REPLACE", "DELETE"]
Key = tuple[Any, ...]
Values = tuple[Any, ...]
Row = tuple[Any, ...]  # what SQLite hands out; the reader of a query knows its columns

_PRAGMAS = (
    "busy_timeout = 5000",  # milliseconds
    "cache_size = -32768",  # KiB
    "temp_store = MEMORY",
    "trusted_schema = OFF",  # the file may come from a stranger: no code of his runs when we read it
)
_READER_PRAGMAS = (*_PRAGMAS, "query_only = ON")
_WRITER_PRAGMAS = ("page_size = 4096", *_PRAGMAS, "journal_mode = WAL", "synchronous = FULL")
# Pages of 4 KiB, in new files: a commit of few records writes less.
_ROWS_PER_STATEMENT = (1024, 512, 256, 128, 64, 32, 16)  # and whatever is left in one: every statement stays prepared
_STATEMENTS_CACHED = 512


class Column(NamedTuple):
    """A column: its name and SQLite type. Nullable ones end in `?`."""

    name: str
    type: str

    @property
    def sql(self) -> str:
        """The column's declaration in a STRICT table."""
        return f"{self.name} {self.type[:-1]}" if self.type.endswith("?") else f"{self.name} {self.type} NOT NULL"


class Table(NamedTuple):
    """A table whose first `key` columns are its primary key."""

    name: str
    key: int
    columns: tuple[Column, ...]

    @property
    def key_names(self) -> str:
        """The key's columns, with commas."""
        return ", ".join(column.name for column in self.columns[: self.key])

    @property
    def names(self) -> str:
        """All columns, with commas."""
        return ", ".join(column.name for column in self.columns)


def _table(name: str, key: str, rest: str) -> Table:
    """A table from two lists such as `log INTEGER, id TEXT?`."""
    columns = [Column(*each.split()) for each in f"{key}, {rest}".split(", ")]
    return Table(name, key.count(",") + 1, tuple(columns))


# `pos` counts a volume's records in the order of their commits, so rows of many logs are written side by side.
# `stream` is the `pos` of the stream's first record. `log` counts the logs of the volume.
RECORDS = _table(
    "records", "pos INTEGER", "log INTEGER, seq INTEGER, stream INTEGER, n INTEGER, key TEXT, chain BLOB, record BLOB"
)
LOGS = _table("logs", "log INTEGER", "id TEXT")
FRONTIERS = _table("frontiers", "log INTEGER", "frontier BLOB")
HEADS = _table("heads", "log INTEGER, number INTEGER", "size INTEGER, checkpoint BLOB")
STREAMS = _table(
    "streams",
    "stream INTEGER",
    "log INTEGER, kind TEXT, id TEXT, standing TEXT, agent TEXT, session TEXT?, turn TEXT?, parent TEXT?, "
    "subject TEXT, first_seq INTEGER, started_us INTEGER, outcome TEXT",
)
TIMERS = _table("timers", "stream INTEGER, timer TEXT", "log INTEGER, due_us INTEGER")
WAITS = _table(
    "waits",
    "stream INTEGER, wait TEXT",
    "log INTEGER, kind TEXT, call TEXT?, may_answer TEXT, n INTEGER, seq INTEGER, opened_us INTEGER, "
    "expires_us INTEGER?",
)
OUTBOX = _table(
    "outbox", "stream INTEGER, message TEXT", "log INTEGER, n INTEGER, kind TEXT, state TEXT, attempts INTEGER"
)
METERS = _table("meters", "log INTEGER, key TEXT, run TEXT, call TEXT", "amount INTEGER, state TEXT")
UNKNOWNS = _table("unknowns", "log INTEGER, run TEXT, call TEXT", "session TEXT, tool TEXT, digest BLOB")
COSTS = _table("costs", "log INTEGER, day INTEGER, agent TEXT", "calls INTEGER, tokens INTEGER, micro_usd INTEGER")
NAMES = _table("names", "log INTEGER, pseudonym TEXT", "key_id INTEGER, nonce BLOB, ciphertext BLOB")

VIEWS = (STREAMS, TIMERS, WAITS, OUTBOX, METERS, UNKNOWNS, COSTS)
"""What follows from the records alone."""

TABLES = (RECORDS, LOGS, FRONTIERS, HEADS, *VIEWS, NAMES)

_INDEXES = (
    "CREATE UNIQUE INDEX records_by_seq ON records (log, seq)",
    "CREATE UNIQUE INDEX records_by_n ON records (stream, n)",
    "CREATE UNIQUE INDEX records_by_key ON records (stream, key)",
    "CREATE UNIQUE INDEX logs_by_id ON logs (id)",
    "CREATE UNIQUE INDEX streams_by_id ON streams (log, kind, id)",
    "CREATE INDEX streams_by_kind ON streams (log, kind)",
    "CREATE INDEX streams_owing ON streams (log) WHERE standing = 'owing'",
    "CREATE INDEX timers_by_log ON timers (log, due_us)",
    "CREATE INDEX waits_by_log ON waits (log, seq)",
    "CREATE INDEX outbox_undelivered ON outbox (log) WHERE state != 'delivered'",
    "CREATE INDEX meters_reserved ON meters (log) WHERE state = 'reserved'",
)


Op = tuple[Table, Key, Values | None]
"""One change of a view: the row under the key gets these values, or goes when there are none."""


def connect(path: Path, *, is_reader: bool = False) -> sqlite3.Connection:
    """A connection in autocommit mode, every commit durable when it returns. A reader never makes the file.

    Raises sqlite3.Error.
    """
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode={'rw' if is_reader else 'rwc'}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_STATEMENTS_CACHED,
    )
    try:
        for pragma in _READER_PRAGMAS if is_reader else _WRITER_PRAGMAS:
            connection.execute(f"PRAGMA {pragma}").fetchall()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def is_writable(path: Path) -> bool:
    """Whether a database here can be opened as databases usually are, which writes files beside it."""
    is_effective = os.access in os.supports_effective_ids
    return all(os.access(each, os.W_OK, effective_ids=is_effective) for each in (path, path.parent))


def connect_readonly(path: Path) -> sqlite3.Connection:
    """A connection to a file on media that nobody can write. Raises sqlite3.Error.

    A file that was closed in order stands for itself; one whose process died has a WAL beside it, which needs the
    memory file that goes with it.
    """
    wal = path.with_name(f"{path.name}-wal")
    how = "mode=ro" if wal.exists() and wal.stat().st_size else "mode=ro&immutable=1"
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?{how}", uri=True, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA query_only = ON").fetchall()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def prepare(connection: sqlite3.Connection) -> None:
    """Makes the tables of a new file, and refuses a file of another format. Raises Invalid (`format_unknown`)."""
    stamp = format_stamp(connection)
    if stamp == (0, 0) and connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,):
        connection.executescript(schema())
    elif stamp != (APPLICATION_ID, FORMAT):
        raise Invalid(
            f"The data directory has format {stamp[1]}, and this version of Lichen knows only format {FORMAT}.",
            code="format_unknown",
            next_step="Open it with the version of Lichen that wrote it, and export or upgrade it there.",
        )


def format_stamp(connection: sqlite3.Connection) -> tuple[int, int]:
    """What the file says it is: an application and that application's format."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return application, version


def schema() -> str:
    """The script that makes a new file, all of it or nothing."""
    tables = [_create(table) for table in TABLES]
    stamp = [f"PRAGMA application_id = {APPLICATION_ID}", f"PRAGMA user_version = {FORMAT}"]
    return ";\n".join(["BEGIN IMMEDIATE", *tables, *_INDEXES, *stamp, "COMMIT"])


def _create(table: Table) -> str:
    columns = ", ".join(column.sql for column in table.columns)
    is_numbered = table.key == 1 and table.columns[0].type == "INTEGER"  # the row's own number is the key
    suffix = "STRICT" if is_numbered else "STRICT, WITHOUT ROWID"
    return f"CREATE TABLE {table.name} ({columns}, PRIMARY KEY ({table.key_names})) {suffix}"


# -- writing -----------------------------------------------------------------------------------------------------


def insert(connection: sqlite3.Connection, table: Table, rows: Sequence[Row]) -> None:
    """Adds rows. Raises IntegrityError when one of them is there already."""
    _in_chunks(connection, "INSERT", table, rows)


def apply(connection: sqlite3.Connection, ops: Iterable[Op]) -> None:
    """Carries out changes of views in their order; of several changes of one row only the last is made."""
    last: dict[str, tuple[Table, dict[Key, Values | None]]] = {}
    for table, key, values in ops:
        last.setdefault(table.name, (table, {}))[1][key] = values
    for table, changes in last.values():
        kept = [(*key, *values) for key, values in changes.items() if values is not None]
        gone = [key for key, values in changes.items() if values is None]
        _in_chunks(connection, "DELETE", table, gone)
        _in_chunks(connection, "INSERT OR REPLACE", table, kept)


def _in_chunks(connection: sqlite3.Connection, verb: Verb, table: Table, rows: Sequence[Row]) -> None:
    """SQLite gives up the GIL at every statement, so a thousand rows must not be a thousand statements."""
    start, left = 0, len(rows)
    for size in _ROWS_PER_STATEMENT:
        while left >= size:
            _execute(connection, verb, table, rows[start : start + size])
            start, left = start + size, left - size
    if left:
        _execute(connection, verb, table, rows[start:])


def _execute(connection: sqlite3.Connection, verb: Verb, table: Table, rows: Sequence[Row]) -> None:
    connection.execute(_statement(verb, table.name, len(rows)), [value for row in rows for value in row])


@cache
def _statement(verb: Verb, name: str, count: int) -> str:
    """The statement for so many rows: at most 22 of each verb and table."""
    table = next(each for each in TABLES if each.name == name)
    if verb == "DELETE":
        return f"DELETE FROM {name} WHERE ({table.key_names}) IN (VALUES {_marks(table.key, count)})"  # noqa: S608 - our own names
    return f"{verb} INTO {name} VALUES {_marks(len(table.columns), count)}"


def _marks(columns: int, rows: int) -> str:
    return ", ".join([f"({', '.join('?' * columns)})"] * rows)


# -- reading -----------------------------------------------------------------------------------------------------


class Reader:
    """Reads what is committed. For one thread at a time.

    Raises Unavailable (`volume_unreadable`) when the disk refuses, Corrupt when the file is not what we wrote.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = connect(path, is_reader=True)

    def rows(self, query: str, *values: object) -> list[Row]:
        """All rows that `query` finds."""
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise storage_error(error) from error

    def row(self, query: str, *values: object) -> Row | None:
        """The first row that `query` finds."""
        found = self.rows(query, *values)
        return found[0] if found else None

    def each(self, query: str, *values: object) -> Iterator[Row]:
        """The rows that `query` finds, one after another."""
        try:
            yield from self._connection.execute(query, values)
        except sqlite3.Error as error:
            raise storage_error(error) from error

    def close(self) -> None:
        """Lets go of the file."""
        self._connection.close()


def storage_error(error: sqlite3.Error | OSError) -> Unavailable | Corrupt:
    """What a failure to read means to the caller."""
    refused = sqlite3.OperationalError | sqlite3.ProgrammingError  # the latter: it was closed
    if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, refused):
        return Corrupt("The volume's file is damaged.")
    return Unavailable(
        "The volume cannot be opened or read now.",
        code="volume_unreadable",
        next_step="Run `lichen doctor`, then try again.",
    )
