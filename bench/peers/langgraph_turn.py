"""One turn of a LangGraph agent (model stub, one tool) with its SQLite checkpointer. Prints JSON."""

import asyncio
import json
import sys
import time
from importlib.metadata import version
from typing import Annotated, TypedDict

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages


class State(TypedDict):
    messages: Annotated[list, add_messages]


async def model(state: State) -> State:
    if not state["messages"][-1].content.startswith("status="):
        return {"messages": [{"role": "assistant", "content": "looking it up"}]}
    return {"messages": [{"role": "assistant", "content": "Order 1042 is shipped."}]}


async def lookup(state: State) -> State:
    return {"messages": [{"role": "user", "content": "status=shipped", "name": "tool"}]}


def after_model(state: State) -> str:
    return "lookup" if state["messages"][-1].content == "looking it up" else END


async def main(path: str, turns: int) -> None:
    async with AsyncSqliteSaver.from_conn_string(path) as saver:
        await saver.conn.execute("pragma journal_mode=wal")
        await saver.conn.execute("pragma synchronous=full")
        graph = StateGraph(State)
        graph.add_node("model", model)
        graph.add_node("lookup", lookup)
        graph.add_edge(START, "model")
        graph.add_conditional_edges("model", after_model)
        graph.add_edge("lookup", "model")
        app = graph.compile(checkpointer=saver)
        times: list[float] = []
        for i in range(turns + 5):
            began = time.perf_counter()
            await app.ainvoke(
                {"messages": [{"role": "user", "content": "Where is order 1042?"}]},
                {"configurable": {"thread_id": f"t{i}"}},
                durability="sync",
            )
            times.append(time.perf_counter() - began)
    print(json.dumps({"times": times[5:], "version": version("langgraph")}))


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
