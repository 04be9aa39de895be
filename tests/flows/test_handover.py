"""`session.handover`: a flow asks for a person, and goes on when the conversation comes back."""

from __future__ import annotations

import pytest

from lichen.core.ports.handover import KEY
from lichen.core.words.wait import WaitOutcome
from tests.flows.walking import Talk, flow

PERSON = """
ask:
  session.handover: { public: "A colleague will answer you here.", text: "About {{entry.text}}" }
  routing:
    - { status: on_error, to: nobody }
    - { reply: true }
nobody: { text: "Nobody was free.", routing: reply }
"""


@pytest.mark.req("LIC-30.7")
@pytest.mark.parametrize("then", ["returned", "closed"])
def test_a_flow_hands_over_and_says_nothing_of_what_the_person_wrote(then: str) -> None:
    talk = Talk(flow(PERSON)).begin("my order")
    (wait,) = talk.last.waits
    assert (wait.kind, wait.may_answer, wait.public_text) == (
        "handover",
        ("operator",),
        "A colleague will answer you here.",
    )
    assert wait.operator == {KEY: "About my order"}
    talk.answers("Solved.", kind="handover", then=then)
    assert (talk.last.says, talk.last.answer, talk.last.waits) == ((), "", ())


@pytest.mark.req("LIC-30.7")
def test_a_flow_goes_on_when_nobody_took_over() -> None:
    talk = Talk(flow(PERSON)).begin("my order").answers(outcome="expired", kind="handover")
    assert talk.last.answer == "Nobody was free."


def test_a_run_without_a_session_has_nobody_to_hand_over() -> None:
    assert Talk(flow(PERSON), session=None).begin("my order").last.answer == "Nobody was free."


ENDS = """
ask:
  session.handover: { public: "A colleague will answer you here." }
  routing:
    - { status: returned, to: more }
    - { status: closed, to: thanks }
    - { status: declined, to: alone }
    - { status: expired, to: alone }
more: { text: "They said: {{node.ask.payload.text}}", routing: reply }
thanks: { text: "Thank you.", routing: reply }
alone: { text: "Just us two.", routing: reply }
"""


@pytest.mark.req("LIC-30.7")
@pytest.mark.parametrize(
    ("outcome", "body", "answer"),
    [
        ("answered", {"text": "Bye.", "then": "returned"}, "They said: Bye."),
        ("answered", {"text": "Bye.", "then": "closed"}, "Thank you."),
        ("declined", {}, "Just us two."),
        ("expired", {}, "Just us two."),
    ],
)
def test_a_flow_goes_its_way_by_how_the_hand_over_ended(
    outcome: WaitOutcome, body: dict[str, str], answer: str
) -> None:
    talk = (
        Talk(flow(ENDS))
        .begin("my order")
        .answers(body.get("text", ""), outcome=outcome, kind="handover", then=body.get("then", ""))
    )
    assert talk.last.answer == answer


@pytest.mark.req("LIC-30.7")
@pytest.mark.parametrize("outcome", ["expired", "declined"])
def test_a_flow_that_says_nothing_about_it_ends_in_peace_when_nobody_took_over(outcome: WaitOutcome) -> None:
    asks = flow("ask: { session.handover: { public: Somebody comes. }, routing: reply }")
    talk = Talk(asks).begin("my order").answers(outcome=outcome, kind="handover")
    assert (talk.last.answer, talk.last.failure) == ("", "")
