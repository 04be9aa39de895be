"""Agents of the OpenAI Agents SDK, with the real library and scripted models, as agents of ours."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from agents import (
    Agent,
    GuardrailFunctionOutput,
    InputGuardrail,
    Model,
    ModelResponse,
    RunConfig,
    RunContextWrapper,
    Runner,
    Usage,
    WebSearchTool,
    function_tool,
)
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseFunctionToolCall,
    ResponseOutputItem,
    ResponseOutputMessage,
    ResponseOutputText,
    ResponseTextDeltaEvent,
)
from pydantic import BaseModel

from lichen.agents.own.openai_agents import adopt
from lichen.agents.own.openai_items import streams, whole
from lichen.agents.own.terms import Caller
from lichen.core.ports.model import Delta, ModelError
from lichen.core.words.errors import Invalid
from lichen.core.words.scope import Operator
from lichen.testing.worlds import world
from tests.agents.own.shop import ALLOWED, ASKED, FORBIDDEN, Till, policies, scripted, wants

NAME = "shop.support"
OPS = Operator("ops", ("operator",))
EFFECTS = {"lookup": "none"}
Line = list[ResponseOutputItem] | Callable[[Any], list[ResponseOutputItem]]


def text(words: str) -> list[ResponseOutputItem]:
    said = ResponseOutputText(annotations=[], text=words, type="output_text", logprobs=[])
    return [ResponseOutputMessage(id="m", content=[said], role="assistant", status="completed", type="message")]


_IDS = count()


def calls(*parts: tuple[str, str]) -> list[ResponseOutputItem]:
    return [
        ResponseFunctionToolCall(call_id=f"call{next(_IDS)}", name=name, arguments=args, type="function_call")
        for name, args in parts
    ]


class Spoken(Model):
    """A model of the framework's own: what it says to the n-th request."""

    def __init__(self, *lines: Line) -> None:
        self.model = "spoken"
        self.lines = lines
        self.asked: list[Any] = []

    async def get_response(
        self, system_instructions: str | None, input: Any, *args: Any, **named: Any
    ) -> ModelResponse:
        line = self.lines[len(self.asked)]
        self.asked.append((system_instructions, list(input)))
        return ModelResponse(
            line(input) if callable(line) else line, Usage(1, 7, output_tokens=3, total_tokens=10), None
        )

    def stream_response(self, *args: Any, **named: Any) -> AsyncIterator[Any]:
        raise NotImplementedError


@dataclass
class Deps:
    customer: str


def deps(caller: Caller) -> Deps:
    return Deps(caller.actor.id)


def tools_of(till: Till) -> list[Any]:
    @function_tool
    async def lookup(context: RunContextWrapper[Deps], order_id: str) -> dict[str, str]:
        """Looks up an order."""
        till.did.append(("lookup", (context.context.customer, order_id)))
        return {"order_id": order_id, "status": "late"}

    @function_tool
    def refund(order_id: str, amount: int) -> str:
        """Refunds an order."""
        till.did.append(("refund", (order_id, amount)))
        return f"r-{order_id}"

    return [lookup, refund]


def support_of(till: Till, model: Model | None = None) -> Agent[Deps]:
    return Agent("support", instructions="Help.", model=model, tools=tools_of(till))


@pytest.mark.req("LIC-19.22")
async def test_an_agent_of_the_sdk_works_with_its_own_model_tools_and_context(tmp_path: Path) -> None:
    till = Till()
    refund = calls(("refund", '{"order_id":"1042","amount":9}'))
    spoken = Spoken(calls(("lookup", '{"order_id":"1042"}')), refund, text("Done."))
    support = adopt(NAME, support_of(till, spoken), effects=EFFECTS, context=deps)
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


@pytest.mark.req("LIC-19.22")
async def test_calls_that_its_model_wants_at_once_are_made_at_once() -> None:
    till = Till()
    spoken = Spoken(calls(*(("lookup", f'{{"order_id":"{i}"}}') for i in range(4))), text("All late."))
    support = adopt(NAME, support_of(till, spoken), effects=EFFECTS, context=deps)
    async with world(agents=[support]) as shop:
        assert (await (await shop.talk("customer-7")).say("All?")).text == "All late."
        assert sum(record.type == "planned" for record in shop.records()) == 2
    assert len(till.did) == 4


@pytest.mark.req("LIC-19.23")
async def test_a_model_of_ours_can_be_asked_instead(tmp_path: Path) -> None:
    till = Till()
    model = scripted(wants(("shop.lookup", '{"order_id":"1"}'), text="Let me see."), "It is late.")
    support = adopt(NAME, support_of(till), effects=EFFECTS, context=deps, model=model)
    async with world(agents=[support], policies=policies(tmp_path, ALLOWED)) as shop:
        assert (await (await shop.talk("customer-7")).say("Where is 1?")).text == "It is late."
    first, second = model.requests
    assert (first.system, [tool.name for tool in first.tools]) == ("Help.", ["shop.lookup", "shop.refund"])
    assert [message.role for message in second.messages] == ["user", "assistant", "tool"]
    assert second.messages[1].text == "Let me see."
    assert second.messages[1].calls[0].tool == "shop.lookup"


