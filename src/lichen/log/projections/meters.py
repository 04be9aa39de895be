"""What calls have reserved from meters and what they paid. The gate reads it as of the last append."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from lichen.core.deciders import events as e
from lichen.core.deciders.run import RunState
from lichen.core.deciders.streams import State
from lichen.core.ports.policy import Reservation
from lichen.core.words.ids import CallId, RunId
from lichen.log.projections.projection import Folding, Projection
from lichen.log.projections.streams import STREAMS
from lichen.log.store.port import Reading
from lichen.log.store.selection import rows
from lichen.log.store.tables import Index, Op, Part, table

_RESERVED = Index("meters_reserved", ("log",), part=Part("state", "=", "reserved"))
METERS = table("meters", "log INTEGER, key TEXT, run TEXT, call TEXT", "amount INTEGER, state TEXT", _RESERVED)
CACHED_MAX = 100_000  # totals in memory

CallKey = tuple[RunId, CallId]


class OpenReservation(NamedTuple):
    """What an open call of a run has reserved."""

    run: RunId
    call: CallId
    reservations: tuple[Reservation, ...]


class Meters(Folding):
    """The meters of one log."""

    def __init__(self, log: int, reading: Reading | None) -> None:
        self._log, self._reading = log, reading
        self._totals: dict[str, tuple[int, int]] = {}
        self._open = _open(reading, log) if reading is not None else {}

    def total(self, key: str) -> tuple[int, int]:
        """What is reserved and what is paid under `key`."""
        total = self._totals.get(key)
        if total is None:
            total = self._totals[key] = self._stored(key)
        return total

    def _stored(self, key: str) -> tuple[int, int]:
        if self._reading is None:
            return 0, 0
        sums = self._reading.totals(rows(METERS, log=self._log, key=key), "state", "amount")
        return sums.get("reserved", 0), sums.get("paid", 0)

    def reservations(self) -> list[OpenReservation]:
        """What open calls have reserved."""
        return [OpenReservation(*key, reservations) for key, reservations in self._open.items()]

    def trim(self) -> None:
        """Forgets totals when they are many."""
        if len(self._totals) > CACHED_MAX:
            self._totals.clear()

    def count(self, event: e.Event, before: State, after: State, /) -> Iterable[Op]:
        """A decision reserves; the end of a call pays, or gives back. An unknown end does neither."""
        assert isinstance(after, RunState)
        match event.control:
            case e.Decided(verdict="allow") as decided if decided.reservations or self._open:
                return self._reserve((after.id, decided.call), decided.reservations)
            case e.CallFinished(outcome=outcome) as finished if outcome != "unknown" and self._open:
                return self._settle((after.id, finished.call), is_paid=outcome == "ok")
            case _:
                return ()

    def _reserve(self, key: CallKey, reservations: tuple[Reservation, ...]) -> list[Op]:
        """A second decision of the same call replaces the first."""
        ops = self._settle(key, is_paid=False)
        for each in _summed(reservations):
            reserved, paid = self.total(each.key)
            self._totals[each.key] = (reserved + each.amount, paid)
            ops.append((METERS, (self._log, each.key, *key), (each.amount, "reserved")))
        if reservations:
            self._open[key] = _summed(reservations)
        return ops

    def _settle(self, key: CallKey, *, is_paid: bool) -> list[Op]:
        """Turns what the call reserved into payments, or gives it back."""
        ops: list[Op] = []
        for each in self._open.pop(key, ()):
            reserved, paid = self.total(each.key)
            self._totals[each.key] = (reserved - each.amount, paid + each.amount if is_paid else paid)
            ops.append((METERS, (self._log, each.key, *key), (each.amount, "paid") if is_paid else None))
        return ops


def _open(reading: Reading, log: int) -> dict[CallKey, tuple[Reservation, ...]]:
    which = rows(METERS, log=log).within(_RESERVED).of("run", "call", "key", "amount").by("run", "call", "key")
    found: dict[CallKey, list[Reservation]] = {}
    for run, call, key, amount in reading.rows(which):
        found.setdefault((run, call), []).append(Reservation(key, amount))
    return {key: tuple(reservations) for key, reservations in found.items()}


def _summed(reservations: tuple[Reservation, ...]) -> tuple[Reservation, ...]:
    """One reservation per meter: two claims of one call on the same meter are one row."""
    if len({each.key for each in reservations}) == len(reservations):
        return reservations
    sums: Counter[str] = Counter()
    for each in reservations:
        sums[each.key] += each.amount
    return tuple(Reservation(key, amount) for key, amount in sums.items())


VIEW = Projection("meters", (METERS,), Meters, controls=frozenset({e.Decided, e.CallFinished}))


def metered(reading: Reading, log: int, limit: int) -> list[CallKey]:
    """The last calls that counted for a meter, in durable records, those of the newest runs first."""
    calls = {(RunId(run), CallId(call)) for run, call in reading.rows(rows(METERS, log=log).of("run", "call"))}
    runs = dict.fromkeys(run for run, _ in calls)
    begun = reading.rows(rows(STREAMS, log=log, kind="run").among("id", runs).of("id", "first_seq"))
    first_seqs: dict[str, int] = dict(begun)  # type: ignore[arg-type]  # two columns were asked for
    known = [each for each in calls if each[0] in first_seqs]
    return sorted(known, key=lambda each: (first_seqs[each[0]], each[1]), reverse=True)[:limit]
