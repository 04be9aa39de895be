"""What the logs of a volume share: one store, one writer, keys, a clock, and a bound on what is not durable."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from lichen.core.words.errors import LichenError, Unavailable
from lichen.log.disk.space import is_full
from lichen.log.keys.keyring import Keyring
from lichen.log.projections.every import AnyProjection
from lichen.log.store.port import LeaseLost, Store
from lichen.log.store.selection import rows
from lichen.log.store.tables import RECORDS
from lichen.log.write.entry import Entry, Owner
from lichen.log.write.gathering import Gathering
from lichen.log.write.tips import Tip
from lichen.log.write.writer import Writer

ROWS_TOGETHER = 32  # of one log that are not durable yet, while others write too
SHARED_US = 1_000_000  # so long after its last record a log counts as one of those
CLOCK_JUMP_US = 1_000_000  # a clock set back by less is only smoothed over
JUMPS_KEPT = 16


class ClockJump(NamedTuple):
    """The clock went back by `back_us` microseconds when it had been at `at_us`."""

    at_us: int
    back_us: int


class Shared:
    """Belongs to the loop's thread. `failure` is set from the moment a commit failed until the volume recovered."""

    def __init__(
        self,
        *,
        keyring: Keyring,
        store: Store,
        projections: Sequence[AnyProjection],
        clock: Callable[[], int],
        rows_max: int,
        bytes_max: int,
    ) -> None:
        self.keyring, self.store, self.projections, self.clock = keyring, store, tuple(projections), clock
        self.reading = store.read()
        self.failure: Unavailable | None = None
        self.is_closed = False
        self.clock_jumps: deque[ClockJump] = deque(maxlen=JUMPS_KEPT)
        self.last_pos = self.load_pos()
        self._rows_max, self._bytes_max = rows_max, bytes_max
        self.queued_rows = self._bytes = 0  # not durable yet
        self._rows_of: dict[Owner, int] = {}
        self._last_put_us: OrderedDict[Owner, int] = OrderedDict()
        self._waiting: dict[Owner, deque[asyncio.Future[None]]] = {}
        self._clock_us = 0
        self.latest_us = 0  # of the newest record of all logs, now or ever

    def start(self, writer: Writer) -> None:
        """From now on what is appended is written."""
        self.writer, self.gathering = writer, Gathering(writer.put, writer.bounds)

    def load_pos(self) -> int:
        """The number of the newest record on disk."""
        found = self.reading.rows(rows(RECORDS).of("pos").backwards("pos").first(1))
        return found[0][0] if found else 0

    def now_us(self) -> int:
        """What the clock says; a jump back is noted."""
        now_us = self.clock()
        if self._clock_us - now_us > CLOCK_JUMP_US:
            self.clock_jumps.append(ClockJump(self._clock_us, self._clock_us - now_us))
        self._clock_us = now_us
        return now_us

    def check(self) -> None:
        """Raises Unavailable while the volume does not write."""
        if self.is_closed:
            raise Unavailable("The volume is closed.", code="volume_closed", next_step="Open it again.")
        if self.failure is not None:
            raise as_new(self.failure)

    def entry(self, owner: Owner, tip: Tip, *, rows: int = 0, data_bytes: int = 0) -> Entry:
        """Where a log's next rows go, so many of them."""
        self.queued_rows += rows
        self._bytes += data_bytes
        self._rows_of[owner] = self._rows_of.get(owner, 0) + rows
        entry = self.gathering.entry(owner, tip, rows=rows, data_bytes=data_bytes)
        if not entry.pending:
            self._note(owner)
        return entry

    def hurry(self, owner: Owner) -> None:
        """Hands over what a log has here, and lets it go first unless older records of it are on their way."""
        self.gathering.hurry(owner, self._rows_of.get(owner, 0))

    @property
    def is_full(self) -> bool:
        """Whether more is waiting to become durable than should."""
        return self.queued_rows > self._rows_max or self._bytes > self._bytes_max

    def has_room(self, owner: Owner) -> bool:
        """Whether little enough is waiting to become durable, in all and of this log: while others write too it may
        have no more than a commit does quickly, since theirs comes after it."""
        if self.queued_rows > self._rows_max or self._bytes > self._bytes_max:
            return False
        return len(self._last_put_us) < 2 or self._rows_of.get(owner, 0) < ROWS_TOGETHER

    async def room(self, owner: Owner) -> None:
        """Returns once `has_room`. Raises Unavailable."""
        self.check()
        while not self.has_room(owner):
            future = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(owner, deque()).append(future)
            try:
                await future
            finally:
                self._wake_next(owner)
            self.check()

    def _note(self, owner: Owner) -> None:
        """Remembers who wrote within the last second."""
        self._last_put_us[owner] = self._clock_us
        self._last_put_us.move_to_end(owner)
        while next(iter(self._last_put_us.values())) < self._clock_us - SHARED_US:
            self._last_put_us.popitem(last=False)

    def committed(self, batch: list[Entry]) -> None:
        """Everything in `batch` is durable: tells the logs, then those who wait for room."""
        touched: dict[Owner, None] = {}
        for entry in batch:
            self.queued_rows -= len(entry.pending)
            self._bytes -= entry.data_bytes
            self._rows_of[entry.owner] -= len(entry.pending)
            entry.owner.settle(entry)
            touched[entry.owner] = None
        for owner in touched:
            owner.wake()
        if self._waiting:
            self._wake_waiting()

    def fail(self, error: Exception) -> None:
        """Nothing more becomes durable: forgets what is queued."""
        self.failure = failure_of(error)
        self.discard()
        self.queued_rows = self._bytes = 0
        self._rows_of.clear()
        self._wake_waiting()

    async def sign(self, tips: Iterable[Tip]) -> None:
        """Signs the durable end of these logs. Raises Unavailable."""
        self.check()
        try:
            await self.writer.sign(tips)
        except LichenError:
            raise
        except Exception as error:
            raise failure_of(error) from error

    def discard(self) -> None:
        """Throws away what the disk does not have."""
        self.gathering.discard()
        self.writer.discard()

    def _wake_waiting(self) -> None:
        """Wakes of each log who waits longest if there is room now, and who comes after them wakes the next."""
        for owner in tuple(self._waiting):
            self._wake_next(owner)

    def _wake_next(self, owner: Owner) -> None:
        """Wakes one if there is room, or nothing is written any more."""
        waiting = self._waiting.get(owner)
        while waiting and (self.failure is not None or self.has_room(owner)):
            future = waiting.popleft()
            if not waiting:
                del self._waiting[owner]
            if not future.done():
                future.set_result(None)
                return


def failure_of(error: Exception) -> Unavailable:
    """What a failed commit means to callers."""
    if isinstance(error, LeaseLost):
        return as_new(error)
    if is_full(error):
        return Unavailable(
            "The disk is full; nothing was accepted since it filled up.",
            code="disk_full",
            next_step="Free disk space; the volume goes on by itself, and the same idempotency key is safe.",
        )
    cause = error.code if isinstance(error, LichenError) else type(error).__name__
    failure = Unavailable(
        f"The volume cannot be written now ({cause}); nothing was accepted since.",
        code="volume_readonly",
        next_step="Run `lichen doctor`; the volume goes on by itself, and the same idempotency key is safe.",
    )
    failure.__cause__ = error
    return failure


def as_new(error: Unavailable) -> Unavailable:
    """The same error for one more caller: an exception object collects the tracebacks of all who raise it."""
    fresh = Unavailable(error.message, code=error.code, next_step=error.next_step)
    fresh.__cause__ = error.__cause__
    return fresh
