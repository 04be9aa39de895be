"""The agent of `peers/shapes.py` in Lichen: built, and asked once over the network, with log and gate. Prints JSON."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.peers.building import tell
from bench.peers.shapes import INSTRUCTIONS, MODEL, QUESTION, TOOLS, Resolution
from lichen import Agent, Customer, Runtime, Scope, tool
from lichen.agents import LLMPlanner
from lichen.core.words.scope import SYSTEM


def build() -> Agent:
    tools = [tool(name=f"orders.{each.__name__}", effects="none")(each) for each in TOOLS]
    planner = LLMPlanner(f"openai-chat:{MODEL}", instructions=INSTRUCTIONS)
    return Agent("bench.support", planner=planner, tools=tools, answers=Resolution)


def answer(agent: Agent) -> str:
    with TemporaryDirectory() as folder:
        return asyncio.run(_asked(agent, Path(folder)))


async def _asked(agent: Agent, home: Path) -> str:
    scope = Scope("acme", "dev")
    async with Runtime.open(home, agents=[agent]) as runtime:
        run = await runtime.runs.start(scope, agent.name, QUESTION, Customer("customer-7"))
        found = (await runtime.runs.answer(scope, run, SYSTEM, answers=Resolution)).value
        assert isinstance(found, Resolution)
        return found.summary


if __name__ == "__main__":
    tell(build, answer, version("lichen"))
