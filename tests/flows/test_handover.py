"""`session.handover`: a flow asks for a person, and what they write reaches the customer."""

from __future__ import annotations

import pytest

from lichen.core.ports.handover import KEY
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
def test_a_flow_hands_over_and_relays_what_the_person_writes_until_they_leave() -> None:
    talk = Talk(flow(PERSON)).begin("my order")
    (wait,) = talk.last.waits
    assert (wait.kind, wait.may_answer, wait.public_text) == (
        "handover",
        ("operator",),
        "A colleague will answer you here.",
    )
    assert wait.operator == {KEY: "About my order"}
    talk.answers(kind="handover", result={"text": "Ada here.", "goes_on": True})
    assert (talk.last.says, talk.last.answer) == (("Ada here.",), None)
    (wait,) = talk.last.waits
    assert wait.public_text == ""
    talk.answers("Solved.", kind="handover")
    assert talk.last.answer == "Solved."


@pytest.mark.req("LIC-30.7")
def test_a_flow_goes_on_when_nobody_took_over() -> None:
    talk = Talk(flow(PERSON)).begin("my order").answers(outcome="expired", kind="handover")
    assert talk.last.answer == "Nobody was free."


def test_a_run_without_a_session_has_nobody_to_hand_over() -> None:
    assert Talk(flow(PERSON), session=None).begin("my order").last.answer == "Nobody was free."
