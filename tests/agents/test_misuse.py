"""Common mistakes of definitions: refused where they are written, with the reason and what to write instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from langgraph.graph import START, MessagesState, StateGraph  # pyright: ignore[reportMissingTypeStubs]
from pydantic import BaseModel

from lichen import Agent, Toolset, tool
from lichen.agents import Compress, LLMPlanner, patterns
from lichen.agents.own import langgraph, openai_agents, pydantic_ai
from lichen.agents.patterns import Step
from lichen.core.words.errors import Invalid


def untyped(value: Any) -> Any:
    """A value whose type nobody checked."""
    return value


class Refund(BaseModel):
    amount: int
    order: Order | None = None


class Order(BaseModel):
    id: str


@tool(name="shop.reserve", effects="idempotent")
async def reserve(city: str) -> str:
    """Reserves."""
    return city


class Desk:
    def __init__(self, database: str) -> None: ...

    @tool(effects="none")
    def look(self, order_id: str) -> str:
        """Looks."""
        return order_id


PLANNER = LLMPlanner("echo:")
WRITER = Agent("shop.writer", planner=PLANNER)
GRAPH: Any = StateGraph(MessagesState)
GRAPH.add_node("a", lambda state: {"messages": []})  # pyright: ignore[reportUnknownLambdaType]
GRAPH.add_edge(START, "a")


def hinted(**hints: str) -> object:
    @tool(name="shop.refund", effects="once", **untyped(hints))
    async def refund(amount: int, refund: Refund) -> Refund:
        """Refunds."""
        return refund

    return refund


MISTAKES: Mapping[str, tuple[Callable[[], object], str, str]] = {
    "a name beside the agent's": (
        lambda: untyped(Agent)("shop.a", "openai:gpt-5"), "agent_invalid", 'planner=LLMPlanner("openai:gpt-5")',
    ),
    "an agent without a planner": (lambda: untyped(Agent)("shop.a"), "agent_invalid", "planner"),
    "an option of an agent that it has not": (
        lambda: untyped(Agent)("shop.a", planner=PLANNER, tool=[]), "agent_invalid", "Write tools=.",
    ),
    "an option of a planner that it has not": (
        lambda: untyped(LLMPlanner)("echo:", nope=0), "planner_invalid", "Use some of: model, instructions, ",
    ),
    "a planner's misspelt option": (
        lambda: untyped(LLMPlanner)("echo:", max_token=9), "planner_invalid", "Write max_tokens=.",
    ),
    "a summary of nothing": (lambda: untyped(Compress)(after_turn=9), "planner_invalid", "Write after_turns=."),
    "a name as planner": (
        lambda: Agent("shop.a", planner=untyped("openai:gpt-5")), "agent_invalid", 'planner=LLMPlanner("openai:gpt-5")',
    ),
    "an agent as planner": (lambda: Agent("shop.a", planner=untyped(WRITER)), "agent_invalid", "LLMPlanner(...)"),
    "a class as planner": (lambda: Agent("shop.a", planner=untyped(LLMPlanner)), "agent_invalid", "LLMPlanner(...)"),
    "a graph that is not compiled": (
        lambda: langgraph.adopt("shop.a", untyped(GRAPH)), "agent_invalid", "graph.compile()",
    ),
    "no graph": (lambda: langgraph.adopt("shop.a", untyped(object())), "agent_invalid", ".compile()"),
    "no agent of Pydantic AI": (
        lambda: pydantic_ai.adopt("shop.a", untyped(object())), "agent_invalid", "pydantic_ai.Agent",
    ),
    "no agent of the SDK": (lambda: openai_agents.adopt("shop.a", untyped(object())), "agent_invalid", "agents.Agent"),
    "words in a chain": (lambda: patterns.chain("shop.s", untyped(["hello"])), "agent_invalid", "Agent("),
    "words in parallel": (lambda: patterns.parallel("shop.s", untyped(["a"])), "agent_invalid", "Agent("),
    "a name that joins": (
        lambda: patterns.parallel("shop.s", [WRITER], join=untyped("shop.join")), "agent_invalid", "Agent(",
    ),
    "words in a race": (lambda: patterns.race("shop.s", untyped(["a", "b"])), "agent_invalid", "Agent("),
    "words in a debate": (lambda: patterns.debate("shop.s", untyped("a"), WRITER), "agent_invalid", "Agent("),
    "words as workers": (lambda: patterns.director("shop.s", WRITER, untyped(["a"])), "agent_invalid", "Agent("),
    "words that are routed to": (lambda: patterns.router("shop.s", WRITER, untyped("a")), "agent_invalid", "Agent("),
    "words that judge": (
        lambda: patterns.critic("shop.s", WRITER, untyped("a"), rubric={"short": 1.0}), "agent_invalid", "Agent(",
    ),
    "words that reduce": (lambda: patterns.map_reduce("shop.s", WRITER, untyped("a")), "agent_invalid", "Agent("),
    "a tool as a step": (lambda: patterns.saga("shop.s", untyped([reserve])), "agent_invalid", "Write Step("),
    "a name that undoes": (lambda: Step(reserve, undo=untyped("nope")), "tool_invalid", "Step(reserve, undo=release)"),
    "a name as a step's tool": (lambda: Step(untyped("nope")), "tool_invalid", "@tool"),
    "no model": (lambda: LLMPlanner(untyped(None)), "planner_invalid", 'LLMPlanner("openai:gpt-5")'),
    "no model in a list": (lambda: LLMPlanner(["echo:", untyped(5)]), "planner_invalid", "hand over a Model"),
    "an option that is none": (lambda: tool(**untyped({"effect": "none"})), "tool_invalid", "Write effects=."),
    "an option that nothing is like": (lambda: tool(**untyped({"bogus": 1})), "tool_invalid", "Use some of"),
    "a name without name=": (lambda: tool(untyped("shop.look")), "tool_invalid", "@tool(name='shop.look')"),
    "instructions that are a number": (
        lambda: LLMPlanner("echo:", instructions=untyped(5)), "planner_invalid", "Pass a str",
    ),
    "a temperature nobody has": (lambda: LLMPlanner("echo:", temperature=9), "planner_invalid", "from 0 to 2"),
    "a temperature below": (lambda: LLMPlanner("echo:", temperature=-0.1), "planner_invalid", "from 0 to 2"),
    "no temperature": (lambda: LLMPlanner("echo:", temperature=float("nan")), "planner_invalid", "from 0 to 2"),
    "answers that are anything": (
        lambda: Agent("shop.a", planner=PLANNER, answers=object), "answer_schema_invalid", "leave out `answers`",
    ),
    "answers of any type": (
        lambda: Agent("shop.a", planner=PLANNER, answers=Any), "answer_schema_invalid", "leave out `answers`",
    ),
    "no sentence at all": (
        lambda: Agent("shop.a", planner=PLANNER, answers=Refund, say={}), "agent_invalid", "leave out `say`",
    ),
    "a field of a number": (lambda: hinted(call_hint="{amount.b.c}"), "tool_invalid", "without what follows"),
    "a field of a text further in": (lambda: hinted(call_hint="{refund.order.id.x}"), "tool_invalid", "without what"),
    "a field of a number in a result": (lambda: hinted(result_hint="{result.amount.x}"), "tool_invalid", "without wh"),
    "a service that wants arguments": (lambda: Toolset.of(Desk), "toolset_invalid", "Toolset.of(Desk(...))"),
}  # fmt: skip
PLACELESS = ("answers that", "answers of", "no sentence")  # said by the agent's options, whose names they are


@pytest.mark.req("LIC-23.15")
@pytest.mark.parametrize("name", MISTAKES)
def test_a_common_mistake_is_refused_with_its_place_and_what_to_write(name: str) -> None:
    make, code, step = MISTAKES[name]
    with pytest.raises(Invalid) as caught:
        make()
    assert caught.value.code == code
    assert step in caught.value.next_step
    if not name.startswith(PLACELESS):
        assert str(caught.value.place).startswith(f"{__file__}:")


@pytest.mark.req("LIC-23.15")
def test_what_is_right_is_taken_as_it_is() -> None:
    assert hinted(call_hint="{amount} {refund.order.id}", result_hint="{result.order.id}")
    assert LLMPlanner("echo:", temperature=2)
    assert LLMPlanner("echo:", temperature=0)
    assert patterns.parallel("shop.s", [WRITER], join=lambda opinions: opinions[0].answer)
    assert patterns.saga("shop.s", [Step(reserve)])
