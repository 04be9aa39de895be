"""The graph of LangGraph that lives are killed in."""
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypedDict

from langchain_core.tools import tool
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import ToolNode, tools_condition

from lichen import Agent, Model
from lichen.agents.own.langgraph import adopt, asked, gated
from lichen.agents.own.terms import Terms


class State(TypedDict):
    messages: Annotated[list[Any], add_messages]


def graph_of(terms: Terms, model: Model, pay_once: Callable[[], str]) -> Agent:
    """A model and its tools, round and round."""

    @tool
    async def look(order: str) -> str:
        """Looks."""
        return f"order {order}"

    @tool
    def pay(order: str) -> str:
        """Pays."""
        return pay_once()

    tools = gated([look, pay])
    chosen = asked(model).bind_tools(tools)

    async def agent(state: State) -> dict[str, Any]:
        return {"messages": [await chosen.ainvoke(state["messages"])]}

    graph: Any = StateGraph(State)
    graph.add_node("agent", agent)
    graph.add_node("tools", ToolNode(tools))
    graph.add_edge(START, "agent")
    graph.add_conditional_edges("agent", tools_condition)
    graph.add_edge("tools", "agent")
    return adopt("crash.own", graph.compile(), tools=tools, terms=terms, toolset="shop")
