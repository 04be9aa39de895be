"""A process that hosts a runtime: what is owed is driven, and listeners let in whoever may come, until it shall end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Literal, Protocol

from lichen.engine.pace.race import race
from lichen.runtime.runtime import Runtime


class Listener(Protocol):
    """A way in to a runtime: a socket, a port, a queue. It is started once; to drain or stop it again changes nothing.

    What every listener must do is in `lichen.testing.doors.listener_conformance`.
    """

    async def start(self, runtime: Runtime) -> None:
        """Lets in; returns once it does. Raises Unavailable when it cannot."""
        ...

    def drain(self) -> None:
        """Takes nothing new and sends home whoever waits; what has begun may end."""
        ...

    async def stop(self) -> None:
        """Returns once nothing that it let in is under way."""
        ...


class Endings:
    """How a host is told to end: it drives everything owed first, or lets only what is in flight end, which is quicker
    and loses nothing either."""

    def __init__(self) -> None:
        self.finish = asyncio.Event()
        self.leave = asyncio.Event()

    def of(self, ending: Literal["finish", "leave"]) -> asyncio.Event:
        """The event of one of the two."""
        return self.finish if ending == "finish" else self.leave


async def host(
    runtime: Runtime, listeners: Sequence[Listener], endings: Endings, *, opened: Callable[[], None]
) -> Literal["finish", "leave", "stopped"]:
    """Hosts a runtime until it is told to end, or an operation stops it, and says which. `opened` is called once all
    listeners let in.

    With no listener it is a worker: it does what is owed, and nobody comes in.
    """
    async with AsyncExitStack() as doors:
        for listener in listeners:
            await listener.start(runtime)
            doors.push_async_callback(_shut, listener)
        opened()
        works = {"finish": endings.finish.wait(), "leave": endings.leave.wait(), "stopped": runtime.ending.wait()}
        ended: Literal["finish", "leave", "stopped"] | None = await race(works)  # pyright: ignore[reportAssignmentType]
        assert ended is not None, "a race without a time ends with its first"
        if ended == "stopped":
            endings.leave.set()
        await race({"idle": runtime.idle(), "leave": endings.leave.wait()})
    await race({"idle": runtime.idle(), "leave": endings.leave.wait()})  # what came in while the doors closed
    return ended


async def _shut(listener: Listener) -> None:
    listener.drain()
    await listener.stop()
