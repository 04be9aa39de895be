"""Agents of Pydantic AI, with the real library and scripted models, as agents of ours."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, ModelRetry, NativeOutput, RunContext, ToolReturn
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.toolsets import ExternalToolset

from lichen.agents.own.pydantic_ai import adopt
from lichen.agents.own.terms import Caller, Terms
from lichen.core.ports.model import Delta
from lichen.core.words.errors import Invalid
from lichen.core.words.scope import Operator
from lichen.testing.models import plan_input
from lichen.testing.worlds import world
from tests.agents.own.shop import ALLOWED, ASKED, FORBIDDEN, Till, policies, scripted, wants

NAME = "shop.support"
Says = Callable[[Sequence[ModelMessage], AgentInfo], ModelResponse]


class Spoken:
    """A model of the framework's own: what it says to the n-th request of a conversation."""

    def __init__(self, *lines: ModelResponse | Says) -> None:
        self.lines = lines
        self.asked: list[list[ModelMessage]] = []
        self.model = FunctionModel(self._say, model_name="spoken")

    async def _say(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        line = self.lines[len(self.asked)]
        self.asked.append(messages)
        return line(messages, info) if callable(line) else line


def text(words: str) -> ModelResponse:
    return ModelResponse([TextPart(words)])


def calls(*parts: tuple[str, Mapping[str, object]]) -> ModelResponse:
    return ModelResponse([ToolCallPart(name, dict(args)) for name, args in parts])


@dataclass
class Deps:
    customer: str


def support_of(till: Till, model: FunctionModel | None = None) -> Agent[Deps, str]:
    agent = Agent(model, deps_type=Deps, instructions="Help.")

    @agent.tool
    async def lookup(ctx: RunContext[Deps], order_id: str) -> dict[str, str]:
        """Looks up an order."""
        till.did.append(("lookup", (ctx.deps.customer, order_id)))
        return {"order_id": order_id, "status": "late"}

    @agent.tool_plain
    def refund(order_id: str, amount: int) -> str:
        """Refunds an order."""
        if amount > 100:
            raise ModelRetry("At most 100.")
        till.did.append(("refund", (order_id, amount)))
        return f"r-{order_id}"

    assert lookup
    assert refund
    return agent


def deps(caller: Caller) -> Deps:
    return Deps(caller.actor.id)


EFFECTS = {"lookup": "none"}
OPS = Operator("ops", ("operator",))


@pytest.mark.req("LIC-19.15")
async def test_an_agent_of_pydantic_ai_works_with_its_own_model_tools_and_dependencies(tmp_path: Path) -> None:
    till = Till()
    refund = calls(("refund", {"order_id": "1042", "amount": 9}))
    spoken = Spoken(calls(("lookup", {"order_id": "1042"})), refund, text("Done."))
    support = adopt(NAME, support_of(till, spoken.model), effects=EFFECTS, deps=deps)
    async with world(agents=[support], policies=policies(tmp_path, ASKED)) as shop:
        talk = await shop.talk("customer-7")
        await talk.say("My order 1042 is late.")
        assert till.did == [("lookup", ("customer-7", "1042"))]
        await shop.restart()
        await shop.approve()
        assert (await talk.reply()).text == "Done."
        assert [(call.tool, call.outcome) for call in shop.calls()] == [("shop.lookup", "ok"), ("shop.refund", "ok")]
    assert till.did[1:] == [("refund", ("1042", 9))]
    assert len(spoken.asked) == 3


@pytest.mark.req("LIC-19.15")
async def test_calls_that_its_model_wants_at_once_are_made_at_once() -> None:
    till = Till()
    spoken = Spoken(calls(*(("lookup", {"order_id": str(i)}) for i in range(4))), text("All late."))
    support = adopt(NAME, support_of(till, spoken.model), effects=EFFECTS, deps=deps)
    async with world(agents=[support]) as shop:
        assert (await (await shop.talk("customer-7")).say("All?")).text == "All late."
        assert sum(record.type == "planned" for record in shop.records()) == 2
    assert len(till.did) == 4


@pytest.mark.req("LIC-19.37")
@pytest.mark.parametrize(("output", "shown"), [(str, ["It is ", "late."]), (NativeOutput(list[str]), [])])
async def test_the_words_of_its_own_model_are_shown_as_they_come_unless_they_are_a_value(
    output: Any, shown: list[str]
) -> None:
    async def stream(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str]:
        for piece in ("It is ", "late."):
            yield piece

    async def say(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        return text('["late"]')

    agent = Agent(FunctionModel(say, stream_function=stream, model_name="spoken"), output_type=output)
    pieces: list[Delta] = []
    asked = msgspec.structs.replace(plan_input("Where is 1?"), deltas=pieces.append)
    plan = await adopt(NAME, agent).planner.plan(asked)
    assert [piece.text for piece in pieces] == shown
    assert plan.blocks, "the reply is recorded"


@pytest.mark.req("LIC-19.16")
async def test_a_model_of_ours_can_be_asked_instead_and_is_given_back_what_it_wants(tmp_path: Path) -> None:
    till = Till()
    model = scripted(wants(("shop.lookup", '{"order_id":"1"}'), text="Let me see."), "It is late.")
    support = adopt(NAME, support_of(till), effects=EFFECTS, deps=deps, model=model)
    async with world(agents=[support], policies=policies(tmp_path, ALLOWED)) as shop:
        talk = await shop.talk("customer-7")
        assert (await talk.say("Where is 1?")).text == "It is late."
    first, second = model.requests
    assert (first.system, [tool.name for tool in first.tools]) == ("Help.", ["shop.lookup", "shop.refund"])
    assert [message.role for message in second.messages] == ["user", "assistant", "tool"]
    assert second.messages[1].calls[0].tool == "shop.lookup"
    assert second.messages[2].text == '{"order_id":"1","status":"late"}'


@pytest.mark.req("LIC-19.17")
async def test_what_policy_denies_is_a_failed_tool_to_the_framework(tmp_path: Path) -> None:
    till = Till()
    heard: list[str] = []

    def answer(messages: Sequence[ModelMessage], info: AgentInfo) -> ModelResponse:
        part = messages[-1].parts[-1]
        heard.append(f"{getattr(part, 'outcome', '')}: {getattr(part, 'content', '')}")
        return text("I may not.")

    spoken = Spoken(calls(("refund", {"order_id": "1", "amount": 9})), answer)
    support = adopt(NAME, support_of(till, spoken.model), effects=EFFECTS, deps=deps)
    async with world(agents=[support], policies=policies(tmp_path, FORBIDDEN)) as shop:
        assert (await (await shop.talk("customer-7")).say("Pay me.")).text == "I may not."
    assert till.did == []
    assert heard[0].startswith("failed: ")
    assert '"denied"' in heard[0]


@pytest.mark.req("LIC-19.17")
async def test_a_tool_that_asks_for_better_arguments_is_asked_again_with_them(tmp_path: Path) -> None:
    till = Till()
    spoken = Spoken(
        calls(("refund", {"order_id": "1", "amount": 900})),
        calls(("refund", {"order_id": "1", "amount": 9})),
        text("Done."),
    )
    support = adopt(NAME, support_of(till, spoken.model), effects=EFFECTS, deps=deps)
    async with world(agents=[support], policies=policies(tmp_path, ALLOWED)) as shop:
        assert (await (await shop.talk("customer-7")).say("Pay me.")).text == "Done."
    assert till.did == [("refund", ("1", 9))]


class Verdict(BaseModel):
    is_late: bool
    orders: list[str]


@pytest.mark.req("LIC-19.18")
async def test_its_output_type_holds_and_the_answer_is_its_json() -> None:
    till = Till()
    wrong: dict[str, object] = {"is_late": "perhaps", "orders": []}
    right: dict[str, object] = {"is_late": True, "orders": ["1"]}
    spoken = Spoken(calls(("final_result", wrong)), calls(("final_result", right)))
    agent = Agent(spoken.model, output_type=Verdict)
    async with world(agents=[adopt(NAME, agent)]) as shop:
        assert (await (await shop.talk("customer-7")).say("Late?")).text == '{"is_late":true,"orders":["1"]}'
    assert till.did == []


@pytest.mark.req("LIC-19.18")
async def test_arguments_that_are_not_json_come_to_the_tool_as_they_are_declared() -> None:
    seen: list[object] = []
    spoken = Spoken(calls(("note", {"is_late": False, "orders": ["7"]})), text("Noted."))
    agent = Agent(spoken.model)

    @agent.tool_plain
    async def note(verdict: Verdict) -> str:
        """Notes a verdict."""
        seen.append(verdict)
        return "noted"

    assert note
    async with world(agents=[adopt(NAME, agent, effects={"note": "none"})]) as shop:
        assert (await (await shop.talk("customer-7")).say("Note.")).text == "Noted."
    assert seen == [Verdict(is_late=False, orders=["7"])]


@pytest.mark.req("LIC-19.18")
async def test_of_a_tool_return_the_model_is_told_the_value() -> None:
    heard: list[object] = []

    def answer(messages: Sequence[ModelMessage], info: AgentInfo) -> ModelResponse:
        heard.append(getattr(messages[-1].parts[-1], "content", None))
        return text("Seen.")

    agent = Agent(Spoken(calls(("see", {})), answer).model)

    @agent.tool_plain
    async def see() -> ToolReturn[str]:
        """Sees."""
        return ToolReturn(return_value="a tea pot", metadata={"for": "the application"})

    assert see
    async with world(agents=[adopt(NAME, agent, effects={"see": "none"})]) as shop:
        assert (await (await shop.talk("customer-7")).say("Look.")).text == "Seen."
    assert heard == ["a tea pot"]


@pytest.mark.req("LIC-19.19")
async def test_an_agent_that_its_tool_runs_is_part_of_the_loop(tmp_path: Path) -> None:
    till = Till()
    inner = Spoken(calls(("lookup", {"order_id": "7"})), text("7 is late."))
    clerk = support_of(till, inner.model)
    outer = Spoken(calls(("ask_clerk", {"question": "Where is 7?"})), text("Late, says the clerk."))
    boss = Agent(outer.model, deps_type=Deps)

    @boss.tool
    async def ask_clerk(ctx: RunContext[Deps], question: str) -> str:
        """Asks the clerk."""
        return (await clerk.run(question, deps=ctx.deps)).output

    assert ask_clerk
    support = adopt(NAME, boss, effects=EFFECTS, deps=deps, agents=[clerk], inline=["ask_clerk"])
    async with world(agents=[support], policies=policies(tmp_path, ALLOWED)) as shop:
        assert (await (await shop.talk("customer-7")).say("Where is 7?")).text == "Late, says the clerk."
        assert [call.tool for call in shop.calls()] == ["shop.lookup"]
    assert (len(inner.asked), len(outer.asked)) == (2, 2)


@pytest.mark.req("LIC-19.6")
async def test_instructions_that_change_with_each_run_diverge_and_the_model_is_not_asked_again() -> None:
    till, times = Till(), count()
    spoken = Spoken(calls(("lookup", {"order_id": "1"})), text("never"))
    agent = support_of(till, spoken.model)

    @agent.instructions
    def changing() -> str:
        return f"This is run {next(times)}."

    assert changing
    async with world(agents=[adopt(NAME, agent, effects=EFFECTS, deps=deps)]) as shop:
        reply = await (await shop.talk("customer-7")).say("Go.")
        assert reply.outcome == "failed"
        assert reply.run is not None
        assert "different: system" in repr(
            shop.runtime.runs.show(shop.scope, reply.run, Operator("ops", ("operator",)))
        )
    assert len(spoken.asked) == 1


@pytest.mark.req("LIC-19.11")
async def test_it_is_told_the_conversation_before() -> None:
    spoken = Spoken(text("Hello."), text("You said hi."))
    async with world(agents=[adopt(NAME, Agent(spoken.model))]) as shop:
        talk = await shop.talk("customer-7")
        await talk.say("Hi.")
        await talk.say("What did I say?")
    assert [getattr(message.parts[0], "content", "") for message in spoken.asked[1]] == [
        "Hi.",
        "Hello.",
        "What did I say?",
    ]


@pytest.mark.req("LIC-19.20")
def test_what_cannot_be_run_again_is_refused_where_it_is_adopted() -> None:
    agent = Agent(Spoken().model)

    @agent.tool_plain(requires_approval=True)
    def pay() -> str:
        return "paid"

    assert pay
    with pytest.raises(Invalid, match="asks for approval by itself"):
        adopt(NAME, agent)
    with pytest.raises(Invalid, match="ExternalToolset"):
        adopt(NAME, Agent(Spoken().model, toolsets=[ExternalToolset([])]))
    with pytest.raises(Invalid, match="approval by itself"):
        adopt(NAME, Agent(Spoken().model, toolsets=[ExternalToolset([]).approval_required()]))


@pytest.mark.req("LIC-19.21")
def test_tools_are_once_unless_said_otherwise_and_what_is_said_of_others_is_refused() -> None:
    support = adopt(NAME, support_of(Till()), terms=Terms(effects={"lookup": "none"}, third_party=["lookup"]))
    specs = {str(spec.name): spec for spec in (tool.spec for tool in support.tools.values())}
    assert {name: (spec.effects, spec.origin) for name, spec in specs.items()} == {
        "shop.lookup": ("none", "third_party"),
        "shop.refund": ("once", "records"),
    }
    assert specs["shop.refund"].input_schema["required"] == ["order_id", "amount"]
    with pytest.raises(Invalid, match="no tool 'refunds'"):
        adopt(NAME, support_of(Till()), effects={"refunds": "none"})
