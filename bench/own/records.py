"""Durable records per second: so many runs at once, ten steps each, every step waiting for its commit. Prints JSON."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from bench.figure import ROOT
from bench.own.shop import agents, policies
from lichen import Customer, Runtime, Scope
from lichen.core.words.scope import SYSTEM

STEPS = 10


async def main(runs: int, rounds: int, tenants: int) -> None:
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        home = Path(folder)
        async with Runtime.open(home / "data", agents=agents(STEPS), policies=policies(home)) as runtime:
            scopes = [Scope(f"t{i}", "dev") for i in range(tenants)]
            customer = Customer("customer-7")

            async def one(i: int) -> None:
                for _ in range(rounds):
                    scope = scopes[i % tenants]
                    run = await runtime.runs.start(scope, "bench.once", "go", customer)
                    await runtime.runs.result(scope, run, SYSTEM)

            await one(0)
            cpu, commits, before = time.process_time(), runtime.volume.commits, _records(runtime, scopes)
            began = time.perf_counter()
            await asyncio.gather(*(one(i) for i in range(runs)))
            seconds = time.perf_counter() - began
            records = _records(runtime, scopes) - before
            print(
                json.dumps(
                    {
                        "records_per_s": records / seconds,
                        "steps_per_s": runs * rounds * STEPS / seconds,
                        "runs_per_s": runs * rounds / seconds,
                        "cpu_us": (time.process_time() - cpu) / records * 1e6,
                        "barriers": (runtime.volume.commits - commits) / records,
                    }
                )
            )


def _records(runtime: Runtime, scopes: list[Scope]) -> int:
    return sum(runtime.log(scope).last_seq for scope in scopes)


if __name__ == "__main__":
    arguments = (int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
    try:
        import uvloop

        uvloop.run(main(*arguments))
    except ImportError:
        asyncio.run(main(*arguments))
