"""A log in memory with the interface of the real one: for simulations, and for tests of what stands on a log."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from lichen.core import events as e
from lichen.core.errors import Conflict
from lichen.core.ids import StreamId
from lichen.core.scope import Actor, Scope
from lichen.core.streams import State, evolve, initial, standing
from lichen.log.log import Appended, Stale


class MemoryLog:
    """Everything is durable at once. Contents are not sealed. Same folding, idempotency and conflicts as on disk."""

    def __init__(self, scope: Scope, clock: object = None) -> None:
        self.scope = scope
        self._clock = clock
        self._events: dict[StreamId, list[e.Event]] = {}
        self._contents: dict[tuple[StreamId, int], dict[str, bytes]] = {}
        self._keys: dict[tuple[StreamId, str], int] = {}
        self._states: dict[StreamId, State] = {}
        self.seq = 0
        self.ts_us = 0

    def append(self, *parts: e.Part, cause: int = 0, actor: str = "", turn: str | None = None) -> Appended | Stale:
        """Appends all parts or none."""
        for part in parts:
            state = self.state(part.stream)
            if state.n != part.expected_n:
                return Stale(part.stream, state.n)
            for draft in part.drafts:
                if (part.stream, draft.control.key) in self._keys:
                    raise Conflict(f"The key {draft.control.key} is used.", code="key_reused")
        first = self.seq + 1
        appended = tuple(tuple(self._one(part.stream, draft) for draft in part.drafts) for part in parts)
        return Appended(appended, first, self.seq)

    def _one(self, stream: StreamId, draft: e.Draft) -> e.Event:
        self.seq += 1
        self.ts_us = max(self.ts_us, self._clock() if callable(self._clock) else self.ts_us + 1)  # type: ignore[operator]
        events = self._events.setdefault(stream, [])
        event = e.Event(len(events), self.ts_us, draft.control, draft.label)
        self._states[stream] = evolve(self.state(stream), event)
        events.append(event)
        self._contents[stream, event.n] = {c.part: c.data for c in draft.contents}
        self._keys[stream, draft.control.key] = event.n
        return event

    def state(self, stream: StreamId) -> State:
        """The state of a stream."""
        return self._states.get(stream) or initial(stream)

    def events(self, stream: StreamId, from_n: int = 0) -> Iterator[e.Event]:
        """The events of a stream."""
        return iter(self._events.get(stream, [])[from_n:])

    def event(self, stream: StreamId, n: int) -> e.Event:
        """One event."""
        return self._events[stream][n]

    def contents(self, stream: StreamId, n: int) -> dict[str, bytes]:
        """The contents of one record."""
        return self._contents[stream, n]

    def find(self, stream: StreamId, key: str) -> int | None:
        """Where a key was used."""
        return self._keys.get((stream, key))

    def owing(self) -> list[StreamId]:
        """Streams that must be driven."""
        return [stream for stream, state in self._states.items() if standing(state) == "owing"]

    def timers(self) -> dict[StreamId, dict[str, int]]:
        """Everything that comes due."""
        return {stream: dict(state.timers) for stream, state in self._states.items() if state.timers}

    def name(self, actor: Actor) -> str:
        """An actor's pseudonym."""
        return f"{actor.kind}_{hashlib.sha256(actor.id.encode()).hexdigest()[:16]}"

    def digest(self, data: bytes) -> bytes:
        """A digest; not keyed."""
        return hashlib.sha256(data).digest()[:16]

    def park(self, stream: StreamId) -> None:
        """Nothing to drop: memory is all there is."""

    async def room(self) -> None:
        """There is always room."""

    async def durable(self, seq: int | None = None) -> None:
        """Memory is as durable as this gets."""

    async def durable_stream(self, *streams: StreamId) -> None:
        """Memory is as durable as this gets."""
