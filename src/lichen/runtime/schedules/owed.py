"""What a schedule owes now: which ticks begin, wait, are left out or missed. A function of its stream and the time."""

from __future__ import annotations

from typing import Final, NamedTuple

from lichen.core.controls.schedules import Ticked
from lichen.core.deciders.schedules import ScheduleState, Tick
from lichen.settings.schedules.table import CATCH_UP_MAX, QUEUE_MAX, Schedule
from lichen.settings.schedules.times import dues, jitter_us, upcoming

GRACE_US: Final = 60_000_000  # so much later, besides what it is put off by, a tick is as good as in time
DOUBLINGS_MAX: Final = 20
_SECOND_US: Final = 1_000_000


class Plan(NamedTuple):
    """What is noted now, and the tick that begins now, if one does."""

    noted: tuple[Ticked, ...] = ()
    begins: Tick | None = None


def stretch(schedule: Schedule, state: ScheduleState) -> int:
    """How many times as long the interval of a heartbeat is now."""
    beat = schedule.heartbeat
    if beat is None or schedule.every_s is None:
        return 1
    times = (beat.factor if state.calm >= beat.after else 1) * 2 ** min(state.failing, DOUBLINGS_MAX)
    return max(1, min(times, beat.max_s // schedule.every_s))


def come(schedule: Schedule, state: ScheduleState, now_us: int) -> Plan:
    """What follows from the moments that have come since the last that was noted."""
    wide = stretch(schedule, state)
    found = dues(schedule.times, state.last_us, now_us, newest=CATCH_UP_MAX, stretch=wide)
    ready = [each for each in found.newest if _begins_us(schedule, each) <= now_us]
    if not ready:
        return Plan()
    taken = ready[_first_taken(schedule, ready, now_us) :]
    left = ready[: len(ready) - len(taken)]
    missed = found.before + len(left)
    noted: list[Ticked] = []
    if missed:
        last_us = left[-1] if left else taken[0] - 1
        first_us = found.first_us or left[0]
        noted.append(Ticked(schedule.name, last_us, "missed", count=missed, first_us=first_us))
    if len(taken) == 1 and (schedule.overlap == "allow" or not state.open):
        return Plan(tuple(noted), Tick(taken[0], "queued", now_us))
    waits = sum(tick.stage == "queued" for tick in state.open.values())
    for due_us in taken:  # what is noted as queued is owed until it began, so a death in between loses none of several
        if schedule.overlap == "allow" or (waits < QUEUE_MAX and (schedule.overlap == "queue" or len(taken) > 1)):
            noted.append(Ticked(schedule.name, due_us, "queued"))
            waits += 1
        else:
            code = "queue_full" if schedule.overlap == "queue" else "overlap"
            noted.append(Ticked(schedule.name, due_us, "skipped", code=code))
    return Plan(tuple(noted))


def _first_taken(schedule: Schedule, ready: list[int], now_us: int) -> int:
    """Which of the moments that have come is the first that is made up for."""
    match schedule.catch_up:
        case "all":
            return 0
        case "once":
            return len(ready) - 1
        case "none":
            is_late = now_us - _begins_us(schedule, ready[-1]) > GRACE_US
            return len(ready) if is_late else len(ready) - 1


def _begins_us(schedule: Schedule, due_us: int) -> int:
    return due_us + jitter_us(schedule.name, due_us, schedule.jitter_s)


def retry_us(schedule: Schedule, tick: Tick) -> int:
    """When a tick whose attempt failed is tried again."""
    return tick.at_us + schedule.retry_s * _SECOND_US * 2 ** min(tick.attempt - 1, DOUBLINGS_MAX)


def waiting(schedule: Schedule, state: ScheduleState, now_us: int) -> tuple[Tick, ...]:
    """The ticks noted before whose turn it is: what failed and is due again, and what waited for the one before it."""
    again = [each for each in state.open.values() if each.stage == "failed" and retry_us(schedule, each) <= now_us]
    queued = [each for each in state.open.values() if each.stage == "queued"]
    if schedule.overlap == "allow":
        return (*again, *queued)
    if again:
        return (again[0],)
    is_busy = any(each.stage in ("begun", "failed") for each in state.open.values())
    return () if is_busy else tuple(queued[:1])


def next_us(schedule: Schedule, state: ScheduleState) -> int | None:
    """When there is something to do again, if only time passes."""
    times = [retry_us(schedule, each) for each in state.open.values() if each.stage == "failed"]
    following = upcoming(schedule.times, state.last_us, 1, stretch=stretch(schedule, state))
    times += [_begins_us(schedule, each) for each in following]
    return min(times, default=None)


def ahead(schedule: Schedule, state: ScheduleState, now_us: int, count: int) -> tuple[int, ...]:
    """The next moments at which it is due, as it stands now."""
    if schedule.every_s is None:
        return upcoming(schedule.times, max(state.last_us, now_us), count)
    return upcoming(schedule.times, state.last_us or now_us, count, stretch=stretch(schedule, state))
