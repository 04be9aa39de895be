"""What a log adds up: meters, calls whose outcome nobody knows, and costs. In memory what counts, on disk what lasts.

The fold runs over every record of a log in order; it is the same while appending and while verifying.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

from lichen.core.deciders import events as e
from lichen.core.deciders.run import RunState
from lichen.core.deciders.streams import State
from lichen.core.ports.policy import Reservation
from lichen.core.words.ids import CallId, RunId
from lichen.log.disk.sqlite import COSTS, METERS, UNKNOWNS, Op

COUNTED = frozenset({e.Decided, e.CallFinished, e.Planned, e.WaitClosed})
"""The controls that `apply` does anything for."""

DAY_US = 86_400_000_000
CACHED_MAX = 100_000  # totals in memory

CallKey = tuple[RunId, CallId]


class OpenReservation(NamedTuple):
    """What an open call of a run has reserved."""

    run: RunId
    call: CallId
    reservations: tuple[Reservation, ...]


class Unknown(NamedTuple):
    """A call whose outcome nobody knows. `digest` is the keyed digest of its arguments."""

    run: RunId
    call: CallId
    session: str
    tool: str
    digest: bytes


class Stored(NamedTuple):
    """What the disk knows when a log is opened, and how to ask it for more."""

    reservations: Iterable[OpenReservation] = ()
    unknowns: Iterable[Unknown] = ()
    meter: Callable[[str], tuple[int, int]] = lambda key: (0, 0)
    cost: Callable[[int, str], tuple[int, int, int]] = lambda day, agent: (0, 0, 0)


class Ledger:
    """The sums of one log. `apply` folds a record and returns the rows it changes."""

    def __init__(self, log: int, stored: Stored) -> None:
        self._log, self._stored = log, stored
        self._totals: dict[str, tuple[int, int]] = {}
        self._open = {(each.run, each.call): each.reservations for each in stored.reservations}
        self._unknown = {(each.run, each.call): each for each in stored.unknowns}
        self._unknown_count = Counter(_place(each) for each in self._unknown.values())
        self._costs: dict[tuple[int, str], tuple[int, int, int]] = {}

    def meter(self, key: str) -> tuple[int, int]:
        """What is reserved and what is paid under `key`."""
        total = self._totals.get(key)
        if total is None:
            total = self._totals[key] = self._stored.meter(key)
        return total

    def reservations(self) -> list[OpenReservation]:
        """What open calls have reserved."""
        return [OpenReservation(*key, reservations) for key, reservations in self._open.items()]

    def unknowns(self) -> list[Unknown]:
        """The calls whose outcome nobody knows."""
        return list(self._unknown.values())

    def is_unknown(self, session: str, tool: str, digest: bytes) -> bool:
        """Whether nobody knows the outcome of a call of this tool with these arguments in this session."""
        return self._unknown_count[session, tool, digest] > 0

    def trim(self) -> None:
        """Forgets sums that the disk can give again. Only for a moment at which everything is durable."""
        if len(self._totals) > CACHED_MAX:
            self._totals.clear()
        if len(self._costs) > CACHED_MAX:
            self._costs.clear()

    def apply(self, event: e.Event, before: State, after: State) -> list[Op]:
        """What one record changes."""
        if not isinstance(after, RunState):
            return []
        assert isinstance(before, RunState)
        match event.control:
            case e.Decided(verdict="allow") as decided if decided.reservations or self._open:
                return self._reserve((after.id, decided.call), decided.reservations)
            case e.CallFinished() as finished:
                return self._finish(event, finished, before, after)
            case e.Planned(usage=usage) if usage.tokens or usage.cost_micro_usd:
                return [self._cost(event, after, tokens=usage.tokens, micro_usd=usage.cost_micro_usd)]
            case e.WaitClosed(wait=wait) if self._unknown and wait in before.waits:
                call = before.waits[wait].call
                return self._note_unknown(call, before, after) if call else []
            case _:
                return []

    def _finish(self, event: e.Event, c: e.CallFinished, before: RunState, after: RunState) -> list[Op]:
        ops = self._note_unknown(c.call, before, after)
        if c.outcome == "unknown":
            return ops
        ops += self._settle((after.id, c.call), is_paid=c.outcome == "ok")
        if c.outcome != "denied":
            ops.append(self._cost(event, after, calls=1))
        return ops

    def _reserve(self, key: CallKey, reservations: tuple[Reservation, ...]) -> list[Op]:
        """A second decision of the same call replaces the first."""
        ops = self._settle(key, is_paid=False)
        for each in _summed(reservations):
            reserved, paid = self.meter(each.key)
            self._totals[each.key] = (reserved + each.amount, paid)
            ops.append((METERS, (self._log, each.key, *key), (each.amount, "reserved")))
        if reservations:
            self._open[key] = _summed(reservations)
        return ops

    def _settle(self, key: CallKey, *, is_paid: bool) -> list[Op]:
        """Turns what the call reserved into payments, or gives it back."""
        ops: list[Op] = []
        for each in self._open.pop(key, ()):
            reserved, paid = self.meter(each.key)
            self._totals[each.key] = (reserved - each.amount, paid + each.amount if is_paid else paid)
            ops.append((METERS, (self._log, each.key, *key), (each.amount, "paid") if is_paid else None))
        return ops

    def _note_unknown(self, call: CallId, before: RunState, after: RunState) -> list[Op]:
        """Enters or strikes out the call, as its phase now says."""
        key = (after.id, call)
        now = after.calls.get(call)
        if now is not None and now.phase == "unknown":
            if key in self._unknown:
                return []
            unknown = self._unknown[key] = Unknown(*key, after.session or "", now.tool, now.digest)
            self._unknown_count[_place(unknown)] += 1
            return [(UNKNOWNS, (self._log, *key), _place(unknown))]
        if key not in self._unknown:
            return []
        place = _place(self._unknown.pop(key))
        self._unknown_count[place] -= 1
        if not self._unknown_count[place]:
            del self._unknown_count[place]
        return [(UNKNOWNS, (self._log, *key), None)]

    def _cost(self, event: e.Event, after: RunState, *, calls: int = 0, tokens: int = 0, micro_usd: int = 0) -> Op:
        key = (event.ts_us // DAY_US, after.agent)
        sums = self._costs.get(key) or self._stored.cost(*key)
        sums = self._costs[key] = (sums[0] + calls, sums[1] + tokens, sums[2] + micro_usd)
        return (COSTS, (self._log, *key), sums)


def _place(unknown: Unknown) -> tuple[str, str, bytes]:
    return unknown.session, unknown.tool, unknown.digest


def _summed(reservations: tuple[Reservation, ...]) -> tuple[Reservation, ...]:
    """One reservation per meter: two claims of one call on the same meter are one row."""
    if len({each.key for each in reservations}) == len(reservations):
        return reservations
    sums: Counter[str] = Counter()
    for each in reservations:
        sums[each.key] += each.amount
    return tuple(Reservation(key, amount) for key, amount in sums.items())
