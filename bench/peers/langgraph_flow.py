"""A LangGraph graph of so many nodes in a chain, in memory and with its SQLite checkpointer. Prints JSON."""

import asyncio
import json
import sys
import time
from importlib.metadata import version
from typing import Any, TypedDict

from langgraph.checkpoint.memory import MemorySaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph

WARM_UP = 2


class State(TypedDict):
    text: str


def node(number: int) -> Any:
    async def walk(state: State) -> State:
        return {"text": f"{state['text']}." if number % 100 else "x"}

    return walk


def chain(nodes: int) -> StateGraph:
    graph = StateGraph(State)
    for i in range(nodes):
        graph.add_node(f"n{i}", node(i))
        graph.add_edge(f"n{i - 1}" if i else START, f"n{i}")
    graph.add_edge(f"n{nodes - 1}", END)
    return graph


async def measured(app: Any, nodes: int, rounds: int) -> list[float]:
    times = []
    for i in range(rounds + WARM_UP):
        began = time.perf_counter()
        config = {"configurable": {"thread_id": f"t{i}"}, "recursion_limit": nodes + 10}
        await app.ainvoke({"text": ""}, config, durability="sync")
        times.append(time.perf_counter() - began)
    return times[WARM_UP:]


async def main(path: str, nodes: int, rounds: int) -> None:
    graph = chain(nodes)
    memory = await measured(graph.compile(checkpointer=MemorySaver()), nodes, rounds)
    async with AsyncSqliteSaver.from_conn_string(path) as saver:
        await saver.conn.execute("pragma journal_mode=wal")
        await saver.conn.execute("pragma synchronous=full")
        durable = await measured(graph.compile(checkpointer=saver), nodes, rounds)
    print(json.dumps({"memory": memory, "durable": durable, "version": version("langgraph")}))


asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
