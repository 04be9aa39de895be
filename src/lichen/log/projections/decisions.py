"""Which waits ended by what a person said, or did not say in time."""

from __future__ import annotations

from collections.abc import Iterable

from lichen.core.deciders import events as e
from lichen.core.deciders.run import RunState
from lichen.log.projections.projection import Grown, growing
from lichen.log.store.port import Reading
from lichen.log.store.selection import rows
from lichen.log.store.tables import Op, table

DECISIONS = table("decisions", "log INTEGER, seq INTEGER, i INTEGER", "stream INTEGER, n INTEGER")
_DECIDED = frozenset(("approved", "denied", "happened", "did_not_happen", "try_again", "expired"))


def _fold(grown: Grown) -> Iterable[Op]:
    assert isinstance(grown.before, RunState)
    assert isinstance(grown.after, RunState)
    if grown.after.waits is grown.before.waits:
        return ()
    number, log = grown.row.number, grown.row.log
    return [
        (DECISIONS, (log, record.seq, record.i), (number, record.n))
        for record in grown.records
        if isinstance(record.control, e.WaitClosed) and record.control.outcome in _DECIDED
    ]


VIEW = growing(DECISIONS, _fold, ("run",))


def decided(reading: Reading, log: int, *, limit: int, before_seq: int | None) -> list[tuple[int, int]]:
    """Where waits were decided, the newest first: the numbers of streams and of records in them."""
    which = rows(DECISIONS, log=log).of("stream", "n").backwards("seq", "i").first(limit)
    found = reading.rows(which if before_seq is None else which.bound("seq", "<", before_seq))
    return [(stream, n) for stream, n in found]
