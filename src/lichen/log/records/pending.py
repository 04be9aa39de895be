"""A stored record while it is made: its first fact, and those of its stream that may still join it."""

from __future__ import annotations

from lichen.log.records.record import FACTS_MAX, Record, stored

QueuedRow = tuple[int, int, int, int, int, str, bytes]
"""A row of the records table without its chain, which the writer adds."""

SHARED_BYTES_MAX = 64 * 1024  # of a record with several facts; a large one stands alone


class Pending:
    """Record `seq` of its log. It has all its facts when its entry is handed over."""

    __slots__ = ("_facts", "_log", "_pos", "_size", "_stream", "seq")

    def __init__(self, seq: int, pos: int, *, log: int, stream: int) -> None:
        self.seq, self._pos, self._log, self._stream = seq, pos, log, stream
        self._facts: list[tuple[Record, bytes]] = []
        self._size = 0

    def __len__(self) -> int:
        """How many facts it has."""
        return len(self._facts)

    def takes(self, count: int, size: int) -> bool:
        """Whether there is room for so many facts and bytes more."""
        return len(self._facts) + count <= FACTS_MAX and self._size + size <= SHARED_BYTES_MAX

    def add(self, record: Record, data: bytes) -> None:
        """Takes a fact, and what its bytes end with."""
        self._facts.append((record, data))
        self._size += len(data)

    @property
    def row(self) -> QueuedRow:
        """What is stored of it."""
        first = self._facts[0][0]
        return self._pos, self._log, self.seq, self._stream, first.n, first.key, stored(self._facts)
