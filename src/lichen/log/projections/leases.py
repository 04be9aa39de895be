"""Under which epoch each log is held, as its records say: what a commit is compared with."""

from __future__ import annotations

from collections.abc import Iterable

from lichen.core.deciders import events as e
from lichen.core.deciders.streams import State
from lichen.log.projections.projection import Folding, Projection
from lichen.log.store.port import Reading
from lichen.log.store.selection import rows
from lichen.log.store.tables import LEASES, Op


class Leases(Folding):
    """The lease of one log. `epoch` is the latest one that its records name, 0 before the first."""

    def __init__(self, log: int, reading: Reading | None) -> None:
        self._log = log
        self.epoch = epoch_of(reading, log) if reading is not None else 0

    def count(self, event: e.Event, before: State, after: State, /) -> Iterable[Op]:
        """A lease under a later epoch."""
        if not isinstance(event.control, e.Leased) or event.control.epoch <= self.epoch:
            return ()
        self.epoch = event.control.epoch
        return ((LEASES, (self._log,), (self.epoch,)),)


VIEW = Projection("leases", (LEASES,), Leases, controls=frozenset({e.Leased}))


def epoch_of(reading: Reading, log: int) -> int:
    """The epoch under which the log is held, 0 when nobody ever said so."""
    found = reading.rows(rows(LEASES, log=log).of("epoch"))
    return found[0][0] if found else 0
