"""Fair shares of the loop: whose work is next, so that the flood of one tenant does not hold up the others.

`Queue` is the rule, start-time fair queueing (Goyal, Vin and Cheng, 1996), without a clock. `Turns` applies it to the
work of the engine, so much in each turn of the loop.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush
from typing import Final, Generic, TypeVar

T = TypeVar("T")

CREDIT: Final = 32.0  # pieces of work that a tenant may have saved up while it wanted nothing
QUIET: Final = 8.0  # who has saved up so much is waited for while its records become durable
ALONE: Final = 256  # pieces of work in one turn of the loop while a tenant is alone
TOGETHER: Final = 1  # and while others are about, who may come in at any time,
CROWD: Final = 64  # one more for so many tenants that wait, of whose turn it is a small part,
CROWDED: Final = 16  # and so many at most
AHEAD: Final = 8  # pieces in one turn of tenants that are behind all who wait
EXPECTED: Final = 3  # turns of the loop in which the next piece of such a tenant is waited for
ABOUT_S: Final = 1.0  # so long after its last work a tenant is about
HELD_S: Final = 0.005  # so long the others wait for records of a quiet tenant at most


class Queue(Generic[T]):
    """What waits, in the order in which it is served: every tenant gets as much as every other that wants it.

    Each piece has a start tag: the end of its tenant's last piece, or the present less what may be saved up, if that is
    later. The smallest is served first, and is the present from then on. So in the long run busy tenants get the same,
    and whoever comes back after a while is behind at most one piece of each.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, deque[T]] = {}
        self.heads: list[tuple[float, int, str]] = []
        """Of each tenant that waits the start tag of its first piece; empty while nothing waits."""
        self._ends: dict[str, float] = {}
        self._now = 0.0
        self._count = 0

    def __len__(self) -> int:
        return sum(len(pieces) for pieces in self._waiting.values())

    def __bool__(self) -> bool:
        return bool(self.heads)

    @property
    def first(self) -> float:
        """The start tag of what is next. Raises IndexError when nothing waits."""
        return self.heads[0][0]

    def start(self, tenant: str) -> float:
        """The start tag of the piece with which a tenant comes that has nothing waiting."""
        return max(self._now - CREDIT, self._ends.get(tenant, 0.0))

    def saved(self, tenant: str) -> float:
        """How many pieces a tenant is behind the present."""
        return self._now - self.start(tenant)

    def serve(self, tenant: str) -> None:
        """Counts a piece of a tenant that has nothing waiting and was served at once."""
        start = self.start(tenant)
        self._now = max(self._now, start)
        self._ends[tenant] = start + 1.0

    def goes_ahead(self, tenant: str) -> bool:
        """Serves a tenant's next piece at once if it is behind everybody who waits. Whether it was served."""
        if tenant in self._waiting or (self.heads and self.start(tenant) > self.first):
            return False
        self.serve(tenant)
        return True

    def refund(self, tenant: str) -> None:
        """In the tenant's last piece there was nothing to do, so it costs nothing."""
        if tenant in self._ends:
            self._ends[tenant] -= 1.0

    def forget(self, tenant: str) -> None:
        """Whoever comes back after this comes as somebody new."""
        if tenant not in self._waiting:
            self._ends.pop(tenant, None)

    def push(self, tenant: str, piece: T) -> None:
        """Adds a tenant's next piece of work."""
        waiting = self._waiting.get(tenant)
        if waiting is None:
            self._waiting[tenant] = deque((piece,))
            self._enter(tenant)
        else:
            waiting.append(piece)

    def pop(self) -> tuple[str, T]:
        """Takes what is next, and whose it is. Raises IndexError when nothing waits."""
        start, _, tenant = heappop(self.heads)
        self._ends[tenant] = self.start(tenant) + 1.0
        self._now = max(self._now, start)
        waiting = self._waiting[tenant]
        piece = waiting.popleft()
        if waiting:
            self._enter(tenant)
        else:
            del self._waiting[tenant]
        return tenant, piece

    def _enter(self, tenant: str) -> None:
        self._count += 1
        heappush(self.heads, (self.start(tenant), self._count, tenant))


Piece = Callable[[], bool]
"""Does a piece of work. Whether there was anything to do."""


