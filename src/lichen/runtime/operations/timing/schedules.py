"""What begins by itself: how it stands, paused and resumed, begun at once, and begun again where it failed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.deciders.schedules import Tick
from lichen.core.words.content import RETENTION
from lichen.core.words.errors import Conflict, Invalid, NotFound
from lichen.core.words.scope import Actor, Scope
from lichen.engine.engine import Engine
from lichen.runtime.access.access import EVERYTHING, About, Access
from lichen.runtime.schedules.ticker import Ticker
from lichen.runtime.schedules.ticking import Ticking
from lichen.runtime.schedules.views import (
    ScheduleDetail,
    ScheduleView,
    TickView,
    schedule_detail,
    schedule_view,
    tick_view,
)

KEY_CHARACTERS_MAX: Final = 256
DATA_BYTES_MAX: Final = 32 * 1024


class Schedules:
    """The schedules of a runtime. Every operation raises Denied, and NotFound (`schedule_unknown`)."""

    def __init__(self, engine: Engine, access: Access, ticker: Ticker) -> None:
        self._engine, self._access, self._ticker = engine, access, ticker

    def list(self, scope: Scope, actor: Actor) -> tuple[ScheduleView, ...]:
        """Every schedule of the scope, by name."""
        self._access.ask("schedule.read", scope, actor, EVERYTHING)
        return tuple(schedule_view(each, self._now_us) for each in self._ticker.of(scope))

    def show(self, scope: Scope, name: str, actor: Actor) -> ScheduleDetail:
        """One of them, with its ticks: open ones, dead letters, and the last that ended."""
        self._access.ask("schedule.read", scope, actor, About(name))
        return schedule_detail(self._ticker.named(scope, name), self._now_us)

    async def pause(self, scope: Scope, name: str, actor: Actor, *, reason: str = "") -> ScheduleView:
        """Begins nothing more until it is resumed; what has begun goes on. Durable when this returns. Pausing twice is
        no error."""
        ruling = self._access.ask("schedule.pause", scope, actor, About(name))
        ticking = self._ticker.named(scope, name)
        if not ticking.is_paused:
            await self._change(ticking, "stop", actor, ruling, reason)
        return schedule_view(ticking, self._now_us)

    async def resume(self, scope: Scope, name: str, actor: Actor, *, reason: str = "") -> ScheduleView:
        """Begins again what comes due from now on: moments that passed meanwhile are not made up for."""
        ruling = self._access.ask("schedule.resume", scope, actor, About(name))
        ticking = self._ticker.named(scope, name)
        if ticking.is_paused:
            digest = ticking.schedule.times.digest
            armed = e.Draft(e.Ticked(name, self._now_us, "armed", digest=digest))
            await self._change(ticking, "start", actor, ruling, reason, armed)
        return schedule_view(ticking, self._now_us)

    async def run(self, scope: Scope, name: str, actor: Actor) -> TickView:
        """Begins it once, now; after what is under way, unless its ticks may overlap."""
        ruling = self._access.ask("schedule.run", scope, actor, About(name))
        ticking = self._ticker.named(scope, name)
        due_us = self._free_us(ticking)
        queued = e.Ticked(name, due_us, "queued", is_asked=True, ruling=ruling)
        return await self._ask(ticking, queued, actor)

    async def replay(self, scope: Scope, name: str, tick: str, actor: Actor) -> TickView:
        """Begins a tick again that failed for good. Raises NotFound (`tick_unknown`) where none of them has this id."""
        ruling = self._access.ask("schedule.replay", scope, actor, About(name))
        ticking = self._ticker.named(scope, name)
        dead = ticking.state.dead.get(int(tick)) if tick.isdecimal() and len(tick) < 20 else None
        if dead is None:
            step = f"`lichen schedules history {name}` shows which failed."
            raise NotFound("No tick of this id failed for good.", code="tick_unknown", next_step=step)
        queued = e.Ticked(name, dead.due_us, "queued", dead.attempt + 1, dead.run, is_asked=True, ruling=ruling)
        return await self._ask(ticking, queued, actor)

    async def fire(
        self, scope: Scope, name: str, actor: Actor, *, key: str, data: Mapping[str, Any] = {}, source: str = ""
    ) -> TickView:
        """Begins it once for this `key`, with this `data` beside its own: what a program does when something happened
        that it is told of. Durable when this returns; repeated with the same key it is the same tick. `source` names
        the stranger whose words the data are, where nobody vouches for them: the run is labelled with it.

        Raises Invalid (`key_invalid`, `input_too_large`), Conflict (`key_reused`) where the data is another.
        """
        ruling = self._access.ask("schedule.fire", scope, actor, About(name))
        ticking = self._ticker.named(scope, name)
        if not 0 < len(key) <= KEY_CHARACTERS_MAX:
            step = "Name what happened, such as by the id of a delivery; over HTTP with a header Idempotency-Key."
            raise Invalid("An idempotency key has 1-256 characters.", code="key_invalid", next_step=step)
        sealed = msgspec.json.encode(data)
        if len(sealed) > DATA_BYTES_MAX:
            raise Invalid(f"Data has at most {DATA_BYTES_MAX} bytes.", code="input_too_large", place="data")
        log = self._engine.journal(scope).log
        token = log.digest(f"fire\x00{key}".encode()).hex()
        queued = e.Ticked(name, self._free_us(ticking), "queued", is_asked=True, ruling=ruling, token=token)
        n = log.find(ticking.stream, queued.key)
        if n is None:
            from_whom = (("source", source.encode()),) if source else ()
            return await self._ask(ticking, queued, actor, ("data", sealed), *from_whom)
        if log.contents(ticking.stream, n).get("data") != sealed:
            raise Conflict("This key was used for other data.", code="key_reused", next_step="Use a new key.")
        await log.durable_stream(ticking.stream)
        return _seen(ticking, log.record(ticking.stream, n).control)

    # -- what all of them do -------------------------------------------------------------------------------------

    @property
    def _now_us(self) -> int:
        return self._engine.services.clock()

    def _free_us(self, ticking: Ticking) -> int:
        """A moment that no tick of the schedule has: now, or the next one."""
        state, due_us = ticking.state, self._now_us
        taken = {*state.open, *state.dead, *(tick.due_us for tick in state.recent)}
        while due_us in taken:
            due_us += 1
        return due_us

    async def _ask(self, ticking: Ticking, queued: e.Ticked, actor: Actor, *parts: moves.Part) -> TickView:
        """Notes that somebody wants a tick, and has it begin."""
        await self._note(ticking, actor, e.Draft(queued, moves.as_contents(list(parts), RETENTION)))
        if ticking.is_at_work:
            ticking.poke()
        else:
            await ticking.begin_asked()
        return _seen(ticking, queued)

    async def _change(
        self,
        ticking: Ticking,
        kind: e.ChangeKind,
        actor: Actor,
        ruling: e.Ruling,
        reason: str,
        *more: e.Draft,
    ) -> None:
        """Notes that a schedule is paused, or is no longer."""
        changed = e.Changed(kind, ticking.schedule.name, "", self._engine.services.new_id("change"), ruling)
        contents = moves.as_contents([("reason", reason.encode())], RETENTION)
        await self._note(ticking, actor, e.Draft(changed, contents), *more)
        ticking.poke()

    async def _note(self, ticking: Ticking, actor: Actor, *drafts: e.Draft) -> None:
        journal = self._engine.journal(ticking.scope)
        journal.append({ticking.stream: drafts}, actor=journal.log.name(actor))
        await journal.log.durable_stream(ticking.stream)


def _seen(ticking: Ticking, control: e.Control) -> TickView:
    assert isinstance(control, e.Ticked)
    state = ticking.state
    known = state.open.get(control.due_us) or next(
        (each for each in state.recent if each.due_us == control.due_us), None
    )
    return tick_view(known or Tick(control.due_us, control.stage, 0, is_asked=control.is_asked))
