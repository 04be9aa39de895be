"""What a run is told of the tick that began it.

Source: Greentic, timer tick events; Symbi, context modes of heartbeats.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec

from lichen.core.deciders.schedules import ScheduleState, Tick, schedule_stream
from lichen.core.words.errors import ContentErased, NotFound
from lichen.core.words.ids import run_stream
from lichen.core.words.label import EMPTY, THIRD_PARTY, Label, join
from lichen.engine.journal.journal import Journal
from lichen.settings.schedules.table import Schedule
from lichen.settings.schedules.times import as_moment

BEFORE_MAX: Final = 20  # ticks before, of which a heartbeat knows what they answered
ANSWER_CHARS_MAX: Final = 2_000
PROVIDER: Final = "lichen.schedules"


class Given(NamedTuple):
    """The input of a run, and what it was made from."""

    input: dict[str, Any]
    label: Label = EMPTY


class Asked(NamedTuple):
    """What a tick was wanted with."""

    data: dict[str, Any]
    label: Label = EMPTY


def given(journal: Journal, schedule: Schedule, state: ScheduleState, tick: Tick) -> Given:
    """The fields of a tick, with the schedule's own data under `data`, and what ticks before it answered."""
    scope, asked = journal.scope, _asked(journal, schedule, tick)
    fields: dict[str, Any] = {
        "v": 1,
        "domain": "events",
        "provider": PROVIDER,
        "handler_id": schedule.name,
        "tenant": scope.tenant,
        "team": scope.team,
        "occurred_at": moment(tick.due_us),
        "interval_seconds": schedule.every_s,
        "last_run": moment(state.ran_us) if state.ran_us else None,
        "attempt": tick.attempt,
        "data": {**schedule.data, **asked.data},
    }
    if schedule.heartbeat is None or schedule.heartbeat.context == "fresh":
        return Given(fields, asked.label)
    count = BEFORE_MAX if schedule.heartbeat.context == "full" else 1
    before = list(_before(journal, state, count))
    label = asked.label
    for _, each in before:
        label = join(label, each)
    return Given({**fields, "before": [said for said, _ in before]}, label)


def moment(us: int) -> str:
    """A moment as RFC 3339 has it, in UTC."""
    return as_moment(us).isoformat(timespec="seconds").replace("+00:00", "Z")


def _asked(journal: Journal, schedule: Schedule, tick: Tick) -> Asked:
    """What whoever wanted the tick gave it, and which stranger's words that is."""
    if tick.asked_n < 0:
        return Asked({})
    try:
        contents = journal.log.contents(schedule_stream(schedule.name), tick.asked_n)
    except ContentErased:
        return Asked({})
    data = msgspec.json.decode(contents.get("data", b"{}"), type=dict[str, Any])
    source = contents.get("source", b"").decode()
    return Asked(data, Label((f"{THIRD_PARTY}{source}",)) if source else EMPTY)


def _before(journal: Journal, state: ScheduleState, count: int) -> Iterator[tuple[dict[str, str], Label]]:
    """What the last ticks that completed answered, the oldest first, each with the label of its run."""
    ended = [each for each in state.recent if each.stage in ("completed", "clear") and each.run is not None]
    for tick in ended[-count:]:
        assert tick.run is not None
        text = answer_of(journal, tick)
        if text:
            said = {"occurred_at": moment(tick.due_us), "answer": text[:ANSWER_CHARS_MAX]}
            yield said, journal.run(tick.run).label


def answer_of(journal: Journal, tick: Tick) -> str:
    """What the run of a tick answered; empty where nothing is to be had of it."""
    if tick.run is None or not (run := journal.run(tick.run)).outcome:
        return ""
    try:
        return journal.log.contents(run_stream(tick.run), run.n - 1).get("answer", b"").decode()
    except (ContentErased, NotFound):
        return ""
