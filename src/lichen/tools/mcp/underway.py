"""Calls that a connection has under way, and what its server asks in the midst of one.

A server of a revision before 2026-07-28 asks by a request of its own, which does not say for which call. It is that of
the only one under way, or of none.

Source: Model Context Protocol 2025-11-25, elicitation and sampling.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final

from lichen.core.words.ids import CallId, RunId
from lichen.tools.mcp.failures import ServerGone
from lichen.tools.mcp.sampling import Sampler

if TYPE_CHECKING:
    from mcp.types import (
        CreateMessageRequestParams,
        CreateMessageResult,
        ElicitRequestParams,
        ElicitResult,
        ErrorData,
    )

PARKED_MAX: Final = 100  # calls of one server that wait for an answer
Key = tuple[RunId, CallId]


class Underway:
    """One call at its server. `sampler` is what it may ask of a model."""

    def __init__(self, work: Coroutine[Any, Any, Any], sampler: Sampler) -> None:
        self.sampler = sampler
        self._work = asyncio.ensure_future(work)
        self._work.add_done_callback(_heard)
        self._asked: asyncio.Future[ElicitRequestParams] = asyncio.get_running_loop().create_future()
        self._answer: asyncio.Future[ElicitResult | ErrorData] | None = None

    async def ended_or_asked(self) -> Any:
        """The result of the call, or what its server asks before. Raises what the call raises."""
        await asyncio.wait({self._work, self._asked}, return_when=asyncio.FIRST_COMPLETED)
        if not self._work.done():
            return self._asked.result()
        if self._work.cancelled():  # not whoever waits for it, but the connection
            raise ServerGone("The connection was closed.")
        return self._work.result()

    async def ask(self, params: ElicitRequestParams) -> ElicitResult | ErrorData:
        """What somebody says to what the server asks."""
        if self._asked.done():
            return unsaid("Another question of this call is open.")
        self._answer = asyncio.get_running_loop().create_future()
        self._asked.set_result(params)
        return await self._answer

    def tell(self, result: ElicitResult | ErrorData) -> None:
        """Tells the server what was said; it may ask again then."""
        self._asked = asyncio.get_running_loop().create_future()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(result)

    def cancel(self) -> None:
        """Ends it, and tells the server so."""
        self._work.cancel()


class Calls:
    """The calls of one connection: those that are heard, and those that wait for an answer, by run and call."""

    def __init__(self) -> None:
        self._active: list[Underway] = []
        self._parked: dict[Key, Underway] = {}

    @property
    def count(self) -> int:
        """How many are under way."""
        return len(self._active) + len(self._parked)

    def begin(self, work: Coroutine[Any, Any, Any], sampler: Sampler) -> Underway:
        """A call from now on."""
        call = Underway(work, sampler)
        self._active.append(call)
        return call

    def end(self, call: Underway) -> None:
        """It is not heard any more."""
        if call in self._active:
            self._active.remove(call)

    def park(self, key: Key, call: Underway) -> None:
        """It waits for an answer, and is heard again under this key. Of very many the first are given up."""
        self.end(call)
        self._parked[key] = call
        if len(self._parked) > PARKED_MAX:
            self._parked.pop(next(iter(self._parked))).cancel()

    def resume(self, key: Key, sampler: Sampler) -> Underway | None:
        """The call that waits under this key, None where the process or the connection is another one by now."""
        call = self._parked.pop(key, None)
        if call is not None:
            call.sampler = sampler
            self._active.append(call)
        return call

    def give_up(self, key: Key) -> None:
        """Nobody answers the call that waits under this key any more: its server is told that it is cancelled."""
        call = self._parked.pop(key, None)
        if call is not None:
            call.cancel()

    async def asked(self, params: ElicitRequestParams) -> ElicitResult | ErrorData:
        """What the server is told that asks now."""
        if len(self._active) != 1:
            return unsaid("Nobody can tell for which call this is asked.")
        return await self._active[0].ask(params)

    async def sampled(self, params: CreateMessageRequestParams) -> CreateMessageResult | ErrorData:
        """What a server is told that wants a model to be asked now."""
        if len(self._active) != 1:
            return unsaid("Nobody can tell for which call this is asked.")
        return await self._active[0].sampler.told(params)

    def clear(self) -> None:
        """The connection is closed."""
        for call in (*self._active, *self._parked.values()):
            call.cancel()
        self._active.clear()
        self._parked.clear()


def unsaid(why: str) -> ErrorData:
    """What a server is told that gets no answer."""
    from mcp.types import INVALID_REQUEST, ErrorData

    return ErrorData(code=INVALID_REQUEST, message=why)


def _heard(work: asyncio.Task[Any]) -> None:
    """Nobody may wait for it any more when it fails."""
    if not work.cancelled():
        work.exception()
