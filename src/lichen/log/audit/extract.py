"""Some logs of a volume as a volume of their own, for whoever may take away these and no others."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from lichen.core.words.errors import NotFound
from lichen.log.disk.files import write_new_file
from lichen.log.projections.every import TABLES
from lichen.log.sqlite.file import connect, lacking, prepare
from lichen.log.sqlite.statements import insert
from lichen.log.store.tables import Row, Table

_ROWS = 1_024  # written at a time

Numbers = Mapping[str, Mapping[int, int]]
"""By the name of a column: the number it has there for each it had in the source."""


def extract(source: Path, target: Path, logs: Collection[str]) -> None:
    """Writes the new file `target` (0600) with these logs of the file `source`, in use or not, as of one moment.

    Records stay byte for byte as they are; what numbers them in their volume is counted anew. Of other logs no byte is
    copied. Raises NotFound (`log_missing`), sqlite3.Error.
    """
    reading = connect(source, is_reader=True)
    try:
        reading.execute("BEGIN")
        numbers = _numbers(reading, logs)
        write_new_file(target, b"")
        writing = connect(target)
        try:
            tables = [table for table in TABLES if table not in lacking(reading, TABLES)]  # an older file has fewer
            prepare(writing, tables)
            writing.execute("BEGIN IMMEDIATE")
            for table in tables:
                _copy(reading, writing, table, numbers)
            writing.execute("COMMIT")
            writing.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            writing.execute("PRAGMA journal_mode = DELETE").fetchall()  # one file: the next to open it sets WAL again
        finally:
            writing.close()
    finally:
        reading.close()


def _numbers(reading: sqlite3.Connection, logs: Collection[str]) -> Numbers:
    known = {id: number for number, id in reading.execute("SELECT log, id FROM logs")}
    missing = sorted(set(logs) - known.keys())
    if missing:
        raise NotFound(f"There is no log {missing[0]}.", code="log_missing")
    wanted = {known[id] for id in logs}
    numbers: dict[str, dict[int, int]] = {"pos": {}, "log": {}, "stream": {}}
    rows = reading.execute("SELECT pos, log, stream FROM records ORDER BY pos")
    for pos, log, stream in (row for row in rows if row[1] in wanted):
        new = numbers["pos"][pos] = len(numbers["pos"]) + 1
        numbers["log"].setdefault(log, len(numbers["log"]) + 1)  # logs are counted in the order of first records
        numbers["stream"].setdefault(stream, new)  # a stream has the number of its first record
    return numbers


def _copy(reading: sqlite3.Connection, writing: sqlite3.Connection, table: Table, numbers: Numbers) -> None:
    rows: list[Row] = []
    for row in _renumbered(reading, table, numbers):
        rows.append(row)
        if len(rows) == _ROWS:
            insert(writing, table, rows)
            rows.clear()
    insert(writing, table, rows)


def _renumbered(reading: sqlite3.Connection, table: Table, numbers: Numbers) -> Iterator[Row]:
    columns = [numbers.get(column.name) for column in table.columns]
    log = table.place("log")
    query = f"SELECT {table.names} FROM {table.name} ORDER BY {table.key_names}"  # noqa: S608 - our own names
    for row in reading.execute(query):
        if row[log] in numbers["log"]:
            yield tuple([value if new is None else new[value] for value, new in zip(row, columns, strict=True)])
