"""Every view of a log, and the folds of one log while records are appended to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar, cast

from lichen.core.deciders.events import Control, Event
from lichen.core.deciders.streams import State
from lichen.core.words.ids import StreamKind
from lichen.log.projections import (
    costs,
    leases,
    meters,
    outbox,
    sessions,
    streams,
    timers,
    unknowns,
    waits,
)
from lichen.log.projections.leases import Leases
from lichen.log.projections.projection import Fold, Folding, Grown, Projection
from lichen.log.store.port import Reading
from lichen.log.store.tables import CORE, Op, Table

AnyProjection = Projection[Any]

PROJECTIONS: tuple[AnyProjection, ...] = (
    streams.VIEW,
    timers.VIEW,
    waits.VIEW,
    outbox.VIEW,
    sessions.VIEW,
    meters.VIEW,
    unknowns.VIEW,
    costs.VIEW,
    leases.VIEW,
    outbox.DEAD,
    sessions.WHOSE,
)

F = TypeVar("F", bound=Fold)


def tables_of(projections: Iterable[AnyProjection]) -> tuple[Table, ...]:
    """The tables of these views."""
    return tuple(table for each in projections for table in each.tables)


VIEWS = tables_of(PROJECTIONS)
"""What follows from the records alone."""

TABLES = (*CORE, *VIEWS)


class Folds:
    """The folds of one log, leases among them: `growing` by kind of stream, `counting` by type of control."""

    def __init__(self, log: int, reading: Reading | None, projections: Sequence[AnyProjection]) -> None:
        self._folds: dict[str, Fold] = {each.name: each.fold(log, reading) for each in projections}
        self.lease = cast(Leases | None, self._folds.get(leases.VIEW.name)) or Leases(log, reading)
        self._trimmed = [fold for fold in self._folds.values() if type(fold).trim is not Folding.trim]
        self.growing: dict[StreamKind, list[Callable[[Grown], Iterable[Op]]]] = {}
        self.counting: dict[type[Control], list[Callable[[Event, State, State], Iterable[Op]]]] = {}
        for each in projections:
            fold = self._folds[each.name]
            for kind in each.kinds:
                self.growing.setdefault(kind, []).append(fold.grow)
            for control in each.controls:
                self.counting.setdefault(control, []).append(fold.count)

    def of(self, projection: Projection[F]) -> F:
        """The fold of one view."""
        return cast(F, self._folds[projection.name])

    def grow(self, grown: Grown) -> list[Op]:
        """What the next records of a stream change in all views."""
        return [op for fold in self.growing.get(grown.row.kind, ()) for op in fold(grown)]

    def count(self, event: Event, before: State, after: State) -> list[Op]:
        """What one event changes in those that count."""
        counts = self.counting.get(event.control.__class__, ())
        return [op for count in counts for op in count(event, before, after)]

    def trim(self) -> None:
        """Everything is durable."""
        for fold in self._trimmed:
            fold.trim()
