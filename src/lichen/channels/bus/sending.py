"""The egress's side: each attempt is noted before it is made and after, so that one which was cut off is known."""

from __future__ import annotations

import asyncio
from typing import Final

from lichen.channels.bus.book import Book, Entry, Found
from lichen.channels.bus.connection import RETRY_S, Bus
from lichen.channels.bus.envelopes import Job
from lichen.core.words import faults
from lichen.core.words.errors import LichenError, Unavailable
from lichen.core.words.scope import Scope
from lichen.engine.ports import Channel, Delivery, Outbound, Platform, traits_of

SEND_S: Final = 60.0
INTERRUPTED: Final = Delivery("unknown", "interrupted")


def reports(scope: Scope) -> str:
    """Where it is told that a delivery of a scope ended."""
    return f"lichen.reports.{scope.env}.{scope.tenant}"


class Sending:
    """Makes attempts, each at most once unless the platform can tell a message that comes twice."""

    def __init__(self, bus: Bus) -> None:
        self._bus, self._book = bus, Book(bus)

    async def make(self, scope: Scope, channel: Channel, job: Job) -> None:
        """Makes an attempt, if it is still to be made; returns once what became of it stands in the book."""
        while True:
            found = await self._book.get(job.key)
            if not _is_open(found.entry, job.attempt):
                break
            settled = await self._settled(scope, channel, job.message, found)
            if settled is not None:
                if await self._book.put(job.key, Entry(job.attempt, "ended", settled), found.revision):
                    break
            elif await self._book.put(job.key, Entry(job.attempt, "begun"), found.revision):
                faults.hit("bus.begun")
                await self._end(job, await _sent(scope, channel, job.message))
                break
        await self._bus.wake(reports(scope), job.key.encode())

    async def _settled(self, scope: Scope, channel: Channel, message: Outbound, found: Found) -> Delivery | None:
        """What became of a message without another attempt; None where it is to be sent."""
        entry = found.entry
        if entry is None or entry.state == "withdrawn":
            return None
        if entry.state == "ended":
            return entry.delivery if entry.outcome == "delivered" else None
        match traits_of(channel, scope).repeats:
            case "same":
                return None
            case "asks":
                has = await _has(scope, channel, message)
                return INTERRUPTED if has is None else Delivery("delivered") if has else None
            case _:
                return INTERRUPTED

    async def _end(self, job: Job, delivery: Delivery) -> None:
        """Notes what became of an attempt, however long the bus is away: nobody else knows."""
        faults.hit("bus.sent")
        while True:
            try:
                found = await self._book.get(job.key)
                ended = Entry(job.attempt, "ended", delivery)
                is_ours = found.entry is not None and found.entry == Entry(job.attempt, "begun")
                if not is_ours or await self._book.put(job.key, ended, found.revision):
                    return
            except Unavailable:
                await asyncio.sleep(RETRY_S)


def _is_open(entry: Entry | None, attempt: int) -> bool:
    """Whether an attempt is still to be made: no newer one is there, and it neither ended nor was taken back."""
    if entry is None or entry.attempt < attempt:
        return True
    return entry.attempt == attempt and entry.state == "begun"


async def _sent(scope: Scope, channel: Channel, message: Outbound) -> Delivery:
    try:
        async with asyncio.timeout(SEND_S):
            return await channel.send(scope, message)
    except LichenError as error:  # refused before it left
        return Delivery("retry", error.code)
    except Exception as error:  # noqa: BLE001 - a channel may raise anything, also once the message is there
        return Delivery("unknown", f"exception_{type(error).__name__}")


async def _has(scope: Scope, channel: Channel, message: Outbound) -> bool | None:
    if not isinstance(channel, Platform):
        return None
    try:
        return await channel.has(scope, message)
    except Exception:  # noqa: BLE001 - as above; then nobody knows
        return None
