"""Graphs of LangGraph, with the real library and scripted models, as agents of ours."""
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, SystemMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import InjectedToolCallId, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import ToolNode, tools_condition

from lichen.agents.own.langgraph import adopt, asked, gated
from lichen.core.words.errors import Invalid
from lichen.core.words.scope import Operator
from lichen.testing.worlds import world
from tests.agents.own.shop import ALLOWED, ASKED, FORBIDDEN, Till, policies, scripted, wants

NAME = "shop.support"
OPS = Operator("ops", ("operator",))
EFFECTS = {"lookup": "none"}
Line = AIMessage | Callable[[Sequence[BaseMessage]], AIMessage]


class Spoken(BaseChatModel):
    """A model of the framework's own: what it says to the n-th request."""

    lines: list[Any]
    heard: list[Any]
    offered: list[Any]

    @property
    def _llm_type(self) -> str:
        return "spoken"

    def bind_tools(self, tools: Any, **named: Any) -> Any:
        self.offered.append([each.name for each in tools])
        return self

    def _generate(self, messages: list[BaseMessage], *args: Any, **named: Any) -> ChatResult:
        line: Any = self.lines[len(self.heard)]
        self.heard.append(messages)
        return ChatResult(generations=[ChatGeneration(message=line(messages) if callable(line) else line)])  # type: ignore[arg-type]


def spoken(*lines: Line) -> Spoken:
    return Spoken(lines=list(lines), heard=[], offered=[])


_IDS = count()


def calls(*parts: tuple[str, dict[str, Any]]) -> AIMessage:
    made = [{"name": name, "args": args, "id": f"call{next(_IDS)}", "type": "tool_call"} for name, args in parts]
    return AIMessage(content="", tool_calls=made)


class State(TypedDict):
    messages: Annotated[list[Any], add_messages]


def tools_of(till: Till) -> list[Any]:
    @tool
    async def lookup(order_id: str) -> dict[str, str]:
        """Looks up an order."""
        till.did.append(("lookup", order_id))
        return {"order_id": order_id, "status": "late"}

    @tool
    def refund(order_id: str, amount: int) -> str:
        """Refunds an order."""
        till.did.append(("refund", (order_id, amount)))
        return f"r-{order_id}"

    return gated([lookup, refund])


def graph_of(model: Any, tools: Sequence[Any], *, is_sync: bool = False, checkpointer: Any = None) -> Any:
    chosen = model.bind_tools(tools) if tools else model

    async def agent(state: State) -> dict[str, Any]:
        return {"messages": [await chosen.ainvoke([SystemMessage("Help."), *state["messages"]])]}

    def agent_in_thread(state: State) -> dict[str, Any]:
        return {"messages": [chosen.invoke([SystemMessage("Help."), *state["messages"]])]}

    graph: Any = StateGraph(State)
    graph.add_node("agent", agent_in_thread if is_sync else agent)
    graph.add_node("tools", ToolNode(tools))
    graph.add_edge(START, "agent")
    graph.add_conditional_edges("agent", tools_condition)
    graph.add_edge("tools", "agent")
    return graph.compile(checkpointer=checkpointer)


@pytest.mark.req("LIC-19.29")
@pytest.mark.parametrize("is_sync", [False, True])
async def test_a_graph_works_with_its_own_model_nodes_and_tools(is_sync: bool, tmp_path: Path) -> None:
    till = Till()
    refund = calls(("refund", {"order_id": "1042", "amount": 9}))
    model = spoken(calls(("lookup", {"order_id": "1042"})), refund, AIMessage("Done."))
    tools = tools_of(till)
    support = adopt(NAME, graph_of(asked(model), tools, is_sync=is_sync), tools=tools, effects=EFFECTS)
    async with world(agents=[support], policies=policies(tmp_path, ASKED)) as shop:
        talk = await shop.talk("customer-7")
        await talk.say("My order 1042 is late.")
        assert till.did == [("lookup", "1042")]
        await shop.restart()
        await shop.approve()
        assert (await talk.reply()).text == "Done."
        assert [(call.tool, call.outcome) for call in shop.calls()] == [("shop.lookup", "ok"), ("shop.refund", "ok")]
    assert till.did[1:] == [("refund", ("1042", 9))]
    assert len(model.heard) == 3
    assert model.offered[0] == ["lookup", "refund"]


@pytest.mark.req("LIC-19.29")
async def test_calls_that_its_model_wants_at_once_are_made_at_once() -> None:
    till = Till()
    model = spoken(calls(*(("lookup", {"order_id": str(i)}) for i in range(4))), AIMessage("All late."))
    tools = tools_of(till)
    async with world(agents=[adopt(NAME, graph_of(asked(model), tools), tools=tools, effects=EFFECTS)]) as shop:
        assert (await (await shop.talk("customer-7")).say("All?")).text == "All late."
        assert sum(record.type == "planned" for record in shop.records()) == 2
    assert len(till.did) == 4


@pytest.mark.req("LIC-19.30")
async def test_a_model_of_ours_can_be_asked_by_a_graph(tmp_path: Path) -> None:
    till = Till()
    model = scripted(wants(("shop.lookup", '{"order_id":"1"}'), text="Let me see."), "It is late.")
    tools = tools_of(till)
    support = adopt(NAME, graph_of(asked(model), tools), tools=tools, effects=EFFECTS)
    async with world(agents=[support], policies=policies(tmp_path, ALLOWED)) as shop:
        assert (await (await shop.talk("customer-7")).say("Where is 1?")).text == "It is late."
    first, second = model.requests
    assert (first.system, [each.name for each in first.tools]) == ("Help.", ["shop.lookup", "shop.refund"])
    assert [message.role for message in second.messages] == ["user", "assistant", "tool"]
    assert second.messages[1].calls[0].tool == "shop.lookup"
    assert second.messages[2].text == '{"order_id": "1", "status": "late"}'


