"""Streams in memory: the state as of the last append, the keys that are used, contents, and what is not durable yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lichen.core.deciders.streams import State
from lichen.core.words.ids import StreamId
from lichen.log.projections.streamrow import StreamRow
from lichen.log.records.pending import Pending
from lichen.log.records.record import Record
from lichen.log.views.keyindex import KeyIndex

KEYS_MAX = 20_000  # of one stream; of those above it only hashes are kept
STREAMS_MAX = 50_000
CONTENTS_BYTES_MAX = 64 * 1024 * 1024

_ENTRY_BYTES = 512  # what the contents of a record take besides themselves


class Live:
    """One stream. `tail` holds its records that are not durable yet, `contents` what was sealed lately, by record.

    `row` is None before the first record; how the stream stands it says as of the last hand-over to the writer.
    `pending` is the stored record that the next fact may join.
    """

    __slots__ = (
        "contents",
        "is_parking",
        "keys",
        "last_seq",
        "more_keys",
        "pending",
        "row",
        "state",
        "stream",
        "tail",
    )

    def __init__(self, stream: StreamId, state: State) -> None:
        self.stream, self.state = stream, state
        self.row: StreamRow | None = None
        self.keys: dict[str, int] = {}
        self.more_keys: KeyIndex | None = None
        self.pending: Pending | None = None
        self.tail: list[Record] = []
        self.contents: dict[int, Mapping[str, bytes]] = {}
        self.last_seq = 0
        self.is_parking = False

    def grow(self, row: StreamRow, state: State, records: Sequence[Record]) -> None:
        """Takes records that were just made, and the state after them."""
        if len(self.keys) + len(records) <= KEYS_MAX:
            for record in records:
                self.keys[record.key] = record.n
        else:
            for record in records:
                self.note(record)
        self.tail += records
        self.row, self.state, self.last_seq, self.is_parking = row, state, records[-1].seq, False

    def note(self, record: Record) -> None:
        """Remembers the key of a record."""
        if len(self.keys) < KEYS_MAX:
            self.keys[record.key] = record.n
            return
        if self.more_keys is None:
            self.more_keys = KeyIndex()
        self.more_keys.add(record.key, record.n)

    def find(self, key: str) -> int | None:
        """Which record of the stream has this key."""
        n = self.keys.get(key)
        return self.more_keys.find(key) if n is None and self.more_keys is not None else n

    def settle(self, count: int) -> None:
        """The oldest `count` records of the tail became durable."""
        del self.tail[:count]

    @property
    def is_finished(self) -> bool:
        """Whether nothing moves it any more, so that what it holds is hardly asked for."""
        return self.row is not None and self.row.standing == "finished"


class Lives(dict[StreamId, Live]):
    """All streams of a log in memory, a bounded number: those longest here go first, never one with a tail.

    Their contents are bounded too; what is not durable yet is never dropped.
    """

    def __init__(self, streams_max: int = STREAMS_MAX, contents_bytes_max: int = CONTENTS_BYTES_MAX) -> None:
        super().__init__()
        self._streams_max, self._bytes_max = streams_max, contents_bytes_max
        self._bytes = 0
        self._full_at = contents_bytes_max

    def add(self, live: Live) -> None:
        """Takes a stream in. Others may go: whoever holds one of them puts it back before moving it on."""
        if len(self) >= self._streams_max:
            self._make_room()
        self[live.stream] = live

    def drop(self, live: Live) -> None:
        """Lets go of a stream and what is kept with it."""
        if self.pop(live.stream, None) is live:
            for contents in live.contents.values():
                self._bytes -= _ENTRY_BYTES + sum(map(len, contents.values()))

    def keep(self, live: Live, n: int, contents: Mapping[str, bytes]) -> None:
        """Keeps the contents of the record `n` with its stream."""
        live.contents[n] = contents
        self._bytes += _ENTRY_BYTES + sum(map(len, contents.values()))
        if self._bytes > self._full_at:
            self._make_room_for_contents()

    def forget(self) -> None:
        """Lets go of everything."""
        self.clear()
        self._bytes, self._full_at = 0, self._bytes_max

    def forget_contents(self) -> None:
        """Lets go of all contents that are durable."""
        for live in self.values():
            self._drop_contents(live)

    def _make_room(self) -> None:
        """Drops a tenth at a time, so that a full house is not searched at every step."""
        wanted = max(1, self._streams_max // 10)
        oldest = [live for live in self.values() if not live.tail]
        for live in oldest[:wanted]:
            self.drop(live)

    def _make_room_for_contents(self) -> None:
        """Drops a tenth at least: of what is finished, then of what is longest here."""
        tenth = self._bytes_max // 10
        by_worth = sorted(self.values(), key=lambda live: not live.is_finished)
        for live in by_worth:
            if self._bytes <= self._bytes_max - tenth:
                break
            self._drop_contents(live)
        self._full_at = max(self._bytes_max, self._bytes + tenth)

    def _drop_contents(self, live: Live) -> None:
        first_kept = live.state.n - len(live.tail)
        for n in [n for n in live.contents if n < first_kept]:
            self._bytes -= _size(live.contents.pop(n))


def _size(contents: Mapping[str, bytes]) -> int:
    return _ENTRY_BYTES + sum(map(len, contents.values()))
