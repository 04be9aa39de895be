"""What is on disk of one log: its streams and records, by position or key. Committed rows only."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import islice

from lichen.core.words.errors import Corrupt
from lichen.core.words.ids import StreamId
from lichen.log.disk.sqlite import STREAMS, Reader
from lichen.log.records.record import Blob, Record, decode
from lichen.log.views.rows import StreamRow

_PAGE = 512
SAMPLE = 5_000
_STREAM_ROWS = f"SELECT {STREAMS.names} FROM streams"  # noqa: S608 - our own names


class Queries:
    """Reads one log of a volume. `log` is the log's number there, a stream's number the one in its row."""

    def __init__(self, reader: Reader, log: int) -> None:
        self._reader, self._log = reader, log

    def stream_row(self, stream: StreamId) -> StreamRow | None:
        """The row of a stream; None when it has no record."""
        row = self._reader.row(f"{_STREAM_ROWS} WHERE log = ? AND kind = ? AND id = ?", self._log, *stream)
        return StreamRow(*row) if row else None

    def of_stream(self, number: int, from_n: int = 0, limit: int | None = None) -> Iterator[Record]:
        """A stream's records in order, from the one numbered `from_n`."""
        query = """
            SELECT record FROM records WHERE stream = ?1
            AND n >= coalesce((SELECT max(n) FROM records WHERE stream = ?1 AND n <= ?2), ?2) ORDER BY n LIMIT ?3
        """
        rows = self._reader.rows(query, number, from_n, -1 if limit is None else limit)
        records = (record for (data,) in rows for record in decode(data) if record.n >= from_n)
        return islice(records, limit)

    def at(self, number: int, n: int) -> Record | None:
        """One record of a stream."""
        return next((record for record in self.of_stream(number, n, 1) if record.n == n), None)

    def find(self, number: int, key: str) -> int | None:
        """Which record of the stream has this key, if that is the first of those stored together."""
        row = self._reader.row("SELECT n FROM records WHERE stream = ? AND key = ?", number, key)
        return row[0] if row else None

    def after(self, seq: int, limit: int = _PAGE) -> list[Record]:
        """The log's records after the stored record `seq`, in order: all those of the next `limit` stored ones."""
        query = "SELECT record FROM records WHERE log = ? AND seq > ? ORDER BY seq LIMIT ?"
        return [record for (data,) in self._reader.rows(query, self._log, seq, limit) for record in decode(data)]

    def after_in(self, streams: Iterable[StreamId], seq: int, limit: int = _PAGE) -> list[Record]:
        """As `after`, of these streams only."""
        found: list[tuple[Record, ...]] = []
        for stream in streams:
            row = self.stream_row(stream)
            if row:
                query = "SELECT record FROM records WHERE stream = ? AND seq > ? ORDER BY n LIMIT ?"
                found += [decode(data) for (data,) in self._reader.rows(query, row.number, seq, limit)]
        found.sort(key=lambda facts: facts[0].seq)
        return [record for facts in found[:limit] for record in facts]

    def data_between(self, first_seq: int, last_seq: int) -> list[tuple[int, bytes]]:
        """The stored bytes of these records by position."""
        query = "SELECT seq, record FROM records WHERE log = ? AND seq BETWEEN ? AND ? ORDER BY seq"
        return self._reader.rows(query, self._log, first_seq, last_seq)

    def data_of(self, number: int) -> list[tuple[int, bytes]]:
        """The stored bytes of a stream's records by position."""
        return self._reader.rows("SELECT seq, record FROM records WHERE stream = ? ORDER BY n", number)

    def bytes_since(self, ts_us: int, last_seq: int) -> int:
        """How many bytes the records up to `last_seq` have that are not older than a moment, with their contents.

        Where there are more than SAMPLE of them, as many of the last ones stand for all.
        """
        first = bisect_left(range(1, last_seq + 1), ts_us, key=self._ts_us) + 1
        count = last_seq - first + 1
        if count <= 0:
            return 0
        data = [data for _, data in self.data_between(last_seq - min(count, SAMPLE) + 1, last_seq)]
        return sum(map(_size, data)) * count // max(1, len(data))

    def _ts_us(self, seq: int) -> int:
        """When a record was written; of one that is not there or damaged, the beginning of time."""
        try:
            return max((decode(data)[-1].ts_us for _, data in self.data_between(seq, seq)), default=0)
        except Corrupt:
            return 0

    def all_data(self, last_seq: int) -> Iterator[bytes]:
        """The stored bytes of all records up to `last_seq`."""
        query = "SELECT record FROM records WHERE log = ? AND seq <= ? ORDER BY seq"
        return (data for (data,) in self._reader.each(query, self._log, last_seq))

    def last_head(self) -> bytes | None:
        """The text of the newest signed tree head."""
        row = self._reader.row("SELECT checkpoint FROM heads WHERE log = ? ORDER BY number DESC LIMIT 1", self._log)
        return row[0] if row else None


def _size(data: bytes) -> int:
    """A record's bytes, and those of its contents that lie apart."""
    try:
        parts = (part for record in decode(data) for part in record.contents)
        return len(data) + sum(part.body.size for part in parts if isinstance(part.body, Blob))
    except Corrupt:
        return len(data)
