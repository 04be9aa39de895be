from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest
from pydantic_ai.models import KnownModelName
from pydantic_ai.profiles.anthropic import anthropic_model_profile
from pydantic_ai.profiles.google import google_model_profile
from pydantic_ai.profiles.openai import openai_model_profile

from lichen.agents.llm.llm import LLMPlanner
from lichen.agents.llm.prompts import Prompt
from lichen.agents.llm.reminders import Reminder
from lichen.agents.models.model import ScriptedModel
from lichen.agents.providers.facts import thinks
from lichen.core.ports.call import UNAVAILABLE
from lichen.core.ports.model import Model, ModelCall, ModelError, ModelMessage, ModelReply, ModelRequest
from lichen.core.ports.plan import (
    CallRequest,
    CallResult,
    History,
    Left,
    Message,
    Plan,
    Step,
)
from lichen.core.speech.saying import Saying
from lichen.core.words.errors import Denied, Invalid
from lichen.core.words.ids import CallId, ToolName
from lichen.engine.asks.showing import shown_to
from lichen.testing.models import plan_input
from tests.agents.shop import spec

LOOKUP = spec("orders.lookup")
CALL = ModelCall("call_1", ToolName("orders.lookup"), b'{"order_id":"1042"}')
ASKED = ModelReply("", (CALL,))
HELLO = Message("customer", "Where is order 1042?")


def planner(*replies: Any, **given: Any) -> tuple[LLMPlanner, ScriptedModel]:
    model = ScriptedModel(replies)
    return LLMPlanner(model, **given), model


def looked_up(**given: Any) -> tuple[History, CallResult]:
    """The run after its first call."""
    values: dict[str, Any] = {"outcome": "ok", "data": b'{"status":"shipped"}', **given}
    result = CallResult(CallId("c1"), CALL.tool, CALL.args, **values)
    return History(steps=(Step((), (CallRequest(CALL.tool, CALL.args),), (result,)),)), result


async def test_the_model_sees_instructions_conversation_and_tools_and_its_calls_are_the_plan() -> None:
    asked, model = planner(ASKED, instructions="Be brief.", max_tokens=99)
    history = History((Message("customer", "Hi"), Message("agent", "Hello!")))
    plan = await asked.plan(plan_input(HELLO, history=history, tools=[LOOKUP]))
    assert plan.calls == (CallRequest(CALL.tool, CALL.args),)
    assert plan.says == ()
    assert model.requests == [
        ModelRequest(
            "Be brief.",
            (ModelMessage("user", "Hi"), ModelMessage("assistant", "Hello!"), ModelMessage("user", HELLO.text)),
            (LOOKUP,),
            max_tokens=99,
        )
    ]


async def test_words_without_calls_are_the_answer_and_words_with_calls_are_said_meanwhile() -> None:
    asked, _ = planner(ModelReply("Let me look.", (CALL,)), "It is shipped.")
    first = await asked.plan(plan_input(HELLO))
    assert first.says == ("Let me look.",)
    history, result = looked_up()
    given: dict[str, Any] = {"reason": "resume", "state": first.state, "history": history, "results": [result]}
    assert await asked.plan(plan_input(**given)) == Plan(answer="It is shipped.")


async def test_the_model_reads_the_opening_message_again_though_history_does_not_hold_it() -> None:
    asked, model = planner(ASKED, ASKED, "done")
    first = await asked.plan(plan_input(HELLO))
    history, result = looked_up()
    given: dict[str, Any] = {"reason": "resume", "state": first.state, "history": history, "results": [result]}
    second = await asked.plan(plan_input(**given))
    assert [message.role for message in model.requests[1].messages] == ["user", "assistant", "tool"]
    assert model.requests[1].messages[0].text == HELLO.text
    assert second.state == b"", "what is recorded once is not recorded again"


async def test_a_failed_call_reaches_the_model_with_its_reason() -> None:
    asked, model = planner("Sorry.")
    history, _ = looked_up(outcome="failed", code="order_unknown", reason="There is no order 1042.", data=b"")
    await asked.plan(plan_input(reason="resume", history=history))
    assert "There is no order 1042." in model.requests[0].messages[-1].text


