"""Streams in memory: the state as of the last append, the keys that are used, and what is not durable yet."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from lichen.core.ids import StreamId
from lichen.core.streams import State
from lichen.log.record import Record
from lichen.log.views import StreamRow

KEYS_MAX = 20_000  # of one stream; above it the durable ones are looked up on disk
STREAMS_MAX = 50_000
CACHED_BYTES_MAX = 64 * 1024 * 1024

_ENTRY_BYTES = 512  # what an entry takes besides its contents


class Live:
    """One stream. `tail` holds its records that are not durable yet; `row` is None before the first."""

    __slots__ = ("has_all_keys", "is_parking", "keys", "last_seq", "row", "state", "stream", "tail")

    def __init__(self, stream: StreamId, state: State) -> None:
        self.stream, self.state = stream, state
        self.row: StreamRow | None = None
        self.keys: dict[str, int] = {}
        self.has_all_keys = True
        self.tail: list[Record] = []
        self.last_seq = 0
        self.is_parking = False

    def settle(self, count: int) -> None:
        """The oldest `count` records of the tail became durable."""
        del self.tail[:count]
        if len(self.keys) > KEYS_MAX and not self.tail:
            self.keys.clear()
            self.has_all_keys = False


class Lives(dict[StreamId, Live]):
    """All streams of a log in memory, a bounded number: those longest here go first, never one with a tail."""

    def __init__(self, streams_max: int = STREAMS_MAX) -> None:
        super().__init__()
        self._streams_max = streams_max

    def add(self, live: Live) -> None:
        """Takes a stream in. Others may go: whoever holds one of them puts it back before moving it on."""
        if len(self) >= self._streams_max:
            self._make_room()
        self[live.stream] = live

    def _make_room(self) -> None:
        """Drops a tenth at a time, so that a full house is not searched at every step."""
        wanted = max(1, self._streams_max // 10)
        oldest = [stream for stream, live in self.items() if not live.tail]
        for stream in oldest[:wanted]:
            del self[stream]


class ContentCache:
    """Contents of recent records, opened, up to so many bytes. What is not durable yet is never dropped."""

    def __init__(self, bytes_max: int = CACHED_BYTES_MAX) -> None:
        self._bytes_max, self._bytes = bytes_max, 0
        self._entries: OrderedDict[tuple[StreamId, int], tuple[int, int, Mapping[str, bytes]]] = OrderedDict()

    def put(self, stream: StreamId, n: int, contents: Mapping[str, bytes], *, seq: int, durable_seq: int) -> None:
        """Keeps the contents of the record `n` of the stream, `seq` of the log."""
        size = _ENTRY_BYTES + sum(map(len, contents.values()))
        self._entries[stream, n] = (seq, size, contents)
        self._bytes += size
        while self._bytes > self._bytes_max:
            key, (oldest_seq, size, _) = next(iter(self._entries.items()))
            if oldest_seq > durable_seq:
                return
            del self._entries[key]
            self._bytes -= size

    def get(self, stream: StreamId, n: int) -> Mapping[str, bytes] | None:
        """The contents of a record, if they are here."""
        entry = self._entries.get((stream, n))
        return entry[2] if entry else None

    def clear(self, durable_seq: int | None = None) -> None:
        """Forgets everything that is durable, or, without a position, everything."""
        kept = {k: v for k, v in self._entries.items() if durable_seq is not None and v[0] > durable_seq}
        self._entries = OrderedDict(kept)
        self._bytes = sum(size for _, size, _ in kept.values())
