"""A shop whose schedules begin runs: by the hour, when a program says so, and one that fails whoever tries again.

Its clock is put forward, and stands in a file, so that it goes on where it stood at a death.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from pathlib import Path
from typing import Final

from lichen import Agent
from lichen.core.deciders import events as e
from lichen.core.deciders.schedules import schedule_stream
from lichen.core.ports.plan import Plan, PlanInput
from lichen.core.words.scope import SYSTEM, Operator, Scope
from lichen.log.volume import VolumeOptions
from lichen.runtime import Runtime
from lichen.runtime.project.loading import load
from lichen.runtime.schedules.owed import next_us
from lichen.runtime.schedules.ticking import Ticking
from tests.crash.bills import Wrong

SCOPE: Final = Scope("acme", "dev")
OPS: Final = Operator("ops", ("operator",))
BEGAN_US: Final = 1_760_000_000_000_000
MINUTE_US, HOUR_US = 60_000_000, 3_600_000_000
JUMPS_US: Final = (HOUR_US + HOUR_US // 2, 3 * HOUR_US + HOUR_US // 2)  # one hour comes by itself, then two at once
HOURS: Final = 3
PROJECT: Final = """
[lichen]
agents = ["shop.py:hand", "shop.py:broken"]
home = "."

[tenants.acme]
agent = "shop.hand"
policies = "policies"

[[tenants.acme.schedules]]
name = "hourly"
agent = "shop.hand"
every_s = 3600
catch_up = "all"
overlap = "queue"

[[tenants.acme.schedules]]
name = "told"
agent = "shop.hand"

[[tenants.acme.schedules]]
name = "broken"
agent = "shop.broken"
"""


class Hand:
    """Does what there is to do."""

    pure = True
    digest = "hand-1"

    async def plan(self, input: PlanInput) -> Plan:
        return Plan(answer="done")


class Broken(Hand):
    """Cannot."""

    digest = "broken-1"

    async def plan(self, input: PlanInput) -> Plan:
        raise ValueError("no")


hand, broken = Agent("shop.hand", planner=Hand()), Agent("shop.broken", planner=Broken())


class Clock:
    """The shop's: it goes on by itself, is put forward, and is a minute later in each life."""

    def __init__(self, home: Path) -> None:
        self._file = home / "clock"
        self._since_us = time.monotonic_ns() // 1_000
        self._at_us = int(self._file.read_text()) if self._file.exists() else 0
        self.put_to(self._at_us + MINUTE_US)

    def __call__(self) -> int:
        return BEGAN_US + self._at_us + time.monotonic_ns() // 1_000 - self._since_us

    def put_to(self, at_us: int) -> None:
        """It is so late now, or later."""
        self._at_us = max(at_us, self._at_us)
        fresh = self._file.with_suffix(".new")
        fresh.write_text(str(self._at_us))
        fresh.replace(self._file)  # whole, whenever the process dies


def write(home: Path) -> None:
    """The shop."""
    (home / "policies").mkdir(parents=True, exist_ok=True)
    (home / "policies" / "open.cedar").write_text('@id("open") permit (principal, action, resource);\n')
    (home / "lichen.toml").write_text(PROJECT)
    (home / "shop.py").write_text("from tests.crash.others.timed import broken, hand\n")


async def live(home: Path) -> None:
    """One life: the story, and the judge."""
    write(home)
    clock = Clock(home)
    runtime = Runtime.of(load(home / "lichen.toml", environ={}))
    async with runtime.simulated(clock=clock, random=os.urandom, volume=VolumeOptions()):
        await play(runtime, clock)
        await judge(runtime)


async def play(runtime: Runtime, clock: Clock) -> None:
    """Hours pass, a program says twice that something happened, a person tries once more what failed."""
    runtime.ticker.begin()
    await _done(runtime, clock)
    for at_us in JUMPS_US:
        clock.put_to(at_us)
        runtime.ticker.named(SCOPE, "hourly").poke()
        await _done(runtime, clock)
    for _ in range(2):
        await runtime.schedules.fire(SCOPE, "told", OPS, key="delivery-1", data={"order": 7})
    await runtime.schedules.fire(SCOPE, "broken", OPS, key="delivery-2")
    await _done(runtime, clock)
    for tick in runtime.ticker.named(SCOPE, "broken").state.dead.values():
        if tick.attempt == 1:
            await runtime.schedules.replay(SCOPE, "broken", str(tick.due_us), OPS)
    await _done(runtime, clock)


async def _done(runtime: Runtime, clock: Clock) -> None:
    """Until nothing is owed any more."""
    while any(_owes(each, clock) for each in runtime.ticker.of(SCOPE)):  # noqa: ASYNC110 - noted in several streams
        await asyncio.sleep(0.002)
    await runtime.log(SCOPE).durable()


def _owes(ticking: Ticking, clock: Clock) -> bool:
    state = ticking.state
    is_armed = state.digest == ticking.schedule.times.digest
    following = next_us(ticking.schedule, state)
    return not is_armed or bool(state.open) or (following is not None and following <= clock())


async def judge(runtime: Runtime) -> None:
    """Raises Wrong where a tick is lost, began twice, or did not come to its end."""
    ticks = {name: _ticks(runtime, name) for name in ("hourly", "told", "broken")}
    (armed_us,) = [each.due_us for each in ticks["hourly"] if each.stage == "armed"]
    due = {armed_us + n * HOUR_US: 1 for n in range(1, HOURS + 1)}
    wanted = {"hourly": ("completed", due), "told": ("completed", {0: 1}), "broken": ("dead", {0: 2})}
    runs: list[str] = []
    for name, (end, times) in wanted.items():
        began = [each for each in ticks[name] if each.stage == "begun"]
        ended = Counter(0 if each.is_asked else each.due_us for each in ticks[name] if each.stage == end)
        if Counter(0 if each.is_asked else each.due_us for each in began) != times or ended != times:
            raise Wrong(f"{name} is to have {end} {times}, began {began}, and {ended}")
        runs += [str(each.run) for each in began]
    odd = [each for each in ticks["hourly"] if each.stage in ("missed", "skipped")]
    known = sorted(row.id for row in runtime.log(SCOPE).stream_rows("run", limit=1_000))
    if odd or sorted(runs) != known:
        raise Wrong(f"left out {odd}; ticks began {runs}, and there are {known}")
    report = await runtime.proofs.verify(SCOPE, SYSTEM)
    if not report.ok:
        raise Wrong(f"the log does not verify: {report}")


def _ticks(runtime: Runtime, name: str) -> list[e.Ticked]:
    records = runtime.log(SCOPE).records(schedule_stream(name))
    return [each.control for each in records if isinstance(each.control, e.Ticked)]
