"""One log as the engine uses it: append on top of what is known now, wake whoever drives what was touched."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import cast
from weakref import WeakSet

import msgspec

from lichen.core.call import Arguments
from lichen.core.content import RETENTION
from lichen.core.errors import Unavailable
from lichen.core.events import Draft, Event, Part
from lichen.core.ids import TENANT_STREAM, CallId, RunId, SessionId, StreamId, ToolName, run_stream, session_stream
from lichen.core.mailbox import MailboxState
from lichen.core.policy import Evidence
from lichen.core.run import RunState
from lichen.core.scope import Actor, Scope
from lichen.core.streams import State, TenantState
from lichen.engine.standstill import with_callers
from lichen.log.erasures import Erased
from lichen.log.log import Appended, Log

Moves = Mapping[StreamId, tuple[Draft, ...]]
TAIL_EVENTS_MAX = 1024


class Known(msgspec.Struct):
    """What accepted sources said in a run up to its record `n`.

    `planned`: of each call its tool and the record that planned it.
    """

    n: int = 0
    found: tuple[Evidence, ...] = ()
    planned: dict[CallId, tuple[ToolName, int]] = {}


class Tail:
    """The last events of a stream that is driven, so that looking back costs no read."""

    __slots__ = ("events", "first_n")

    def __init__(self, first_n: int) -> None:
        self.first_n = first_n
        self.events: list[Event] = []

    def extend(self, events: Sequence[Event]) -> None:
        """Takes the stream's next events; forgets the older half when there are too many."""
        self.events.extend(events)
        if len(self.events) > TAIL_EVENTS_MAX:
            dropped = len(self.events) - TAIL_EVENTS_MAX // 2
            self.first_n += dropped
            del self.events[:dropped]