@pytest.mark.req("GOA-27.11")
async def test_a_tool_the_model_made_up_is_passed_on_and_comes_back_as_unavailable() -> None:
    call = ModelCall("x", ToolName("shop.fly"), b"")
    asked, model = planner(ModelReply("", (call,)), "I cannot fly.")
    first = await asked.plan(plan_input(HELLO, tools=[LOOKUP]))
    assert first.calls == (CallRequest(ToolName("shop.fly"), b"{}"),)
    gone = CallResult(CallId("c1"), UNAVAILABLE, b"{}", "failed", code="tool_unavailable")
    history = History(steps=(Step((), first.calls, (gone,)),))
    assert (await asked.plan(plan_input(reason="resume", history=history))).answer == "I cannot fly."
    assert "tool_unavailable" in model.requests[1].messages[-1].text


async def test_an_empty_reply_is_asked_for_once_more() -> None:
    asked, model = planner(ModelReply(""), "It is shipped.")
    assert (await asked.plan(plan_input(HELLO, tools=[LOOKUP]))).answer == "It is shipped."
    first, second = model.requests
    assert second.messages[:-1] == first.messages
    assert "empty" in second.messages[-1].text
    assert second.tools == first.tools


async def test_replies_that_stay_empty_are_an_error_that_may_be_tried_again_and_costs_nothing_twice() -> None:
    asked, _ = planner(ModelReply(" \n"), ModelReply(""))
    with pytest.raises(ModelError) as caught:
        await asked.plan(plan_input(HELLO))
    assert (caught.value.code, caught.value.retryable, caught.value.usage.tokens) == ("reply_empty", True, 0)


@pytest.mark.req("GOA-27.12")
async def test_a_reply_cut_before_it_said_anything_is_an_error_that_names_max_tokens_and_is_not_repeated() -> None:
    asked, model = planner(ModelReply("", finish="length", model="openai:gpt-5"), "never asked for")
    with pytest.raises(ModelError, match=r"^openai:gpt-5 reached .* Raise max_tokens .* \[llm\]") as caught:
        await asked.plan(plan_input(HELLO))
    assert (caught.value.code, caught.value.retryable, len(model.requests)) == ("reply_cut", False, 1)


@pytest.mark.req("GOA-27.14")
async def test_an_answer_that_was_cut_is_gone_on_with_once_and_joined() -> None:
    asked, model = planner(ModelReply("Your refund of 80 EUR was ma", finish="length"), "de. It takes two days.")
    assert (await asked.plan(plan_input(HELLO))).answer == "Your refund of 80 EUR was made. It takes two days."
    first, second = model.requests
    assert second.messages[:-2] == first.messages
    assert second.messages[-2] == ModelMessage("assistant", "Your refund of 80 EUR was ma")
    assert (second.messages[-1].role, second.tool_choice) == ("system", "none")


@pytest.mark.req("GOA-27.14")
async def test_an_answer_that_the_model_has_nothing_to_add_to_is_whole() -> None:
    asked, _ = planner(ModelReply("It was made.", finish="length"), ModelReply(""))
    assert (await asked.plan(plan_input(HELLO))).answer == "It was made."


@pytest.mark.req("GOA-27.14")
@pytest.mark.parametrize(
    ("rest", "answer"),
    [
        (ModelReply("de and", finish="length"), "It was made and…"),
        (ModelReply("", finish="length"), "It was ma…"),
        (ASKED, "It was ma…"),
        (ModelError("The request does not fit.", code="model_budget_exceeded"), "It was ma…"),
    ],
)
async def test_an_answer_that_stays_cut_ends_with_an_ellipsis(rest: ModelReply | ModelError, answer: str) -> None:
    asked, model = planner(ModelReply("It was ma", finish="length"), rest)
    assert (await asked.plan(plan_input(HELLO))).answer == answer
    assert len(model.requests) == 2


