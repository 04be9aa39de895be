"""A stored record while it is made: its first fact, and those of its stream that may still join it."""

from __future__ import annotations

from lichen.log.records.record import FACTS_MAX, Record, stored

QueuedRow = tuple[int, int, int, int, int, str, bytes]
"""A row of the records table without its chain, which the writer adds."""

SHARED_BYTES_MAX = 64 * 1024  # of a record with several facts; a large one stands alone


class Pending:
    """Record `seq` of its log. It has all its `facts`, each with what its bytes end with, when its entry is handed
    over; `size` is that of these bytes."""

    __slots__ = ("_log", "_pos", "_stream", "facts", "seq", "size")

    def __init__(self, seq: int, pos: int, *, log: int, stream: int) -> None:
        self.seq, self._pos, self._log, self._stream = seq, pos, log, stream
        self.facts: list[tuple[Record, bytes]] = []
        self.size = 0

    def takes(self, count: int, size: int) -> bool:
        """Whether there is room for so many facts and bytes more."""
        return len(self.facts) + count <= FACTS_MAX and self.size + size <= SHARED_BYTES_MAX

    @property
    def row(self) -> QueuedRow:
        """What is stored of it."""
        first = self.facts[0][0]
        return self._pos, self._log, self.seq, self._stream, first.n, first.key, stored(self.facts)
