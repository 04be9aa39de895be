"""Recovery after `kill -9`: so many runs in flight, from the start of the new process until all are finished. JSON.

Both processes have bytecode, as pip installs it; `PYTHONDONTWRITEBYTECODE` of this machine is left out.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from bench.figure import ROOT
from bench.own.shop import policies
from lichen import Agent, Customer, Limits, Runtime, Scope, tool
from lichen.core.ports.plan import CallRequest, Plan, PlanInput
from lichen.core.words.ids import ToolName
from lichen.core.words.scope import SYSTEM

SCOPE = Scope("acme", "dev")


def agent(gate: asyncio.Event) -> Agent:
    """Runs whose one step hangs until the gate opens: in flight when the process dies."""

    @tool(name="orders.wait", effects="none", runs="loop")
    async def wait(order_id: str) -> str:
        """Waits for the gate."""
        await gate.wait()
        return "done"

    class Planner:
        pure = False
        digest = "bench-recovery-1"

        async def plan(self, input: PlanInput) -> Plan:
            if input.reason == "start":
                return Plan(calls=(CallRequest(ToolName("orders.wait"), b'{"order_id":"1"}'),))
            return Plan(answer="done")

    return Agent("bench.wait", planner=Planner(), tools=[wait], limits=Limits())


async def begin(home: Path, runs: int) -> None:
    """Starts the runs, says so, and waits for death."""
    async with Runtime.open(home / "data", agents=[agent(asyncio.Event())], policies=policies(home, 0)) as runtime:
        await asyncio.gather(
            *(runtime.runs.start(SCOPE, "bench.wait", "go", Customer(f"customer-{i % 50}")) for i in range(runs))
        )
        await runtime.log(SCOPE).durable()
        await asyncio.sleep(0.2)
        await runtime.log(SCOPE).durable()
        print("ready", flush=True)
        await asyncio.Event().wait()


async def finish(home: Path) -> None:
    """Opens the data again and finishes everything."""
    gate = asyncio.Event()
    gate.set()
    async with Runtime.open(home / "data", agents=[agent(gate)], policies=policies(home, 0)) as runtime:
        await runtime.idle()
        await runtime.log(SCOPE).durable()
        print("finished", flush=True)
        done = [run for run in runtime.runs.list(SCOPE, SYSTEM, limit=1_000_000) if run.status == "completed"]
        print(len(done), flush=True)


def measure(runs: int) -> None:
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        command = [sys.executable, "-m", "bench.own.recovery"]
        with_bytecode = {**os.environ, "PYTHONPYCACHEPREFIX": f"{folder}/bytecode", "PYTHONDONTWRITEBYTECODE": ""}
        start = partial(subprocess.Popen[str], stdout=subprocess.PIPE, text=True, cwd=ROOT, env=with_bytecode)
        first = start([*command, "begin", folder, str(runs)])
        assert first.stdout is not None
        assert first.stdout.readline().strip() == "ready"
        first.send_signal(signal.SIGKILL)
        first.wait()
        began = time.perf_counter()
        second = start([*command, "finish", folder])
        assert second.stdout is not None
        assert second.stdout.readline().strip() == "finished"
        seconds = time.perf_counter() - began
        rest, _ = second.communicate()
    assert int(rest) == runs, f"{rest} of {runs} runs finished"
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["begin", home, runs]:
            asyncio.run(begin(Path(home), int(runs)))
        case ["finish", home]:
            asyncio.run(finish(Path(home)))
        case [runs]:
            measure(int(runs))
        case _:
            raise SystemExit("usage: python -m bench.own.recovery RUNS")
