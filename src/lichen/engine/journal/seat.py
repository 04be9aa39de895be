"""What is kept in memory for one stream until it rests; none of it is more than the log says."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple
from weakref import ref

import msgspec

from lichen.core.deciders.events import Control, Event
from lichen.core.ports.call import Arguments
from lichen.core.ports.policy import Evidence
from lichen.core.ports.sent import Last
from lichen.core.words.errors import Unavailable
from lichen.core.words.ids import CallId, ObligationId, StreamId, ToolName
from lichen.core.words.scope import Actor

if TYPE_CHECKING:
    from lichen.engine.journal.journal import Journal

TAIL_EVENTS_MAX = 1024


class Asked(NamedTuple):
    """A call: its tool, the record that planned it, and what accepted sources had said before."""

    tool: ToolName
    n: int
    before: tuple[Evidence, ...]


class Known(msgspec.Struct):
    """What accepted sources said in a run up to its record `n`.

    `planned` are its calls, `unweighed` those of which nobody asked yet whether their arguments are `vouched` for;
    `foreign` are the notations of what stands in those that are not.
    """

    n: int = 0
    found: tuple[Evidence, ...] = ()
    planned: dict[CallId, Asked] = {}
    unweighed: list[CallId] = []
    vouched: set[CallId] = set()
    foreign: set[str] = set()


class Watch:
    """The events of one stream from now on, for somebody in this process. Forgotten when nobody holds it."""

    def __init__(self, kinds: tuple[type[Control], ...] = ()) -> None:
        self._kinds = kinds
        self._events: deque[Event] = deque()
        self._waiters: list[asyncio.Future[None]] = []
        self._is_over = False

    def offer(self, events: Sequence[Event]) -> None:
        """Takes events that were just appended, if they are of its kinds."""
        before, kinds = len(self._events), self._kinds
        for event in events:
            if not kinds or isinstance(event.control, kinds):
                self._events.append(event)
        if len(self._events) > before:
            self._wake()

    def end(self) -> None:
        """The volume broke: nothing more comes, and what came may be gone."""
        self._is_over = True
        self._wake()

    async def next(self) -> Event:
        """The next event; it may not be durable yet. Raises Unavailable (`volume_readonly`) when the volume broke."""
        while not self._is_over:
            if self._events:
                return self._events.popleft()
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter
        raise Unavailable("The volume stopped accepting records.", code="volume_readonly")

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


class Seat:
    """One stream: its last events, who watches it, what was read of it, and what of it is in flight.

    `inflight` has each obligation that was begun, with its task if it waits for something. `is_moved`: it is yet to be
    looked at what is owed now. `is_driven`: something is owed, or was when it was last looked at.
    """

    __slots__ = (
        "__weakref__",
        "actor",
        "arguments",
        "begun",
        "evidence",
        "first_n",
        "inflight",
        "is_driven",
        "is_moved",
        "journal",
        "sent",
        "spoken",
        "stream",
        "tail",
        "timers",
        "watches",
    )

    def __init__(self, journal: Journal, stream: StreamId) -> None:
        self.journal, self.stream = journal, stream
        self.inflight: dict[ObligationId, asyncio.Task[None] | None] = {}
        self.is_moved = self.is_driven = False
        self.timers: Mapping[str, int] = {}
        self.watches: list[ref[Watch]] = []
        self.clear()

    def clear(self) -> None:
        """Forgets what can be read again."""
        self.first_n = 0
        self.tail: list[Event] = []
        self.actor: Actor | None = None
        self.begun: tuple[bytes, bytes] | None = None
        self.evidence: Known | None = None
        self.spoken: dict[int, Evidence] = {}  # of a session: what messages of its customer say, by record
        self.sent: Last | None = None  # of a run: the last request to a model that its log has
        self.arguments: dict[CallId, Arguments] = {}  # of open calls, decoded when they were planned

    def extend(self, events: Sequence[Event]) -> None:
        """Takes the stream's next events, and tells whoever watches; of its tail the older half is forgotten when there
        are too many."""
        tail = self.tail
        if not tail:
            self.first_n = events[0].n
        tail.extend(events)
        if len(tail) > TAIL_EVENTS_MAX:
            dropped = len(tail) - TAIL_EVENTS_MAX // 2
            self.first_n += dropped
            del tail[:dropped]
        for watching in self.watches:
            if (watch := watching()) is not None:
                watch.offer(events)

    def events(self, from_n: int, limit: int | None) -> Sequence[Event] | None:
        """So many of the stream's events from `from_n` on, None if some of them are not here."""
        first = from_n - self.first_n
        if not self.tail or first < 0:
            return None
        return self.tail[first : None if limit is None else first + limit]
