"""What begins by itself: each schedule with its next moments, a strip of its last ticks, and what operators do."""

from __future__ import annotations

from html import escape
from typing import Final

import msgspec

from lichen.core.words.errors import Invalid
from lichen.runtime.schedules.views import ScheduleDetail, TickView
from lichen.serve.console.visit import Outcome, Visit
from lichen.serve.page.words import moment

TICKS_SHOWN: Final = 60
STEP, WIDTH, HEIGHT = 12.0, 8.0, 26.0
TONES: Final = {
    "completed": "ok",
    "clear": "ok",
    "begun": "open",
    "queued": "open",
    "failed": "failed",
    "dead": "failed",
}
REASON_CHARS_MAX: Final = 4_000


class ScheduleBook(msgspec.Struct, frozen=True):
    """Every schedule with its ticks."""

    schedules: tuple[ScheduleDetail, ...]


async def listing(visit: Visit) -> ScheduleBook:
    """Every schedule of the tenant."""
    schedules = visit.runtime.schedules
    names = [each.name for each in schedules.list(visit.scope, visit.actor)]
    return ScheduleBook(tuple(schedules.show(visit.scope, name, visit.actor) for name in names))


async def show(visit: Visit) -> ScheduleDetail:
    """The schedule of the path. Raises NotFound (`schedule_unknown`)."""
    return visit.runtime.schedules.show(visit.scope, visit.part("name"), visit.actor)


async def steer(visit: Visit) -> Outcome:
    """Pauses, resumes, begins or replays it. Raises Denied, NotFound."""
    name, schedules = visit.part("name"), visit.runtime.schedules
    reason = visit.form.get("reason", "").strip()[:REASON_CHARS_MAX]
    match visit.form.get("what"):
        case "pause":
            await schedules.pause(visit.scope, name, visit.actor, reason=reason)
        case "resume":
            await schedules.resume(visit.scope, name, visit.actor, reason=reason)
        case "run":
            await schedules.run(visit.scope, name, visit.actor)
        case "replay":
            await schedules.replay(visit.scope, name, visit.form.get("tick", ""), visit.actor)
        case _:
            step = "Use the buttons of the schedule's page."
            raise Invalid("A schedule is not steered so.", code="steering_unknown", place="what", next_step=step)
    return Outcome(f"/console/schedules/{name}")


def strips(visit: Visit, book: ScheduleBook) -> dict[str, str]:
    """For each schedule, a strip of its last ticks."""
    return {each.schedule.name: strip(each) for each in book.schedules}


def drawing(visit: Visit, detail: ScheduleDetail) -> str:
    """The strip of one."""
    return strip(detail)


def strip(detail: ScheduleDetail) -> str:
    """The last ticks beside each other, the newest at the right: tall where a run began, low where none did."""
    ticks = sorted((*detail.open, *detail.recent), key=lambda tick: tick.due_us)[-TICKS_SHOWN:]
    if not ticks:
        return ""
    bars = "".join(_bar(i, tick) for i, tick in enumerate(ticks))
    box = f"0 0 {len(ticks) * STEP:.0f} {HEIGHT:.0f}"
    counts = f"{len(ticks)} ticks, {sum(_tone(tick) == 'failed' for tick in ticks)} failed"
    size = f'width="{len(ticks) * STEP:.0f}" height="{HEIGHT:.0f}"'
    return f'<svg class="ticks" viewBox="{box}" {size} role="img" aria-label="{counts}">{bars}</svg>'


def _tone(tick: TickView) -> str:
    return TONES.get(tick.stage, "left")


def _bar(i: int, tick: TickView) -> str:
    tone = _tone(tick)
    height = HEIGHT / 3 if tone == "left" else HEIGHT
    title = escape(f"{moment(tick.due_us)}: {tick.summary}")
    place = f'x="{i * STEP:.0f}" y="{HEIGHT - height:.1f}" width="{WIDTH:.0f}" height="{height:.1f}" rx="2"'
    return f'<rect class="{tone}" {place}><title>{title}</title></rect>'
