"""The port of a store: put a batch or nothing, read what is committed. A log knows no more of where it lies.

Whoever writes an adapter has its test subclass `StoreConformance` of `lichen.testing.\0store_conformance`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from lichen.core.words.errors import Unavailable
from lichen.log.store.selection import Rows
from lichen.log.store.tables import Op, Row, Table


class Batch(NamedTuple):
    """What one commit puts, all of it or nothing.

    `records` and `heads` are new rows of those tables, the records in the order of `pos`; `ops` change all others, of
    several changes of one row the last. `held` names the epoch under which each of the logs is written.
    """

    records: Sequence[Row] = ()
    ops: Iterable[Op] = ()
    heads: Sequence[Row] = ()
    held: Mapping[int, int] = {}


class LeaseLost(Unavailable):
    """Another process holds the lease of a log under a later epoch."""

    def __init__(self) -> None:
        super().__init__(
            "Another process writes to a log of this volume since; nothing was accepted here.",
            code="lease_lost",
            next_step="Send it again, to the process that holds the log now; the same idempotency key is safe.",
        )


class Reading(Protocol):
    """Reads what is committed, for one thread at a time.

    Raises Unavailable (`volume_unreadable`) when the store refuses, Corrupt when it is not what was written.
    """

    def rows(self, which: Rows, /) -> list[Row]:
        """All these rows."""
        ...

    def each(self, which: Rows, /) -> Iterator[Row]:
        """These rows one after another, for those that are too many to hold."""
        ...

    def totals(self, which: Rows, by: str, of: str | None = None, /) -> dict[str, int]:
        """For each value of the column `by` the sum of the column `of`, or how many rows there are."""
        ...

    def close(self) -> None:
        """Lets go of the store."""
        ...


class Writing(Protocol):
    """The only writer of a store, for one thread at a time. What was refused left nothing behind."""

    def put(self, batch: Batch, /) -> None:
        """Makes a batch durable. Raises LeaseLost when `leases` has a later epoch of one of its logs than is held,
        and what the store itself raises: an error of which `is_full` says whether the disk was full."""
        ...

    def probe(self) -> None:
        """Writes something that changes nothing, so that a store that cannot be written to says so."""
        ...

    def close(self) -> None:
        """Lets go of the store, in order if that is possible."""
        ...


class Blobs(Protocol):
    """Sealed contents too large for a record, under their SHA-256. Safe for several threads."""

    def put(self, data: bytes, /) -> bytes:
        """The digest of `data`, which is durable when this returns. Raises Invalid (`blob_too_large`), Unavailable."""
        ...

    def get(self, digest: bytes, size: int, /) -> bytes:
        """The blob of `size` bytes with this digest. Raises NotFound (`blob_missing`), Corrupt, Unavailable."""
        ...


class Store(Protocol):
    """Where the logs of a volume lie. `blobs` are there once it is prepared."""

    @property
    def blobs(self) -> Blobs:
        """The large contents."""
        ...

    def prepare(self, tables: Sequence[Table], /) -> tuple[Table, ...]:
        """Makes a new store with these tables. Of one that is there, returns the views among them that it lacks: they
        are to be remade. Raises Invalid (`format_unknown`), Corrupt, Unavailable."""
        ...

    def remake(self, tables: Sequence[Table], ops: Iterable[Op], /) -> None:
        """Makes views that are lacking, with the rows that these changes leave: both or neither, and durable."""
        ...

    def read(self) -> Reading:
        """One more reader. The caller closes it."""
        ...

    def write(self) -> Writing:
        """The writer. The one before it must have been closed."""
        ...


class Claim(Protocol):
    """The sole right to write to a store. Whoever takes it next is told from this holder by the store itself, which
    refuses what comes from one that has lost it."""

    def stands(self) -> bool:
        """Whether nobody else can have it yet. It costs nothing, so it is asked at the last moment before an effect."""
        ...

    def is_first(self) -> bool:
        """Whether every process that had it before is known to be gone, so that none of them acts any more."""
        ...

    def close(self) -> None:
        """Lets the next one in."""
        ...


@runtime_checkable
class Claimable(Store, Protocol):
    """A store that several processes reach, of which one at a time may write."""

    def claim(self, holder: str, lost: Callable[[], None], /) -> Claim:
        """The right, from now on; batches of a writer that is made later are put under it. `holder` says to people who
        it is. `lost` is called, on any thread, when another process has it.

        Raises Unavailable (`store_in_use`) while another process has it.
        """
        ...


@runtime_checkable
class Elsewhere(Store, Protocol):
    """A store whose rows lie in no file of the data directory. What looks at files looks at a copy of it."""

    def snapshot(self) -> Reading:
        """One more reader, which goes on seeing what is committed now."""
        ...

    def each_blob(self) -> Iterator[bytes]:
        """The large contents, one after another."""
        ...
