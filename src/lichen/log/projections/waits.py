"""What runs wait for, and which of it a person decided."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders.run import RunState
from lichen.log.projections.projection import Grown, growing
from lichen.log.projections.streams import numbered
from lichen.log.store.port import Reading
from lichen.log.store.selection import rows
from lichen.log.store.tables import Index, Op, table

WAITS = table(
    "waits",
    "stream INTEGER, wait TEXT",
    "log INTEGER, kind TEXT, call TEXT?, may_answer TEXT, n INTEGER, seq INTEGER, opened_us INTEGER, "
    "expires_us INTEGER?",
    Index("waits_by_log", ("log", "seq")),
)
DECISIONS = table("decisions", "log INTEGER, seq INTEGER, i INTEGER", "stream INTEGER, n INTEGER")
_DECIDED = frozenset(("approved", "denied", "happened", "did_not_happen", "try_again", "expired"))
_TEXTS = msgspec.json.Decoder(tuple[str, ...])


class WaitRow(NamedTuple):
    """An open wait of a run: record `n` of the run opened it, `seq` of the log."""

    run: str
    wait: str
    kind: str
    call: str | None
    may_answer: tuple[str, ...]
    n: int
    seq: int
    opened_us: int
    expires_us: int | None


def _fold(grown: Grown) -> Iterable[Op]:
    assert isinstance(grown.before, RunState)
    assert isinstance(grown.after, RunState)
    before, after = grown.before.waits, grown.after.waits
    if after is before:
        return ()
    number, log, records = grown.row.number, grown.row.log, grown.records
    ops: list[Op] = [(WAITS, (number, id), None) for id in before if id not in after]
    for id, wait in after.items():
        if id not in before:
            opened = records[wait.n - records[0].n]
            may_answer = msgspec.json.encode(wait.may_answer).decode()
            values = (log, wait.kind, wait.call, may_answer, wait.n, opened.seq, opened.ts_us, wait.expires_at_us)
            ops.append((WAITS, (number, id), values))
    decided = [each for each in records if isinstance(each.control, e.WaitClosed) and each.control.outcome in _DECIDED]
    return ops + [(DECISIONS, (log, each.seq, each.i), (number, each.n)) for each in decided]


VIEW = growing("waits", (WAITS, DECISIONS), _fold, kinds=("run",))


def wait_rows(reading: Reading, log: int) -> list[WaitRow]:
    """Open waits of runs, the oldest first."""
    names = [column.name for column in WAITS.columns if column.name != "log"]
    found = reading.rows(rows(WAITS, log=log).of(*names).by("seq", "wait"))
    runs = numbered(reading, [number for number, *_ in found])
    return [
        WaitRow(runs[number].id, wait, kind, call, _TEXTS.decode(may_answer), *rest)
        for number, wait, kind, call, may_answer, *rest in found
        if number in runs  # else it came between the two readings
    ]


def wait_counts(reading: Reading, log: int) -> dict[str, int]:
    """How many waits of each kind are open."""
    return reading.totals(rows(WAITS, log=log), "kind")


def decided(reading: Reading, log: int, *, limit: int, before_seq: int | None) -> list[tuple[int, int]]:
    """Where waits were decided, the newest first: the numbers of streams and of records in them."""
    which = rows(DECISIONS, log=log).of("stream", "n").backwards("seq", "i").first(limit)
    found = reading.rows(which if before_seq is None else which.bound("seq", "<", before_seq))
    return [(stream, n) for stream, n in found]
