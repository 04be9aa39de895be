from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.agents.llm.outcomes import RESULT_BYTES_MAX, outcome
from lichen.agents.llm.transcript import transcript
from lichen.core.ports.call import UNAVAILABLE, Issue, Outcome
from lichen.core.ports.model import ModelCall, ModelMessage
from lichen.core.ports.plan import (
    CallRequest,
    CallResult,
    History,
    Message,
    Step,
    WaitAnswer,
)
from lichen.core.words.ids import CallId, ToolName, WaitId
from lichen.testing.models import plan_input, transcript_faults

LOOKUP, REFUND = ToolName("orders.lookup"), ToolName("payments.refund")
HELLO = Message("customer", "Where is order 1042?")


def request(tool: ToolName = LOOKUP, args: bytes = b"{}") -> CallRequest:
    return CallRequest(tool, args)


def result(id: str = "c1", tool: ToolName = LOOKUP, outcome: Outcome = "ok", **given: Any) -> CallResult:
    values: dict[str, Any] = {"args": b"{}", "data": b'{"ok":1}', **given}
    return CallResult(CallId(id), tool, outcome=outcome, **values)


def step(
    calls: tuple[CallRequest, ...] = (),
    results: tuple[CallResult, ...] = (),
    *,
    says: tuple[str, ...] = (),
    answers: tuple[WaitAnswer, ...] = (),
    inputs: tuple[Message, ...] = (),
) -> Step:
    return Step(says, calls, results, answers, inputs)


def read(*steps: Step, messages: tuple[Message, ...] = (), turns: int = 20, **given: Any) -> tuple[ModelMessage, ...]:
    """The transcript of a run that HELLO opened."""
    values: dict[str, Any] = {"reason": "resume" if steps else "start", **given}
    said = values.pop("said", () if steps else (HELLO,))
    return transcript(History(messages, (), steps), (HELLO,), plan_input(*said, **values), turns)


def roles(messages: tuple[ModelMessage, ...]) -> str:
    return " ".join(message.role for message in messages)


# -- the conversation --------------------------------------------------------------------------------------------


def test_earlier_messages_and_notes_come_before_the_message_that_opened_the_run() -> None:
    history = History((Message("customer", "Hi"), Message("agent", "Hello!")), ("A refund waits for approval.",))
    assert transcript(history, (HELLO,), plan_input(HELLO), 20) == (
        ModelMessage("user", "Hi"),
        ModelMessage("assistant", "Hello!"),
        ModelMessage("system", "Note: A refund waits for approval."),
        ModelMessage("user", HELLO.text),
    )


def test_the_opening_is_told_once_even_if_history_ends_with_it() -> None:
    assert read(messages=(Message("agent", "Hello!"), HELLO)) == read(messages=(Message("agent", "Hello!"),))


def test_a_long_conversation_is_cut_to_its_last_turns() -> None:
    talk = tuple(
        message
        for i in range(5)
        for message in (Message("customer", f"q{i}"), Message("customer", f"and {i}"), Message("agent", f"a{i}"))
    )
    texts = [message.text for message in read(messages=talk, turns=2)]
    assert texts == ["q3", "and 3", "a3", "q4", "and 4", "a4", HELLO.text]
    assert [message.text for message in read(messages=talk, turns=0)] == [HELLO.text]
    assert len(read(messages=talk, turns=9)) == 16


def test_an_agents_words_are_the_assistants_in_the_conversation_and_a_users_when_they_open_the_run() -> None:
    task = Message("agent", '{"message":"Look it up"}')
    messages = transcript(History((Message("agent", "Hello!"),)), (task,), plan_input(task), 20)
    assert roles(messages) == "assistant user"


def test_operators_and_the_system_speak_as_the_system() -> None:
    history = (Message("operator", "Be kind."), Message("system", "The shop is closed."))
    assert [(m.role, m.text) for m in read(messages=history)[:2]] == [
        ("system", "An operator wrote: Be kind."),
        ("system", "The shop is closed."),
    ]


# -- steps -------------------------------------------------------------------------------------------------------


def test_calls_and_their_results_stand_together_in_call_order() -> None:
    one = step(
        (request(), request(REFUND)), (result("c1", data=b"1"), result("c2", REFUND, data=b"2")), says=("Wait.",)
    )
    assert read(one)[1:] == (
        ModelMessage("assistant", "Wait.", (ModelCall("c1", LOOKUP, b"{}"), ModelCall("c2", REFUND, b"{}"))),
        ModelMessage("tool", "1", result_of="c1"),
        ModelMessage("tool", "2", result_of="c2"),
    )


def test_what_came_after_a_plan_follows_its_results() -> None:
    answer = WaitAnswer(WaitId("w1"), "clarification", "answered", b'{"text":"the blue one"}')
    late = WaitAnswer(WaitId("w2"), "clarification", "expired")
    one = step((request(),), (result(),), answers=(answer, late), inputs=(Message("customer", "hurry"),))
    assert [(m.role, m.text) for m in read(one)[3:]] == [
        ("user", "the blue one"),
        ("system", "The question that was open ended: expired."),
        ("user", "hurry"),
    ]


