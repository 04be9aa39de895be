"""A view of a log as one value: rows that follow from the records alone, kept so that nobody has to fold a log to find
something.

Its rows are written with the records that call for them, made again from all records where a store lacks them, and
derived once more by `lichen log verify`. So a fold reads nothing but what it is given, and what it is asked to begin
with. An author's test subclasses `ProjectionConformance` of `lichen.testing.\0projection_conformance`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from lichen.core.deciders.events import Control, Event
from lichen.core.deciders.streams import State
from lichen.core.words.ids import StreamKind
from lichen.log.projections.streamrow import StreamRow
from lichen.log.records.record import Record
from lichen.log.store.port import Reading
from lichen.log.store.tables import Key, Op, Row, Table, Values


class Grown(NamedTuple):
    """A stream grew by consecutive records, however many: its row and state before them and after them."""

    row: StreamRow
    now: StreamRow
    records: Sequence[Record]
    before: State
    after: State


class Fold(Protocol):
    """One log's view while records are appended. What it keeps in memory is as of the last append."""

    def grow(self, grown: Grown, /) -> Iterable[Op]:
        """What a stream's next records change: asked once for all that the log's next commit brings to it."""
        ...

    def count(self, event: Event, before: State, after: State, /) -> Iterable[Op]:
        """What one event changes, in the order of the appends, at once."""
        ...

    def trim(self) -> None:
        """Everything is durable: what the store can give again may be forgotten."""
        ...


class Folding:
    """A fold that changes nothing, for folds to begin with."""

    def grow(self, grown: Grown, /) -> Iterable[Op]:
        """Nothing."""
        return ()

    def count(self, event: Event, before: State, after: State, /) -> Iterable[Op]:
        """Nothing."""
        return ()

    def trim(self) -> None:
        """Nothing to forget."""


class Growing(Folding):
    """A fold that remembers nothing: a function of how a stream grew."""

    def __init__(self, fold: Callable[[Grown], Iterable[Op]]) -> None:
        self.grow = fold


F = TypeVar("F", bound=Fold, covariant=True)

Tell = Callable[[Row, str, str], None]
"""`tell(row, problem, column)`: something is wrong with the row stored, or to be stored, with its column if named."""

Check = Callable[[Table, Iterable[Row], MutableMapping[Key, Values], Tell], None]
"""`check(table, stored, derived, tell)`: compares the rows that are stored with those derived from the records, by
their keys. `derived` is the check's to use up while it reads on."""


def follows(table: Table, stored: Iterable[Row], derived: MutableMapping[Key, Values], tell: Tell) -> None:
    """Tells of every row that the records do not call for, call for otherwise, or miss."""
    for row in stored:
        key = row[: table.key]
        if key not in derived:
            tell(row, "no record calls for this row", "")
            continue
        must_be = (*key, *derived.pop(key))
        for column, is_value, value in zip(table.columns, row, must_be, strict=True):
            if is_value != value:
                tell(must_be, "the value does not follow from the records", column.name)
    for key, values in derived.items():
        tell((*key, *values), "the row that the records call for is missing", "")


class Projection(NamedTuple, Generic[F]):
    """A view: its name, its tables, how the fold of a log begins, and what is told of what is stored.

    `fold(log, reading)` begins with what the store holds of the log with this number, or with nothing. It is told how
    streams of these `kinds` grow, and of each event with one of these `controls`. Its tables have a column `log`.
    """

    name: str
    tables: tuple[Table, ...]
    fold: Callable[[int, Reading | None], F]
    kinds: frozenset[StreamKind] = frozenset()
    controls: frozenset[type[Control]] = frozenset()
    check: Check = follows


def growing(
    name: str, tables: tuple[Table, ...], fold: Callable[[Grown], Iterable[Op]], *, kinds: Iterable[StreamKind]
) -> Projection[Growing]:
    """A view that remembers nothing between two commits."""

    def begin(log: int, reading: Reading | None) -> Growing:
        return Growing(fold)

    return Projection(name, tables, begin, kinds=frozenset(kinds))
