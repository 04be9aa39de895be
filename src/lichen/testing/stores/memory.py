"""A store in memory: what a volume holds as long as the object lives, committed whole or not at all.

It keeps every batch as a database does: changes are made one by one, each with what undoes it, and count once the last
is made. So a batch that was torn half-way is undone when somebody opens the store again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from operator import ge, gt, le, lt
from typing import Any, NamedTuple

from lichen.core.words.errors import Corrupt, Invalid, NotFound
from lichen.log.store.port import Batch, LeaseLost
from lichen.log.store.selection import Rows
from lichen.log.store.tables import HEADS, LEASES, RECORDS, Key, Op, Row, Table, Values

FORMAT = 1
_RELATIONS: dict[str, Callable[[Any, Any], bool]] = {">": gt, ">=": ge, "<": lt, "<=": le}


class PowerLost(OSError):
    """The power went while something was written."""


class _Change(NamedTuple):
    """What a row was before it changed; None when it was not there."""

    table: Table
    key: Key
    before: Values | None


class MemoryStore:
    """One volume. `tears_after` rows of the next batch the power goes, once."""

    def __init__(self) -> None:
        self.blobs = MemoryBlobs()
        self.format = FORMAT
        self.tears_after: int | None = None
        self.lock = threading.RLock()
        self._tables: dict[str, dict[Key, Values]] = {}
        self._columns: dict[str, dict[tuple[str, Any], dict[Key, None]]] = {}
        self._undo: list[_Change] = []

    def prepare(self, tables: Sequence[Table], /) -> tuple[Table, ...]:
        """Makes a new store; returns what one that is there lacks."""
        if self.format != FORMAT:
            raise Invalid(f"The store has format {self.format}, and not {FORMAT}.", code="format_unknown")
        with self.lock:
            self._roll_back()
            if not self._tables:
                self._make(tables)
            return tuple(table for table in tables if table.name not in self._tables)

    def _make(self, tables: Iterable[Table]) -> None:
        for table in tables:
            self._tables[table.name] = {}
            self._columns[table.name] = {}

    def remake(self, tables: Sequence[Table], ops: Iterable[Op], /) -> None:
        """Makes lacking views with these rows."""
        made = list(ops)
        with self.lock:
            self._make(tables)
            for table, key, values in made:
                self._set(table, key, values)
            self._undo.clear()

    def drop(self, table: Table) -> None:
        """Loses a table, as a volume that an older version wrote lacks it."""
        with self.lock:
            del self._tables[table.name], self._columns[table.name]

    def read(self) -> MemoryReading:
        """One more reader."""
        return MemoryReading(self)

    def write(self) -> MemoryWriting:
        """The writer. A batch that was torn is undone."""
        with self.lock:
            self._roll_back()
        return MemoryWriting(self)

    # -- writing -------------------------------------------------------------------------------------------------

    def put(self, batch: Batch) -> None:
        """All of the batch, or nothing."""
        with self.lock:
            self._roll_back()
            try:
                self._put(batch)
            except PowerLost:
                raise  # nobody is left to tidy up
            except BaseException:
                self._roll_back()
                raise
            self._undo.clear()

    def _put(self, batch: Batch) -> None:
        leases = self._tables.get(LEASES.name, {})
        if any(leases.get((log,), (0,))[0] > epoch for log, epoch in batch.held.items()):
            raise LeaseLost
        for row in batch.records:
            self._insert(RECORDS, row)
        for table, key, values in batch.ops:
            self._set(table, key, values)
        for row in batch.heads:
            self._insert(HEADS, row)

    def _insert(self, table: Table, row: Row) -> None:
        if row[: table.key] in self._tables[table.name]:
            raise Corrupt(f"There is such a row in {table.name}.")
        for index in table.indexes:
            equal = tuple((column, row[table.place(column)]) for column in index.columns)
            if index.is_unique and any(True for _ in self._found(Rows(table, equal))):
                raise Corrupt(f"There is such a row in {index.name}.")
        self._set(table, row[: table.key], row[table.key :])

    def _set(self, table: Table, key: Key, values: Values | None) -> None:
        if self.tears_after is not None:
            if not self.tears_after:
                self.tears_after = None
                raise PowerLost("The power went.")
            self.tears_after -= 1
        self._undo.append(_Change(table, key, self._tables[table.name].get(key)))
        self._store(table, key, values)

    def _store(self, table: Table, key: Key, values: Values | None) -> None:
        rows, columns = self._tables[table.name], self._columns[table.name]
        before = rows.pop(key, None)
        firsts = {index.columns[0] for index in table.indexes}
        if before is not None:
            for column in firsts:
                columns[column, (*key, *before)[table.place(column)]].pop(key, None)
        if values is not None:
            rows[key] = values
            for column in firsts:
                columns.setdefault((column, (*key, *values)[table.place(column)]), {})[key] = None

    def _roll_back(self) -> None:
        while self._undo:
            table, key, before = self._undo.pop()
            self._store(table, key, before)

    # -- reading -------------------------------------------------------------------------------------------------

    def found(self, which: Rows) -> list[Row]:
        """The rows of a selection, as they are committed."""
        with self.lock:
            self._roll_back()
            if which.table.name not in self._tables:
                raise Corrupt(f"There is no table {which.table.name}.")
            found = list(self._found(which))
        table = which.table
        places = [table.place(column) for column in which.order]
        found.sort(key=lambda row: [(row[place] is not None, row[place]) for place in places])
        if which.is_descending:
            found.reverse()
        wanted = [table.place(column) for column in which.columns]
        return [tuple(row[place] for place in wanted) if wanted else row for row in found[: which.limit]]

    def _found(self, which: Rows) -> Iterator[Row]:
        table, rows = which.table, self._tables[which.table.name]
        firsts = {index.columns[0] for index in table.indexes}
        narrow = next(((column, value) for column, value in which.equal if column in firsts), None)
        keys: Iterable[Key] = rows if narrow is None else self._columns[table.name].get(narrow, {})
        for key in keys:
            row = (*key, *rows[key])
            if _meets(which, row):
                yield row


def _meets(which: Rows, row: Row) -> bool:
    place = which.table.place
    if any(row[place(column)] != value for column, value in which.equal):
        return False
    if which.members is not None and row[place(which.members[0])] not in which.members[1]:
        return False
    if which.part is not None and (row[place(which.part.column)] == which.part.value) != (which.part.relation == "="):
        return False
    return all(_RELATIONS[each.relation](row[place(each.column)], each.value) for each in which.bounds)


class MemoryReading:
    """Reads what is committed."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def rows(self, which: Rows, /) -> list[Row]:
        """All these rows."""
        return self._store.found(which)

    def each(self, which: Rows, /) -> Iterator[Row]:
        """These rows one after another."""
        yield from self._store.found(which)

    def totals(self, which: Rows, by: str, of: str | None = None, /) -> dict[str, int]:
        """Sums or counts by the values of a column."""
        sums: dict[str, int] = {}
        for row in self._store.found(which.of(by, of or by)):
            sums[row[0]] = sums.get(row[0], 0) + (row[1] if of is not None else 1)
        return sums

    def close(self) -> None:
        """Nothing to let go of."""


class MemoryWriting:
    """Writes batches."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def put(self, batch: Batch, /) -> None:
        """All of the batch, or nothing."""
        self._store.put(batch)

    def probe(self) -> None:
        """Memory can be written to."""

    def close(self) -> None:
        """Nothing to let go of."""


class MemoryBlobs:
    """Large contents in memory."""

    def __init__(self) -> None:
        self._blobs: dict[bytes, bytes] = {}

    def put(self, data: bytes, /) -> bytes:
        """The digest of `data`."""
        digest = sha256(data).digest()
        self._blobs[digest] = data
        return digest

    def get(self, digest: bytes, size: int, /) -> bytes:
        """The blob with this digest."""
        data = self._blobs.get(digest)
        if data is None:
            raise NotFound(f"The blob {digest.hex()} is not in the store.", code="blob_missing")
        if len(data) != size:
            raise Corrupt(f"The blob {digest.hex()} does not hold what was stored.")
        return data
