"""The streams of a log: their states, records and contents as of the last append, loaded from disk when asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from typing import NamedTuple

from lichen.core.deciders.events import Event
from lichen.core.deciders.streams import State, evolve, initial
from lichen.core.words.errors import ContentErased, Corrupt, NotFound
from lichen.core.words.ids import StreamId
from lichen.log.projections import streams as view
from lichen.log.projections.streamrow import StreamRow
from lichen.log.records.contents import Sealer
from lichen.log.records.record import Blob, Record
from lichen.log.store.port import Reading, Store
from lichen.log.views.listings import Listings
from lichen.log.views.live import Live, Lives
from lichen.log.views.queries import Queries

FOLDED_TOGETHER = 256  # streams


class Opened(NamedTuple):
    """A record with its contents; None once they were erased."""

    record: Record
    contents: Mapping[str, bytes] | None


class Streams(Listings):
    """What is in memory of a log's streams, in front of what is on disk. Whatever is not in memory is durable."""

    def __init__(
        self,
        store: Store,
        reading: Reading,
        number: int,
        *,
        sealer: Sealer,
        streams_max: int,
        contents_bytes_max: int,
    ) -> None:
        super().__init__(reading, number)
        self._store, self._sealer = store, sealer
        self.lives = Lives(streams_max, contents_bytes_max)
        """The streams in memory. Whoever may find one there asks `state` if not."""
        self._loading: dict[StreamId, asyncio.Task[None]] = {}

    def state(self, stream: StreamId) -> State:
        """The state of a stream; the initial one when it has no record."""
        return (self.lives.get(stream) or self._load(stream)).state

    def begin(self, stream: StreamId) -> None:
        """Takes a stream whose id was drawn at random just now for one without records, without asking the disk."""
        self._loading.pop(stream, None)
        self.lives.add(Live(stream, initial(stream)))

    async def load(self, stream: StreamId) -> None:
        """Has the state of a stream in memory. One that is not there yet is folded in a worker thread."""
        while stream not in self.lives:
            if stream not in self._loading:
                self._loading[stream] = asyncio.ensure_future(self._loaded(stream))
            await asyncio.shield(self._loading[stream])

    async def _loaded(self, stream: StreamId) -> None:
        """Puts what the disk has in memory, unless somebody did meanwhile and may have moved it on."""
        me = asyncio.current_task()
        try:
            live = await asyncio.to_thread(self._read_live, stream)
            if self._loading.get(stream) is me:
                self.lives.add(live)
        finally:
            if self._loading.get(stream) is me:
                del self._loading[stream]

    def _read_live(self, stream: StreamId) -> Live:
        with closing(self._store.read()) as reading:
            return _folded(stream, Queries(reading, self.number))

    def events(self, stream: StreamId, from_n: int = 0) -> list[Event]:
        """The events of a stream from `from_n` on."""
        return [record.event for record in self.records(stream, from_n)]

    def event(self, stream: StreamId, n: int) -> Event:
        """One event of a stream. Raises NotFound (`record_missing`)."""
        return self.record(stream, n).event

    def records(self, stream: StreamId, after_n: int = 0, limit: int | None = None) -> list[Record]:
        """A stream's records after the first `after_n`."""
        live = self.lives.get(stream)
        row = (live and live.row) or self._queries.stream_row(stream)
        if row is None:
            return []
        found = self._queries.of_stream(row.number, after_n, limit)
        seen = found[-1].n + 1 if found else after_n
        if live is not None:
            found += [record for record in live.tail if record.n >= seen]
        return found if limit is None else found[:limit]

    async def all_records(self, stream: StreamId) -> list[Record]:
        """All records of a stream, those that are durable read by a thread."""
        found: list[Record] = []
        while True:
            more = await asyncio.to_thread(self._read_records, stream, len(found))
            found += more
            live = self.lives.get(stream)
            tail = live.tail if live is not None else []
            if not more or not tail or tail[0].n <= len(found):  # else some became durable since they were read
                return [*found, *(record for record in tail if record.n >= len(found))]

    def _read_records(self, stream: StreamId, from_n: int) -> list[Record]:
        with closing(self._store.read()) as reading:
            queries = Queries(reading, self.number)
            row = queries.stream_row(stream)
            return queries.of_stream(row.number, from_n) if row is not None else []

    def records_telling(self, runs: Sequence[StreamRow]) -> dict[int, list[Record]]:
        """The same with what is not committed yet, so that a page is as new as what was answered before it."""
        found = super().records_telling(runs)
        for run in runs:
            live, records = self.lives.get(run.stream), found[run.number]
            seen = {record.n for record in records}
            records += [record for record in live.tail if record.n not in seen] if live is not None else ()
        return found

    def under(self, stream: StreamId, *keys: str) -> tuple[StreamRow | None, tuple[Record | None, ...]]:
        """A stream's row, None before it is committed, and its records of these keys: nothing is folded for them."""
        row, live = self._queries.stream_row(stream), self.lives.get(stream)
        tail = {record.key: record for record in live.tail} if live is not None else {}
        return row, tuple(tail.get(key) or self._at(row, key) for key in keys)

    def _at(self, row: StreamRow | None, key: str) -> Record | None:
        n = self._queries.find(row.number, key) if row is not None else None
        return None if row is None or n is None else self._queries.at(row.number, n)

    def record(self, stream: StreamId, n: int) -> Record:
        """One record of a stream; nothing is folded for it. Raises NotFound (`record_missing`)."""
        live = self.lives.get(stream)
        behind = live.state.n - n if live is not None else 0
        if live is not None and 0 < behind <= len(live.tail):
            return live.tail[-behind]
        row = live.row if live is not None else self._queries.stream_row(stream)
        record = self._queries.at(row.number, n) if row is not None else None
        if record is None:
            raise _no_record(stream, n)
        return record

    def position(self, stream: StreamId, n: int) -> int:
        """The place in the log (`seq`) of a stream's record. Raises NotFound (`record_missing`)."""
        return self.record(stream, n).seq

    def find(self, stream: StreamId, key: str) -> int | None:
        """Which record of the stream has this key."""
        return self._live(stream).find(key)

    def contents(self, stream: StreamId, n: int) -> Mapping[str, bytes]:
        """The contents of a record by part. Raises ContentErased when all are, or when an erased one is asked for."""
        live = self.lives.get(stream)
        known = live.contents.get(n) if live is not None else None
        if known is not None:
            return known
        opened = self._sealer.open(self.record(stream, n))
        if live is not None:
            self.lives.keep(live, n, opened)
        return opened

    def known(self, stream: StreamId, n: int) -> Mapping[str, bytes] | None:
        """The contents of a record if they are in memory: the disk is not asked."""
        live = self.lives.get(stream)
        return live.contents.get(n) if live is not None else None

    async def page(self, stream: StreamId, from_n: int, limit: int) -> list[Opened]:
        """Durable records of a stream from `from_n` on, so many at most, with their contents: read and opened in a
        worker thread, while the loop goes on."""
        return await asyncio.to_thread(self._read_page, stream, from_n, limit)

    def _read_page(self, stream: StreamId, from_n: int, limit: int) -> list[Opened]:
        with closing(self._store.read()) as reading:
            queries = Queries(reading, self.number)
            row = queries.stream_row(stream)
            records = queries.of_stream(row.number, from_n, limit) if row is not None else ()
            return [Opened(record, self._opened(record)) for record in records]

    def _opened(self, record: Record) -> Mapping[str, bytes] | None:
        try:
            return self._sealer.open(record)
        except ContentErased:
            return None

    def contents_of(self, record: Record) -> Mapping[str, bytes]:
        """The contents of a record that is at hand already, as `contents`: nothing is read again or folded for them."""
        known = self.known(record.stream, record.n)
        return known if known is not None else self._sealer.open(record)

    async def content(self, stream: StreamId, n: int, part: str) -> bytes:
        """One content of a durable record, read and opened in a worker thread: a file that came with a message.

        Raises NotFound (`record_missing`, `content_missing`), ContentErased.
        """
        return await asyncio.to_thread(self._read_content, stream, n, part)

    def _read_content(self, stream: StreamId, n: int, part: str) -> bytes:
        with closing(self._store.read()) as reading:
            queries = Queries(reading, self.number)
            row = queries.stream_row(stream)
            record = queries.at(row.number, n) if row is not None else None
        if record is None:
            raise _no_record(stream, n)
        for sealed in record.contents:
            if sealed.part == part:
                return self._sealer.open_part(record, sealed)
        raise NotFound("The record has no such content.", code="content_missing")

    def park(self, stream: StreamId) -> None:
        """Lets go of the stream's state as soon as all of it is durable; it is loaded again when needed."""
        live = self.lives.get(stream)
        if live is None:
            return
        if live.tail:
            live.is_parking = True
        else:
            self.lives.drop(live)

    @property
    def streams_in_memory(self) -> int:
        """How many streams are loaded."""
        return len(self.lives)

    def _live(self, stream: StreamId) -> Live:
        return self.lives.get(stream) or self._load(stream)

    def _load(self, stream: StreamId) -> Live:
        """Folds the stream from disk: whatever is not in memory is durable."""
        self._loading.pop(stream, None)
        live = _folded(stream, self._queries)
        self.lives.add(live)
        return live

    def load_owing(self) -> list[StreamId]:
        """Has every stream in memory that somebody must drive, many in one reading. Returns them, the oldest first."""
        owing = view.owing(self._reading, self.number)
        missing = [row for row in owing if row.stream not in self.lives]
        for first in range(0, len(missing), FOLDED_TOGETHER):
            self._load_together(missing[first : first + FOLDED_TOGETHER])
        return [row.stream for row in owing]

    def _load_together(self, rows: Sequence[StreamRow]) -> None:
        lives = {row.stream: Live(row.stream, initial(row.stream)) for row in rows}
        records = list(self._queries.of_streams([row.number for row in rows]))
        for row in rows:
            lives[row.stream].row = row
        for record in records:
            _fold(lives[record.stream], record)
        for live in lives.values():
            self._loading.pop(live.stream, None)
            self.lives.add(live)
        for record in records:
            self._keep_opened(lives[record.stream], record)

    def _keep_opened(self, live: Live, record: Record) -> None:
        """Has what the record says in memory while it is at hand: whoever drives the stream asks for it at once."""
        if not record.contents or any(isinstance(sealed.body, Blob) for sealed in record.contents):
            return
        with suppress(ContentErased, Corrupt):  # whoever asks for it is told
            self.lives.keep(live, record.n, self._sealer.open(record))

    def forget(self, number: int) -> None:
        """Drops everything in memory, durable or not. `number` is the log's in its volume from now on."""
        self.number = number
        self._queries = Queries(self._reading, number)
        self.lives.forget()
        self._loading.clear()


def _no_record(stream: StreamId, n: int) -> NotFound:
    return NotFound(f"The stream {stream} has no record {n}.", code="record_missing")


def _folded(stream: StreamId, queries: Queries) -> Live:
    live = Live(stream, initial(stream))
    live.row = queries.stream_row(stream)
    if live.row is not None:
        for record in queries.of_stream(live.row.number):
            _fold(live, record)
    return live


def _fold(live: Live, record: Record) -> None:
    live.state = evolve(live.state, record.event)
    live.note(record)
    live.last_seq = record.seq