@pytest.mark.req("GOA-27.13")
@pytest.mark.parametrize(
    ("name", "given", "most"),
    [
        ("openai:gpt-5", {}, 16_384),
        ("openai:gpt-4o", {}, 1_024),
        ("openai:gpt-4o", {"thinking": "low"}, 16_384),
        ("openai:gpt-5", {"max_tokens": 2_000}, 2_000),
    ],
)
async def test_a_model_that_thinks_has_room_for_it_where_nobody_says_how_much(
    name: str, given: dict[str, Any], most: int
) -> None:
    sent: list[ModelRequest] = []

    async def handle(model: Model, request: ModelRequest, deltas: object = None, /) -> ModelReply:
        sent.append(shown_to(model, request))
        return ModelReply("Hello.")

    await LLMPlanner(name, **given).plan(plan_input(HELLO, model=handle))
    assert sent[0].max_tokens == most


@pytest.mark.req("GOA-27.13")
def test_the_families_that_think_are_those_that_the_wire_library_knows() -> None:
    of = {"openai": openai_model_profile, "anthropic": anthropic_model_profile, "google": google_model_profile}
    names = [name.partition(":") for name in get_args(KnownModelName.__value__)]
    known = {model: of[provider](model) or {} for provider, _, model in names if provider in of}
    switches = ("thinking_always_enabled", "thinking_enabled_by_default")
    thinking = {model for model, profile in known.items() if any(profile.get(each) for each in switches)}
    assert len(thinking) > 5
    assert not {model for model in thinking if not thinks(model)}
    every = ("gpt-5", "gpt-5-mini", "o3", "openai/gpt-oss-20b", "gemini-2.5-flash", "deepseek-reasoner", "grok-3-mini")
    assert all(map(thinks, every))
    assert not any(map(thinks, ("gpt-4o", "gpt-4.1-mini", "claude-haiku-4-5", "claude-3-5-sonnet", "llama3.2")))


async def test_what_the_model_or_the_gate_raises_is_raised() -> None:
    asked, _ = planner(ModelError("overloaded", code="overloaded", retryable=True))
    with pytest.raises(ModelError, match="overloaded"):
        await asked.plan(plan_input(HELLO))

    async def forbidden(model: Model, request: ModelRequest, deltas: object = None, /) -> ModelReply:
        raise Denied("Policy forbids it.", code="model_denied")

    with pytest.raises(Denied):
        await planner("never")[0].plan(plan_input(HELLO, model=forbidden))


async def test_a_reply_may_take_no_more_tokens_than_the_run_has_left() -> None:
    asked, model = planner("a", "b", max_tokens=1000)
    await asked.plan(plan_input(HELLO, left=Left(1, 1.0, 10)))
    await asked.plan(plan_input(HELLO, left=Left(1, 1.0, 0), reason="finalize", limit="tokens"))
    assert [request.max_tokens for request in model.requests] == [10, 1000]


# -- at a limit --------------------------------------------------------------------------------------------------


@pytest.mark.req("GOA-24.12")
async def test_at_a_limit_the_model_is_told_which_one_and_gets_no_tools() -> None:
    asked, model = planner("As far as I know it is shipped.")
    history, result = looked_up()
    given: dict[str, Any] = {"reason": "finalize", "limit": "calls", "tools": [LOOKUP], "history": history}
    plan = await asked.plan(plan_input(results=[result], **given))
    assert plan == Plan(answer="As far as I know it is shipped.")
    [request] = model.requests
    assert request.tools == ()
    assert request.messages[-1].role == "system"
    assert "calls" in request.messages[-1].text


@pytest.mark.req("GOA-24.12")
@pytest.mark.parametrize("reply", [ASKED, ModelReply(""), ModelReply("Look:", (CALL,))])
async def test_at_a_limit_calls_are_dropped_and_there_is_an_answer_all_the_same(reply: ModelReply) -> None:
    asked, _ = planner(reply)
    plan = await asked.plan(plan_input(reason="finalize", limit="time"))
    assert plan.answer
    assert (plan.calls, plan.waits, plan.says) == ((), (), ())


