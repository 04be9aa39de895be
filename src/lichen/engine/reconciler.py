"""Keeps in flight what is owed and nothing else: what moved is looked at in the next turn of the loop."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import Final, Protocol

from lichen.core.deciders.run import Obligation
from lichen.core.deciders.streams import decide
from lichen.core.words.errors import Unavailable
from lichen.engine.journal.journal import Journal
from lichen.engine.journal.seat import Seat
from lichen.engine.pace.fair import Turns

BEGUN_MAX: Final = 8  # obligations in one piece of work
LOOKS_MAX: Final = 16  # in one turn of the loop, at what moved by what was begun in it

LOOKS_TOGETHER: Final = 8  # of those that waited for room

_ID = attrgetter("id")


class Begin(Protocol):
    """Begins what is owed: what waits for the world goes on as a task, anything else is done when this returns."""

    def __call__(self, seat: Seat, obligation: Obligation, /, *, has_turn: bool) -> asyncio.Task[None] | None:
        """`has_turn`: this is the piece of work that its tenant's turn is for; any other takes one of its own."""
        ...


class Reconciler:
    """The streams that owe something. `at_rest` is told of each that moved and owes nothing, `failed` of an error of
    the engine's own, which stops that one stream."""

    def __init__(
        self,
        turns: Turns,
        *,
        begin: Begin,
        at_rest: Callable[[Seat], None],
        failed: Callable[[Seat, Exception], None],
    ) -> None:
        self._turns, self._begin, self._at_rest, self._failed = turns, begin, at_rest, failed
        self._driven: set[Seat] = set()
        self._driven_by: Counter[str] = Counter()
        self._moved: list[Seat] = []
        self._without_room: dict[Journal, deque[Seat]] = {}
        self._waiting: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._is_turning = self._is_stopped = False

    def __len__(self) -> int:
        return len(self._driven)

    def driven_by(self, tenant: str) -> int:
        """How many streams of a tenant are driven."""
        return self._driven_by[tenant]

    async def idle(self) -> None:
        """Returns once nothing is owed, not even by what has moved and was not looked at."""
        await self._idle.wait()

    # -- what moves ----------------------------------------------------------------------------------------------

    def move(self, seat: Seat) -> None:
        """A stream moved: it is looked at in the next turn of the loop, or in this one where it moved by a look, unless
        it is at rest and still owes nothing."""
        if seat.is_moved or self._is_stopped:
            return
        if not seat.is_driven:
            if not decide(seat.journal.state(seat.stream)):
                self._at_rest(seat)
                return
            self._enter(seat)
        seat.is_moved = True
        self._moved.append(seat)
        if not self._is_turning:
            self._is_turning = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        """A turn of the loop: all that moved is looked at, each in its tenant's turn, and then what moved by that."""
        looks = 0
        while self._moved and looks < LOOKS_MAX:
            moved, self._moved = self._moved, []
            for seat in moved:
                self._turns.begin(seat.journal.scope.tenant, partial(self._look, seat))
            looks += len(moved)
        self._is_turning = bool(self._moved)
        if self._is_turning:
            asyncio.get_running_loop().call_soon(self._turn)

    def _look(self, seat: Seat) -> bool:
        """Looks at one stream. Whether there was anything to look at."""
        if not seat.is_driven:
            return False  # let go of meanwhile
        if not seat.journal.log.has_room:
            self._wait_for_room(seat)
            return False
        seat.is_moved = False
        try:
            self._keep_in_flight(seat)
        except Unavailable:
            self._let_go(seat)  # the volume broke: whoever takes over looks again
        except Exception as error:  # noqa: BLE001 - one stream's error may not stop the others
            self._let_go(seat)
            self._failed(seat, error)
        return True

    def _keep_in_flight(self, seat: Seat) -> None:
        """Cancels what is under way and no longer owed, starts what is owed and not under way."""
        owed, inflight = decide(seat.journal.state(seat.stream)), seat.inflight
        if inflight:
            for gone in inflight.keys() - set(map(_ID, owed)):
                if (task := inflight.pop(gone)) is not None:
                    task.cancel()
        if not owed:
            self._leave(seat)
            self._at_rest(seat)
            return
        begun = 0
        for obligation in owed:
            if obligation.id in inflight:
                continue
            if begun == BEGUN_MAX:
                self.move(seat)
                break
            begun += 1
            inflight[obligation.id] = None
            inflight[obligation.id] = self._begin(seat, obligation, has_turn=begun == 1)

    # -- waiting for room ----------------------------------------------------------------------------------------

    def _wait_for_room(self, seat: Seat) -> None:
        """Looks at the stream again once its log may have more records that are not durable."""
        waiting = self._without_room.get(seat.journal)
        if waiting is not None:
            waiting.append(seat)
            return
        waiting = self._without_room[seat.journal] = deque((seat,))
        task = asyncio.ensure_future(self._look_when_there_is_room(seat.journal, waiting))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _look_when_there_is_room(self, journal: Journal, waiting: deque[Seat]) -> None:
        tenant = journal.scope.tenant
        try:
            while waiting:
                await journal.log.room()
                for _ in range(min(LOOKS_TOGETHER, len(waiting))):
                    self._turns.begin(tenant, partial(self._look, waiting.popleft()))
                if waiting:
                    await self._turns.turn(tenant)  # comes after the looks, so what room they left is known then
        except Unavailable:
            pass
        finally:
            if self._without_room.get(journal) is waiting:
                del self._without_room[journal]
        for seat in waiting:  # nothing is written: looked at, each is let go of
            self._turns.begin(tenant, partial(self._look, seat))

    # -- who is driven -------------------------------------------------------------------------------------------

    def _enter(self, seat: Seat) -> None:
        seat.is_driven = True
        self._driven.add(seat)
        self._driven_by[seat.journal.scope.tenant] += 1
        self._idle.clear()

    def _leave(self, seat: Seat) -> None:
        seat.is_driven = False
        self._driven.discard(seat)
        self._driven_by[seat.journal.scope.tenant] -= 1
        if not self._driven:
            self._idle.set()

    def _let_go(self, seat: Seat) -> None:
        """Nothing of the stream is in flight any more, whatever it owes."""
        if not seat.is_driven:
            return
        for task in seat.inflight.values():
            if task is not None:
                task.cancel()
        seat.inflight.clear()
        seat.is_moved = False
        self._leave(seat)

    def let_go_of_all(self) -> None:
        """Nothing is in flight any more, until streams move again."""
        for seat in tuple(self._driven):
            self._let_go(seat)
        self._moved.clear()
        self._without_room.clear()
        for task in self._waiting:
            task.cancel()

    def stop(self) -> None:
        """Begins nothing more. What is in flight goes on."""
        self._is_stopped = True
