"""What is stored of one log: its streams and records, by position or key. Committed rows only."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from lichen.core.words.errors import Corrupt
from lichen.core.words.ids import StreamId
from lichen.log.projections import streams as view
from lichen.log.projections.streamrow import StreamRow
from lichen.log.records.record import Blob, Record, decode
from lichen.log.store.port import Reading
from lichen.log.store.selection import Rows, rows
from lichen.log.store.tables import HEADS, RECORDS

_PAGE = 512
SAMPLE = 5_000


class Queries:
    """Reads one log of a volume. `log` is the log's number there, a stream's number the one in its row."""

    def __init__(self, reading: Reading, log: int) -> None:
        self._reading, self._log = reading, log

    def stream_row(self, stream: StreamId) -> StreamRow | None:
        """The row of a stream; None when it has no record."""
        return view.stream_row(self._reading, self._log, stream)

    def of_stream(self, number: int, from_n: int = 0, limit: int | None = None) -> list[Record]:
        """A stream's records in order, from the one numbered `from_n`, so many at most."""
        found = self._around(number, from_n) if from_n else []
        after = found[-1].n if found else from_n - 1
        found = [record for record in found if record.n >= from_n]
        if limit is None or len(found) < limit:
            found += self._stored(_of(number).bound("n", ">", after).by("n").first(limit))
        return found if limit is None else found[:limit]

    def of_streams(self, numbers: Sequence[int]) -> Iterator[Record]:
        """All records of these streams, those of each in order."""
        which = rows(RECORDS).among("stream", numbers).by("stream", "n").of("record")
        return (record for (data,) in self._reading.each(which) for record in decode(data))

    def _around(self, number: int, n: int) -> list[Record]:
        """The facts that are stored together with the one numbered `n`."""
        return self._stored(_of(number).bound("n", "<=", n).backwards("n").first(1))

    def at(self, number: int, n: int) -> Record | None:
        """One record of a stream."""
        return next((record for record in self._around(number, n) if record.n == n), None)

    def find(self, number: int, key: str) -> int | None:
        """Which record of the stream has this key, if that is the first of those stored together."""
        found = self._reading.rows(rows(RECORDS, stream=number, key=key).of("n"))
        return found[0][0] if found else None

    def after(self, seq: int, limit: int = _PAGE) -> list[Record]:
        """The log's records after the stored record `seq`, in order: all those of the next `limit` stored ones."""
        return self._stored(self._of_log.bound("seq", ">", seq).of("record").first(limit))

    def after_in(self, streams: Iterable[StreamId], seq: int, limit: int = _PAGE) -> list[Record]:
        """As `after`, of these streams only."""
        found: list[tuple[Record, ...]] = []
        for stream in streams:
            row = self.stream_row(stream)
            if row:
                which = _of(row.number).bound("seq", ">", seq).by("n").first(limit)
                found += [decode(data) for (data,) in self._reading.rows(which)]
        found.sort(key=lambda facts: facts[0].seq)
        return [record for facts in found[:limit] for record in facts]

    @property
    def _of_log(self) -> Rows:
        return rows(RECORDS, log=self._log).by("seq")

    def _stored(self, which: Rows) -> list[Record]:
        return [record for (data,) in self._reading.rows(which) for record in decode(data)]

    def data_between(self, first_seq: int, last_seq: int, limit: int | None = None) -> list[tuple[int, bytes]]:
        """The stored bytes of these records by position, of so many at most."""
        which = self._of_log.bound("seq", ">=", first_seq).bound("seq", "<=", last_seq).of("seq", "record")
        return [(seq, data) for seq, data in self._reading.rows(which.first(limit))]

    def data_of(self, number: int, last_seq: int, limit: int) -> list[tuple[int, bytes]]:
        """The stored bytes of a stream's records up to a position of the log, of so many at most."""
        which = rows(RECORDS, stream=number).bound("seq", "<=", last_seq).by("n").of("seq", "record").first(limit)
        return [(seq, data) for seq, data in self._reading.rows(which)]

    def bytes_since(self, ts_us: int, last_seq: int) -> int:
        """How many bytes the records up to `last_seq` have that are not older than a moment, with their contents.

        Where there are more than SAMPLE of them, as many of the last ones stand for all.
        """
        first = bisect_left(range(1, last_seq + 1), ts_us, key=self.ts_us) + 1
        count = last_seq - first + 1
        if count <= 0:
            return 0
        data = [data for _, data in self.data_between(last_seq - min(count, SAMPLE) + 1, last_seq)]
        return sum(map(_size, data)) * count // max(1, len(data))

    def ts_us(self, seq: int) -> int:
        """When a record was written; of one that is not there or damaged, the beginning of time."""
        try:
            return max((decode(data)[-1].ts_us for _, data in self.data_between(seq, seq)), default=0)
        except Corrupt:
            return 0

    def all_data(self, last_seq: int) -> Iterator[bytes]:
        """The stored bytes of all records up to `last_seq`."""
        return (data for (data,) in self._reading.each(self._of_log.bound("seq", "<=", last_seq).of("record")))

    def checkpoints(self, limit: int) -> list[bytes]:
        """The texts of the last signed tree heads, the newest first."""
        which = rows(HEADS, log=self._log).of("checkpoint").backwards("number").first(limit)
        return [text for (text,) in self._reading.rows(which)]


def _of(number: int) -> Rows:
    return rows(RECORDS, stream=number).of("record")


def _size(data: bytes) -> int:
    """A record's bytes, and those of its contents that lie apart."""
    try:
        parts = (part for record in decode(data) for part in record.contents)
        return len(data) + sum(part.body.size for part in parts if isinstance(part.body, Blob))
    except Corrupt:
        return len(data)
