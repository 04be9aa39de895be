"""What a turn and a step cost, counted: records, facts, appends, seals, barriers, wake-ups, Python calls. Prints JSON.

Nothing here depends on the machine: it is what the code does, not how long that takes.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import FrameType
from typing import Any

from bench.figure import ROOT
from bench.own.shop import agents, policies
from lichen import Customer, Runtime, Scope
from lichen.core.words.ids import MessageId
from lichen.core.words.scope import SYSTEM

STEPS = 10
TURNS = 20
WARM_UP = 10
SCOPE, CUSTOMER = Scope("acme", "dev"), Customer("customer-7")


class CountingLoop(asyncio.SelectorEventLoop):
    """Counts the callbacks it is asked to run, from its own thread or from the writer's: the wake-ups."""

    wakes = 0

    def call_soon(self, *args: Any, **more: Any) -> asyncio.Handle:
        self.wakes += 1
        return super().call_soon(*args, **more)

    def call_soon_threadsafe(self, *args: Any, **more: Any) -> asyncio.Handle:
        self.wakes += 1
        return super().call_soon_threadsafe(*args, **more)


class Counts:
    """Counts what a runtime's log does."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime, self._log = runtime, runtime.log(SCOPE)
        self._seen: Counter[str] = Counter()
        for name in ("append", "append_now"):
            self._count(type(self._log), name, "appends")
        self._count(type(runtime.keyring), "seal", "seals")

    def _count(self, owner: type, name: str, as_name: str) -> None:
        inner = getattr(owner, name, None)
        if inner is None:
            return

        def counted(*args: Any, **more: Any) -> Any:
            self._seen[as_name] += 1
            return inner(*args, **more)

        setattr(owner, name, counted)

    async def of(self, work: Callable[[], Awaitable[None]], units: int) -> dict[str, float]:
        """How many of each a unit of this work takes."""
        await self._settled()
        before, seq = self._now(), self._log.last_seq
        await work()
        await self._settled()
        after = self._now()
        facts = len(self._log.read(seq, 1_000_000))
        return {name: round((after[name] - before[name]) / units, 2) for name in after} | {
            "facts": round(facts / units, 2)
        }

    async def _settled(self) -> None:
        await self._runtime.idle()
        await self._log.durable()

    def _now(self) -> dict[str, int]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, CountingLoop)
        return {
            "records": self._log.last_seq,
            "appends": self._seen["appends"],
            "seals": self._seen["seals"],
            "barriers": self._runtime.volume.commits,
            "wake-ups": loop.wakes,
        }


class Calls:
    """Counts the calls of Python functions in every thread that is started after it."""

    def __init__(self) -> None:
        self.count = 0
        threading.setprofile(self._note)

    def _note(self, frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            self.count += 1

    async def of(self, work: Callable[[], Awaitable[None]], units: int) -> float:
        """How many calls a unit of this work takes, the writer's thread included."""
        before = self.count
        sys.setprofile(self._note)
        try:
            await work()
        finally:
            sys.setprofile(None)
        return round((self.count - before) / units)


async def measure(calls: Calls | None) -> dict[str, dict[str, float]]:
    """Everything but the calls of Python, which slow all else down, or only them."""
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        home = Path(folder)
        async with Runtime.open(home / "data", agents=agents(1), policies=policies(home)) as runtime:
            found = {}
            for effects in ("none", "once"):
                talk = await _talk(runtime, effects)
                found[f"turn {effects}"] = await _counted(runtime, calls, lambda talk=talk: talk(TURNS), TURNS)
        async with Runtime.open(home / "steps", agents=agents(STEPS), policies=home / "policies") as runtime:
            await _run(runtime)
            found["step"] = await _counted(runtime, calls, lambda: _run(runtime), STEPS)
    return found


async def _counted(
    runtime: Runtime, calls: Calls | None, work: Callable[[], Awaitable[None]], units: int
) -> dict[str, float]:
    if calls is not None:
        return {"Python calls": await calls.of(work, units)}
    return await Counts(runtime).of(work, units)


async def _talk(runtime: Runtime, effects: str) -> Callable[[int], Awaitable[None]]:
    """A conversation that is warm."""
    session = await runtime.sessions.open(SCOPE, CUSTOMER, agent=f"bench.{effects}")
    said = 0

    async def talk(turns: int) -> None:
        nonlocal said
        for _ in range(turns):
            turn = await session.say("Where is order 1042?")
            await turn.result()
            said += 1
            await session.delivered(MessageId(f"o{said}"))

    await talk(WARM_UP)
    return talk


async def _run(runtime: Runtime) -> None:
    run = await runtime.runs.start(SCOPE, "bench.once", "go", CUSTOMER)
    await runtime.runs.result(SCOPE, run, SYSTEM)


def main() -> None:
    with asyncio.Runner(loop_factory=CountingLoop) as runner:
        found = runner.run(measure(None))
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        called = runner.run(measure(Calls()))
    print(json.dumps({unit: found[unit] | called[unit] for unit in found}))


if __name__ == "__main__":
    main()