@pytest.mark.req("LIC-19.31")
async def test_what_policy_denies_is_an_error_of_the_tool_to_the_graph(tmp_path: Path) -> None:
    till = Till()
    heard: list[str] = []

    def answer(messages: Sequence[BaseMessage]) -> AIMessage:
        heard.append(f"{getattr(messages[-1], 'status', '')}: {messages[-1].content}")
        return AIMessage("I may not.")

    model = spoken(calls(("refund", {"order_id": "1", "amount": 9})), answer)
    tools = tools_of(till)
    support = adopt(NAME, graph_of(asked(model), tools), tools=tools, effects=EFFECTS)
    async with world(agents=[support], policies=policies(tmp_path, FORBIDDEN)) as shop:
        assert (await (await shop.talk("customer-7")).say("Pay me.")).text == "I may not."
    assert till.did == []
    assert heard[0].startswith("error: ")
    assert '"denied"' in heard[0]


@pytest.mark.req("LIC-19.32")
async def test_a_graph_within_a_graph_is_part_of_the_loop(tmp_path: Path) -> None:
    till = Till()
    tools = tools_of(till)
    inner = spoken(calls(("lookup", {"order_id": "7"})), AIMessage("7 is late."))
    clerk = graph_of(asked(inner), tools)
    outer = spoken(AIMessage("Late, says the clerk."))

    async def boss(state: State) -> dict[str, Any]:
        return {"messages": [await asked(outer).ainvoke(state["messages"])]}

    graph: Any = StateGraph(State)
    graph.add_node("clerk", clerk)
    graph.add_node("boss", boss)
    graph.add_edge(START, "clerk")
    graph.add_edge("clerk", "boss")
    support = adopt(NAME, graph.compile(), tools=tools, effects=EFFECTS)
    async with world(agents=[support], policies=policies(tmp_path, ALLOWED)) as shop:
        assert (await (await shop.talk("customer-7")).say("Where is 7?")).text == "Late, says the clerk."
        assert [call.tool for call in shop.calls()] == ["shop.lookup"]
    assert (len(inner.heard), len(outer.heard)) == (2, 1)


@pytest.mark.req("LIC-19.6")
async def test_a_prompt_that_changes_with_each_run_diverges_and_the_model_is_not_asked_again() -> None:
    till, times = Till(), count()
    tools = tools_of(till)
    model = spoken(calls(("lookup", {"order_id": "1"})), AIMessage("never"))
    chosen = asked(model).bind_tools(tools)

    async def agent(state: State) -> dict[str, Any]:
        said = [SystemMessage(f"This is run {next(times)}."), *state["messages"]]
        return {"messages": [await chosen.ainvoke(said)]}

    graph: Any = StateGraph(State)
    graph.add_node("agent", agent)
    graph.add_node("tools", ToolNode(tools))
    graph.add_edge(START, "agent")
    graph.add_conditional_edges("agent", tools_condition)
    graph.add_edge("tools", "agent")
    async with world(agents=[adopt(NAME, graph.compile(), tools=tools, effects=EFFECTS)]) as shop:
        reply = await (await shop.talk("customer-7")).say("Go.")
        assert reply.outcome == "failed"
        assert reply.run is not None
        assert "different: system" in repr(shop.runtime.runs.show(shop.scope, reply.run, OPS))
    assert len(model.heard) == 1


@pytest.mark.req("LIC-19.11")
async def test_it_is_told_the_conversation_before() -> None:
    model = spoken(AIMessage("Hello."), AIMessage("You said hi."))
    async with world(agents=[adopt(NAME, graph_of(asked(model), []))]) as shop:
        talk = await shop.talk("customer-7")
        await talk.say("Hi.")
        await talk.say("What did I say?")
    assert [message.content for message in model.heard[1]] == ["Help.", "Hi.", "Hello.", "What did I say?"]


@pytest.mark.req("LIC-19.33")
async def test_outside_of_a_run_of_ours_its_models_and_tools_work_as_they_did() -> None:
    till = Till()
    model = spoken(calls(("refund", {"order_id": "1", "amount": 9})), AIMessage("Done."))
    graph = graph_of(asked(model), tools_of(till))
    assert (await graph.ainvoke({"messages": ["Pay."]}))["messages"][-1].content == "Done."
    assert till.did == [("refund", ("1", 9))]


@pytest.mark.req("LIC-19.20")
def test_what_cannot_be_run_again_is_refused_where_it_is_adopted() -> None:
    @tool
    def told(order_id: str, call: Annotated[str, InjectedToolCallId]) -> str:
        """Is told its call."""
        return order_id + call

    @tool
    def plain(order_id: str) -> str:
        """Is not gated."""
        return order_id

    with pytest.raises(Invalid, match="given parts of the graph's state"):
        gated([told])
    with pytest.raises(Invalid, match="not behind the gate"):
        adopt(NAME, graph_of(spoken(), []), tools=[plain])
    with pytest.raises(Invalid, match="checkpointer would go on where it was"):
        adopt(NAME, graph_of(spoken(), [], checkpointer=InMemorySaver()))