class Turns:
    """Lets so much work begin in each turn of the loop, in fair order. A tenant whose work fits waits for nothing.

    Work comes in chains: a piece that is done brings the next one a turn of the loop later. So for a few turns nobody
    begins who would come after the next piece of a tenant that went ahead, as if that piece were waiting already.
    """

    def __init__(self) -> None:
        self._queue: Queue[Piece] = Queue()
        self._left = ALONE
        self._ahead = AHEAD
        self._is_ticking = False
        self._expected = ""  # the tenant that went ahead last
        self._expecting = 0  # turns of the loop
        self._about: OrderedDict[str, float] = OrderedDict()
        self._noted = ""  # the tenant that came last in this turn
        self._held: asyncio.TimerHandle | None = None  # while the records of a quiet tenant become durable
        self._holding = 0  # how many wait for them

    @property
    def is_shared(self) -> bool:
        """Whether more than one tenant is about."""
        return len(self._about) > 1

    def begin(self, tenant: str, piece: Piece) -> None:
        """Has this tenant's next piece of work done when it may be, at once if nothing speaks against it."""
        if self._goes_at_once(tenant):
            piece()
        else:
            self._queue.push(tenant, piece)

    async def turn(self, tenant: str) -> bool:
        """Returns when this tenant's next piece of work may be done, at once if nothing speaks against it: whether that
        took a while, and what was read before has to be read again."""
        if self._goes_at_once(tenant):
            return False
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.push(tenant, partial(_wake, future))
        await future
        return True

    def hold(self, tenant: str) -> bool:
        """Lets others begin nothing while a tenant that wants little waits for its records to become durable. Whether
        it is such a tenant; then `release` belongs to it."""
        if len(self._about) < 2 or self._queue.saved(tenant) < QUIET:
            return False
        self._holding += 1
        if self._held is None:
            self._held = asyncio.get_running_loop().call_later(HELD_S, self._go_on)
        return True

    def release(self) -> None:
        """A tenant for whom the others were held waits no more."""
        self._holding -= 1
        if not self._holding:
            self._go_on()

    def _go_on(self) -> None:
        if self._held is not None:
            self._held.cancel()
            self._held = None
        if self._queue and not self._is_ticking:
            self._begin(asyncio.get_running_loop())

    def _goes_at_once(self, tenant: str) -> bool:
        if not self._is_ticking or tenant != self._noted:
            loop = asyncio.get_running_loop()
            self._note(tenant, loop.time())
            if not self._is_ticking:
                self._begin(loop)
        if self._held is not None and self._queue.saved(tenant) < QUIET:
            return False
        if not self._queue.heads:
            self._left -= 1
            if self._left >= 0 and len(self._about) > 1:
                self._queue.serve(tenant)
            return self._left >= 0
        if self._ahead > 0 and self._queue.goes_ahead(tenant):
            self._ahead -= 1
            self._expect(tenant)
            return True
        return False

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_ticking = True
        crowd = TOGETHER + len(self._queue.heads) // CROWD
        self._left = min(crowd, CROWDED) if len(self._about) > 1 else ALONE
        self._ahead = AHEAD
        loop.call_soon(self._tick)

    def _tick(self) -> None:
        """A turn of the loop is over: those who are next may go on in the one that begins."""
        self._is_ticking = False
        if not self._queue or self._held is not None:
            return
        self._begin(asyncio.get_running_loop())
        if self._expecting:
            self._expecting -= 1
        while self._left > 0 and self._queue and not self._is_expected():
            tenant, piece = self._queue.pop()
            if piece():
                self._left -= 1
            else:
                self._queue.refund(tenant)

    def _is_expected(self) -> bool:
        """Whether somebody is about to come who goes before all who wait."""
        return self._expecting > 0 and self._queue.start(self._expected) < self._queue.first

    def _expect(self, tenant: str) -> None:
        self._expected, self._expecting = tenant, EXPECTED

    def _note(self, tenant: str, now_s: float) -> None:
        about, self._noted = self._about, tenant
        about[tenant] = now_s
        about.move_to_end(tenant)
        while next(iter(about.values())) < now_s - ABOUT_S:
            gone, _ = about.popitem(last=False)
            self._queue.forget(gone)


def _wake(future: asyncio.Future[None]) -> bool:
    """Wakes who waits for a turn; whoever was cancelled needs none."""
    if future.done():
        return False
    future.set_result(None)
    return True
