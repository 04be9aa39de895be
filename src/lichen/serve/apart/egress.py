"""The egress: it takes messages to customers from the bus, and hands them to their platforms."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from lichen.channels.bus import envelopes, subjects
from lichen.channels.bus.connection import EGRESS, Bus
from lichen.channels.bus.sending import Sending
from lichen.core.words.errors import LichenError, Unavailable
from lichen.core.words.scope import Scope
from lichen.engine.ports import Channel
from lichen.runtime.channels.channels import Channels
from lichen.serve.apart.pulling import Pulling, Queue, acknowledge, beating, told

AT_ONCE: Final = 32


class Egress:
    """What goes out for every tenant."""

    def __init__(self, bus: Bus, channels: Channels) -> None:
        self._bus, self._sending = bus, Sending(bus)
        self._outlets: Mapping[str, Channel] = channels.outlets()
        self._busy: set[str] = set()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._making: set[asyncio.Future[None]] = set()
        scopes = sorted({scope for scope, _ in channels.working}, key=lambda each: each.log_id())
        self._pulling = [self._of(scope) for scope in scopes]

    async def run(self) -> None:
        """Returns once it was told to end, and what it began is done."""
        await asyncio.gather(*(each.run() for each in self._pulling))
        if self._making:
            await asyncio.wait(self._making)

    def drain(self) -> None:
        """Takes nothing new."""
        for each in self._pulling:
            each.drain()

    def _of(self, scope: Scope) -> Pulling:
        async def take(messages: Sequence[Any]) -> None:
            for each in messages:
                await self._slots.acquire()  # a platform that is slow holds up no other, as long as there is room
                making = asyncio.ensure_future(self._made(scope, each))
                self._making.add(making)
                making.add_done_callback(self._over)

        subject = f"{subjects.ROOT}.egress.{scope.env}.{scope.tenant}.>"
        return Pulling(self._bus, Queue(EGRESS, subject, f"egress_{scope.env}_{scope.tenant}"), take)

    def _over(self, making: asyncio.Future[None]) -> None:
        self._making.discard(making)
        self._slots.release()

    async def _made(self, scope: Scope, message: Any) -> None:
        """Makes the attempt in a message. What is not acknowledged comes again."""
        try:
            way = subjects.way(message.subject)
            job = envelopes.job(way, message.data)
            channel = self._outlets.get(way.channel)
        except LichenError as error:  # no runner puts such there; it would come for ever
            told("message to a platform", error)
            await acknowledge(message)
            return
        if channel is None or job.key in self._busy:
            return
        self._busy.add(job.key)
        try:
            async with beating((message,)):
                await self._sending.make(scope, channel, job)
        except Unavailable:
            return
        finally:
            self._busy.discard(job.key)
        await acknowledge(message)
