"""Tables as values: what a store is asked to keep, and how it is changed.

A column that repeats what a record says is there to be looked up by, never believed: `verify` derives it again.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import msgspec

Key = tuple[Any, ...]
Values = tuple[Any, ...]
Row = tuple[Any, ...]  # what a store hands out; whoever asks knows the columns


class Column(NamedTuple):
    """A column: its name, and INTEGER, TEXT or BLOB. Nullable ones end in `?`."""

    name: str
    type: str


class Part(NamedTuple):
    """The rows of a table in which a column holds this value, or does not."""

    column: str
    relation: Literal["=", "!="]
    value: str


class Index(NamedTuple):
    """Columns that rows are looked up by. With `part` it holds only those."""

    name: str
    columns: tuple[str, ...]
    is_unique: bool = False
    part: Part | None = None


class Table(msgspec.Struct, frozen=True, eq=False):
    """A table whose first `key` columns are its primary key. It is equal to itself only."""

    name: str
    key: int
    columns: tuple[Column, ...]
    indexes: tuple[Index, ...] = ()

    @property
    def key_names(self) -> str:
        """The key's columns, with commas."""
        return ", ".join(column.name for column in self.columns[: self.key])

    @property
    def names(self) -> str:
        """All columns, with commas."""
        return ", ".join(column.name for column in self.columns)

    def place(self, column: str) -> int:
        """Where in a row the column is."""
        return next(place for place, each in enumerate(self.columns) if each.name == column)


def table(name: str, key: str, rest: str, *indexes: Index) -> Table:
    """A table from two lists such as `log INTEGER, id TEXT?`. One of its columns is `log`, whose rows they are."""
    columns = tuple(Column(*each.split()) for each in f"{key}, {rest}".split(", "))
    return Table(name, key.count(",") + 1, columns, indexes)


Op = tuple[Table, Key, Values | None]
"""One change of a table: the row under the key gets these values, or goes when there are none."""

# `pos` counts a volume's records in the order of their commits, so rows of many logs are written side by side.
# `stream` is the `pos` of the stream's first record. `log` counts the logs of the volume.
RECORDS = table(
    "records",
    "pos INTEGER",
    "log INTEGER, seq INTEGER, stream INTEGER, n INTEGER, key TEXT, chain BLOB, record BLOB",
    Index("records_by_seq", ("log", "seq"), is_unique=True),
    Index("records_by_n", ("stream", "n"), is_unique=True),
    Index("records_by_key", ("stream", "key"), is_unique=True),
)
LOGS = table("logs", "log INTEGER", "id TEXT", Index("logs_by_id", ("id",), is_unique=True))
FRONTIERS = table("frontiers", "log INTEGER", "frontier BLOB")
HEADS = table("heads", "log INTEGER, number INTEGER", "size INTEGER, checkpoint BLOB")
NAMES = table("names", "log INTEGER, pseudonym TEXT", "key_id INTEGER, nonce BLOB, ciphertext BLOB")
LEASES = table("leases", "log INTEGER", "epoch INTEGER")

CORE = (RECORDS, LOGS, FRONTIERS, HEADS, NAMES)
"""What every store holds beside the views."""
