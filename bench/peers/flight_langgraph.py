"""Runs of a LangGraph agent in flight: nothing stored, or with its SQLite checkpointer. Prints JSON."""

import sys
from importlib.metadata import version
from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from bench.peers.flight import Thinking, go, measured
from bench.peers.shapes import ANSWER, INSTRUCTIONS, QUESTION, lookup


class Model(BaseChatModel):
    thinking: Any

    @property
    def _llm_type(self) -> str:
        return "bench"

    def bind_tools(self, tools, **more):
        return self

    def _generate(self, messages, stop=None, run_manager=None, **more):
        raise NotImplementedError

    async def _agenerate(self, messages, stop=None, run_manager=None, **more):
        await self.thinking.think()
        if messages[-1].type == "tool":
            said = AIMessage(ANSWER)
        else:
            said = AIMessage("", tool_calls=[{"name": "lookup", "args": {"order_id": "1042"}, "id": "c1"}])
        return ChatResult(generations=[ChatGeneration(message=said)])


async def measure(at_once: int, total: int, saver: AsyncSqliteSaver | None) -> None:
    thinking = Thinking()
    agent = create_agent(Model(thinking=thinking), [lookup], system_prompt=INSTRUCTIONS, checkpointer=saver)
    threads = iter(range(sys.maxsize))

    async def run(i: int) -> None:
        config = {"configurable": {"thread_id": f"t{next(threads)}"}}
        how = {} if saver is None else {"durability": "sync"}
        found = await agent.ainvoke({"messages": [{"role": "user", "content": QUESTION}]}, config, **how)
        assert found["messages"][-1].content == ANSWER

    holds = saver is None
    await measured(thinking, run, at_once=at_once, total=total, version=version("langgraph"), holds=holds)


async def main(path: str, kind: str, at_once: int, total: int) -> None:
    if kind == "plain":
        return await measure(at_once, total, None)
    async with AsyncSqliteSaver.from_conn_string(path) as saver:
        await saver.conn.execute("pragma journal_mode=wal")
        await saver.conn.execute("pragma synchronous=full")
        return await measure(at_once, total, saver)


if __name__ == "__main__":
    go(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
