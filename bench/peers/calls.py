"""The same request over and over, each way of asking in turns: how long each took. The same for everybody."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from bench.peers.shapes import PROVIDED

WARM_UP = 20


class Taken(NamedTuple):
    """What a request took: seconds, and seconds of this process's processors."""

    seconds: float
    cpu_s: float


Measure = Callable[[], Awaitable[Taken]]
"""Asks once."""


class Watch:
    """Begins when it is made."""

    def __init__(self) -> None:
        self._began, self._cpu = time.perf_counter(), time.process_time()

    def taken(self) -> Taken:
        """What it took since then."""
        return Taken(time.perf_counter() - self._began, time.process_time() - self._cpu)


def timed(ask: Callable[[], Awaitable[str]]) -> Measure:
    """How long it takes until what is said is there, all of it."""

    async def measure() -> Taken:
        watch = Watch()
        said = await ask()
        taken = watch.taken()
        assert said == PROVIDED, said
        return taken

    return measure


async def measured(ways: dict[str, Measure], times: int, version: str) -> None:
    """Prints what each of so many requests took, for each way of asking, one after the other."""
    found: dict[str, list[Taken]] = {name: [] for name in ways}
    for i in range(WARM_UP + times):
        for name, measure in ways.items():
            taken = await measure()
            if i >= WARM_UP:
                found[name].append(taken)
    print(json.dumps({"taken": found, "version": version}), flush=True)
