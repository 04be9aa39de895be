"""Models over a network that do as a test says, and time that passes when it says so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from lichen.agents.ways.ways import Ways
from lichen.core.ports.model import Connection, Connections, Delta, Deltas, Model, ModelError, ModelReply, ModelRequest
from lichen.core.words.limits import Usage
from lichen.core.words.scope import Scope
from lichen.testing.clock import SimulatedClock

ACME = Scope("acme", "dev")
ASKED = ModelRequest("Help.", ())

Line = str | ModelError | float | Callable[[Deltas | None], Awaitable[ModelReply]]
"""What a try does: says this, fails, takes so many seconds and says "late", or something else."""


class Remote:
    """Does one line of its script a try, and the last one for ever."""

    def __init__(self, lines: Sequence[Line], *, name: str = "far:one") -> None:
        self.name = name
        self._lines = list(lines)
        self.asked_s: list[float] = []
        self.requests: list[ModelRequest] = []
        self.in_flight = 0
        self.in_flight_max = 0

    def over(self, connections: Connections, scope: Scope) -> Model:
        return self

    async def generate(self, request: ModelRequest, deltas: Deltas | None = None) -> ModelReply:
        self.asked_s.append(asyncio.get_running_loop().time())
        self.requests.append(request)
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight, self.in_flight_max)
        try:
            return await self._does(self._lines.pop(0) if len(self._lines) > 1 else self._lines[0], deltas)
        finally:
            self.in_flight -= 1

    async def _does(self, line: Line, deltas: Deltas | None) -> ModelReply:
        if isinstance(line, ModelError):
            raise line
        if callable(line):
            return await line(deltas)
        if isinstance(line, float):
            await asyncio.sleep(line)
        text = line if isinstance(line, str) else "late"
        if deltas is not None:
            deltas(Delta(text))
        return ModelReply(text, usage=Usage(10, 2), model=self.name)


class Keys:
    """The same connection for everybody."""

    def __init__(self, connection: Connection | None = None) -> None:
        self.connection = connection or Connection(identity="key-1")

    async def of(self, provider: str, scope: Scope) -> Connection:
        return self.connection

    def secret(self, provider: str, scope: Scope) -> str:
        return ""


def busy(retry_after_s: float | None = None) -> ModelError:
    return ModelError("Too many requests.", code="model_rate_limited", retry_after_s=retry_after_s)


def away() -> ModelError:
    return ModelError("Nobody there.", code="model_unavailable")


def ways(clock: SimulatedClock, chance: float = 0.5) -> Ways:
    """The ways of a process in which chance is always this."""
    return Ways(clock.now_us, lambda: chance)