@pytest.mark.req("LIC-19.24")
async def test_what_policy_denies_is_an_error_of_the_tool_to_the_sdk(tmp_path: Path) -> None:
    till = Till()
    heard: list[str] = []

    def answer(items: Any) -> list[ResponseOutputItem]:
        heard.append(str(items[-1]["output"]))
        return text("I may not.")

    spoken = Spoken(calls(("refund", '{"order_id":"1","amount":9}')), answer)
    support = adopt(NAME, support_of(till, spoken), effects=EFFECTS, context=deps)
    async with world(agents=[support], policies=policies(tmp_path, FORBIDDEN)) as shop:
        assert (await (await shop.talk("customer-7")).say("Pay me.")).text == "I may not."
    assert till.did == []
    assert '"denied"' in heard[0]


@pytest.mark.req("LIC-19.25")
async def test_a_tool_that_raises_has_not_succeeded_whatever_its_error_function_says(tmp_path: Path) -> None:
    @function_tool
    async def pay() -> str:
        raise RuntimeError("The line broke.")

    spoken = Spoken(calls(("pay", "{}")))
    async with world(
        agents=[adopt(NAME, Agent("payer", model=spoken, tools=[pay]))], policies=policies(tmp_path, ALLOWED)
    ) as shop:
        await (await shop.talk("customer-7")).say("Pay.")
        assert len(shop.unknown()) == 1


@pytest.mark.req("LIC-19.26")
async def test_hand_overs_and_agents_as_tools_are_part_of_the_loop(tmp_path: Path) -> None:
    till = Till()
    inner = Spoken(calls(("lookup", '{"order_id":"7"}')), text("7 is late."))
    clerk = support_of(till, inner)
    last = Spoken(calls(("ask_clerk", '{"input":"Where is 7?"}')), text("Late, says the clerk."))
    desk = Agent[Deps]("desk", model=last, tools=[clerk.as_tool("ask_clerk", "Asks the clerk.")])
    first = Spoken(calls(("transfer_to_desk", "{}")))
    triage = Agent[Deps]("triage", model=first, handoffs=[desk])
    desk.handoffs = [triage]  # and back
    support = adopt(NAME, triage, effects=EFFECTS, context=deps)
    async with world(agents=[support], policies=policies(tmp_path, ALLOWED)) as shop:
        assert (await (await shop.talk("customer-7")).say("Where is 7?")).text == "Late, says the clerk."
        assert [call.tool for call in shop.calls()] == ["shop.lookup"]
    assert (len(first.asked), len(last.asked), len(inner.asked)) == (1, 2, 2)


class IsHomework(BaseModel):
    is_homework: bool


def guarded(check: Model, tutor: Model) -> tuple[Agent[Any], Agent[Any]]:
    """An agent whose guardrail runs another one, as the SDK's own guide has it; and that one."""
    judge = Agent[Any]("judge", instructions="Is it homework?", model=check, output_type=IsHomework)

    async def homework(context: RunContextWrapper[Any], agent: Agent[Any], asked: Any) -> GuardrailFunctionOutput:
        ran = await Runner.run(judge, asked, context=context.context)
        said = ran.final_output_as(IsHomework)
        return GuardrailFunctionOutput(output_info=said, tripwire_triggered=not said.is_homework)

    return Agent[Any]("tutor", model=tutor, input_guardrails=[InputGuardrail(guardrail_function=homework)]), judge


@pytest.mark.req("LIC-19.36")
async def test_a_guardrail_that_runs_an_agent_passes_the_gate_once_that_agent_is_named() -> None:
    check, tutor = Spoken(text('{"is_homework":true}')), Spoken(text("Seven."))
    agent, judge = guarded(check, tutor)
    async with world(agents=[adopt(NAME, agent, agents=[judge])]) as shop:
        assert (await (await shop.talk("customer-7")).say("3 and 4?")).text == "Seven."
        (run,) = shop.runs()
        assert len(shop.runtime.runs.show(shop.scope, run, OPS).models) == 2
    assert (len(check.asked), len(tutor.asked)) == (1, 1)


@pytest.mark.req("LIC-19.36")
async def test_an_agent_that_a_guardrail_runs_behind_the_gates_back_is_not_asked_anything() -> None:
    check, tutor = Spoken(text('{"is_homework":true}')), Spoken(text("Seven."))
    agent, judge = guarded(check, tutor)
    async with world(agents=[adopt(NAME, agent)]) as shop:
        assert (await (await shop.talk("customer-7")).say("3 and 4?")).outcome == "failed"
        (run,) = shop.runs()
        assert "own_unsupported" in shop.explain(run)
    assert check.asked == [], "it would have been asked where nobody decides, counts and records it"
    plain = await Runner.run(judge, "3 and 4?", run_config=RunConfig(tracing_disabled=True))
    assert plain.final_output == IsHomework(is_homework=True), "outside of a run it is nobody's business"


