"""SQL of Postgres from values. A statement takes its rows as an array for each column, so it is always the same one.

Names of tables and columns are our own; whatever comes from elsewhere is bound, never written into a statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, Final

from lichen.log.postgres.texts import kept
from lichen.log.store.selection import Rows
from lichen.log.store.tables import Column, Index, Key, Op, Part, Row, Table, Values

Statement = tuple[bytes, list[Any]]

_TYPES: Final = {"INTEGER": "bigint", "TEXT": "text", "BLOB": "bytea"}

# -- making ------------------------------------------------------------------------------------------------------


def create(tables: Iterable[Table]) -> list[bytes]:
    """The statements that make these tables, then their indexes."""
    made = tuple(tables)
    statements = [*map(_create, made), *(_index(table, index) for table in made for index in table.indexes)]
    return [each.encode() for each in statements]


def _create(table: Table) -> str:
    columns = ", ".join(map(_declared, table.columns))
    return f"CREATE TABLE {table.name} ({columns}, PRIMARY KEY ({table.key_names}))"


def _declared(column: Column) -> str:
    """Texts are compared by their bytes, as anywhere else, whatever language the database speaks."""
    collation = ' COLLATE "C"' if _type(column) == "text" else ""
    return f"{column.name} {_type(column)}{collation}{'' if column.type.endswith('?') else ' NOT NULL'}"


def _type(column: Column) -> str:
    return _TYPES[column.type.removesuffix("?")]


def _index(table: Table, index: Index) -> str:
    unique = "UNIQUE " if index.is_unique else ""
    where = f" WHERE {_part(index.part)}" if index.part is not None else ""
    return f"CREATE {unique}INDEX {index.name} ON {table.name} ({', '.join(index.columns)}){where}"


def _part(part: Part) -> str:
    return f"{part.column} {part.relation} '{part.value}'"


# -- writing -----------------------------------------------------------------------------------------------------


def insert(table: Table, rows: Sequence[Row]) -> Iterator[Statement]:
    """Adds rows, of which none may be there already."""
    if rows:
        yield _insert(table).encode(), _arrays(rows)


def apply(ops: Iterable[Op]) -> Iterator[Statement]:
    """Carries out changes in their order; of several changes of one row only the last is made."""
    last: dict[str, tuple[Table, dict[Key, Values | None]]] = {}
    for table, key, values in ops:
        last.setdefault(table.name, (table, {}))[1][key] = values
    for table, changes in last.values():
        gone = [key for key, values in changes.items() if values is None]
        there = [key + values for key, values in changes.items() if values is not None]
        if gone:
            yield _delete(table).encode(), _arrays(gone)
        if there:
            yield _replace(table).encode(), _arrays(there)


def _arrays(rows: Sequence[Row]) -> list[Any]:
    """For each column the values that these rows have there."""
    return [[kept(value) if isinstance(value, str) else value for value in each] for each in zip(*rows, strict=True)]


@cache
def _insert(table: Table) -> str:
    return f"INSERT INTO {table.name} SELECT * FROM unnest({_given(table.columns)})"  # noqa: S608 - our own names


@cache
def _replace(table: Table) -> str:
    others = [column.name for column in table.columns[table.key :]]
    changed = ", ".join(f"{name} = excluded.{name}" for name in others)
    return f"{_insert(table)} ON CONFLICT ({table.key_names}) DO {f'UPDATE SET {changed}' if others else 'NOTHING'}"


@cache
def _delete(table: Table) -> str:
    keys = table.columns[: table.key]
    same = " AND ".join(f"{table.name}.{column.name} = gone.{column.name}" for column in keys)
    return f"DELETE FROM {table.name} USING unnest({_given(keys)}) AS gone({table.key_names}) WHERE {same}"  # noqa: S608 - our own names


def _given(columns: Sequence[Column]) -> str:
    return ", ".join(f"%b::{_type(column)}[]" for column in columns)


# -- reading -----------------------------------------------------------------------------------------------------


def select(which: Rows) -> Statement:
    """The query for these rows, and what to bind."""
    names = tuple([name for name, _ in which.equal])
    bounds = tuple([(each.column, each.relation) for each in which.bounds])
    member = which.members[0] if which.members is not None else None
    ends = which.columns, which.order, which.is_descending
    return _select(which.table, names, member, bounds, which.part, *ends), [*_bound(which), which.limit]


def totals(which: Rows, by: str, of: str | None) -> Statement:
    """The query that counts these rows, or adds them up, for each value of a column."""
    names = tuple([name for name, _ in which.equal])
    where = _where(which.table, names, None, (), which.part)
    what = "count(*)" if of is None else f"sum({of})::bigint"
    query = f"SELECT {by}, {what} FROM {which.table.name}{where} GROUP BY {by}"  # noqa: S608 - our own names
    return query.encode(), _bound(which)


def _bound(which: Rows) -> list[Any]:
    values = [value for _, value in which.equal]
    values += [] if which.members is None else [[*map(_kept, which.members[1])]]
    return [*map(_kept, values), *(_kept(each.value) for each in which.bounds)]


def _kept(value: Any) -> Any:
    return kept(value) if isinstance(value, str) else value


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
) -> bytes:
    where = _where(table, names, member, bounds, part)
    query = f"SELECT {', '.join(columns) or table.names} FROM {table.name}{where}"  # noqa: S608 - our own names
    if order:
        query += f" ORDER BY {', '.join(f'{each} DESC' if is_descending else each for each in order)}"
    return f"{query} LIMIT %b".encode()


def _where(
    table: Table,
    names: tuple[str, ...],
    member: str | None,
    bounds: tuple[tuple[str, str], ...],
    part: Part | None,
) -> str:
    def typed(name: str) -> str:
        return _type(table.columns[table.place(name)])

    conditions = [f"{name} = %b::{typed(name)}" for name in names]
    if member is not None:
        conditions.append(f"{member} = ANY(%b::{typed(member)}[])")
    conditions += [f"{column} {relation} %b::{typed(column)}" for column, relation in bounds]
    if part is not None:
        conditions.append(_part(part))
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""