def test_a_step_that_said_and_called_nothing_leaves_no_empty_message() -> None:
    assert roles(read(step(inputs=(Message("customer", "hurry"),)))) == "user user"
    assert outcome(result(data=b"x" * RESULT_BYTES_MAX)) == "x" * RESULT_BYTES_MAX


def test_what_the_input_brings_is_told_once_whether_or_not_history_has_it() -> None:
    more = Message("customer", "and the blue one?")
    answer = WaitAnswer(WaitId("w1"), "clarification", "answered", b'"yes"')
    bare = step((request(),), says=("Wait.",))
    full = step((request(),), (result(),), says=("Wait.",), answers=(answer,), inputs=(more,))
    new: dict[str, Any] = {"said": (more,), "results": [result()], "answers": [answer]}
    assert read(bare, **new) == read(full, **new) == read(full)


def test_a_customer_who_repeats_the_opening_is_heard_again() -> None:
    assert roles(read(step((request(),), (result(),)), said=(HELLO,))) == "user assistant tool user"


def test_an_open_call_gets_a_result_that_says_so() -> None:
    messages = read(step((request(), request(REFUND)), (result("c2", REFUND),)))
    assert list(transcript_faults(messages)) == []
    assert messages[1].calls[0].tool == LOOKUP
    assert msgspec.json.decode(messages[2].text)["outcome"] == "open"
    assert messages[3] == ModelMessage("tool", '{"ok":1}', result_of="c2")


def test_a_result_without_a_call_gets_one() -> None:
    messages = read(step((request(),), (result("c1"), result("c2", REFUND))))
    assert [call.tool for call in messages[1].calls] == [LOOKUP, REFUND]
    assert list(transcript_faults(messages)) == []


@pytest.mark.req("GOA-27.11")
def test_a_tool_that_is_not_there_is_told_under_the_name_the_model_used() -> None:
    gone = result("c2", UNAVAILABLE, "failed", code="tool_unavailable", reason="There is no tool 'shop.fly'.")
    one = step((request(), request(ToolName("shop.fly")), request(REFUND)), (result("c1"), gone))
    messages = read(one)
    assert [(call.id, call.tool) for call in messages[1].calls][:2] == [("c1", LOOKUP), ("c2", "shop.fly")]
    told = msgspec.json.decode(messages[3].text)
    assert (told["outcome"], told["code"]) == ("failed", "tool_unavailable")


def test_a_failed_call_tells_what_was_wrong_so_that_it_can_be_corrected() -> None:
    issue = Issue("/order_id", "invalid_pattern", "must match the pattern ^[0-9]+$")
    told = outcome(result(outcome="failed", code="arguments_invalid", reason="No.", issues=(issue,)))
    assert msgspec.json.decode(told) == {
        "outcome": "failed",
        "code": "arguments_invalid",
        "reason": "No.",
        "issues": [{"field": "/order_id", "constraint": "invalid_pattern", "message": issue.message, "allowed": []}],
        "advice": "Correct the call or answer without it.",
    }


@pytest.mark.req("GOA-35.3")
def test_what_a_tool_reminds_of_stands_once_behind_all_results_of_its_step() -> None:
    reminder = "Say the price before you order."
    one = step(
        (request(), request(REFUND), request()),
        (result("c1", reminder=reminder), result("c2", REFUND), result("c3", reminder=reminder)),
        inputs=(Message("customer", "hurry"),),
    )
    messages = read(one)
    assert roles(messages) == "user assistant tool tool tool system user"
    assert messages[5].text == f"<system-reminder>{reminder}</system-reminder>"
    assert list(transcript_faults(messages)) == []


@pytest.mark.parametrize("ended", [value for value in get_args(Outcome) if value != "ok"])
def test_every_outcome_is_told_with_advice(ended: Outcome) -> None:
    told = msgspec.json.decode(outcome(result(outcome=ended, reason="Because.")))
    assert (told["outcome"], told["reason"]) == (ended, "Because.")
    assert told["advice"]


def test_a_large_result_is_replaced_by_a_preview() -> None:
    told = msgspec.json.decode(outcome(result(data=b'"' + b"x" * RESULT_BYTES_MAX + b'"')))
    assert (told["omitted"], told["reason"], told["bytes"]) == (True, "size_limit", RESULT_BYTES_MAX + 2)
    assert told["preview"].startswith('"xxx')
    assert outcome(result(data=b"")) == "null"


# -- any history -------------------------------------------------------------------------------------------------

