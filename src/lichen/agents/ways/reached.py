"""A model over a network, on behalf of a scope: one request is so many tries within its time."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

import msgspec

from lichen.agents.lanes.lane import Lane
from lichen.agents.lanes.window import Way
from lichen.agents.ways.pauses import pause_s
from lichen.agents.ways.shown import Shown
from lichen.agents.ways.spent import Spent
from lichen.core.ports.model import (
    Again,
    Connectable,
    Connection,
    Connections,
    Deltas,
    ModelError,
    ModelReply,
    ModelRequest,
)
from lichen.core.words.scope import Scope
from lichen.engine.pace.step import Within

REFUSED_TRIES = 3  # of an address at which nobody listens
IMPATIENT_S = 2.0  # so long is waited for anything at most where another model may answer instead


class Surroundings(Protocol):
    """What a request finds: time, chance, and what is known of its way."""

    @property
    def chance(self) -> Callable[[], float]:
        """Something from 0 to 1."""
        ...

    @property
    def sleep(self) -> Callable[[float], Awaitable[None]]:
        """Lets time pass."""
        ...

    def lane(self, way: Way) -> Lane:
        """What all runs know of this way."""
        ...


class Over(NamedTuple):
    """A model, and over what it is reached. `again` is told of each further try, and may forbid it."""

    model: Connectable
    connections: Connections
    scope: Scope
    again: Again | None = None


class Reached:
    """The model called `name` as a scope reaches it."""

    def __init__(self, around: Surroundings, name: str, over: Over) -> None:
        self.name = name
        self._provider = name.partition(":")[0]
        self._around, self._over = around, over

    async def generate(self, request: ModelRequest, deltas: Deltas | None = None) -> ModelReply:
        """One reply, with what all tries took. Raises ModelError: that of the last try, with what all of them took.

        A try that fails after pieces of it were shown is tried again like any other, after a piece of the kind `again`.
        """
        clock_s = asyncio.get_running_loop().time
        began_s = clock_s()
        ends_s = began_s + request.time_s
        connection = await self._connection(request.time_s)
        over = self._over._replace(connections=_Known(connection))
        over_s = math.inf if request.patience_s is None else began_s + request.patience_s
        times = _Times(lambda: ends_s - clock_s(), lambda: over_s - clock_s())
        return await _Tries(self._around, over, connection, times).reply(request, Shown(deltas))

    async def _connection(self, within_s: float) -> Connection:
        try:
            over = self._over
            return await Within(within_s).of(over.connections.of(self._provider, over.scope))
        except TimeoutError:
            message = f"The key for {self.name} could not be read in time."
            raise ModelError(message, code="model_unavailable", tries=0) from None


class _Known:
    """The connection that was read for this request."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def of(self, provider: str, scope: Scope) -> Connection:
        """That connection."""
        return self._connection

    def secret(self, provider: str, scope: Scope) -> str:
        """The secret that its key is."""
        return "" if self._connection.held is None else self._connection.held.name


class _Times(NamedTuple):
    """How much time the tries of a request have, and how long whoever waits for it bears with further ones."""

    left_s: Callable[[], float]
    patience_s: Callable[[], float]


class _Tries:
    """The tries of one request over one connection, in its times."""

    def __init__(self, around: Surroundings, over: Over, connection: Connection, times: _Times) -> None:
        model = over.model.over(over.connections, over.scope)
        self._around, self._model, self._connection = around, model, connection
        self._left_s, self._patience_s, self._again = times.left_s, times.patience_s, over.again
        self._tenant = str(over.scope.tenant)
        self._lane = around.lane(Way(connection.identity, model.name))

    async def reply(self, request: ModelRequest, shown: Shown) -> ModelReply:
        spent = Spent()
        while True:
            try:
                return spent.replied(await self._once(request, shown))
            except ModelError as error:
                spent.add(error, was_shown=shown.is_any)
                pause = self._pause_s(error, spent.tries, is_patient=request.is_patient)
                if self._is_over(error, pause):
                    raise spent.failed(error, is_over=True) from error
                if pause is None:
                    raise spent.failed(error) from error
                self._check_again(error, spent, was_shown=shown.is_any)
            shown.again()
            await self._around.sleep(pause)

    def _check_again(self, error: ModelError, spent: Spent, *, was_shown: bool) -> None:
        """Raises ModelError where there may be no further try, with what those before took."""
        if self._again is None:
            return
        try:
            self._again(error, was_shown)
        except ModelError as refused:
            raise spent.failed(refused) from refused

    async def _once(self, request: ModelRequest, shown: Shown) -> ModelReply:
        wait_s = min(self._left_s(), max(self._patience_s(), IMPATIENT_S) if request.is_patient else IMPATIENT_S)
        async with self._lane.request(self._tenant, within_s=wait_s):
            try_s = min(self._left_s(), self._connection.timeout_s)
            try:
                async with asyncio.timeout(try_s):
                    return await self._model.generate(msgspec.structs.replace(request, time_s=try_s), shown.deltas)
            except TimeoutError:
                message = f"{self._model.name} did not answer within {try_s:.1f} s."
                raise ModelError(message, code="model_timed_out") from None

    def _is_over(self, error: ModelError, pause: float | None) -> bool:
        """Whether nobody waits for a further try, now or in another attempt: it would begin too late, or of a model
        that is left alone."""
        patience_s = self._patience_s()
        return patience_s < math.inf and (error.is_left_alone or (pause or 0.0) >= patience_s)

    def _pause_s(self, error: ModelError, tries: int, *, is_patient: bool) -> float | None:
        """How long to wait before the next try, None if there is none."""
        if not error.retryable or tries >= self._connection.tries:
            return None
        if error.is_refused and (tries >= REFUSED_TRIES or not error.tries):
            return None
        pause = pause_s(tries, self._around.chance(), error.retry_after_s)
        if not is_patient and (error.code == "model_timed_out" or pause > IMPATIENT_S):
            return None
        return pause if pause < self._left_s() else None
