"""Runs of an agent of ours in flight, with gate, log, meters, and the way to a model with its limiter. Prints JSON."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.figure import ROOT
from bench.own.shop import policies
from bench.peers.flight import Thinking, go, measured
from bench.peers.shapes import ANSWER, INSTRUCTIONS, QUESTION, lookup
from lichen import Agent, Customer, Runtime, Scope, tool
from lichen.agents import LLMPlanner
from lichen.core.ports.model import Connections, Deltas, Model, ModelCall, ModelReply, ModelRequest
from lichen.core.words.ids import ToolName
from lichen.core.words.limits import Usage
from lichen.core.words.quotas import Budgets
from lichen.core.words.scope import SYSTEM
from lichen.runtime.project.project import Project
from lichen.settings import Settings, Tenant

SCOPE, CUSTOMER = Scope("acme", "dev"), Customer("customer-7")
WIDE = Budgets(tokens_per_day=2**50, cost_usd_per_day=1e9)


class Slow:
    """A model far away, which is reached as one of a provider is: calls the tool, then answers."""

    name = "openai-chat:gpt-4.1-mini"

    def __init__(self, thinking: Thinking) -> None:
        self._thinking = thinking

    def over(self, connections: Connections, scope: Scope) -> Model:
        return self

    async def generate(self, request: ModelRequest, deltas: Deltas | None = None) -> ModelReply:
        await self._thinking.think()
        if request.messages[-1].role == "tool":
            return ModelReply(ANSWER, usage=Usage(120, 12), model=self.name)
        call = ModelCall("c1", ToolName("orders.lookup"), b'{"order_id":"1042"}')
        return ModelReply("", (call,), usage=Usage(100, 20), model=self.name, finish="calls")


def hosted(home: Path, *agents: Agent) -> Project:
    """A project of these agents, with policies, and with a budget of the day that is counted and never used up."""
    tenant = Tenant(policies=str(policies(home)), budgets=WIDE)
    return Project(Settings(home, home / "data", {"acme": tenant}), agents)


async def main(at_once: int, total: int) -> None:
    thinking = Thinking()
    tools = [tool(name="orders.lookup", effects="none", runs="loop")(lookup)]
    agent = Agent("bench.support", planner=LLMPlanner(Slow(thinking), instructions=INSTRUCTIONS), tools=tools)
    with TemporaryDirectory(dir=ROOT) as folder:
        async with Runtime.of(hosted(Path(folder), agent)) as runtime:

            async def run(i: int) -> None:
                started = await runtime.runs.start(SCOPE, agent.name, QUESTION, CUSTOMER)
                assert await runtime.runs.result(SCOPE, started, SYSTEM) == ANSWER

            await measured(thinking, run, at_once=at_once, total=total, version=version("lichen"))


if __name__ == "__main__":
    go(main(int(sys.argv[1]), int(sys.argv[2])))
