"""One log as the engine uses it: append on top of what is known now, and say which streams moved."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import cast
from weakref import ref

import msgspec

from lichen.core.deciders.events import Control, Draft, Event
from lichen.core.deciders.mailbox import MailboxState
from lichen.core.deciders.run import RunState
from lichen.core.deciders.streams import State, TenantState
from lichen.core.words.content import RETENTION
from lichen.core.words.errors import ContentErased
from lichen.core.words.ids import TENANT_STREAM, RunId, SessionId, StreamId, run_stream, session_stream
from lichen.core.words.scope import Actor, Scope
from lichen.engine.journal.seat import Seat, Watch
from lichen.engine.journal.standstill import with_callers
from lichen.engine.pace.fair import Turns
from lichen.log.log import Appended, Log

Moves = Mapping[StreamId, tuple[Draft, ...]]


class Journal:
    """A scope's log and a seat for each of its runs and sessions that moves. `on_append` is told of each after every
    append, when all states have moved."""

    def __init__(
        self, scope: Scope, log: Log, on_append: Callable[[Seat, Sequence[Event]], None], turns: Turns | None = None
    ) -> None:
        self._turns = turns if turns is not None else Turns()
        self.scope = scope
        self.log = log
        self.state: Callable[[StreamId], State] = log.state
        """The state of any stream now, loaded if need be."""
        self._lives = log.lives
        self._on_append = on_append
        self._seats: dict[StreamId, Seat] = {}
        self._is_broken = False
        self.keys_used: dict[tuple[str, str, str], RunId | None] = {}
        """The keys of models whose use this log tells of since it was taken over, by name, version and host: the run
        whose record may not be durable yet, None once it is."""

    # -- states --------------------------------------------------------------------------------------------------

    def run(self, run: RunId) -> RunState:
        """The state of a run now."""
        live = self._lives.get(stream := run_stream(run))
        state = live.state if live is not None else self.log.state(stream)
        assert isinstance(state, RunState)
        return state

    def mailbox(self, session: SessionId) -> MailboxState:
        """The state of a session now."""
        live = self._lives.get(stream := session_stream(session))
        state = live.state if live is not None else self.log.state(stream)
        assert isinstance(state, MailboxState)
        return state

    def unsent(self, session: SessionId) -> int | None:
        """How many messages of a session are on their way out; None for one that is not in memory."""
        live = self._lives.get(session_stream(session))
        return len(live.state.outbox) if live is not None and isinstance(live.state, MailboxState) else None

    def is_erased(self, subject: str) -> bool:
        """Whether nothing may be written about this subject any more."""
        return subject in self.erased

    @property
    def erased(self) -> Collection[str]:
        """The subjects about whom nothing may be written any more; the same object until there is one more."""
        return cast(TenantState, self.log.state(TENANT_STREAM)).erased

    # -- append --------------------------------------------------------------------------------------------------

    def append(self, moves: Moves, *, actor: str = "system", turn: str | None = None) -> Appended:
        """Appends to every named stream or to none. The drafts must come from the states as they are in this tick.

        What is said about a subject that was erased is left out. Raises Unavailable when the volume cannot write.
        """
        told = with_callers(moves, self.run)
        if not all(told.values()):
            told = {stream: drafts for stream, drafts in told.items() if drafts}
        try:
            appended = self.log.append_now(told, actor=actor, turn=turn)
        except ContentErased:
            kept = {stream: _kept(drafts) for stream, drafts in told.items()}
            appended = self.log.append_now(kept, actor=actor, turn=turn)
        self._moved(told, appended)
        return appended

    def append_together(self, moves: Moves, actors: Mapping[StreamId, str]) -> Appended:
        """Appends to sessions, to every one or to none, each in the name of an actor of its own.

        Raises ContentErased where one is of a subject that was erased, Unavailable.
        """
        appended = self.log.append_now(moves, actors=actors)
        self._moved(moves, appended)
        return appended

    def _moved(self, moves: Moves, appended: Appended) -> None:
        for stream, events in zip(moves, appended.events, strict=True):
            if stream.kind in ("run", "session"):
                seat = self._seats.get(stream) or self.seat(stream)
                seat.extend(events)
                self._on_append(seat, events)

    async def durable(self, *, run: RunId | None = None, session: SessionId | None = None) -> None:
        """Returns once all appended so far to this run and session is on disk. Raises Unavailable if it never will."""
        named = [] if run is None else [run_stream(run)]
        if session is not None:
            named.append(session_stream(session))
        await self._durable(*named)

    async def durable_sessions(self, sessions: Iterable[SessionId]) -> None:
        """Returns once all appended so far to these sessions is on disk. Raises Unavailable if it never will be."""
        await self._durable(*map(session_stream, sessions))

    async def _durable(self, *streams: StreamId) -> None:
        is_held = self._turns.hold(self.scope.tenant)
        if is_held:
            self.log.hurry()
        try:
            await self.log.durable_stream(*streams)
        finally:
            if is_held:
                self._turns.release()

    # -- looking back --------------------------------------------------------------------------------------------

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
        seat = self._seats.get(stream)
        return seat.events(from_n, limit) if seat is not None else None

    def watch(self, stream: StreamId, *kinds: type[Control], from_n: int | None = None) -> Watch:
        """Every event of the stream from now on, or from its record `from_n` on, of these kinds or all: as long as the
        caller keeps the watch."""
        seat, watch = self.seat(stream), Watch(kinds)
        seat.watches.append(ref(watch, lambda gone: self._unwatch(seat, gone)))
        if self._is_broken:
            watch.end()
        elif from_n is not None:
            watch.offer(self.events(stream, from_n))
        return watch

    def _unwatch(self, seat: Seat, gone: ref[Watch]) -> None:
        seat.watches.remove(gone)
        if not seat.watches and not seat.tail and not seat.is_driven:
            self._drop(seat)

    def actor_of(self, run: RunId) -> Actor:
        """Who acts in a run: its agent, on behalf of whoever started it."""
        seat = self._seats.get(run_stream(run))
        if seat is None:
            return self._read_actor(run)
        if seat.actor is None:
            seat.actor = self._read_actor(run)
        return seat.actor

    def _read_actor(self, run: RunId) -> Actor:
        try:
            return msgspec.json.decode(self.log.contents(run_stream(run), 0)["actor"], type=Actor)
        except ContentErased:
            return Actor("agent", self.run(run).agent, auth="system")  # for whom, nobody knows any more

    def attributes_of(self, run: RunId) -> bytes:
        """The attributes a run began with, as JSON; empty for none, and when its subject was erased."""
        return self._begun(run)[0]

    def overrides_of(self, run: RunId) -> bytes:
        """What a run is held to beside its agent's definition, as JSON; empty for nothing, and when its subject was
        erased."""
        return self._begun(run)[1]

    def _begun(self, run: RunId) -> tuple[bytes, bytes]:
        """What a run began with: attributes and overrides. It is read once."""
        seat = self._seats.get(run_stream(run))
        if seat is None:
            return self._read_begun(run)
        if seat.begun is None:
            seat.begun = self._read_begun(run)
        return seat.begun

    def _read_begun(self, run: RunId) -> tuple[bytes, bytes]:
        try:
            contents = self.log.contents(run_stream(run), 0)
        except ContentErased:
            return b"", b""
        return contents.get("attributes", b""), contents.get("overrides", b"")

    # -- seats ---------------------------------------------------------------------------------------------------

    def seat(self, stream: StreamId) -> Seat:
        """What is kept for a stream, from now on if it was nothing."""
        seat = self._seats.get(stream)
        if seat is None:
            seat = self._seats[stream] = Seat(self, stream)
        return seat

    def seated(self, stream: StreamId) -> Seat | None:
        """What is kept for a stream, if anything is."""
        return self._seats.get(stream)

    @property
    def seats(self) -> int:
        """For how many streams something is kept."""
        return len(self._seats)

    @property
    def watched(self) -> int:
        """How many streams somebody watches."""
        return sum(bool(seat.watches) for seat in self._seats.values())

    def forget(self, stream: StreamId) -> None:
        """Drops what was read of a stream. Who watches it or drives it goes on."""
        seat = self._seats.get(stream)
        if seat is not None and (seat.watches or seat.is_driven):
            seat.clear()
        elif seat is not None:
            self._drop(seat)
        self.log.park(stream)

    def _drop(self, seat: Seat) -> None:
        if self._seats.get(seat.stream) is seat:
            del self._seats[seat.stream]

    def set_broken(self, is_broken: bool) -> None:
        """Forgets every seat and tells everyone who watches one; or lets it begin again."""
        self._is_broken = is_broken
        if is_broken:
            self.keys_used.clear()
            seats, self._seats = self._seats, {}
            for watching in (each for seat in seats.values() for each in seat.watches):
                if (watch := watching()) is not None:
                    watch.end()


def _kept(drafts: tuple[Draft, ...]) -> tuple[Draft, ...]:
    """The drafts with what outlives an erasure."""
    return tuple(
        msgspec.structs.replace(draft, contents=tuple(c for c in draft.contents if c.subject == RETENTION))
        for draft in drafts
    )
