"""A flow of so many nodes, each of which goes on from what the one before it gave: walked in memory, as a durable run,
and as one in which each node calls a tool, whose result is a record of its own. Prints JSON."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.figure import ROOT
from lichen import Operator, Runtime, Scope, tool
from lichen.core.ports.model import Deltas, Model, ModelReply, ModelRequest
from lichen.core.ports.plan import History, Left, Message, Plan, PlanInput, RunContext
from lichen.core.words.ids import AgentName, RunId
from lichen.flows.read.load import parse
from lichen.flows.walk.planner import FlowPlanner
from lichen.runtime.project.flows import flow_agents

SCOPE, OPS = Scope("acme", "dev"), Operator("ops", ("operator",))
WARM_UP = 2
BEGINS = 100
CALLS_MAX = 200  # of a run, less than its limit
POLICY = '@id("all") permit (principal, action, resource);'


@tool(name="bench.step", effects="none", runs="loop")
async def step(text: str, begins: bool = False) -> dict[str, str]:
    """Goes on from a text."""
    return {"text": "x" if begins else f"{text}."}


def written(nodes: int, *, calls: bool = False) -> str:
    """The flow. Every hundredth node begins anew, so that no text grows long."""
    made: dict[str, Any] = {}
    for i in range(nodes):
        begins = i % BEGINS == 0
        does: dict[str, Any] = {"text": "x" if begins else "{{prev.text}}."}
        if calls:
            does = {"bench.step": {"text": "" if begins else "{{prev.text}}", "begins": begins}}
        made[f"n{i}"] = {**does, "routing": [{"to": f"n{i + 1}"}] if i + 1 < nodes else "out"}
    return json.dumps({"id": "bench.chain", "type": "job", "schema_version": 2, "start": "n0", "nodes": made})


async def _no_model(model: Model, request: ModelRequest, deltas: Deltas | None = None, /) -> ModelReply:
    raise AssertionError


async def _no_history() -> History:
    raise AssertionError


async def walked(planner: FlowPlanner) -> int:
    """Walks it once, without an engine. How many plans that took: a long one rests in between."""
    run = RunContext(SCOPE, OPS, RunId("run-1"), AgentName("bench.chain"), None, None, 0)
    plan, plans = Plan(), 0
    while plan.answer is None and not plan.failure:
        said = (Message("operator", "go"),) if not plans else ()
        plan = await planner.plan(
            PlanInput(run, "resume" if plans else "start", 1, said, (), (), plan.state, (), Left(9, 9.0, 9), None,
                      _no_model, _no_history)
        )  # fmt: skip
        plans += 1
    assert not plan.failure, plan.failure
    return plans


async def in_memory(planner: FlowPlanner, rounds: int) -> list[float]:
    """Seconds of each walk."""
    times: list[float] = []
    for _ in range(rounds + WARM_UP):
        began = time.perf_counter()
        await walked(planner)
        times.append(time.perf_counter() - began)
    return times[WARM_UP:]


async def durable(text: str, rounds: int) -> list[float]:
    """Seconds of each run, until its answer is durable."""
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        home = Path(folder)
        (home / "policies").mkdir()
        (home / "policies" / "all.cedar").write_text(POLICY)
        agents = flow_agents([parse(text, "chain.ygtc").flow], tools=[step])
        async with Runtime.open(home / "data", agents=agents, policies=home / "policies") as runtime:
            times: list[float] = []
            for _ in range(rounds + WARM_UP):
                began = time.perf_counter()
                run = await runtime.runs.start(SCOPE, "bench.chain", "go", OPS)
                await runtime.runs.result(SCOPE, run, OPS)
                times.append(time.perf_counter() - began)
    return times[WARM_UP:]


async def main(nodes: int, rounds: int) -> None:
    text = written(nodes)
    began = time.perf_counter()
    planner = FlowPlanner(parse(text, "chain.ygtc").flow)
    loaded = time.perf_counter() - began
    memory: list[float] = await in_memory(planner, rounds)
    found: dict[str, Any] = {"loaded": loaded, "memory": memory, "durable": await durable(text, rounds)}
    if nodes <= CALLS_MAX:
        found["calls"] = await durable(written(nodes, calls=True), rounds)
    print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
