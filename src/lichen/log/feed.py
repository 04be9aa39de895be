"""The feed of a log: durable records in order, first those that are there, then as they come.

A reader that is slow never holds the log up and never misses a record: what it cannot keep is read from disk again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Sequence

from lichen.core.words.ids import StreamId
from lichen.log.records.record import Place, Record
from lichen.log.views.queries import Queries

BUFFERED_MAX = 256  # records kept for one follower, which shares them with the others
PAGE = 32  # read for one follower at a time: many that do not go on hold little


class Follower:
    """One reader of a feed. Records that do not fit are dropped: `is_behind` says to read on from disk."""

    __slots__ = ("buffer", "is_behind", "streams", "wanted")

    def __init__(self, streams: frozenset[StreamId] | None) -> None:
        self.streams = streams
        self.buffer: deque[Record] = deque()
        self.is_behind = True
        self.wanted: asyncio.Future[None] | None = None

    def offer(self, record: Record) -> None:
        """Keeps a record that became durable, if there is room."""
        if self.is_behind:
            return
        if len(self.buffer) >= BUFFERED_MAX:
            self.fall_behind()
            return
        self.buffer.append(record)

    def fall_behind(self) -> None:
        """From here on it reads from disk."""
        self.buffer.clear()
        self.is_behind = True

    def wake(self) -> None:
        """Lets the reader go on."""
        if self.wanted is not None and not self.wanted.done():
            self.wanted.set_result(None)

    async def wait(self) -> None:
        """Returns when there may be something new."""
        self.wanted = asyncio.get_running_loop().create_future()
        await self.wanted


class Feed:
    """The followers of one log. Costs nothing while there are none.

    They are offered what comes after record `durable_seq`; what is up to there they read with `queries`.
    """

    queries: Queries
    durable_seq: int

    def __init__(self) -> None:
        self._followers: dict[Follower, None] = {}
        self._by_stream: dict[StreamId, dict[Follower, None]] = {}
        self._to_all: dict[Follower, None] = {}
        self._touched: dict[Follower, None] = {}
        self.is_closed = False

    def begin(self, queries: Queries, durable_seq: int) -> None:
        """Goes on from what is on disk. Whoever follows reads there what no commit told of."""
        self.queries, self.durable_seq = queries, durable_seq
        for follower in self._followers:
            follower.fall_behind()
            follower.wake()

    def __len__(self) -> int:
        """How many follow."""
        return len(self._followers)

    def add(self, follower: Follower) -> None:
        """From now on the follower is offered what becomes durable."""
        self._followers[follower] = None
        if follower.streams is None:
            self._to_all[follower] = None
        for stream in follower.streams or ():
            self._by_stream.setdefault(stream, {})[follower] = None

    def remove(self, follower: Follower) -> None:
        """Forgets the follower."""
        self._followers.pop(follower, None)
        self._to_all.pop(follower, None)
        self._touched.pop(follower, None)
        for stream in follower.streams or ():
            others = self._by_stream[stream]
            others.pop(follower, None)
            if not others:
                del self._by_stream[stream]

    def offer(self, records: Sequence[Record]) -> None:
        """These records became durable."""
        self.durable_seq = records[-1].seq
        if not self._followers:
            return
        for record in records:
            for followers in (self._to_all, self._by_stream.get(record.stream, {})):
                for follower in followers:
                    follower.offer(record)
                    self._touched[follower] = None

    def wake(self) -> None:
        """Wakes whoever was offered something."""
        touched, self._touched = self._touched, {}
        for follower in touched:
            follower.wake()

    def close(self) -> None:
        """No more records come: every reader ends when it has read what there is."""
        self.is_closed = True
        for follower in self._followers:
            follower.wake()


async def follow(feed: Feed, after: Place, streams: frozenset[StreamId] | None) -> AsyncGenerator[Record]:
    """Yields each record after `after` once, in order, until the feed is closed."""
    follower = Follower(streams)
    feed.add(follower)
    try:
        while True:
            while follower.is_behind:
                follower.is_behind = False  # what comes from here on is offered again
                for record in _from_disk(feed, after.seq - 1, streams):
                    if record.place > after:
                        after = record.place
                        yield record
            while follower.buffer:
                record = follower.buffer.popleft()
                if record.place > after:  # else it began further on than the log was
                    after = record.place
                    yield record
            if feed.is_closed:
                return
            if not follower.is_behind:
                await follower.wait()
    finally:
        feed.remove(follower)


def _from_disk(feed: Feed, after_seq: int, streams: frozenset[StreamId] | None) -> Iterator[Record]:
    """Everything after the stored record `after_seq` that is durable now, page by page.

    The writer's thread may commit between two streams that are read: what the feed does not know of yet is left to it.
    """
    queries, last_seq = feed.queries, feed.durable_seq
    while True:
        if streams is None:
            page = queries.after(after_seq, PAGE)
        else:
            page = queries.after_in(streams, after_seq, PAGE)
        yield from (record for record in page if record.seq <= last_seq)
        if len(page) < PAGE or page[-1].seq >= last_seq:
            return
        after_seq = page[-1].seq
