"""What a schedule's stream says: since when its moments count, which tick was noted last, and how each stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from lichen.core.controls.schedules import Ticked, TickStage
from lichen.core.words.ids import RunId, StreamId

RECENT_MAX: Final = 200  # ticks that ended, at hand
DEAD_MAX: Final = 1_000  # those that wait for somebody
ENDED: Final = frozenset(("completed", "clear", "cancelled", "dead"))
_PREFIX: Final = "schedule-"


class Tick(msgspec.Struct, frozen=True):
    """One tick as it stands: the last thing that was noted of it, and when. `begun_us`: when its last attempt began;
    `asked_n`: the record in which somebody wanted it, which may hold what it is to be given."""

    due_us: int
    stage: TickStage
    at_us: int
    attempt: int = 1
    run: RunId | None = None
    code: str = ""
    count: int = 1
    first_us: int = 0
    is_asked: bool = False
    begun_us: int = 0
    asked_n: int = -1


class ScheduleState(msgspec.Struct, frozen=True):
    """`last_us` is the moment of the last tick that was noted, or from when on moments count; `ran_us` that of the last
    that began. `open` are ticks that wait or are under way, `dead` those that failed for good, `recent` the last that
    ended, the newest at the end. So many were `calm` or `failing` in a row.
    """

    digest: str = ""
    last_us: int = 0
    ran_us: int = 0
    open: Mapping[int, Tick] = {}
    dead: Mapping[int, Tick] = {}
    recent: tuple[Tick, ...] = ()
    calm: int = 0
    failing: int = 0


NONE: Final = ScheduleState()


def schedule_stream(name: str) -> StreamId:
    """The stream that holds every tick of a schedule."""
    return StreamId("tenant", f"{_PREFIX}{name}")


def evolve(state: ScheduleState, ticked: Ticked, *, at_us: int, n: int) -> ScheduleState:
    """The state after something was noted of a tick."""
    due_us = ticked.due_us
    if ticked.stage == "armed":
        return msgspec.structs.replace(state, digest=ticked.digest, last_us=due_us)
    tick = _noted(state, ticked, at_us, n)
    opened = {each: known for each, known in state.open.items() if each != due_us}
    dead = state.dead
    if due_us in dead:
        dead = {each: known for each, known in dead.items() if each != due_us}
    recent = state.recent
    match ticked.stage:
        case "queued" | "begun" | "failed":
            opened[due_us] = tick
        case "dead":
            dead = {**dead, due_us: tick}
            if len(dead) > DEAD_MAX:
                del dead[next(iter(dead))]
        case "missed" | "skipped" | "completed" | "clear" | "cancelled":
            pass
    if due_us not in opened:
        recent = (*(each for each in recent if each.due_us != due_us), tick)[-RECENT_MAX:]
    is_timed = not ticked.is_asked
    return msgspec.structs.replace(
        state,
        last_us=max(state.last_us, due_us) if is_timed else state.last_us,
        ran_us=max(state.ran_us, due_us) if ticked.stage == "begun" else state.ran_us,
        open=opened,
        dead=dead,
        recent=recent,
        **_in_a_row(state, ticked.stage),
    )


def _noted(state: ScheduleState, ticked: Ticked, at_us: int, n: int) -> Tick:
    before = state.open.get(ticked.due_us) or state.dead.get(ticked.due_us)
    begun_us = at_us if ticked.stage == "begun" else before.begun_us if before is not None else 0
    run = ticked.run or (before.run if before is not None else None)
    asked_n = before.asked_n if before is not None else n if ticked.is_asked else -1
    return Tick(
        ticked.due_us,
        ticked.stage,
        at_us,
        ticked.attempt,
        run,
        ticked.code,
        ticked.count,
        ticked.first_us,
        ticked.is_asked,
        begun_us,
        asked_n,
    )


def _in_a_row(state: ScheduleState, stage: TickStage) -> dict[str, int]:
    match stage:
        case "clear":
            return {"calm": state.calm + 1, "failing": 0}
        case "completed":
            return {"calm": 0, "failing": 0}
        case "failed":
            return {"calm": 0, "failing": state.failing + 1}
        case _:
            return {}
