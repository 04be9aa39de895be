"""Places for requests on one way to a model: as many as its window says, shared fairly between tenants."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

from lichen.agents.lanes.window import Way, Windows, cut, grown, told
from lichen.core.ports.model import ModelError
from lichen.engine.pace.fair import Queue

WAITING_MAX: Final = 10_000  # for one way


class Place(msgspec.Struct, frozen=True):
    """A request that may go out: when it got its place."""

    begun_us: int


class Limiter:
    """The places of one way. Who finds none waits in fair order, at most so long as they say."""

    def __init__(self, way: Way, windows: Windows, clock: Callable[[], int]) -> None:
        self._way, self._windows, self._clock = way, windows, clock
        self._queue: Queue[asyncio.Future[None]] = Queue()
        self._timer: asyncio.TimerHandle | None = None
        self._until_us: dict[asyncio.Future[None], int] = {}  # how long each of those who wait does
        self._told_us = 0  # those who wait know that the way is closed until then
        self.in_flight = 0
        self.waiting = 0

    @property
    def is_idle(self) -> bool:
        """Whether nobody has or wants a place."""
        return not self.in_flight and not self.waiting

    async def place(self, tenant: str, *, within_s: float) -> Place:
        """A place, which has to be left. Raises ModelError (`model_rate_limited`) when there is none in that time, at
        once where it is known that there will be none."""
        if self._closed_s() > max(0.0, within_s):
            raise self._closed()
        if not self._queue and self._is_free():
            self._queue.serve(tenant)
            self.in_flight += 1
            self._tell()
        else:
            await self._wait(tenant, within_s)
        return Place(self._clock())

    def leave(self, place: Place, error: ModelError | None, *, is_answer: bool) -> None:
        """Gives the place back. An answer widens the window, "too much" narrows it, and all else says nothing."""
        if is_answer:
            self._windows.change(self._way, grown)
        elif error is not None and error.code in ("model_rate_limited", "model_overloaded"):
            in_flight = self.in_flight + self._windows.share(self._way).elsewhere
            now_us, asked_s = self._clock(), error.retry_after_s
            self._windows.change(
                self._way,
                lambda window: cut(
                    window, in_flight=in_flight, begun_us=place.begun_us, now_us=now_us, asked_s=asked_s
                ),
            )
        self.in_flight -= 1
        self._tell()
        self.look()

    def look(self) -> None:
        """Gives free places to whoever is next, and comes back when the way opens again. Who cannot wait so long is
        told so now."""
        self._send_away()
        while self._queue and self._is_free():
            tenant, turn = self._queue.pop()
            if turn.done():
                self._queue.refund(tenant)
                continue
            self.in_flight += 1
            self._tell()
            turn.set_result(None)
        closed_s = self._closed_s()
        if self._queue and closed_s > 0 and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(closed_s, self._opened)

    async def _wait(self, tenant: str, within_s: float) -> None:
        if self.waiting >= WAITING_MAX or len(self._queue) >= 2 * WAITING_MAX:  # those who went are in it for a while
            raise _busy(self._way, "too many wait for it already")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.push(tenant, turn)
        self._until_us[turn] = self._clock() + round(within_s * 1e6)
        self.waiting += 1
        self._tell()
        try:
            self.look()
            async with asyncio.timeout(within_s):
                await turn
        except BaseException as error:
            if (
                turn.done() and not turn.cancelled() and turn.exception() is None
            ):  # given just now, to somebody who does not want it any more
                self.in_flight -= 1
            turn.cancel()
            self.look()
            if isinstance(error, TimeoutError):
                raise _busy(self._way, "no place became free in time") from None
            raise
        finally:
            del self._until_us[turn]
            self.waiting -= 1
            self._tell()

    def _send_away(self) -> None:
        """Ends the wait of everybody whose time is over before the way opens, once for each time it is closed until."""
        until_us = self._windows.of(self._way).closed_until_us
        if until_us <= self._told_us:
            return
        self._told_us = until_us
        if self._closed_s() <= 0:
            return
        for turn, ends_us in self._until_us.items():
            if ends_us < until_us and not turn.done():
                turn.set_exception(self._closed())

    def _closed_s(self) -> float:
        """How long no request may go out, as the provider asked; 0 or less where one may."""
        return (self._windows.of(self._way).closed_until_us - self._clock()) / 1e6

    def _closed(self) -> ModelError:
        until = told(self._windows.of(self._way).closed_until_us, self._clock())
        return _busy(self._way, f"its provider wants no request {until}", self._closed_s())

    def _opened(self) -> None:
        self._timer = None
        self.look()

    def _is_free(self) -> bool:
        if self._clock() < self._windows.of(self._way).closed_until_us:
            return False
        return self.in_flight < self._windows.share(self._way).places

    def _tell(self) -> None:
        self._windows.use(self._way, in_flight=self.in_flight, waiting=self.waiting)


def _busy(way: Way, why: str, again_s: float | None = None) -> ModelError:
    return ModelError(f"{way.model} is busy: {why}.", code="model_rate_limited", tries=0, retry_after_s=again_s)
