"""What begins by itself: how it stands, paused, resumed, begun at once, and begun again where it failed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from lichen.runtime.schedules.views import ScheduleDetail, ScheduleView, TickView
from lichen.serve.api.route import ApiRoute
from lichen.serve.http.exchange import Body, Exchange, Note


class Steering(Body, frozen=True):
    """Why."""

    reason: Note = ""


class Replaying(Body, frozen=True):
    """Which tick, by its id."""

    tick: Annotated[str, msgspec.Meta(pattern="^[0-9]{1,19}$")]


class Firing(Body, frozen=True):
    """What its run is given beside the schedule's own data. `Idempotency-Key` names what happened."""

    data: Mapping[str, Any] = {}


async def list_schedules(x: Exchange) -> tuple[ScheduleView, ...]:
    """Every schedule, and when it is next."""
    return x.runtime.schedules.list(x.scope, x.actor)


async def show(x: Exchange) -> ScheduleDetail:
    """One of them, with its ticks: open ones, dead letters, and the last that ended."""
    return x.runtime.schedules.show(x.scope, x.part("name"), x.actor)


async def pause(x: Exchange) -> ScheduleView:
    """Begins nothing more until it is resumed."""
    return await x.runtime.schedules.pause(x.scope, x.part("name"), x.actor, reason=x.body(Steering).reason)


async def resume(x: Exchange) -> ScheduleView:
    """Begins again what comes due from now on."""
    return await x.runtime.schedules.resume(x.scope, x.part("name"), x.actor, reason=x.body(Steering).reason)


async def run(x: Exchange) -> TickView:
    """Begins it once, now."""
    return await x.runtime.schedules.run(x.scope, x.part("name"), x.actor)


async def replay(x: Exchange) -> TickView:
    """Begins a tick again that failed for good."""
    return await x.runtime.schedules.replay(x.scope, x.part("name"), x.body(Replaying).tick, x.actor)


async def fire(x: Exchange) -> TickView:
    """Begins it once for what the `Idempotency-Key` names."""
    key, data = x.key or "", x.body(Firing).data
    return await x.runtime.schedules.fire(x.scope, x.part("name"), x.actor, key=key, data=data)


ROUTES = (
    ApiRoute("GET", "schedules", "schedule.read", list_schedules),
    ApiRoute("GET", "schedules/{name}", "schedule.read", show, fails=(404,)),
    ApiRoute("POST", "schedules/{name}/pause", "schedule.pause", pause, body=Steering, fails=(404,)),
    ApiRoute("POST", "schedules/{name}/resume", "schedule.resume", resume, body=Steering, fails=(404,)),
    ApiRoute("POST", "schedules/{name}/run", "schedule.run", run, fails=(404,)),
    ApiRoute("POST", "schedules/{name}/replay", "schedule.replay", replay, body=Replaying, fails=(404,)),
    ApiRoute("POST", "schedules/{name}/fire", "schedule.fire", fire, body=Firing, fails=(404, 409), takes_key=True),
)
