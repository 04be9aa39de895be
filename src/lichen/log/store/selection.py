"""Which rows of a table are wanted, as a value that any store can carry out by one of the table's indexes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from lichen.log.store.tables import Index, Part, Table

Relation = Literal[">", ">=", "<", "<="]


class Bound(NamedTuple):
    """A column lies on this side of a value."""

    column: str
    relation: Relation
    value: Any


class Rows(NamedTuple):
    """Rows of `table` that meet every condition. `columns` are what is wanted of them, all when empty."""

    table: Table
    equal: tuple[tuple[str, Any], ...] = ()
    members: tuple[str, tuple[Any, ...]] | None = None
    bounds: tuple[Bound, ...] = ()
    part: Part | None = None
    columns: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    is_descending: bool = False
    limit: int | None = None

    def among(self, column: str, values: Iterable[Any]) -> Rows:
        """Those whose column holds one of these values."""
        return self._replace(members=(column, tuple(values)))

    def bound(self, column: str, relation: Relation, value: Any) -> Rows:
        """Those whose column lies on this side of a value."""
        return self._replace(bounds=(*self.bounds, Bound(column, relation, value)))

    def within(self, index: Index) -> Rows:
        """Those that a partial index holds."""
        return self._replace(part=index.part)

    def of(self, *columns: str) -> Rows:
        """Of each row these columns only, in this order."""
        return self._replace(columns=columns)

    def by(self, *order: str) -> Rows:
        """In the order of these columns."""
        return self._replace(order=order)

    def backwards(self, *order: str) -> Rows:
        """In the order of these columns, the last first."""
        return self._replace(order=order, is_descending=True)

    def first(self, limit: int | None) -> Rows:
        """So many at most."""
        return self._replace(limit=limit)


def rows(table: Table, **equal: Any) -> Rows:
    """The rows whose columns hold these values."""
    return Rows(table, tuple(equal.items()))