TOOLS = st.sampled_from([LOOKUP, REFUND, UNAVAILABLE, ToolName("shop.fly")])
TEXT = st.text(max_size=5)
RESULTS = st.builds(
    CallResult,
    call=st.sampled_from(["", "c1", "c2", "c3", "open_0_0"]).map(CallId),
    tool=TOOLS,
    args=st.sampled_from([b"{}", b'{"a":1}', b"{"]),
    outcome=st.sampled_from(get_args(Outcome)),
    data=st.binary(max_size=5),
    reason=TEXT,
)
MESSAGES = st.lists(st.builds(Message, st.sampled_from(["customer", "agent", "operator", "system"]), TEXT), max_size=3)
ANSWERS = st.lists(
    st.builds(WaitAnswer, st.just(WaitId("w1")), st.just("clarification"), st.sampled_from(["answered", "expired"])),
    max_size=2,
)
STEPS = st.builds(
    Step,
    says=st.lists(TEXT, max_size=1).map(tuple),
    calls=st.lists(st.builds(CallRequest, TOOLS, st.sampled_from([b"{}", b'{"a":1}'])), max_size=4).map(tuple),
    results=st.lists(RESULTS, max_size=4).map(tuple),
    answers=ANSWERS.map(tuple),
    inputs=MESSAGES.map(tuple),
)


@given(
    MESSAGES, MESSAGES, st.lists(STEPS, max_size=4), MESSAGES, st.lists(RESULTS, max_size=3), ANSWERS, st.integers(0, 3)
)
def test_a_transcript_is_well_formed_whatever_happened(
    earlier: list[Message],
    opening: list[Message],
    steps: list[Step],
    said: list[Message],
    results: list[CallResult],
    answers: list[WaitAnswer],
    turns: int,
) -> None:
    history = History(tuple(earlier), ("note",), tuple(steps))
    input = plan_input(*said, reason="resume", results=results, answers=answers)
    messages = transcript(history, opening, input, turns)
    assert list(transcript_faults(messages)) == []
    calls = [call for message in messages for call in message.calls]
    assert len(calls) == sum(message.role == "tool" for message in messages)
    assert len(calls) >= sum(len(one.calls) for one in steps)


@pytest.mark.parametrize(
    "messages",
    [
        [ModelMessage("assistant", calls=(ModelCall("a", LOOKUP, b""),))],
        [ModelMessage("tool", result_of="a")],
        [ModelMessage("assistant", calls=(ModelCall("a", LOOKUP, b""),)), ModelMessage("user"),
         ModelMessage("tool", result_of="a")],
        [ModelMessage("assistant", calls=(ModelCall("a", LOOKUP, b""), ModelCall("b", LOOKUP, b""))),
         ModelMessage("tool", result_of="b"), ModelMessage("tool", result_of="a")],
        [ModelMessage("assistant", calls=(ModelCall("a", LOOKUP, b""), ModelCall("a", LOOKUP, b""))),
         ModelMessage("tool", result_of="a"), ModelMessage("tool", result_of="a")],
        [ModelMessage("user", calls=(ModelCall("a", LOOKUP, b""),)), ModelMessage("tool", result_of="a")],
        [ModelMessage("user", result_of="a")],
    ],
)  # fmt: skip
def test_the_checker_sees_every_fault(messages: list[ModelMessage]) -> None:
    assert list(transcript_faults(messages))


# -- what a model is told of a failure and beside a result ---------------------------------------------------------


@pytest.mark.req("GOA-26.5")
def test_a_model_is_told_what_was_wrong_what_it_sent_and_an_example_that_fits() -> None:
    issue = Issue("/order_id", "missing_field", "is required.")
    failed = result(
        outcome="failed",
        args=b'{"order":7}',
        code="arguments_invalid",
        issues=(issue,),
        kind="invalid_call",
        recovery="correct_call",
        example=b'{"order_id":"1042"}',
    )
    told = msgspec.json.decode(outcome(failed))
    assert (told["kind"], told["you_sent"], told["example"]) == ("invalid_call", {"order": 7}, {"order_id": "1042"})
    assert told["issues"][0]["constraint"] == "missing_field"
    assert "as in the example" in told["advice"]
    broken = msgspec.structs.replace(failed, args=b"{order", example=b"")
    assert not msgspec.json.decode(outcome(broken)).keys() & {"you_sent", "example"}
    final = msgspec.json.decode(outcome(msgspec.structs.replace(failed, recovery="finish")))
    assert "Do not call it again" in final["advice"]


@pytest.mark.req("GOA-35.2")
def test_reminders_of_tools_follow_the_results_once_each_in_a_message_of_the_system() -> None:
    calls = (request(), request(REFUND), request())
    results = (
        result("c1", reminder="Prices are in cents."),
        result("c2", REFUND),
        result("c3", reminder="Prices are in cents."),
    )
    messages = read(step(calls, results))
    assert roles(messages) == "user assistant tool tool tool system"
    assert messages[-1].text == "<system-reminder>Prices are in cents.</system-reminder>"
