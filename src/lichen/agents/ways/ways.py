"""The ways of one process to the models of others: every request over a network is tried again, in turn and in time.

A runtime has one `Ways`, so that all its runs share what it learns of each key and model.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from lichen.agents.lanes.lane import Lane
from lichen.agents.lanes.window import WAYS_MAX, InMemory, Way, Windows
from lichen.agents.ways.reached import Over, Reached
from lichen.core.ports.model import Again, Connectable, Connections, Model
from lichen.core.words.scope import Scope


class Figures(NamedTuple):
    """Requests that are under way and that wait for a place; ways that are closed because their provider asked for it,
    and ways whose breaker is open or half open; and `processes` that share what is known of them."""

    in_flight: int
    waiting: int
    closed: int
    open: int
    half_open: int
    processes: int


class Ways:
    """What is known of every way to a model, and how one is reached with it.

    `clock` gives microseconds, `chance` something from 0 to 1.
    """

    def __init__(
        self,
        clock: Callable[[], int],
        chance: Callable[[], float],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        windows: Windows | None = None,
    ) -> None:
        self.clock, self.chance, self.sleep = clock, chance, sleep
        self._windows = windows or InMemory()
        self._windows.watch(self._learnt)
        self._lanes: OrderedDict[Way, Lane] = OrderedDict()

    def reach(self, model: Model, connections: Connections, scope: Scope, again: Again | None = None, /) -> Model:
        """The model as this scope reaches it: a network lies between if it is Connectable, and else nothing. `again` is
        told of each further try, and may forbid it."""
        if not isinstance(model, Connectable):
            return model
        return Reached(self, model.name, Over(model, connections, scope, again))

    def lane(self, way: Way) -> Lane:
        """What is known of this way. Of very many, the least recently used that nobody is on are forgotten."""
        lane = self._lanes.get(way)
        if lane is None:
            lane = self._lanes[way] = Lane(way, self._windows, self.clock)
            self._forget()
        self._lanes.move_to_end(way)
        return lane

    def figures(self) -> Figures:
        """How much goes on now on all ways together."""
        lanes = self._lanes.values()
        return Figures(
            in_flight=sum(lane.limiter.in_flight for lane in lanes),
            waiting=sum(lane.limiter.waiting for lane in lanes),
            closed=sum(self._windows.of(way).closed_until_us > self.clock() for way in self._lanes),
            open=sum(lane.breaker.phase == "open" for lane in lanes),
            half_open=sum(lane.breaker.phase == "half_open" for lane in lanes),
            processes=self._windows.processes,
        )

    def _learnt(self, way: Way) -> None:
        lane = self._lanes.get(way)
        if lane is not None:
            lane.limiter.look()

    def _forget(self) -> None:
        if len(self._lanes) > WAYS_MAX:
            for way in [way for way, lane in self._lanes.items() if lane.is_idle][: WAYS_MAX // 4]:
                del self._lanes[way]