@pytest.mark.req("GOA-24.13")
async def test_whoever_is_cut_off_hears_so_in_the_language_of_the_session() -> None:
    asked, _ = planner(ModelReply(""), ModelReply(""))
    given: dict[str, Any] = {"reason": "finalize", "limit": "time"}
    german = await asked.plan(plan_input(attributes={"language": "de"}, **given))
    assert str(german.answer).startswith("Ich musste aufhören")
    assert str((await asked.plan(plan_input(attributes={"language": "xx"}, **given))).answer).startswith(
        "I had to stop"
    )


# -- how it is asked ---------------------------------------------------------------------------------------------


@pytest.mark.req("GOA-33.2")
async def test_after_calls_of_the_named_tools_alone_the_next_plan_is_to_answer() -> None:
    other = ModelCall("call_2", ToolName("orders.list"), b"{}")
    asked, _ = planner(ASKED, ModelReply("", (CALL, other)), ASKED, answer_after=["orders.lookup"])
    assert (await asked.plan(plan_input(HELLO))).synthesize
    assert not (await asked.plan(plan_input(HELLO))).synthesize, "there was a call of another tool"
    plain, _ = planner(ASKED)
    assert not (await plain.plan(plan_input(HELLO))).synthesize


async def test_a_choice_of_tool_holds_for_the_first_plan_of_a_run_and_for_tools_that_are_there() -> None:
    asked, model = planner(ASKED, "a", "b", "c", tool_choice="orders.lookup")
    await asked.plan(plan_input(HELLO, tools=[LOOKUP]))
    await asked.plan(plan_input(HELLO, tools=[LOOKUP], step=1))
    await asked.plan(plan_input(HELLO, tools=[spec("orders.list")]))
    await asked.plan(plan_input(HELLO))
    assert [request.tool_choice for request in model.requests] == ["orders.lookup", "auto", "auto", "auto"]
    required, model = planner("a", tool_choice="required")
    await required.plan(plan_input(HELLO, tools=[LOOKUP]))
    assert model.requests[0].tool_choice == "required"


async def test_without_parallel_calls_only_the_first_one_is_made() -> None:
    reply = ModelReply("", (CALL, ModelCall("call_2", CALL.tool, b"{}")), blocks=b"signed")
    one, model = planner(reply, parallel_calls=False)
    plan = await one.plan(plan_input(HELLO))
    assert (plan.calls, plan.blocks) == ((CallRequest(CALL.tool, CALL.args),), b"")
    assert not model.requests[0].parallel
    many, _ = planner(reply)
    assert len((await many.plan(plan_input(HELLO))).calls) == 2


async def test_what_a_provider_wants_back_goes_with_the_plan_and_comes_with_its_step() -> None:
    asked, model = planner(ModelReply("", (CALL,), blocks=b"signed"), "done")
    plan = await asked.plan(plan_input(HELLO))
    assert plan.blocks == b"signed"
    history, result = looked_up()
    [step] = history.steps
    again = History(steps=(msgspec.structs.replace(step, blocks=plan.blocks),))
    await asked.plan(plan_input(reason="resume", history=again, results=[result]))
    assert [message.blocks for message in model.requests[1].messages if message.role == "assistant"] == [b"signed"]


@pytest.mark.req("GOA-58.1")
async def test_what_the_next_request_begins_with_is_marked_where_the_provider_may_keep_it() -> None:
    history, result = looked_up()
    talk = (Message("customer", "Hi"), Message("agent", "Hello!"))
    given: dict[str, Any] = {"reason": "resume", "results": [result], "tools": [LOOKUP]}
    again = msgspec.structs.replace(history, messages=talk)
    asked, model = planner(ASKED, "b", keep=True)
    first = await asked.plan(plan_input(HELLO, history=History(talk), tools=[LOOKUP]))
    assert first.state
    await asked.plan(plan_input(state=first.state, history=again, step=1, **given))
    kept = [[message.is_kept for message in request.messages] for request in model.requests]
    assert kept == [[False, False, True], [False, False, True, False, True]]
    assert all(request.keep for request in model.requests)
    marked = model.requests[0].messages[2]
    assert model.requests[1].messages[:3] == (*model.requests[0].messages[:2], marked)


