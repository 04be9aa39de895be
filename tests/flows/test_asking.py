"""Nodes that wait for a person: slots and questions, waits and their deadlines, approvals."""

from __future__ import annotations

from typing import Any

import pytest

from lichen.flows.ir import Slot
from lichen.flows.nodes.ask import WAIT_EXPIRES_S
from lichen.flows.nodes.slots import Unclear, coerced, found
from lichen.flows.text.reach import MISSING
from tests.flows.walking import Talk, flow

HEAD = r"""
slot_schema:
  - {name: order_id, slot_type: string, pattern: '(?<!\d)(\d{4,12})(?!\d)', required: true}
  - {name: size, slot_type: enum, enum_values: [small, "very small", large]}
"""
FILL = """
fill: {slots: {prompt: Which order?}, routing: [{status: on_error, to: sorry}, {to: tell}]}
tell: {text: "{{slots.order_id}} {{slots.size}} {{fill.payload.order_id}}"}
sorry: {text: "{{node.fill.error.code}}"}
"""


def asked(talk: Talk) -> str:
    (wait,) = talk.last.waits
    assert wait.kind == "clarification"
    return wait.public_text


@pytest.mark.req("GRE-10.11")
def test_a_slot_is_found_in_what_was_said() -> None:
    talk = Talk(flow(FILL, head=HEAD)).begin("Where is my very small order 1042?")
    assert talk.says == ["1042 very small 1042"]


@pytest.mark.req("GRE-10.12")
def test_a_missing_slot_is_asked_for_and_asked_again_a_bounded_number_of_times() -> None:
    talk = Talk(flow(FILL, head=HEAD)).begin("Where is my order?")
    assert asked(talk) == "Which order?"
    assert asked(talk.answers("no idea")) == "Which order?"
    assert asked(talk.answers("12")) == "Which order?"
    assert talk.answers("still none").last.answer == "slot_not_understood"
    talk = Talk(flow(FILL, head=HEAD)).begin("hello").answers("it is 1042, a large one")
    assert talk.last.answer == "1042  1042"


@pytest.mark.req("GRE-10.13")
def test_a_slot_needs_somebody_to_ask() -> None:
    assert Talk(flow(FILL, head=HEAD), session=None).begin("hello").last.answer == "nobody_to_ask"


@pytest.mark.req("GRE-10.14")
@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("number", "about 12 of them", 12),
        ("number", "1,000 EUR", Unclear(("1000", "1"))),
        ("number", "1.234", Unclear(("1234", "1.2340"))),
        ("number", "0.125", 0.125),
        ("number", "1000", 1000),
        ("number", "1,5", 1.5),
        ("number", "none", MISSING),
        ("number", "9" * 30, MISSING),
        ("boolean", "Yes!", True),
        ("boolean", "nein", False),
        ("boolean", "maybe", MISSING),
        ("date", "on 2026-02-03 please", "2026-02-03"),
        ("date", "3.2.2026", "2026-02-03"),
        ("date", "31.2.2026", MISSING),
        ("enum", "a LARGE one", "large"),
        ("enum", "very small", "very small"),
        ("enum", "largely", MISSING),
        ("string", "", MISSING),
        ("string", "x", "x"),
    ],
)
def test_an_answer_becomes_a_value_of_the_slots_type(kind: Any, text: str, value: object) -> None:
    got = coerced(Slot("s", kind, enum_values=("small", "very small", "large")), text)
    assert (got, type(got)) == (value, type(value))


def test_a_slot_without_a_pattern_is_not_guessed_from_a_message() -> None:
    assert found(Slot("name"), "hello") is MISSING
    assert found(Slot("n", "number", pattern=r"(\d+) pieces"), "3 times 12 pieces") == 12


@pytest.mark.req("GRE-10.15")
def test_questions_are_asked_one_by_one_and_answered_or_skipped() -> None:
    shop = flow("""
ask:
  qa.process:
    welcome: Some questions.
    questions:
      - {id: q_problem, prompt: What is wrong?, answer_type: text, max_words: 3}
      - {id: q_context, prompt: Anything else?, optional: true, default: nothing}
      - {id: q_sure, prompt: Sure?, type: boolean}
  routing: [{to: tell}]
tell: {text: "{{json ask.payload}}"}
""")
    talk = Talk(shop).begin("hi")
    assert asked(talk) == "Some questions.\nWhat is wrong?"
    assert asked(talk.answers("far too many words here")) == "What is wrong?"
    assert asked(talk.answers("it is broken")) == "Anything else?"
    assert asked(talk.answers("skip")) == "Sure?"
    assert talk.answers("yes").last.answer == '{"q_problem":"it is broken","q_context":"nothing","q_sure":true}'


@pytest.mark.req("LIC-10.34")
def test_a_number_that_could_be_two_is_asked_about_until_it_is_one() -> None:
    shop = flow(
        "ask: {questions: {fields: [{id: a, prompt: A?, type: number}, {id: b, prompt: B?}]}, routing: [{to: t}]}\n"
        "t: {text: '{{slots.a}} {{slots.b}}'}"
    )
    talk = Talk(shop).begin()
    assert asked(talk.answers("1.234")) == "Do you mean 1234 or 1.2340?"
    assert talk.last.waits[0].answer_schema["examples"] == ["1234", "1.2340"]
    assert asked(talk.answers("either")) == "Do you mean 1234 or 1.2340?"
    assert asked(talk.answers("1234")) == "B?"
    assert talk.answers("x").last.answer == "1234 x"


def test_a_form_answers_several_questions_at_once() -> None:
    shop = flow(
        "ask: {questions: {fields: [{id: a, prompt: A?}, {id: b, prompt: B?, type: number}]}, routing: [{to: t}]}\n"
        "t: {text: '{{slots.a}} {{slots.b}}'}"
    )
    assert Talk(shop).begin().answers(a="x", b="7").last.answer == "x 7"


