"""Rows of a volume in SQLite as they are stored, whatever somebody did to them: types are reported, never believed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from lichen.log.disk.readonly import connect_readonly, is_writable
from lichen.log.sqlite.file import (
    APPLICATION_ID,
    FORMAT,
    connect,
    format_stamp,
    lacking,
)
from lichen.log.sqlite.statements import create
from lichen.log.store.tables import CORE, Row, Table


class Text(bytes):
    """What a TEXT holds: perhaps not even UTF-8."""


_TYPES = {"INTEGER": int, "TEXT": Text, "BLOB": bytes}


class RawRows:
    """One consistent snapshot of a volume's file, also while another process writes to it."""

    def __init__(self, path: Path, views: Sequence[Table]) -> None:
        """`views` are the tables that a volume has beside those of every volume: what an older version wrote has fewer.

        Raises sqlite3.Error or UnicodeDecodeError when the file cannot be read at all.
        """
        self._connection = connect(path, is_reader=True) if is_writable(path) else connect_readonly(path)
        try:
            left_out = lacking(self._connection, views)
            self.tables = (*CORE, *(table for table in views if table not in left_out))
            self._connection.text_factory = Text
            self._connection.execute("BEGIN")
            self._connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # takes the snapshot
        except (sqlite3.Error, UnicodeDecodeError):
            self._connection.close()
            raise

    def each(self, table: Table, order: str) -> Iterator[Row]:
        """The table's rows in this order. Raises sqlite3.Error when the file is damaged on the way."""
        return iter(self._connection.execute(f"SELECT {table.names} FROM {table.name} ORDER BY {order}"))  # noqa: S608 - our own names

    def of_stream(self, number: int, before_pos: int) -> Iterator[bytes]:
        """The records of a stream up to a position of the volume."""
        query = "SELECT record FROM records WHERE stream = ? AND pos < ? ORDER BY n"
        return (data for (data,) in self._connection.execute(query, (number, before_pos)))

    def format_problem(self) -> str | None:
        """What is wrong with the file's stamp or its tables, indexes, triggers and views."""
        if format_stamp(self._connection) != (APPLICATION_ID, FORMAT):
            return "the file is not a volume of a format this version knows"
        if _schema(self._connection) != _expected_schema(self.tables):
            return "the file's tables and indexes are not those of a volume"
        return None

    def damage(self) -> list[str]:
        """What SQLite's own check finds: pages that are no pages, indexes that do not fit their table."""
        found = self._connection.execute("PRAGMA integrity_check(20)").fetchall()
        return [row[0].decode(errors="replace") for row in found if row[0] != b"ok"]

    def close(self) -> None:
        """Lets go of the snapshot."""
        self._connection.close()


def wrong_column(table: Table, row: Row) -> str | None:
    """The first column of the row whose value is not of its type."""
    if tuple(map(type, row)) == _row_types(table) and not any(map(_is_odd, row)):
        return None
    for column, value in zip(table.columns, row, strict=True):
        is_null = value is None and column.type.endswith("?")
        if not is_null and type(value) is not _TYPES[column.type.rstrip("?")]:
            return column.name
        if type(value) is Text and not _is_utf8(value):
            return column.name
    return None


@cache
def _row_types(table: Table) -> tuple[type, ...]:
    return tuple(_TYPES[column.type.rstrip("?")] for column in table.columns)


def plain(row: Row) -> Row:
    """The row with its texts as strings."""
    return tuple([str(value, "utf-8", "replace") if type(value) is Text else value for value in row])


def _is_odd(value: object) -> bool:
    """Whether this is a text that needs a closer look."""
    return type(value) is Text and not value.isascii()


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _schema(connection: sqlite3.Connection) -> set[bytes]:
    return {bytes(row[0] or b"") for row in connection.execute("SELECT sql FROM sqlite_schema")}


def _expected_schema(tables: Sequence[Table]) -> set[bytes]:
    """What SQLite itself says of these tables, and of the indexes that come with some."""
    connection = sqlite3.connect(":memory:")
    try:
        connection.executescript(";\n".join(create(tables)))
        connection.text_factory = Text
        return _schema(connection)
    finally:
        connection.close()
