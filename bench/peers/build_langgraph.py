"""The agent of `shapes` in LangGraph, as LangChain makes it: built, and asked once over the network."""

import asyncio
from importlib.metadata import version
from typing import Any

from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy
from langchain_openai import ChatOpenAI

from bench.peers.building import tell
from bench.peers.shapes import INSTRUCTIONS, MODEL, QUESTION, TOOLS, Resolution


def build() -> Any:
    shape = ProviderStrategy(Resolution)
    return create_agent(ChatOpenAI(model=MODEL), list(TOOLS), system_prompt=INSTRUCTIONS, response_format=shape)


def answer(agent: Any) -> str:
    asked = {"messages": [{"role": "user", "content": QUESTION}]}
    return asyncio.run(agent.ainvoke(asked))["structured_response"].summary


if __name__ == "__main__":
    tell(build, answer, version("langgraph"))
