"""One life of a process that appends until it is killed: `python -m tests.log.lives DIRECTORY SEED`.

Writes one line for every record that was acknowledged, once it was: the stream and how many records it has.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path

from lichen.core.deciders import events as e
from lichen.core.words.content import Content
from lichen.core.words.ids import RunId, run_stream
from lichen.core.words.scope import Customer, Scope
from lichen.log.log import Log
from lichen.log.volume import VolumeOptions
from lichen.testing.log_conformance import put, started
from tests.log.homes import Home

TASKS = 20
LOGS = 3
LARGE = 70_000


async def run(log: Log, name: str, chance: random.Random) -> None:
    """Goes on with one stream for ever: a record, its acknowledgement, sometimes several at once."""
    stream = run_stream(RunId(name))
    if not log.state(stream).n:
        put(log, stream, started(log))
    who = log.name(Customer(name))
    while True:
        n = log.state(stream).n
        for number in range(chance.choice((1, 1, 1, 5))):
            size = LARGE if chance.random() < 0.02 else 100
            progressed = e.Signal("input", f"{n}-{number}")
            put(
                log,
                stream,
                e.Draft(progressed, (Content("input", who, f"{name} {n} {number} ".encode() * (size // 8)),)),
            )
        counted = log.state(stream).n
        await log.durable_stream(stream)
        os.write(1, f"{log.id} {name} {counted}\n".encode())


async def live(directory: Path, seed: int) -> None:
    home = Home(directory)
    home.random = os.urandom
    volume = await home.open(VolumeOptions(commit_rows_max=50))
    logs = [volume.log(Scope(f"tenant-{number}", "dev")) for number in range(LOGS)]
    os.write(1, b"up\n")
    async with asyncio.TaskGroup() as tasks:
        for number in range(TASKS):
            tasks.create_task(run(logs[number % LOGS], f"run-{number}", random.Random(seed + number)))


if __name__ == "__main__":
    asyncio.run(live(Path(sys.argv[1]), int(sys.argv[2])))
