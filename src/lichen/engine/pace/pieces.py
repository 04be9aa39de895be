"""The pieces of models' replies as they come, in order, and how far calls are, for operators who follow a run."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final, NamedTuple

from lichen.core.ports.model import Delta
from lichen.core.words.ids import CallId, RunId, ToolName
from lichen.core.words.scope import Scope

WAITING_MAX: Final = 4_096  # pieces that wait for one slow reader


class Progress(NamedTuple):
    """How far a call is, as its tool says: so much is `done`, of a `total` if it knows that, and words of its own."""

    call: CallId
    tool: ToolName
    done: float
    total: float | None = None
    text: str = ""


class Piece(NamedTuple):
    """A piece of a reply to an attempt at a plan, or of what a call's tool says of it meanwhile. `missed` counts those
    before it that its reader was too slow for."""

    step: int
    attempt: int
    delta: Delta | Progress
    missed: int = 0


class Follower:
    """One reader's pieces, in order."""

    def __init__(self) -> None:
        self._waiting: deque[Piece] = deque()
        self._missed = 0
        self._more = asyncio.Event()

    def take(self, piece: Piece) -> None:
        """Keeps a piece until it is read; counts it where too many wait."""
        if len(self._waiting) >= WAITING_MAX:
            self._missed += 1
            return
        self._waiting.append(piece._replace(missed=self._missed))
        self._missed = 0
        self._more.set()

    def read(self) -> list[Piece]:
        """Everything that waits."""
        found = list(self._waiting)
        self._waiting.clear()
        self._more.clear()
        return found

    async def more(self) -> None:
        """Returns once something waits."""
        await self._more.wait()


class Pieces:
    """Who follows which run. Nothing is held for anybody who does not."""

    def __init__(self) -> None:
        self._followers: dict[tuple[Scope, RunId], list[Follower]] = {}

    def tell(self, scope: Scope, run: RunId, piece: Piece) -> None:
        """A run's model said a piece more, or one of its tools."""
        for follower in self._followers.get((scope, run), ()):
            follower.take(piece)

    @contextmanager
    def follow(self, scope: Scope, run: RunId) -> Generator[Follower]:
        """The run's pieces from now on, within the context."""
        follower, key = Follower(), (scope, run)
        self._followers.setdefault(key, []).append(follower)
        try:
            yield follower
        finally:
            self._followers[key].remove(follower)
            if not self._followers[key]:
                del self._followers[key]
