"""Rows as they are stored, whatever somebody did to them: types are reported, never believed, nothing is decoded."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from lichen.log.disk.sqlite import (
    APPLICATION_ID,
    FORMAT,
    TABLES,
    Row,
    Table,
    connect,
    connect_readonly,
    format_stamp,
    is_writable,
    schema,
)


class Text(bytes):
    """What a TEXT holds: perhaps not even UTF-8."""


_TYPES = {"INTEGER": int, "TEXT": Text, "BLOB": bytes}
_ROW_TYPES = {table.name: tuple(_TYPES[column.type.rstrip("?")] for column in table.columns) for table in TABLES}


class RawRows:
    """One consistent snapshot of a volume's file, also while another process writes to it."""

    def __init__(self, path: Path) -> None:
        """Raises sqlite3.Error or UnicodeDecodeError when the file cannot be read at all."""
        self._connection = connect(path, is_reader=True) if is_writable(path) else connect_readonly(path)
        try:
            self._connection.text_factory = Text
            self._connection.execute("BEGIN")
            self._connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # takes the snapshot
        except (sqlite3.Error, UnicodeDecodeError):
            self._connection.close()
            raise

    def each(self, table: Table, order: str) -> Iterator[Row]:
        """The table's rows in this order. Raises sqlite3.Error when the file is damaged on the way."""
        return iter(self._connection.execute(f"SELECT {table.names} FROM {table.name} ORDER BY {order}"))  # noqa: S608 - our own names

    def of_stream(self, number: int, before_pos: int) -> Iterator[Row]:
        """The records of a stream up to a position of the volume."""
        query = "SELECT record FROM records WHERE stream = ? AND pos < ? ORDER BY n"
        return iter(self._connection.execute(query, (number, before_pos)))

    def format_problem(self) -> str | None:
        """What is wrong with the file's stamp or its tables, indexes, triggers and views."""
        if format_stamp(self._connection) != (APPLICATION_ID, FORMAT):
            return "the file is not a volume of a format this version knows"
        if _schema(self._connection) != _expected_schema():
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
    if tuple(map(type, row)) == _ROW_TYPES[table.name] and not any(map(_is_odd, row)):
        return None
    for column, value in zip(table.columns, row, strict=True):
        is_null = value is None and column.type.endswith("?")
        if not is_null and type(value) is not _TYPES[column.type.rstrip("?")]:
            return column.name
        if type(value) is Text and not _is_utf8(value):
            return column.name
    return None


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


def _expected_schema() -> set[bytes]:
    connection = sqlite3.connect(":memory:")
    try:
        connection.executescript(schema())
        connection.text_factory = Text
        return _schema(connection)
    finally:
        connection.close()