class Watch:
    """The events of one stream from now on, for somebody in this process. Forgotten when nobody holds it."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._waiter: asyncio.Future[None] | None = None

    def offer(self, events: Sequence[Event]) -> None:
        """Takes events that were just appended."""
        self._events.extend(events)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def next(self) -> Event:
        """The next event; it may not be durable yet."""
        while not self._events:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self._events.popleft()


class Journal:
    """A scope's log with wake-ups. `on_append` is told of every part, after the states have moved."""

    def __init__(self, scope: Scope, log: Log, on_append: Callable[[Journal, Part], None]) -> None:
        self.scope = scope
        self.log = log
        self._on_append = on_append
        self.evidence: dict[StreamId, Known] = {}
        self.arguments: dict[StreamId, dict[CallId, Arguments]] = {}  # of open calls, decoded when they were planned
        self._waiting: dict[StreamId, list[asyncio.Future[None]]] = {}
        self._actors: dict[RunId, Actor] = {}
        self._attributes: dict[RunId, bytes] = {}
        self._tails: dict[StreamId, Tail] = {}
        self._watches: dict[StreamId, WeakSet[Watch]] = {}
        self._is_broken = False

    def state(self, stream: StreamId) -> State:
        """The state of any stream now, loaded if need be."""
        return self.log.state(stream)

    def run(self, run: RunId) -> RunState:
        """The state of a run now."""
        return cast(RunState, self.log.state(run_stream(run)))

    def mailbox(self, session: SessionId) -> MailboxState:
        """The state of a session now."""
        return cast(MailboxState, self.log.state(session_stream(session)))

    def append(self, moves: Moves, *, actor: str = "system", turn: str | None = None) -> Appended:
        """Appends to every named stream or to none. The drafts must come from the states as they are in this tick.

        What is said about a subject that was erased is left out. Raises Unavailable when the volume cannot write.
        """
        told = with_callers(moves, self.run)
        parts = [Part(stream, self.log.state(stream).n, drafts) for stream, drafts in told.items() if drafts]
        try:
            appended = self.log.append(*parts, actor=actor, turn=turn)
        except Erased:
            parts = [Part(part.stream, self.log.state(part.stream).n, _kept(part.drafts)) for part in parts]
            appended = self.log.append(*parts, actor=actor, turn=turn)
        if not isinstance(appended, Appended):
            raise AssertionError(f"{appended} although nothing ran in between")
        for part, events in zip(parts, appended.events, strict=True):
            self._keep(part, events)
            self._wake(part)
        return appended

    def _keep(self, part: Part, events: Sequence[Event]) -> None:
        tail = self._tails.get(part.stream)
        if tail is None:
            tail = self._tails[part.stream] = Tail(events[0].n)
        tail.extend(events)
        for watch in self._watches.get(part.stream, ()):
            watch.offer(events)

    def events(self, stream: StreamId, from_n: int = 0, limit: int | None = None) -> Sequence[Event]:
        """The events of a stream from `from_n` on, so many at most: from memory if they happened lately, else read."""
        recent = self.recent(stream, from_n, limit)
        return recent if recent is not None else [record.event for record in self.log.records(stream, from_n, limit)]

    def event(self, stream: StreamId, n: int) -> Event:
        """One event of a stream: from memory if it happened lately. Raises NotFound (`record_missing`)."""
        recent = self.recent(stream, n, 1)
        return recent[0] if recent else self.log.event(stream, n)

    def recent(self, stream: StreamId, from_n: int, limit: int | None = None) -> Sequence[Event] | None:
        """The events of a stream from `from_n` on, so many at most, if all of them happened lately; else None."""
        tail = self._tails.get(stream)
        if tail is None or from_n < tail.first_n:
            return None
        first = from_n - tail.first_n
        return tail.events[first : None if limit is None else first + limit]

    def watch(self, stream: StreamId) -> Watch:
        """Every event of the stream from now on, as long as the caller keeps the watch."""
        watch = Watch()
        self._watches.setdefault(stream, WeakSet()).add(watch)
        return watch

    def _wake(self, part: Part) -> None:
        for future in self._waiting.pop(part.stream, ()):
            if not future.done():
                future.set_result(None)
        self._on_append(self, part)

    async def changed(self, stream: StreamId, n: int) -> State:
        """The state once the stream has more than `n` records. Raises Unavailable when the volume breaks."""
        while True:
            if self._is_broken:
                raise Unavailable("The volume stopped accepting records.", code="volume_readonly")
            state = self.log.state(stream)
            if state.n > n:
                return state
            await self._wait(stream)

    async def _wait(self, stream: StreamId) -> None:
        """Returns at the next append; who stops waiting is forgotten."""
        future = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(stream, [])
        waiting.append(future)
        try:
            await future
        except asyncio.CancelledError:
            waiting.remove(future)
            if not waiting and self._waiting.get(stream) is waiting:
                del self._waiting[stream]
            raise

    def actor_of(self, run: RunId) -> Actor:
        """Who acts in a run: its agent, on behalf of whoever started it."""
        actor = self._actors.get(run)
        if actor is None:
            actor = self._actors[run] = self._read_actor(run)
        return actor

    def _read_actor(self, run: RunId) -> Actor:
        try:
            return msgspec.json.decode(self.log.contents(run_stream(run), 0)["actor"], type=Actor)
        except Erased:
            return Actor("agent", self.run(run).agent, auth="system")  # for whom, nobody knows any more

    def attributes_of(self, run: RunId) -> bytes:
        """The attributes a run began with, as JSON; empty for none, and when its subject was erased."""
        data = self._attributes.get(run)
        if data is None:
            try:
                data = self.log.contents(run_stream(run), 0).get("attributes", b"")
            except Erased:
                data = b""
            self._attributes[run] = data
        return data

    def is_erased(self, subject: str) -> bool:
        """Whether nothing may be written about this subject any more."""
        return subject in self.erased

    @property
    def erased(self) -> Collection[str]:
        """The subjects about whom nothing may be written any more; the same object until there is one more."""
        return cast(TenantState, self.log.state(TENANT_STREAM)).erased

    def forget(self, stream: StreamId) -> None:
        """Drops what is kept in memory for a stream that nobody drives."""
        self._actors.pop(RunId(stream.id), None)
        self._attributes.pop(RunId(stream.id), None)
        self._tails.pop(stream, None)
        self.evidence.pop(stream, None)
        self.arguments.pop(stream, None)
        if not self._watches.get(stream):
            self._watches.pop(stream, None)
        self.log.park(stream)

    def set_broken(self, is_broken: bool) -> None:
        """Tells everyone who waits for a change that none will come, or that changes come again."""
        self._is_broken = is_broken
        if is_broken:
            self._actors.clear()
            self._attributes.clear()
            self._tails.clear()
            self.evidence.clear()
            self.arguments.clear()
            waiting, self._waiting = self._waiting, {}
            for future in (f for futures in waiting.values() for f in futures):
                if not future.done():
                    future.set_result(None)


def _kept(drafts: tuple[Draft, ...]) -> tuple[Draft, ...]:
    """The drafts with what outlives an erasure."""
    return tuple(
        msgspec.structs.replace(draft, contents=tuple(c for c in draft.contents if c.subject == RETENTION))
        for draft in drafts
    )
