"""Requests to a model over the network with everything on: a plan's one, and a whole run around it. Prints JSON."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

from bench.figure import ROOT
from bench.own.flight import CUSTOMER, SCOPE, hosted
from bench.peers.calls import Measure, Taken, Watch, measured, timed
from bench.peers.flight import go
from bench.peers.shapes import INSTRUCTIONS, MODEL, QUESTION, TOOLS
from lichen import Agent, Runtime, tool
from lichen.agents import LLMPlanner
from lichen.agents.models.model import resolve
from lichen.core.ports.model import Connectable, Connections, Deltas, Model, ModelMessage, ModelReply, ModelRequest
from lichen.core.ports.plan import Plan, PlanInput
from lichen.core.words.scope import SYSTEM, Scope

NAME = f"openai-chat:{MODEL}"


class Whole:
    """The model as it is asked when nobody wants the pieces."""

    def __init__(self, inner: Model) -> None:
        self._inner, self.name = inner, inner.name

    def over(self, connections: Connections, scope: Scope) -> Model:
        return Whole(cast("Connectable", self._inner).over(connections, scope))

    async def generate(self, request: ModelRequest, deltas: Deltas | None = None) -> ModelReply:
        return await self._inner.generate(request)


class Timing:
    """Asks its model once through the handle, and notes how long that took."""

    pure = False

    def __init__(self, model: Model, *, streams: bool) -> None:
        self._model, self._streams = model, streams
        self.digest = f"bench-timing-{streams}"
        self.taken = Taken(0.0, 0.0)

    async def plan(self, input: PlanInput) -> Plan:
        request = ModelRequest(INSTRUCTIONS, (ModelMessage("user", QUESTION),), tools=input.tools)
        watch = Watch()
        reply = await input.model(self._model, request, input.deltas if self._streams else None)
        self.taken = watch.taken()
        return Plan(answer=reply.text)


async def main(times: int) -> None:
    model = resolve(NAME)
    tools = [tool(name=f"orders.{each.__name__}", effects="none")(each) for each in TOOLS]
    asked = {"whole": Timing(model, streams=False), "streamed": Timing(model, streams=True)}
    said = {
        "agent whole": LLMPlanner(Whole(model), instructions=INSTRUCTIONS),
        "agent streamed": LLMPlanner(model, instructions=INSTRUCTIONS),
    }
    agents = {
        name: Agent(f"bench.{name.replace(' ', '_')}", planner=planner, tools=tools)
        for name, planner in (asked | said).items()
    }
    with TemporaryDirectory(dir=ROOT) as folder:
        async with Runtime.of(hosted(Path(folder), *agents.values())) as runtime:

            def run(agent: Agent) -> Measure:
                async def ask() -> str:
                    started = await runtime.runs.start(SCOPE, agent.name, QUESTION, CUSTOMER)
                    return await runtime.runs.result(SCOPE, started, SYSTEM)

                return timed(ask)

            ways = {name: run(agents[name]) for name in said}
            ways |= {name: _within(run(agents[name]), planner) for name, planner in asked.items()}
            await measured(ways, times, version("lichen"))


def _within(run: Measure, planner: Timing) -> Measure:
    """Only what its request took, of a run."""

    async def measure() -> Taken:
        await run()
        return planner.taken

    return measure


if __name__ == "__main__":
    go(main(int(sys.argv[1])))
