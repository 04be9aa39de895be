"""One schedule of one scope at work: a task that notes what has come, begins it, and waits for what is next.

All that it knows is in the schedule's stream. A tick is noted as begun in the same append as its run, so a death
between any two steps neither loses one nor begins it twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

import msgspec

from lichen.core.controls.schedules import TickStage
from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.deciders.schedules import ScheduleState, Tick, schedule_stream
from lichen.core.deciders.streams import TenantState
from lichen.core.words.errors import LichenError, Unavailable
from lichen.core.words.ids import AgentName, RunId, StreamId, run_stream
from lichen.core.words.scope import Actor, Scope
from lichen.engine.engine import Engine
from lichen.engine.intake import runs
from lichen.engine.intake.request import Request
from lichen.engine.pace.race import race
from lichen.runtime.access.access import About, Access
from lichen.runtime.schedules.given import answer_of, given
from lichen.runtime.schedules.owed import come, next_us, waiting
from lichen.settings.schedules.table import Schedule

ROLE: Final = "schedule"
LOOK_S: Final = 300.0  # a clock that was put forward, or a machine that slept, is noticed within this
AGAIN_S: Final = 2.0  # after what the runtime could not take just now

_log = logging.getLogger("lichen.schedules")


def acts_as(name: str) -> Actor:
    """Who runs of a schedule act for: a service of its name."""
    return Actor("service", f"schedule:{name}", (ROLE,), auth="schedule")


class Parts(NamedTuple):
    """What every schedule works with."""

    engine: Engine
    access: Access
    sleep: Callable[[float], Awaitable[None]]


class Ticking:
    """A schedule at work. `look` does what is owed now; `run` looks whenever there may be something."""

    def __init__(self, scope: Scope, schedule: Schedule, parts: Parts) -> None:
        self.scope, self.schedule, self.parts = scope, schedule, parts
        self._engine, self._access, self._sleep = parts
        self._stream = schedule_stream(schedule.name)
        self._actor = acts_as(schedule.name)
        self._poked = asyncio.Event()
        self._watches: dict[RunId, asyncio.Task[None]] = {}
        self._task: asyncio.Task[None] | None = None

    @property
    def stream(self) -> StreamId:
        """Where its ticks are noted."""
        return self._stream

    @property
    def state(self) -> ScheduleState:
        """How it stands."""
        return self._tenant_state().schedule

    @property
    def is_paused(self) -> bool:
        """Whether somebody paused it."""
        return bool(self._tenant_state().stopped)

    @property
    def is_at_work(self) -> bool:
        """Whether it looks by itself."""
        return self._task is not None and not self._task.done()

    def _tenant_state(self) -> TenantState:
        state = self._engine.journal(self.scope).state(self._stream)
        assert isinstance(state, TenantState)
        return state

    def begin(self) -> None:
        """From now on it is at work."""
        if not self.is_at_work:
            self._task = asyncio.get_running_loop().create_task(self.run(), name=f"schedule/{self.schedule.name}")

    async def close(self) -> None:
        """Stops. Runs that it began go on."""
        tasks = [task for task in (self._task, *self._watches.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def poke(self) -> None:
        """Has it look again."""
        self._poked.set()

    async def run(self) -> None:
        """Looks whenever there may be something, until cancelled."""
        while True:
            self._poked.clear()
            try:
                pause_s = await self.look()
            except Unavailable:
                pause_s = AGAIN_S
            except LichenError as error:
                _log.warning("schedule %s of %s: %s", self.schedule.name, self.scope.tenant, error.code)
                pause_s = LOOK_S
            await race({"poked": self._poked.wait(), "time": self._sleep(pause_s)})

    async def look(self) -> float:
        """Does what is owed now. Returns in how many seconds there may be more. Raises Unavailable."""
        await self._engine.journal(self.scope).log.load(self._stream)  # by a thread: its past may be long
        self._settle()
        if self.is_paused:
            await self.begin_asked()
            return LOOK_S
        self._arm()
        plan = come(self.schedule, self.state, self._now_us)
        if plan.noted:
            self._append(*plan.noted)
        if plan.begins is not None:
            await self._start(plan.begins)
        while ready := waiting(self.schedule, self.state, self._now_us):
            for tick in ready:
                await self._start(tick)
        await self._engine.journal(self.scope).log.durable_stream(self._stream)
        following = next_us(self.schedule, self.state)
        if following is None:
            return LOOK_S
        return min(LOOK_S, max(0.0, (following - self._now_us) / 1e6))

    async def begin_asked(self) -> None:
        """Begins what somebody wants beside its moments, whether or not it is at work. Raises Unavailable."""
        while ready := [tick for tick in waiting(self.schedule, self.state, self._now_us) if tick.is_asked]:
            for tick in ready:
                await self._start(tick)

    @property
    def _now_us(self) -> int:
        return self._engine.services.clock()

    def _arm(self) -> None:
        """Has moments count from now on, where they did not: of a new schedule, and of one with other times."""
        digest = self.schedule.times.digest
        if self.state.digest != digest:
            self._append(e.Ticked(self.schedule.name, self._now_us, "armed", digest=digest))

    def disarm(self) -> None:
        """Has no moment count any more, until it is named again. Raises Unavailable."""
        if self.state.digest:
            self._append(e.Ticked(self.schedule.name, self._now_us, "armed"))

    # -- a tick's run --------------------------------------------------------------------------------------------

    async def _start(self, tick: Tick) -> None:
        """Begins the run of a tick, the next one where it failed. One that may not begin, or cannot, is a dead letter.
        Raises Unavailable."""
        if tick.stage == "failed":
            tick = msgspec.structs.replace(tick, attempt=tick.attempt + 1)
        schedule, about = self.schedule, About(self.schedule.target)
        try:
            ruling = self._access.ask("run.start", self.scope, self._actor, about)
            self._access.host(self.scope, schedule.target)
            request = Request(self._engine, self.scope, self._actor, ruling)
            told = given(request.journal, schedule, self.state, tick)
            run = await runs.start(
                request,
                AgentName(schedule.target),
                schedule.text,
                key=f"{schedule.name}/{tick.due_us}/{tick.attempt}",
                input=told.input,
                label=told.label,
                beside=lambda run: {self._stream: (e.Draft(self._noted(tick, "begun", run=run)),)},
            )
        except Unavailable:
            raise
        except LichenError as error:
            self._append(self._noted(tick, "failed", code=error.code), self._noted(tick, "dead", code=error.code))
            return
        self._watch(run)

    def _noted(self, tick: Tick, stage: TickStage, *, run: RunId | None = None, code: str = "") -> e.Ticked:
        return e.Ticked(
            self.schedule.name, tick.due_us, stage, tick.attempt, run or tick.run, code, is_asked=tick.is_asked
        )

    def _append(self, *noted: e.Ticked) -> None:
        drafts: moves.Drafts = tuple(map(e.Draft, noted))
        journal = self._engine.journal(self.scope)
        journal.append({self._stream: drafts}, actor=journal.log.name(self._actor))

    # -- what becomes of it --------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Notes how the runs of open ticks ended, and watches those that have not."""
        journal = self._engine.journal(self.scope)
        for tick in tuple(self.state.open.values()):
            if tick.stage == "failed" and tick.attempt > self.schedule.retries:
                self._append(self._noted(tick, "dead", code=tick.code))
            if tick.stage != "begun" or tick.run is None:
                continue
            run = journal.run(tick.run)
            match run.outcome:
                case "":
                    self._watch(tick.run)
                case "completed":
                    self._append(self._noted(tick, "clear" if self._is_clear(tick) else "completed"))
                case "cancelled":
                    self._append(self._noted(tick, "cancelled", code=run.cancel or ""))
                case _:
                    self._append(*self._failed(tick, run.failure or ""))

    def _failed(self, tick: Tick, code: str) -> tuple[e.Ticked, ...]:
        failed = self._noted(tick, "failed", code=code)
        return (failed, self._noted(tick, "dead", code=code)) if tick.attempt > self.schedule.retries else (failed,)

    def _is_clear(self, tick: Tick) -> bool:
        beat = self.schedule.heartbeat
        if beat is None:
            return False
        said = answer_of(self._engine.journal(self.scope), tick).strip().casefold()
        return said.startswith(beat.all_clear.strip().casefold())

    def _watch(self, run: RunId) -> None:
        """Has the schedule look again once the run is over."""
        if run not in self._watches:
            task = asyncio.get_running_loop().create_task(self._over(run), name=f"schedule/{run}")
            self._watches[run] = task
            task.add_done_callback(lambda _: self._watches.pop(run, None))

    async def _over(self, run: RunId) -> None:
        journal = self._engine.journal(self.scope)
        watch = journal.watch(run_stream(run), e.RunFinished)
        try:
            if not journal.run(run).outcome:
                await watch.next()
        except Unavailable:
            await self._sleep(AGAIN_S)
        if self.is_at_work:
            self.poke()
        else:
            self._settle()
