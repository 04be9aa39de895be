"""The runner's side of the way out: a message is put on the bus, and whoever sends it says in the book what became of
it. What the runner asks of a delivery in doubt is asked of the book."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from lichen.channels.bus.book import Book, Entry, key_of
from lichen.channels.bus.connection import Bus
from lichen.channels.bus.envelopes import Job, posted
from lichen.channels.bus.subjects import Way
from lichen.core.words.scope import Scope
from lichen.engine.ports import Channel, Delivery, Outbound, Traits, traits_of

LOOK_S: Final = 1.0  # how often the book is read where nobody says that it changed
WAIT_S: Final = 120.0  # for an egress that is away; the message is taken back then, and goes again
BEGUN_S: Final = 45.0  # for one that began and says no more: longer than the bus takes to give its work to another


class Reports:
    """Who waits for which report."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Event] = {}
        self.is_closing = False

    def heard(self, subject: str, data: bytes) -> None:
        """Wakes whoever waits for this delivery."""
        if (event := self._waiting.get(data.decode(errors="replace"))) is not None:
            event.set()

    async def wait(self, key: str) -> None:
        """Returns when there may be something new."""
        event = self._waiting.setdefault(key, asyncio.Event())
        try:
            async with asyncio.timeout(LOOK_S):
                await event.wait()
        except TimeoutError:
            pass
        finally:
            self._waiting.pop(key, None)

    def close(self) -> None:
        """Has everybody look once more, and wait no longer."""
        self.is_closing = True
        for event in self._waiting.values():
            event.set()


class BusOutlet:
    """One channel's way out for every tenant. Implements `Platform`."""

    def __init__(self, name: str, inner: Channel, bus: Bus, reports: Reports, way_of: Callable[[Scope], Way]) -> None:
        self._name, self._inner, self._bus, self._reports, self._way_of = name, inner, bus, reports, way_of
        self._book = Book(bus)

    async def send(self, scope: Scope, message: Outbound) -> Delivery:
        """Puts a message on the bus, and says what whoever took it there reports."""
        key, way = key_of(scope, self._name, message), self._way_of(scope)
        if not await self._came():
            return Delivery("retry", "bus_away")
        entry, _ = await self._book.get(key)
        if entry is not None and entry.outcome == "delivered":
            return Delivery("delivered")
        attempt = 1 if entry is None else entry.attempt + 1
        await self._bus.publish(way.egress, posted(way, Job(message, key, attempt)), id=f"{key}.{attempt}")
        return await self._ended(key, attempt)

    def traits(self, scope: Scope) -> Traits:
        """What may be relied on at the platform; where that is little, the book can be asked at least."""
        found = traits_of(self._inner, scope)
        return found if found.repeats == "same" else replace(found, repeats="asks")

    async def has(self, scope: Scope, message: Outbound) -> bool | None:
        """Whether a message was sent: whatever is on its way and not begun is taken back first."""
        key = key_of(scope, self._name, message)
        for _ in range(int(BEGUN_S / LOOK_S)):
            if not await self._came():
                return None
            entry, revision = await self._book.get(key)
            if entry is not None and entry.outcome == "delivered":
                return True
            if entry is not None and entry.state == "begun":
                if self._reports.is_closing:
                    return None
                await self._reports.wait(key)
            elif await self._book.put(key, Entry(1 if entry is None else entry.attempt + 1, "withdrawn"), revision):
                return None if entry is not None and entry.outcome == "unknown" else False
        return None

    async def _came(self) -> bool:
        """Whether the bus can be asked, which is waited for."""
        for _ in range(int(WAIT_S / LOOK_S)):
            if self._bus.is_connected or self._reports.is_closing:
                break
            await self._bus.connected(LOOK_S)
        return self._bus.is_connected

    async def _ended(self, key: str, attempt: int) -> Delivery:
        """What became of an attempt. One that nobody begins is taken back after a while; one that was begun and not
        ended is in doubt."""
        waited = 0
        while await self._came():
            entry, revision = await self._book.get(key)
            if entry is not None and entry.attempt >= attempt and entry.delivery is not None:
                return entry.delivery
            is_begun = entry is not None and entry.attempt >= attempt and entry.state == "begun"
            if self._reports.is_closing or waited * LOOK_S >= (BEGUN_S if is_begun else WAIT_S):
                if is_begun:
                    return Delivery("unknown", "egress_silent")
                if await self._book.put(key, Entry(attempt, "withdrawn"), revision):
                    return Delivery("retry", "egress_away")
                continue
            await self._reports.wait(key)
            waited = 0 if is_begun and waited * LOOK_S > BEGUN_S else waited + 1
        return Delivery("unknown", "bus_away")