@pytest.mark.req("GOA-58.1")
async def test_nothing_is_marked_behind_a_reminder_that_will_have_moved() -> None:
    asked, model = planner("a", keep=True, reminders=[Reminder("kind", "Be kind.")])
    await asked.plan(plan_input(HELLO, history=History((Message("customer", "Hi"), Message("agent", "Hello!")))))
    assert [(message.role, message.is_kept) for message in model.requests[0].messages] == [
        ("user", False),
        ("assistant", True),
        ("system", False),
        ("user", False),
    ]


async def test_nothing_is_marked_unless_that_was_asked_for() -> None:
    asked, model = planner("a")
    await asked.plan(plan_input(HELLO))
    assert not model.requests[0].keep
    assert not any(message.is_kept for message in model.requests[0].messages)


# -- what it is --------------------------------------------------------------------------------------------------


def test_the_digest_pins_model_instructions_and_bounds() -> None:
    made = [
        LLMPlanner("echo:"),
        LLMPlanner(ScriptedModel([])),
        LLMPlanner("echo:", instructions="x"),
        LLMPlanner("echo:", max_tokens=1),
        LLMPlanner("echo:", history_turns=1),
        LLMPlanner("echo:", history_tokens=1_000),
        LLMPlanner("echo:", instructions=Prompt("x")),
        LLMPlanner("echo:", instructions=Prompt("y")),
        LLMPlanner("echo:", instructions=lambda facts: "x"),
        LLMPlanner("echo:", instructions=lambda facts: "y"),
        LLMPlanner("echo:", reminders=[Reminder("kind", "Be kind.")]),
        LLMPlanner("echo:", reminders_at_once=1),
        LLMPlanner("echo:", keep=True),
        LLMPlanner("echo:", tool_choice="required"),
        LLMPlanner("echo:", parallel_calls=False),
        LLMPlanner("echo:", answer_after=["orders.lookup"]),
        LLMPlanner("echo:", temperature=0.5),
        LLMPlanner("echo:", thinking="low"),
    ]
    assert len({one.digest for one in made}) == 18
    assert LLMPlanner("echo:").digest == made[0].digest
    assert not made[0].pure


@pytest.mark.parametrize("wrong", [{"max_tokens": 0}, {"history_turns": -1}, {"history_tokens": 0}])
def test_bounds_that_allow_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as caught:
        LLMPlanner("echo:", **wrong)
    assert caught.value.code == "planner_invalid"


@pytest.mark.req("GOA-31.3")
async def test_words_beside_calls_of_bookkeeping_alone_are_the_answer() -> None:
    note = msgspec.structs.replace(spec("books.note"), role="bookkeeping")
    noted = ModelCall("call_1", note.name, b"{}")
    asked, _ = planner(ModelReply("Done.", (noted,)), ModelReply("", (noted,)), ModelReply("Done.", (noted, CALL)))
    plan = await asked.plan(plan_input(HELLO, tools=[LOOKUP, note]))
    assert (plan.answer, [call.tool for call in plan.calls]) == ("Done.", ["books.note"])
    assert (await asked.plan(plan_input(HELLO, tools=[LOOKUP, note]))).answer is None
    both = await asked.plan(plan_input(HELLO, tools=[LOOKUP, note]))
    assert (both.answer, both.says) == (None, ("Done.",))


@pytest.mark.req("GRE-63.15")
async def test_what_a_model_says_is_markdown_where_its_planner_says_so() -> None:
    asked, _ = planner(ModelReply("*Looking*", (CALL,)), "It is **there**.", answer_format="markdown")
    assert (await asked.plan(plan_input(HELLO, tools=[LOOKUP]))).says == (Saying("*Looking*", format="markdown"),)
    assert (await asked.plan(plan_input(HELLO))).answer == Saying("It is **there**.", format="markdown")
    plain, _ = planner("It is **there**.")
    assert (await plain.plan(plan_input(HELLO))).answer == "It is **there**."
    assert asked.digest != plain.digest
    with pytest.raises(Invalid) as refused:
        planner("x", answer_format="html")
    assert refused.value.code == "planner_invalid"
