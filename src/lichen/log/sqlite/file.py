"""The SQLite file of a volume: how it is opened, its format stamp, and what stands in it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

from lichen.core.words.errors import Corrupt, Invalid, Unavailable
from lichen.log.sqlite.statements import create
from lichen.log.store.tables import Table

APPLICATION_ID = 0x4C494348  # "LICH"
FORMAT = 1
FILE_NAME = "lichen.sqlite"

_PRAGMAS = (
    "busy_timeout = 5000",  # milliseconds
    "cache_size = -32768",  # KiB
    "temp_store = MEMORY",
    "trusted_schema = OFF",  # the file may come from a stranger: no code of his runs when we read it
)
_READER_PRAGMAS = (*_PRAGMAS, "query_only = ON")
_WRITER_PRAGMAS = (
    "page_size = 2048",  # of new files: a commit of few records writes a page or two of each table and index
    *_PRAGMAS,
    "journal_mode = WAL",
    "synchronous = FULL",
    "wal_autocheckpoint = 2000",  # pages
)
_STATEMENTS_CACHED = 512


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


def prepare(connection: sqlite3.Connection, tables: Sequence[Table]) -> tuple[Table, ...]:
    """Makes the tables of a new file, and refuses a file of another format. Returns those that a file lacks which has
    others. Raises Invalid (`format_unknown`)."""
    stamp = format_stamp(connection)
    if stamp == (0, 0) and connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,):
        connection.executescript(schema(tables))
    elif stamp != (APPLICATION_ID, FORMAT):
        raise Invalid(
            f"The data directory has format {stamp[1]}, and this version of Lichen knows only format {FORMAT}.",
            code="format_unknown",
            next_step="Open it with the version of Lichen that wrote it, and export or upgrade it there.",
        )
    return lacking(connection, tables)


def lacking(connection: sqlite3.Connection, tables: Iterable[Table]) -> tuple[Table, ...]:
    """The tables that are not in the file."""
    there = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    return tuple(table for table in tables if table.name not in there)


def format_stamp(connection: sqlite3.Connection) -> tuple[int, int]:
    """What the file says it is: an application and that application's format."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return application, version


def schema(tables: Sequence[Table]) -> str:
    """The script that makes a new file, all of it or nothing."""
    stamp = [f"PRAGMA application_id = {APPLICATION_ID}", f"PRAGMA user_version = {FORMAT}"]
    return ";\n".join(["BEGIN IMMEDIATE", *create(tables), *stamp, "COMMIT"])


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
