"""The agent of `shapes` in the OpenAI Agents SDK: built, and asked once over the network. Its traces go nowhere."""

import asyncio
from importlib.metadata import version

from agents import Agent, Runner, function_tool, set_default_openai_api, set_tracing_disabled

from bench.peers.building import tell
from bench.peers.shapes import INSTRUCTIONS, MODEL, QUESTION, TOOLS, Resolution

set_default_openai_api("chat_completions")
set_tracing_disabled(True)


def build() -> Agent:
    tools = [function_tool(tool) for tool in TOOLS]
    return Agent(name="support", model=MODEL, instructions=INSTRUCTIONS, tools=tools, output_type=Resolution)


def answer(agent: Agent) -> str:
    return asyncio.run(Runner.run(agent, QUESTION)).final_output.summary


if __name__ == "__main__":
    tell(build, answer, version("openai-agents"))
