"""SQL from values: tables made, rows put in by few statements, and selections read.

Names of tables and columns are our own; whatever comes from elsewhere is bound, never written into a statement.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain
from typing import Any, Literal

from lichen.log.store.selection import Rows
from lichen.log.store.tables import Column, Index, Key, Op, Part, Row, Table, Values

Verb = Literal["INSERT", "INSERT OR REPLACE", "DELETE"]

_ROWS_PER_STATEMENT = (1024, 512, 256, 128, 64, 32, 16)  # and whatever is left in one: every statement stays prepared

# -- making ------------------------------------------------------------------------------------------------------


def create(tables: Iterable[Table]) -> list[str]:
    """The statements that make these tables, then their indexes."""
    made = tuple(tables)
    return [*map(_create, made), *(_index(table, index) for table in made for index in table.indexes)]


def _create(table: Table) -> str:
    columns = ", ".join(map(_declared, table.columns))
    is_numbered = table.key == 1 and table.columns[0].type == "INTEGER"  # the row's own number is the key
    suffix = "STRICT" if is_numbered else "STRICT, WITHOUT ROWID"
    return f"CREATE TABLE {table.name} ({columns}, PRIMARY KEY ({table.key_names})) {suffix}"


def _declared(column: Column) -> str:
    return f"{column.name} {column.type[:-1]}" if column.type.endswith("?") else f"{column.name} {column.type} NOT NULL"


def _index(table: Table, index: Index) -> str:
    unique = "UNIQUE " if index.is_unique else ""
    where = f" WHERE {_part(index.part)}" if index.part is not None else ""
    return f"CREATE {unique}INDEX {index.name} ON {table.name} ({', '.join(index.columns)}){where}"


def _part(part: Part) -> str:
    """Written out: SQLite uses a partial index only where it can see that the condition is the same."""
    return f"{part.column} {part.relation} '{part.value}'"


# -- writing -----------------------------------------------------------------------------------------------------


def insert(connection: sqlite3.Connection, table: Table, rows: Sequence[Row]) -> None:
    """Adds rows. Raises IntegrityError when one of them is there already."""
    _in_chunks(connection, "INSERT", table, rows)


def apply(connection: sqlite3.Connection, ops: Iterable[Op]) -> None:
    """Carries out changes in their order; of several changes of one row only the last is made."""
    last: dict[str, tuple[Table, dict[Key, Values | None]]] = {}
    for table, key, values in ops:
        last.setdefault(table.name, (table, {}))[1][key] = values
    for table, changes in last.values():
        kept: list[Row] = []
        gone: list[Row] = []
        for key, values in changes.items():
            if values is None:
                gone.append(key)
            else:
                kept.append(key + values)
        if gone:
            _in_chunks(connection, "DELETE", table, gone)
        if kept:
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
    connection.execute(_statement(verb, table, len(rows)), list(chain.from_iterable(rows)))


@cache
def _statement(verb: Verb, table: Table, count: int) -> str:
    """The statement for so many rows: at most 22 of each verb and table."""
    if verb == "DELETE":
        return f"DELETE FROM {table.name} WHERE ({table.key_names}) IN (VALUES {_marks(table.key, count)})"  # noqa: S608 - our own names
    return f"{verb} INTO {table.name} VALUES {_marks(len(table.columns), count)}"


def _marks(columns: int, rows: int) -> str:
    return ", ".join([f"({', '.join('?' * columns)})"] * rows)


# -- reading -----------------------------------------------------------------------------------------------------


def select(which: Rows) -> tuple[str, list[Any]]:
    """The query for these rows, and what to bind."""
    names = tuple([name for name, _ in which.equal])
    bounds = tuple([(each.column, each.relation) for each in which.bounds])
    member = which.members[0] if which.members is not None else None
    ends = which.columns, which.order, which.is_descending
    query = _select(which.table, names, member, bounds, which.part, *ends)
    return query, [*_bound(which), -1 if which.limit is None else which.limit]


def totals(which: Rows, by: str, of: str | None) -> tuple[str, list[Any]]:
    """The query that counts these rows, or adds them up, for each value of a column."""
    names = tuple([name for name, _ in which.equal])
    where = _where(names, None, (), which.part)
    what = "count(*)" if of is None else f"sum({of})"
    return f"SELECT {by}, {what} FROM {which.table.name}{where} GROUP BY {by}", _bound(which)  # noqa: S608 - our own names


def _bound(which: Rows) -> list[Any]:
    values = [value for _, value in which.equal]
    if which.members is not None:
        values.append(json.dumps(which.members[1]))
    return values + [each.value for each in which.bounds]


@cache
def _select(
    table: Table,
    names: tuple[str, ...],
    member: str | None,
    bounds: tuple[tuple[str, str], ...],
    part: Part | None,
    columns: tuple[str, ...],
    order: tuple[str, ...],
    is_descending: bool,
) -> str:
    query = f"SELECT {', '.join(columns) or table.names} FROM {table.name}{_where(names, member, bounds, part)}"  # noqa: S608 - our own names
    if order:
        query += f" ORDER BY {', '.join(f'{each} DESC' if is_descending else each for each in order)}"
    return f"{query} LIMIT ?"


def _where(names: tuple[str, ...], member: str | None, bounds: tuple[tuple[str, str], ...], part: Part | None) -> str:
    conditions = [f"{name} = ?" for name in names]
    if member is not None:
        conditions.append(f"{member} IN (SELECT value FROM json_each(?))")  # noqa: S608 - our own names
    conditions += [f"{column} {relation} ?" for column, relation in bounds]
    if part is not None:
        conditions.append(_part(part))
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""
