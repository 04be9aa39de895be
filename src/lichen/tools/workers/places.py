"""Places to run in: who may have the next one, so that nobody takes them all and what hangs holds only few.

Nothing here starts a thread or reads a clock: it is the rule alone. All of it belongs to one event loop.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Hashable
from typing import NamedTuple, TypeVar

from lichen.core.ports.call import CallMeta, NotDone
from lichen.core.words.ids import CallId, RunId
from lichen.core.words.scope import Scope

K = TypeVar("K", bound=Hashable)


class Owner(NamedTuple):
    """For whom a place is: a tenant (with its environment), and one of its tools."""

    tenant: str
    tool: str


CallKey = tuple[Scope, RunId, CallId]


def call_key(meta: CallMeta) -> CallKey:
    """Under what the place of a call is reserved."""
    return meta.scope, meta.run, meta.call


class Figures(NamedTuple):
    """How many places are in use, were given up because what runs there does not end, and are waited for."""

    used: int
    given_up: int
    waiting: int


class Place:
    """The right to run one call. `release` it when the call has ended; `give_up` when it will not end in time."""

    __slots__ = ("_is_given_up", "_is_held", "_places", "owner")

    def __init__(self, places: Places, owner: Owner) -> None:
        self._places, self.owner = places, owner
        self._is_held, self._is_given_up = True, False

    def release(self) -> None:
        """The call has ended, also one that was given up. Doing it twice does nothing."""
        if self._is_held:
            self._is_held = False
            self._places._left(self.owner, is_given_up=self._is_given_up)  # pyright: ignore[reportPrivateUsage]

    def give_up(self) -> None:
        """The call goes on although its time is over: somebody else may have a place instead."""
        if self._is_held and not self._is_given_up:
            self._is_given_up = True
            self._places._gave_up(self.owner)  # pyright: ignore[reportPrivateUsage]


class Places:
    """`size` places, of which a tenant has never more than it leaves free for the others, and a tool of it `tool_max`.

    A place that was given up is replaced, and still counts against its tool until what runs there ends: a tool that
    hangs holds `tool_max` places and is refused more. Of those who wait, the tenant with the fewest places is next,
    and in a tenant whoever came first and may have one.
    """

    def __init__(self, size: int, *, tool_max: int, waiting_max: int) -> None:
        self._size, self._tool_max, self._waiting_max = size, tool_max, waiting_max
        self._used = 0
        self._used_by: Counter[str] = Counter()
        self._given_up = 0
        self._given_up_by: Counter[str] = Counter()
        self._held_for: Counter[Owner] = Counter()
        self._stuck_for: Counter[Owner] = Counter()
        self._waiting: OrderedDict[str, OrderedDict[Owner, deque[asyncio.Future[Place]]]] = OrderedDict()
        self._waiting_by: Counter[str] = Counter()
        self._is_closed = False

    # -- asking --------------------------------------------------------------------------------------------------

    def take(self, owner: Owner) -> Place | None:
        """A place, if one is free and nobody of this tenant's tool waits for it. Raises NotDone as `get`."""
        self._check(owner)
        is_first = owner not in self._waiting.get(owner.tenant, ())
        return self._taken(owner) if is_first and self._may_have(owner) else None

    async def get(self, owner: Owner) -> Place:
        """A place, waited for.

        Raises NotDone: `workers_closed`, `workers_busy` when too many wait already, `tool_stuck` when so many calls of
        this tool, or of this tenant, do not end that no more are begun.
        """
        place = self.take(owner)
        if place is not None:
            return place
        self._check_room(owner.tenant)
        future: asyncio.Future[Place] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(owner.tenant, OrderedDict()).setdefault(owner, deque()).append(future)
        self._waiting_by[owner.tenant] += 1
        try:
            return await future
        except asyncio.CancelledError:
            if not future.cancelled() and future.done() and future.exception() is None:
                future.result().release()
            raise
        finally:
            self._forget(owner, future)

    def close(self) -> None:
        """Refuses everybody who waits or comes."""
        self._is_closed = True
        for future in [f for queues in self._waiting.values() for queue in queues.values() for f in queue]:
            _refuse(future, _closed())

    # -- looking -------------------------------------------------------------------------------------------------

    @property
    def figures(self) -> Figures:
        """All tenants together."""
        return Figures(self._used, self._given_up, self._waiting_by.total())

    def figures_of(self, tenant: str) -> Figures:
        """One tenant alone."""
        return Figures(self._used_by[tenant], self._given_up_by[tenant], self._waiting_by[tenant])

    # -- the rule ------------------------------------------------------------------------------------------------

    @property
    def _free(self) -> int:
        """Places nobody uses. Of those that were given up so many are replaced as there are places."""
        return self._size - self._used - max(0, self._given_up - self._size)

    def _may_have(self, owner: Owner) -> bool:
        return self._held_for[owner] < self._tool_max and self._used_by[owner.tenant] < self._free

    def _check(self, owner: Owner) -> None:
        if self._is_closed:
            raise _closed()
        if self._is_stuck(owner):
            raise _stuck()

    def _is_stuck(self, owner: Owner) -> bool:
        left = self._size - self._given_up
        return self._stuck_for[owner] >= self._tool_max or self._given_up_by[owner.tenant] >= max(1, left)

    def _check_room(self, tenant: str) -> None:
        """Waiting is shared as places are: no tenant has more waiting than it leaves for the others."""
        if self._waiting_by[tenant] >= self._waiting_max - self._waiting_by.total():
            raise NotDone("Too many calls wait for a place to run in.", code="workers_busy")

    # -- changing ------------------------------------------------------------------------------------------------

    def _taken(self, owner: Owner) -> Place:
        self._used += 1
        self._used_by[owner.tenant] += 1
        self._held_for[owner] += 1
        return Place(self, owner)

    def _left(self, owner: Owner, *, is_given_up: bool) -> None:
        _less(self._held_for, owner)
        if is_given_up:
            self._given_up -= 1
            _less(self._given_up_by, owner.tenant)
            _less(self._stuck_for, owner)
        else:
            self._used -= 1
            _less(self._used_by, owner.tenant)
        self._hand_out()

    def _gave_up(self, owner: Owner) -> None:
        self._used -= 1
        _less(self._used_by, owner.tenant)
        self._given_up += 1
        self._given_up_by[owner.tenant] += 1
        self._stuck_for[owner] += 1
        self._refuse_stuck(owner.tenant)
        self._hand_out()

    def _refuse_stuck(self, tenant: str) -> None:
        if tenant not in self._waiting:
            return
        for owner, queue in self._waiting[tenant].items():
            for future in queue if self._is_stuck(owner) else ():
                _refuse(future, _stuck())

    def _hand_out(self) -> None:
        """Gives what is free to those who wait."""
        while self._free > 0 and (found := self._next()) is not None:
            owner, future = found
            future.set_result(self._taken(owner))

    def _next(self) -> tuple[Owner, asyncio.Future[Place]] | None:
        """Of the tenants that may have a place the one with the fewest, and among equals who was served longest ago."""
        for tenant in sorted(self._waiting, key=self._used_by.__getitem__):
            for owner, queue in self._waiting[tenant].items():
                future = next((f for f in queue if not f.done()), None)
                if future is not None and self._may_have(owner):
                    self._waiting.move_to_end(tenant)
                    self._waiting[tenant].move_to_end(owner)
                    return owner, future
        return None

    def _forget(self, owner: Owner, future: asyncio.Future[Place]) -> None:
        queues = self._waiting[owner.tenant]
        queues[owner].remove(future)
        if not queues[owner]:
            del queues[owner]
        if not queues:
            del self._waiting[owner.tenant]
        _less(self._waiting_by, owner.tenant)


def _less(counter: Counter[K], key: K) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]


def _refuse(future: asyncio.Future[Place], error: NotDone) -> None:
    if not future.done():
        future.set_exception(error)


def _closed() -> NotDone:
    return NotDone("The workers are closed.", code="workers_closed")


def _stuck() -> NotDone:
    return NotDone("Calls of this tool do not end, so no more of them are begun.", code="tool_stuck")
