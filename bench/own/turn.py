"""One turn, everything on: message in, plan, tool, plan, answer out, each durable when it has to be. Prints JSON."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from bench.figure import ROOT
from bench.own.shop import agents, policies
from lichen import Customer, Runtime, Scope
from lichen.core.words.ids import MessageId

WARM_UP = 30


class Made(NamedTuple):
    """How many records and commits there are, or came in the time that is measured: up to the answer."""

    records: int
    barriers: int


async def main(effects: str, turns: int) -> None:
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        home = Path(folder)
        async with Runtime.open(home / "data", agents=agents(1), policies=policies(home)) as runtime:
            scope, customer = Scope("acme", "dev"), Customer("customer-7")
            session = await runtime.sessions.open(scope, customer, agent=f"bench.{effects}")
            times: list[float] = []
            cpu, commits = 0.0, 0
            log, before, timed = runtime.log(scope), Made(0, 0), Made(0, 0)
            for i in range(turns + WARM_UP):
                if i == WARM_UP:
                    cpu, commits, timed = time.process_time(), runtime.volume.commits, Made(0, 0)
                before = Made(log.last_seq, runtime.volume.commits)
                began = time.perf_counter()
                turn = await session.say("Where is order 1042?")
                reply = await turn.result()
                times.append(time.perf_counter() - began)
                records, barriers = log.last_seq - before.records, runtime.volume.commits - before.barriers
                timed = Made(timed.records + records, timed.barriers + barriers)
                assert reply.text == "Order 1042 is shipped."
                await session.delivered(MessageId(f"o{i + 1}"))
            cpu = (time.process_time() - cpu) / turns * 1e6
            barriers = (runtime.volume.commits - commits) / turns
    waited = {"timed_records": timed.records / turns, "timed_barriers": timed.barriers / turns}
    print(json.dumps({"times": times[WARM_UP:], "cpu_us": cpu, "barriers": barriers} | waited))


if __name__ == "__main__":
    sys.setswitchinterval(0.0005)
    try:
        import uvloop

        uvloop.run(main(sys.argv[1], int(sys.argv[2])))
    except ImportError:
        asyncio.run(main(sys.argv[1], int(sys.argv[2])))
