"""The windows of a process that shares them: what it knows at this moment, told and heard while any way is in use."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from lichen.agents.lanes.division import Other, Use, places
from lichen.agents.lanes.meeting import LEASE_S, Heard, Meeting, Told, counts
from lichen.agents.lanes.window import WAYS_MAX, Change, Share, Way, Window

EVERY_S: Final = 0.1  # so often a process that asks models tells the others and hears of them
LINGERS_S: Final = 1.0  # so long it goes on with that when nothing goes on
LEARNT_MAX: Final = 4_096  # changes that wait to be told

Exchange = Callable[[Told], Awaitable[Heard]]


class Shared:
    """The windows as this process, `member`, knows them. Use it within `async with`.

    A way is used only once the others were heard of; where they cannot be, the process knows what it learns itself,
    and counts those it heard of for as long as they said. `clock` gives microseconds that all of them read.
    """

    def __init__(
        self,
        meeting: Meeting,
        member: str,
        clock: Callable[[], int],
        *,
        exchange: Exchange | None = None,
    ) -> None:
        self._meeting, self._member, self._clock = meeting, member, clock
        self._exchange = exchange or self._in_thread
        self._windows: OrderedDict[Way, Window] = OrderedDict()
        self._others: dict[Way, tuple[Other, ...]] = {}
        self._uses: dict[Way, Use] = {}
        self._learnt: dict[Way, list[Change]] = {}
        self._learnt_count = 0
        self._heard: set[Way] = set()
        self._is_counted = False  # by the others, as they last heard
        self._is_new = asyncio.Event()
        self._watch: Callable[[Way], None] = lambda way: None
        self._telling: asyncio.Task[None] | None = None
        self._known, self._known_until_us = 0, 0

    async def __aenter__(self) -> Shared:
        self._telling = asyncio.create_task(self._tell_on())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._telling is not None:
            self._telling.cancel()
            with suppress(asyncio.CancelledError):
                await self._telling
        self._uses.clear()
        if self._is_counted or self._learnt:
            with suppress(OSError):
                await self._exchange(self._told())
        self._meeting.close()

    # -- the port ------------------------------------------------------------------------------------------------

    @property
    def processes(self) -> int:
        """This one, and those that were heard of within their leases."""
        return 1 + (self._known if self._clock() < self._known_until_us else 0)

    def of(self, way: Way) -> Window:
        """What is known now."""
        return self._windows.get(way, Window())

    def share(self, way: Way) -> Share:
        """What the others leave of the window; nothing of one of which nobody was asked yet."""
        if way not in self._heard:
            return Share(0)
        size = max(1, int(self.of(way).size))
        now_us = self._clock()
        others = [other for other in self._others.get(way, ()) if counts(other.until_us, now_us)]
        if not others:
            return Share(size)
        elsewhere = sum(other.use.in_flight for other in others)
        mine = places(size, self._member, others, now_us)
        own = self._uses.get(way, Use()).in_flight
        return Share(min(mine, own + max(0, size - own - elsewhere)), elsewhere)

    def use(self, way: Way, *, in_flight: int, waiting: int) -> None:
        """Says how much goes on here."""
        if not in_flight and not waiting:
            self._uses.pop(way, None)
            return
        if way not in self._heard:
            self._is_new.set()
        self._uses[way] = Use(in_flight, waiting)

    def change(self, way: Way, change: Change) -> None:
        """Learns something, and tells it: at once where it narrows the way."""
        known = self.of(way)
        window = change(known)
        if window is known:
            return
        self._keep(way, window)
        self._note(way, change)
        if window.size < known.size or window.closed_until_us > known.closed_until_us:
            self._is_new.set()

    def watch(self, learnt: Callable[[Way], None]) -> None:
        """Calls this when something was heard of a way that is waited for."""
        self._watch = learnt

    # -- telling and hearing -------------------------------------------------------------------------------------

    async def _tell_on(self) -> None:
        """Tells and hears while a way is in use and for a while after; then waits until one is again."""
        quiet_s = LINGERS_S
        while True:
            wait_s = EVERY_S if quiet_s < LINGERS_S else None
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._is_new.wait()
            self._is_new.clear()
            is_quiet = not self._uses and not self._learnt
            quiet_s = quiet_s + EVERY_S if is_quiet else 0.0
            if quiet_s >= LINGERS_S:
                self._heard.clear()
            if not is_quiet or quiet_s == EVERY_S:  # the last time says that every way was left
                await self._tell()

    async def _tell(self) -> None:
        told = self._told()
        self._learnt, self._learnt_count = {}, 0
        self._is_counted = self._is_counted or bool(told.uses)
        try:
            heard = await self._exchange(told)
        except OSError:
            self._heard.update(told.uses)  # alone until the next time, in which it is told again
            later, self._learnt, self._learnt_count = self._learnt, {}, 0
            for way, changes in (*told.learnt.items(), *later.items()):
                for change in changes:
                    self._note(way, change)
        else:
            self._is_counted = bool(told.uses)
            self._hear(heard)
        for way in [way for way, use in self._uses.items() if use.waiting]:
            self._watch(way)

    def _told(self) -> Told:
        return Told(self._member, self._clock(), self._learnt, dict(self._uses))

    def _hear(self, heard: Heard) -> None:
        """What is known now: as it was heard, with what was learnt here meanwhile."""
        self._known, self._known_until_us = heard.processes, self._clock() + round(LEASE_S * 1e6)
        self._others = dict(heard.others)
        self._heard.update(heard.windows)
        for way, window in heard.windows.items():
            for change in self._learnt.get(way, ()):
                window = change(window)
            self._keep(way, window)

    def _note(self, way: Way, change: Change) -> None:
        if self._learnt_count < LEARNT_MAX:
            self._learnt.setdefault(way, []).append(change)
            self._learnt_count += 1

    def _keep(self, way: Way, window: Window) -> None:
        self._windows[way] = window
        self._windows.move_to_end(way)
        while len(self._windows) > WAYS_MAX:
            self._windows.popitem(last=False)

    async def _in_thread(self, told: Told) -> Heard:
        return await asyncio.to_thread(self._meeting.exchange, told)