@pytest.mark.req("LIC-19.36")
async def test_a_guardrail_that_trips_ends_the_run_at_once_with_its_code() -> None:
    check, tutor = Spoken(text('{"is_homework":false}')), Spoken(text("Seven."))
    agent, judge = guarded(check, tutor)
    async with world(agents=[adopt(NAME, agent, agents=[judge])]) as shop:
        assert (await (await shop.talk("customer-7")).say("Sing!")).outcome == "failed"
        (run,) = shop.runs()
        assert "guardrail_tripped" in shop.explain(run)
    assert len(check.asked) == 1, "it is not tried again"


class Verdict(BaseModel):
    is_late: bool
    orders: list[str]


@pytest.mark.req("LIC-19.27")
async def test_its_output_type_holds_and_the_answer_is_its_json() -> None:
    spoken = Spoken(text('{"is_late":true,"orders":["1"]}'))
    async with world(agents=[adopt(NAME, Agent("judge", model=spoken, output_type=Verdict))]) as shop:
        assert (await (await shop.talk("customer-7")).say("Late?")).text == '{"is_late":true,"orders":["1"]}'


@pytest.mark.req("LIC-19.6")
async def test_instructions_that_change_with_each_run_diverge_and_the_model_is_not_asked_again() -> None:
    till, times = Till(), count()
    spoken = Spoken(calls(("lookup", '{"order_id":"1"}')), text("never"))
    agent = support_of(till, spoken)
    agent.instructions = lambda context, agent: f"This is run {next(times)}."
    async with world(agents=[adopt(NAME, agent, effects=EFFECTS, context=deps)]) as shop:
        reply = await (await shop.talk("customer-7")).say("Go.")
        assert reply.outcome == "failed"
        assert reply.run is not None
        assert "different: system" in repr(shop.runtime.runs.show(shop.scope, reply.run, OPS))
    assert len(spoken.asked) == 1


@pytest.mark.req("LIC-19.11")
async def test_it_is_told_the_conversation_before() -> None:
    spoken = Spoken(text("Hello."), text("You said hi."))
    async with world(agents=[adopt(NAME, Agent("echo", model=spoken))]) as shop:
        talk = await shop.talk("customer-7")
        await talk.say("Hi.")
        await talk.say("What did I say?")
    said: list[Mapping[str, Any]] = spoken.asked[1][1]
    assert [each["content"] for each in said] == ["Hi.", "Hello.", "What did I say?"]


@pytest.mark.req("LIC-19.28")
async def test_outside_of_a_run_of_ours_an_adopted_agent_works_as_it_did() -> None:
    till = Till()
    agent = support_of(till, Spoken(calls(("refund", '{"order_id":"1","amount":9}')), text("Done.")))
    adopt(NAME, agent, effects=EFFECTS, context=deps)
    adopt("shop.other", agent, effects=EFFECTS, context=deps)
    untraced = RunConfig(tracing_disabled=True)
    assert (await Runner.run(agent, "Pay.", context=Deps("me"), run_config=untraced)).final_output == "Done."
    assert till.did == [("refund", ("1", 9))]


@pytest.mark.req("LIC-19.20")
def test_what_cannot_be_run_again_is_refused_where_it_is_adopted() -> None:
    @function_tool(needs_approval=True)
    def pay() -> str:
        return "paid"

    with pytest.raises(Invalid, match="asks for approval by itself"):
        adopt(NAME, Agent("payer", tools=[pay]))
    with pytest.raises(Invalid, match="WebSearchTool of searcher acts where the gate does not see it"):
        adopt(NAME, Agent("front", handoffs=[Agent("searcher", tools=[WebSearchTool()])]))


@pytest.mark.req("LIC-19.37")
async def test_the_words_of_a_model_of_openai_are_shown_as_they_come() -> None:
    said = ResponseTextDeltaEvent(
        content_index=0, delta="Late.", item_id="m", logprobs=[], output_index=0, sequence_number=1,
        type="response.output_text.delta",
    )  # fmt: skip
    response = Response(
        id="r", created_at=0, model="gpt", object="response", output=text("Late."), parallel_tool_calls=True,
        tool_choice="auto", tools=[],
    )  # fmt: skip
    ended = ResponseCompletedEvent(response=response, sequence_number=2, type="response.completed")

    async def events(*each: Any) -> AsyncIterator[Any]:
        for event in each:
            yield event

    pieces: list[Delta] = []
    found = await whole(events(said, ended), pieces.append)
    assert ([piece.text for piece in pieces], found.output) == (["Late."], text("Late."))
    with pytest.raises(ModelError, match="broke off"):
        await whole(events(said), pieces.append)
    assert not streams(Spoken(text("Late.")))