# -- waits -------------------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-20.2")
def test_a_wait_goes_on_at_the_right_node_with_what_was_said() -> None:
    shop = flow("""
a: {session.wait: {prompt: "Your name, {{entry.text}}?"}, routing: [{to: b}]}
b: {session.wait: {}, routing: [{to: c}]}
c: {text: "{{a.payload.text}} / {{b.payload.text}} / {{entry.text}}"}
""")
    talk = Talk(shop).begin("you")
    assert asked(talk) == "Your name, you?"
    assert asked(talk.answers("Ada")) == ""
    assert talk.answers("Lovelace").last.answer == "Ada / Lovelace / you"
    assert Talk(shop, session=None).begin().last.failure == "nobody_to_ask"


@pytest.mark.req("GRE-21.1")
def test_an_expired_wait_takes_the_route_of_a_timeout() -> None:
    shop = flow(
        "a: {session.wait: {}, timeout: 90, routing: [{status: on_timeout, to: late}, {to: c}]}\n"
        "late: {text: too late}\n"
        "c: {text: in time}"
    )
    talk = Talk(shop).begin()
    assert (talk.last.waits[0].expires_s, talk.last.waits[0].on_expiry) == (90, "resume")
    assert talk.answers(outcome="expired").last.answer == "too late"


@pytest.mark.req("GRE-21.2")
def test_every_wait_has_a_deadline_and_one_without_a_route_ends_in_silence() -> None:
    talk = Talk(flow("a: {session.wait: {prompt: Still there?}, routing: [{to: b}]}\nb: {text: yes}")).begin()
    assert talk.last.waits[0].expires_s == WAIT_EXPIRES_S
    assert talk.answers(outcome="expired").last.answer == ""
    assert talk.path == ["a waits", "a error:wait_expired"]


@pytest.mark.req("LIC-1.6")
@pytest.mark.parametrize(("outcome", "answer"), [("approved", "go"), ("denied", "no"), ("expired", "too late")])
def test_an_approval_is_asked_of_an_operator_and_its_outcome_is_a_status(outcome: Any, answer: str) -> None:
    shop = flow("""
a:
  approval.call: {text: "Send {{entry.text}}?", amount: 5, public: I am asking a colleague.}
  timeout: 60
  routing: [{status: approved, to: go}, {status: denied, to: no}, {status: timeout, to: late}]
go: {text: go}
no: {text: no}
late: {text: too late}
""")
    talk = Talk(shop, session=None).begin("it")
    (wait,) = talk.last.waits
    assert (wait.kind, wait.may_answer, wait.expires_s, wait.public_text) == (
        "approval",
        ("operator",),
        60,
        "I am asking a colleague.",
    )
    assert wait.operator == {"flow": "shop.flow", "node": "a", "text": "Send it?", "amount": 5}
    assert talk.answers(kind="approval", outcome=outcome).last.answer == answer


@pytest.mark.req("LIC-1.6")
def test_what_was_not_approved_never_goes_on_unasked() -> None:
    shop = flow("a: {approval.call: {text: May I?}, routing: [{to: pay}]}\npay: {payments.refund: {}}")
    for outcome, code in (
        ("denied", "approval_denied"),
        ("expired", "approval_expired"),
        ("cancelled", "wait_cancelled"),
    ):
        talk = Talk(shop).begin().answers(kind="approval", outcome=outcome)  # type: ignore[arg-type]
        assert (talk.last.calls, talk.last.failure) == ((), code)
    assert Talk(shop).begin().answers(kind="approval", outcome="approved").last.calls


@pytest.mark.req("GRE-10.16")
@pytest.mark.parametrize(
    ("question", "answers", "told"),
    [
        ("{id: a, type: integer}", ["2.5", "two", "3"], "3"),
        ("{id: a, choices: [café, tea]}", ["cafe\u0301, please"], "café"),
        ("{id: a, choices: 5}", ["x"], "x"),
        ("{id: a, pattern: 5}", ["x"], "x"),
    ],
)
def test_an_answer_is_read_as_its_question_says(question: str, answers: list[str], told: str) -> None:
    nodes = f"ask: {{qa.process: {{attempts: x, questions: [{question}]}}, routing: [{{to: tell}}]}}"
    talk = Talk(flow(nodes + '\ntell: {text: "{{ask.payload.a}}"}')).begin("hello")
    for answer in answers:
        talk.answers(answer)
    assert talk.last.answer == told


@pytest.mark.req("GRE-10.16")
@pytest.mark.parametrize("named", ["5", "[{name: order_id}]", "[[order_id]]"])
def test_slots_that_are_named_in_a_way_nobody_knows_ask_nothing_or_the_required_ones(named: str) -> None:
    talk = Talk(flow(f"fill: {{slots: {{slots: {named}}}}}", head=HEAD)).begin("hello")
    assert (talk.last.failure, len(talk.last.waits)) == ("", 1 if named == "5" else 0)


@pytest.mark.req("GRE-10.16")
def test_a_form_answers_with_the_types_of_its_fields_and_not_with_what_it_left_empty() -> None:
    nodes = """
ask: {qa.process: {questions: [{id: name}, {id: sure, type: boolean}, {id: n, type: number}]}, routing: [{to: tell}]}
tell: {text: "{{json ask.payload}}"}
"""
    talk = Talk(flow(nodes)).begin("hello").answers("", name=None, sure=True, n=5)
    assert asked(talk) == "name?"
    assert talk.answers("Ada").last.answer == '{"sure":true,"n":5,"name":"Ada"}'
