"""Schedules and their ticks as operators see them."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from lichen.core.controls.schedules import TickStage
from lichen.core.deciders.schedules import Tick
from lichen.runtime.schedules.owed import ahead, stretch
from lichen.runtime.schedules.ticking import Ticking
from lichen.settings.schedules.table import CatchUp, Overlap, Schedule

NEXT_MAX: Final = 5
State = Literal["on", "paused", "over"]


class TickView(msgspec.Struct, frozen=True):
    """One tick, or of `missed` ones `count`. `id` names it; times are microseconds since 1970, 0 where there is none.

    `due_us` is the moment that it is for, `begun_us` when its last attempt began, `at_us` when this was noted.
    """

    id: str
    due_us: int
    stage: TickStage
    attempt: int
    run: str | None
    code: str
    count: int
    begun_us: int
    at_us: int
    is_asked: bool
    summary: str


class ScheduleView(msgspec.Struct, frozen=True):
    """A schedule as it stands. `when` says when it begins, `next_us` which moments that are; `last` is the newest tick.

    It is `over` where no moment is left. `open` ticks wait or are under way, `dead` ones failed for good.
    """

    name: str
    target: str
    when: str
    timezone: str
    state: State
    catch_up: CatchUp
    overlap: Overlap
    retries: int
    next_us: tuple[int, ...]
    last: TickView | None
    open: int
    dead: int
    summary: str


class ScheduleDetail(msgspec.Struct, frozen=True):
    """A schedule with its ticks: those that wait or are under way, those that failed for good, and the last that ended,
    each the newest first."""

    schedule: ScheduleView
    open: tuple[TickView, ...]
    dead: tuple[TickView, ...]
    recent: tuple[TickView, ...]


def tick_view(tick: Tick) -> TickView:
    """A tick as it may be shown."""
    what = f"{tick.count} missed" if tick.stage == "missed" else f"{tick.stage} {tick.code}".rstrip()
    return TickView(
        str(tick.due_us),
        tick.due_us,
        tick.stage,
        tick.attempt,
        tick.run,
        tick.code,
        tick.count,
        tick.begun_us,
        tick.at_us,
        tick.is_asked,
        what,
    )


def schedule_view(ticking: Ticking, now_us: int) -> ScheduleView:
    """A schedule as it stands now."""
    schedule, state = ticking.schedule, ticking.state
    coming = ahead(schedule, state, now_us, NEXT_MAX)
    stands: State = "paused" if ticking.is_paused else "on" if coming or not _has_times(schedule) else "over"
    ticks = (*state.open.values(), *state.recent)
    last = max(ticks, key=lambda tick: tick.at_us, default=None)
    return ScheduleView(
        schedule.name,
        schedule.target,
        when(schedule, stretch(schedule, state)),
        schedule.timezone,
        stands,
        schedule.catch_up,
        schedule.overlap,
        schedule.retries,
        coming if stands == "on" else (),
        None if last is None else tick_view(last),
        len(state.open),
        len(state.dead),
        f"{schedule.name} begins {schedule.target} {when(schedule, stretch(schedule, state))}",
    )


def schedule_detail(ticking: Ticking, now_us: int) -> ScheduleDetail:
    """A schedule with its ticks."""
    state = ticking.state

    def newest(ticks: tuple[Tick, ...]) -> tuple[TickView, ...]:
        return tuple(map(tick_view, sorted(ticks, key=lambda tick: tick.due_us, reverse=True)))

    return ScheduleDetail(
        schedule_view(ticking, now_us),
        newest(tuple(state.open.values())),
        newest(tuple(state.dead.values())),
        newest(state.recent),
    )


def when(schedule: Schedule, times: int = 1) -> str:
    """When it begins, in a few words; of a heartbeat also how often by now, which is so many `times` its interval."""
    if schedule.cron is not None:
        return f"at {schedule.cron} ({schedule.timezone})"
    if schedule.every_s is not None:
        beat = "" if schedule.heartbeat is None else ", heartbeat"
        now = f", now {schedule.every_s * times} s" if times > 1 else ""
        return f"every {schedule.every_s} s{beat}{now}"
    if schedule.at is not None:
        return f"at {schedule.at.isoformat()}"
    return "when a program says so"


def _has_times(schedule: Schedule) -> bool:
    return any(each is not None for each in (schedule.cron, schedule.every_s, schedule.at))
