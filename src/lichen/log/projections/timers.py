"""What comes due in a log, and when."""

from __future__ import annotations

from collections.abc import Iterable

from lichen.core.deciders.mailbox import MailboxState
from lichen.core.deciders.run import RunState
from lichen.core.words.ids import StreamId
from lichen.log.projections.projection import Grown, growing
from lichen.log.projections.streams import numbered
from lichen.log.store.port import Reading
from lichen.log.store.selection import rows
from lichen.log.store.tables import Index, Op, table

TIMERS = table(
    "timers", "stream INTEGER, timer TEXT", "log INTEGER, due_us INTEGER", Index("timers_by_log", ("log", "due_us"))
)


def _fold(grown: Grown) -> Iterable[Op]:
    assert isinstance(grown.before, (RunState, MailboxState))
    assert isinstance(grown.after, (RunState, MailboxState))
    before, after = grown.before.timers, grown.after.timers
    if after is before:
        return ()
    number, log = grown.row.number, grown.row.log
    ops: list[Op] = [(TIMERS, (number, timer), None) for timer in before if timer not in after]
    for timer, due_us in after.items():
        if before.get(timer) != due_us:
            ops.append((TIMERS, (number, timer), (log, due_us)))
    return ops


VIEW = growing("timers", (TIMERS,), _fold, kinds=("run", "session"))


def timers(reading: Reading, log: int) -> dict[StreamId, dict[str, int]]:
    """When what comes due, in microseconds since 1970."""
    due = reading.rows(rows(TIMERS, log=log).of("stream", "timer", "due_us").by("due_us", "timer"))
    streams = numbered(reading, [number for number, *_ in due])
    found: dict[StreamId, dict[str, int]] = {}
    for number, timer, due_us in due:
        if number in streams:  # else it came and ended between the two readings
            found.setdefault(streams[number], {})[timer] = due_us
    return found
