"""One log as the engine uses it: append on top of what is known now, wake whoever drives what was touched."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import cast

import msgspec

from lichen.core.errors import Unavailable
from lichen.core.events import Draft, Part
from lichen.core.ids import RunId, SessionId, StreamId, run_stream, session_stream
from lichen.core.mailbox import MailboxState
from lichen.core.run import RunState
from lichen.core.scope import Actor, Scope
from lichen.core.streams import State
from lichen.log.log import Appended, Log

Moves = Mapping[StreamId, tuple[Draft, ...]]


class Journal:
    """A scope's log with wake-ups. `on_append` is told of every part, after the states have moved."""

    def __init__(self, scope: Scope, log: Log, on_append: Callable[[Journal, Part], None]) -> None:
        self.scope = scope
        self.log = log
        self._on_append = on_append
        self._waiting: dict[StreamId, list[asyncio.Future[None]]] = {}
        self._actors: dict[RunId, Actor] = {}
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

        Raises Unavailable when the volume cannot write.
        """
        parts = [
            Part(stream, self.log.state(stream).n, drafts) for stream, drafts in moves.items() if drafts
        ]
        appended = self.log.append(*parts, actor=actor, turn=turn)
        if not isinstance(appended, Appended):
            raise AssertionError(f"{appended} although nothing ran in between")
        for part in parts:
            self._wake(part)
        return appended

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
            future = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(stream, []).append(future)
            await future

    def actor_of(self, run: RunId) -> Actor:
        """Who acts in a run: its agent, on behalf of whoever started it."""
        actor = self._actors.get(run)
        if actor is None:
            data = self.log.contents(run_stream(run), 0)["actor"]
            actor = self._actors[run] = msgspec.json.decode(data, type=Actor)
        return actor

    def forget(self, stream: StreamId) -> None:
        """Drops what is kept in memory for a stream that nobody drives."""
        self._actors.pop(RunId(stream.id), None)
        self.log.park(stream)

    def set_broken(self, is_broken: bool) -> None:
        """Tells everyone who waits for a change that none will come, or that changes come again."""
        self._is_broken = is_broken
        if is_broken:
            self._actors.clear()
            waiting, self._waiting = self._waiting, {}
            for future in (f for futures in waiting.values() for f in futures):
                if not future.done():
                    future.set_result(None)
