"""The engine in one function: keep in flight what the state owes, nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from lichen.core.ids import ObligationId, StreamId
from lichen.core.run import Obligation
from lichen.core.streams import State, decide


class Changing(Protocol):
    """Where a stream's state is read and awaited."""

    def state(self, stream: StreamId) -> State:
        """The state now."""
        ...

    async def changed(self, stream: StreamId, n: int) -> State:
        """The state once the stream has more than `n` records."""
        ...


Work = asyncio.Task[None] | Awaitable[None]
Start = Callable[[StreamId, Obligation], Work]
"""Begins what is owed: a task that stays in flight, or, for work that never waits for the world, an awaitable that is
performed on the spot."""


Turn = Callable[[], Awaitable[None]]
"""Waits until the next piece of work on the stream may be done. Its state may have moved by then."""

BEGUN_MAX = 8  # obligations in one piece of work


async def drive(stream: StreamId, journal: Changing, start: Start, turn: Turn) -> State:
    """Drives a stream until nothing is owed: it is finished, or only waits are left. Returns that state.

    Whatever is in flight when the caller cancels is cancelled with it.
    """
    inflight: dict[ObligationId, asyncio.Task[None] | None] = {}
    await turn()
    state = journal.state(stream)
    try:
        while wanted := {o.id: o for o in decide(state)}:
            for gone in [id for id in inflight if id not in wanted]:
                if (task := inflight.pop(gone)) is not None:
                    task.cancel()
            fresh = [obligation for id, obligation in wanted.items() if id not in inflight]
            for obligation in fresh[:BEGUN_MAX]:
                inflight[obligation.id] = await _begin(start(stream, obligation))
            if len(fresh) <= BEGUN_MAX:
                await journal.changed(stream, state.n)
            await turn()
            state = journal.state(stream)
        return state
    finally:
        for task in inflight.values():
            if task is not None:
                task.cancel()


async def _begin(work: Work) -> asyncio.Task[None] | None:
    if isinstance(work, asyncio.Task):
        return work
    await work
    return None
