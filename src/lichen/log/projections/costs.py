"""What each agent used on each day."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from lichen.core.deciders import events as e
from lichen.core.deciders.run import RunState
from lichen.core.deciders.streams import State
from lichen.log.projections.projection import Folding, Projection
from lichen.log.store.port import Reading
from lichen.log.store.selection import rows
from lichen.log.store.tables import Op, table

COSTS = table("costs", "log INTEGER, day INTEGER, agent TEXT", "calls INTEGER, tokens INTEGER, micro_usd INTEGER")
DAY_US = 86_400_000_000
CACHED_MAX = 100_000  # sums in memory

Sums = tuple[int, int, int]


class CostRow(NamedTuple):
    """What an agent used on one day (days since 1970, UTC): finished calls, model tokens, millionths of a US dollar."""

    day: int
    agent: str
    calls: int
    tokens: int
    micro_usd: int


class Costs(Folding):
    """The costs of one log."""

    def __init__(self, log: int, reading: Reading | None) -> None:
        self._log, self._reading = log, reading
        self._sums: dict[tuple[int, str], Sums] = {}

    def trim(self) -> None:
        """Forgets sums when they are many."""
        if len(self._sums) > CACHED_MAX:
            self._sums.clear()

    def count(self, event: e.Event, before: State, after: State, /) -> Iterable[Op]:
        """A plan uses tokens; a call that ended was one, unless it was never made or nobody knows."""
        assert isinstance(after, RunState)
        match event.control:
            case e.Planned(usage=usage) if usage.tokens or usage.cost_micro_usd:
                return (self._add(event, after, tokens=usage.tokens, micro_usd=usage.cost_micro_usd),)
            case e.CallFinished(outcome=outcome) if outcome not in ("unknown", "denied"):
                return (self._add(event, after, calls=1),)
            case _:
                return ()

    def _add(self, event: e.Event, after: RunState, *, calls: int = 0, tokens: int = 0, micro_usd: int = 0) -> Op:
        key = (event.ts_us // DAY_US, after.agent)
        sums = self._sums.get(key) or self._stored(*key)
        sums = self._sums[key] = (sums[0] + calls, sums[1] + tokens, sums[2] + micro_usd)
        return (COSTS, (self._log, *key), sums)

    def _stored(self, day: int, agent: str) -> Sums:
        if self._reading is None:
            return 0, 0, 0
        found = self._reading.rows(rows(COSTS, log=self._log, day=day, agent=agent).of("calls", "tokens", "micro_usd"))
        return found[0] if found else (0, 0, 0)  # type: ignore[return-value]  # three columns were asked for


VIEW = Projection("costs", (COSTS,), Costs, controls=frozenset({e.Planned, e.CallFinished}))


def cost_rows(reading: Reading, log: int, first: date, last: date) -> list[CostRow]:
    """What each agent used on each of these days (UTC), both included."""
    which = rows(COSTS, log=log).bound("day", ">=", _day(first)).bound("day", "<=", _day(last)).by("day", "agent")
    return [CostRow(*row[1:]) for row in reading.rows(which)]


def _day(day: date) -> int:
    return (day - date(1970, 1, 1)).days
