"""The agent of `shapes` in Pydantic AI: built, and asked once over the network."""

import asyncio
from importlib.metadata import version

from pydantic_ai import Agent, NativeOutput

from bench.peers.building import tell
from bench.peers.shapes import INSTRUCTIONS, MODEL, QUESTION, TOOLS, Resolution


def build() -> Agent[None, Resolution]:
    return Agent(f"openai-chat:{MODEL}", instructions=INSTRUCTIONS, tools=TOOLS, output_type=NativeOutput(Resolution))


def answer(agent: Agent[None, Resolution]) -> str:
    return asyncio.run(agent.run(QUESTION)).output.summary


if __name__ == "__main__":
    tell(build, answer, version("pydantic-ai-slim"))
