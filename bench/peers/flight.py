"""Many runs in flight with a model that takes 20 ms: how many end a second, and what one takes of memory. The same for
everybody; the memory is what Linux says is resident."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

MODEL_S = 0.02
WARM_UP = 50

Run = Callable[[int], Awaitable[None]]


class Thinking:
    """What the model of a run takes: 20 ms, or until it is let go."""

    def __init__(self) -> None:
        self._held = 0
        self._all_there = self._let_go = asyncio.Event()
        self._wanted = 0

    async def think(self) -> None:
        """Takes its time."""
        if not self._wanted:
            return await asyncio.sleep(MODEL_S)
        self._held += 1
        if self._held == self._wanted:
            self._all_there.set()
        await self._let_go.wait()
        return None

    async def holding(self, count: int, run: Run) -> int:
        """What is resident while so many runs wait for their model's first answer, in KB. Then they go on."""
        self._all_there, self._let_go = asyncio.Event(), asyncio.Event()
        self._held, self._wanted = 0, count
        runs = [asyncio.ensure_future(run(i)) for i in range(count)]
        await self._all_there.wait()
        gc.collect()
        found = resident_kb("VmRSS")
        self._wanted = 0
        self._let_go.set()
        await asyncio.gather(*runs)
        return found


async def measured(thinking: Thinking, run: Run, *, at_once: int, total: int, version: str, holds: bool = True) -> None:
    """Prints what was found. `run` is one run, two requests to the model and a tool between them. Where holding as many
    takes too long, nothing is said of the memory of one."""
    await asyncio.gather(*(run(i) for i in range(min(at_once, WARM_UP))))
    gc.collect()
    idle_kb = resident_kb("VmRSS")
    held = {"run_kb": (await thinking.holding(at_once, run) - idle_kb) / at_once} if holds else {}
    left = iter(range(total))

    async def worker() -> None:
        for i in left:
            await run(i)

    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    seconds = time.perf_counter() - began
    found = {
        "runs_per_s": total / seconds,
        "cpu_us": (time.process_time() - cpu) / total * 1e6,
        "peak_mb": resident_kb("VmHWM") / 1024,
        "version": version,
        **held,
    }
    print(json.dumps(found), flush=True)


def resident_kb(line: str) -> int:
    """A line of this process's status."""
    status = Path("/proc/self/status").read_text()
    return int(next(each.split()[1] for each in status.splitlines() if each.startswith(line)))


def go(main: Coroutine[Any, Any, None]) -> None:
    """Runs it on uvloop where that is, as everybody does who wants to be fast."""
    try:
        import uvloop

        uvloop.run(main)
    except ImportError:
        asyncio.run(main)
