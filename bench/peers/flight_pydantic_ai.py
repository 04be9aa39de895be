"""Runs of a Pydantic AI agent in flight: nothing stored, or as durable workflows of DBOS on SQLite. Prints JSON."""

import sys
from importlib.metadata import version

from pydantic_ai import Agent
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import FunctionModel

from bench.peers.flight import Thinking, go, measured
from bench.peers.shapes import ANSWER, INSTRUCTIONS, QUESTION, lookup


def agent_of(thinking: Thinking, tool=lookup, **more) -> Agent:
    async def model(messages, info):
        await thinking.think()
        if len(messages) == 1:
            return ModelResponse(parts=[ToolCallPart("lookup", {"order_id": "1042"})])
        return ModelResponse(parts=[TextPart(ANSWER)])

    return Agent(FunctionModel(model), name="support", instructions=INSTRUCTIONS, tools=[tool], **more)


async def plain(at_once: int, total: int) -> None:
    thinking = Thinking()
    agent = agent_of(thinking)

    async def run(i: int) -> None:
        assert (await agent.run(QUESTION)).output == ANSWER

    await measured(thinking, run, at_once=at_once, total=total, version=version("pydantic-ai-slim"))


async def durable(path: str, at_once: int, total: int) -> None:
    from dbos import DBOS, DBOSConfig
    from pydantic_ai.durable_exec.dbos import DBOSDurability

    DBOS(
        config=DBOSConfig(
            name="bench", system_database_url=f"sqlite:///{path}", run_admin_server=False, log_level="ERROR"
        )
    )
    thinking = Thinking()
    agent = agent_of(thinking, DBOS.step()(lookup), capabilities=[DBOSDurability()])

    @DBOS.workflow()
    async def workflow() -> str:
        return (await agent.run(QUESTION)).output

    DBOS.launch()

    async def run(i: int) -> None:
        assert await workflow() == ANSWER

    await measured(thinking, run, at_once=at_once, total=total, version=version("dbos"), holds=False)
    DBOS.destroy()


if __name__ == "__main__":
    path, kind, at_once, total = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    go(plain(at_once, total) if kind == "plain" else durable(path, at_once, total))
