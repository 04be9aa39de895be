"""Rules in two languages, calls before questions, and a person who takes over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from lichen.agents.rules.planner import RulePlanner
from lichen.agents.rules.rules import Call, Intent, Slot
from lichen.agents.rules.words import IntentWords, SlotWords, Words
from lichen.core.ports.handover import KEY, reply_of
from lichen.core.ports.plan import Plan, RunContext, WaitAnswer
from lichen.core.speech.saying import text_of
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import WaitId
from lichen.testing.models import plan_input
from tests.agents.shop import REFUND, STATUS, THANKS, shop_planner, shop_tools
from tests.agents.talk import Ended, Talk

GERMAN = Words(
    greeting="Hallo!",
    fallback="Fragen Sie nach einer Bestellung.",
    intents={
        "order_status": IntentWords(
            phrases=["wo ist ... bestellung"],
            examples=["Wo ist meine Bestellung?"],
            slots={"order_id": SlotWords(ask="Welche Bestellung?")},
            answers=["Bestellung {order_id} wurde storniert."],
            answer="Bestellung {order_id}: {result.status}.",
            on_code={"order_unknown": "Eine Bestellung {order_id} kenne ich nicht."},
        ),
        "refund": IntentWords(
            phrases=["Geld zurück", "Erstattung"],
            slots={"amount": SlotWords(ask="Wie viel?")},
            answer="{amount|money} EUR für Bestellung {order_id}.",
        ),
    },
)
BOTH = shop_planner(languages={"de": GERMAN})
PERSON = Intent("person", phrases=["a human"], priority=9, handover="A colleague will answer you here.")


async def said(planner: RulePlanner, text: str, language: str = "", **tools: Any) -> str:
    return await Speaking(planner, language, **tools).say(text)


class Speaking(Talk):
    """A conversation of a session in a language."""

    def __init__(self, planner: RulePlanner, language: str = "", **tools: Any) -> None:
        super().__init__(planner, shop_tools(**tools))
        self._speaks = language

    async def _plan_for(self, *texts: str, **given: Any) -> Plan:
        given = {"reason": "start", "state": self.state, "history": self._history, **given}
        asked = plan_input(*texts, **given)
        run: RunContext = msgspec.structs.replace(asked.run, attributes={"language": self._speaks})
        self.plan = await self._planner.plan(msgspec.structs.replace(asked, run=run))
        self.state = self.plan.state or self.state
        self.said += map(text_of, self.plan.says)
        return self.plan


@pytest.mark.req("LIC-30.5")
async def test_the_words_of_the_sessions_language_are_used() -> None:
    assert await said(BOTH, "wo ist meine Bestellung 1042?", "de") == "Bestellung 1042: delivered."
    assert await said(BOTH, "Wo ist meine Bestellung 1042?", "de", status="cancelled") == (
        "Bestellung 1042 wurde storniert."
    )
    assert await said(BOTH, "", "de") == "Hallo!"
    assert await said(BOTH, "Wetter?", "de") == "Fragen Sie nach einer Bestellung."
    assert await said(BOTH, "wo ist meine Bestellung", "de") == "Welche Bestellung?"


@pytest.mark.req("LIC-30.5")
async def test_whoever_writes_in_another_language_is_answered_in_it() -> None:
    assert await said(BOTH, "Ich möchte mein Geld zurück für Bestellung 1043, 20 Euro") == (
        "20.00 EUR für Bestellung 1043."
    )
    assert await said(BOTH, "Where is my order 1042?", "de") == "Order 1042 is delivered."
    talk = Speaking(BOTH)
    await talk.say("Where is my order?")
    assert await talk.say("Ach, ich will mein Geld zurück für 1043") == "Wie viel?"
    assert await talk.say("20 Euro") == "20.00 EUR für Bestellung 1043."


@pytest.mark.req("LIC-30.5")
async def test_a_language_nobody_wrote_words_for_is_answered_in_the_planners_own() -> None:
    assert await said(BOTH, "", "fr") == "Hello!"
    assert await said(BOTH, "返金してください") == BOTH.fallback
    assert await said(BOTH, "thanks", "de") == "You are welcome.", "what was not translated is said as it is"


@pytest.mark.req("LIC-30.5")
async def test_endings_that_nobody_worded_are_the_built_in_ones_of_the_language() -> None:
    late = Ended("timed_out")

    def lookup(args: Mapping[str, Any]) -> object:
        return late

    assert "zu lange" in await said(BOTH, "Wo ist meine Bestellung 1042?", "de", lookup=lookup)
    assert "too long" in await said(BOTH, "Where is my order 1042?", "en", lookup=lookup)


@pytest.mark.req("LIC-30.5")
@pytest.mark.parametrize(
    ("words", "place"),
    [
        (Words(intents={"refnd": IntentWords(answer="x")}), "/languages/de/intents/refnd"),
        (
            Words(intents={"refund": IntentWords(slots={"amout": SlotWords(ask="?")})}),
            "/languages/de/intents/refund/slots/amout",
        ),
        (Words(intents={"refund": IntentWords(answer="{amout}")}), "/languages/de/intents/refund/answer"),
        (Words(intents={"refund": IntentWords(answers=["a", "b"])}), "/languages/de/intents/refund/answers"),
        (
            Words(intents={"refund": IntentWords(phrases=["Geld"], examples=["Danke"])}),
            "/languages/de/intents/refund/examples/0",
        ),
    ],
)
def test_words_for_something_that_is_not_there_are_refused_with_their_place(words: Words, place: str) -> None:
    with pytest.raises(Invalid) as refused:
        shop_planner(languages={"de": words})
    assert (refused.value.code, refused.value.place) == ("rule_invalid", place)


@pytest.mark.parametrize("language", ["en", "deutsch", "DE", ""])
def test_a_language_is_named_once_in_lower_case(language: str) -> None:
    with pytest.raises(Invalid) as refused:
        shop_planner(languages={language: Words()})
    assert refused.value.place == f"/languages/{language}"


# -- before anything is asked ------------------------------------------------------------------------------------

OFFERED = Call("refunds.offered", name="offered", early=True, on_denied="{reason}")


def offering(outcome: object) -> tuple[RulePlanner, Any]:
    def offered(args: Mapping[str, Any]) -> object:
        return outcome

    refund = msgspec.structs.replace(REFUND, calls=[OFFERED, *REFUND.calls])
    return shop_planner(intents=[STATUS, refund]), {**shop_tools(), "refunds.offered": offered}


@pytest.mark.req("LIC-30.6")
async def test_nobody_is_asked_for_anything_when_an_early_call_is_denied() -> None:
    planner, tools = offering(Ended("denied", reason="Not by chat."))
    talk = Talk(planner, tools)
    assert await talk.say("I want a refund") == "Not by chat."
    assert talk.questions == []


@pytest.mark.req("LIC-30.6")
async def test_an_early_call_is_made_once_and_only_where_something_has_to_be_asked() -> None:
    planner, tools = offering({})
    talk = Talk(planner, tools)
    await talk.say("I want a refund")
    await talk.say("1042")
    assert "on their way" in await talk.say("20 EUR")
    assert [name for name, _ in talk.calls] == ["refunds.offered", "orders.lookup", "payments.refund"]
    talk = Talk(planner, tools)
    assert "on their way" in await talk.say("refund 20 EUR for order 1042")
    assert [name for name, _ in talk.calls] == ["orders.lookup", "payments.refund"]


@pytest.mark.req("LIC-30.6")
@pytest.mark.parametrize(
    ("calls", "place"),
    [
        ([*REFUND.calls, OFFERED], "/intents/0/calls"),
        ([msgspec.structs.replace(OFFERED, args={"order": "{order_id}"})], "/intents/0/calls/0/args/order"),
    ],
)
def test_an_early_call_comes_first_and_needs_no_slot(calls: list[Call], place: str) -> None:
    refund = msgspec.structs.replace(REFUND, calls=calls, answers=(), answer="Done.")
    with pytest.raises(Invalid) as refused:
        shop_planner(intents=[refund])
    assert refused.value.place == place


# -- a person takes over -----------------------------------------------------------------------------------------


def answered(**body: Any) -> list[WaitAnswer]:
    return [WaitAnswer(WaitId("w1"), "handover", "answered", msgspec.json.encode(body))]


@pytest.mark.req("LIC-30.7")
@pytest.mark.parametrize("before", [(), ("I want a refund",), ("I want a refund", "1042")])
async def test_a_person_can_be_asked_for_at_any_moment(before: tuple[str, ...]) -> None:
    talk = Talk(shop_planner(intents=[STATUS, REFUND, THANKS, PERSON]), shop_tools())
    for text in before:
        await talk.say(text)
    assert await talk.say("I want to speak to a human!") == "A colleague will answer you here."
    assert talk.plan is not None
    (wait,) = talk.plan.waits
    assert (wait.kind, wait.may_answer, wait.operator) == (
        "handover",
        ("operator",),
        {KEY: "I want to speak to a human!"},
    )


@pytest.mark.req("LIC-30.7")
@pytest.mark.parametrize(
    ("ended", "said"),
    [
        (answered(text="Bye.", then="closed"), ""),
        (answered(then="closed"), "Closed."),
        (answered(text="Bye.", then="returned"), ""),
        (answered(then="returned"), ""),
        ([WaitAnswer(WaitId("w1"), "handover", "declined")], ""),
        ([WaitAnswer(WaitId("w1"), "handover", "expired")], ""),
        ([WaitAnswer(WaitId("w1"), "handover", "cancelled")], "Stopped."),
    ],
)
async def test_the_rules_speak_where_nobody_else_said_how_a_hand_over_ended(ended: list[WaitAnswer], said: str) -> None:
    person = msgspec.structs.replace(PERSON, answer="Closed.", on_cancelled="Stopped.", on_expired="Too late.")
    planner = shop_planner(intents=[person])
    plan = await planner.plan(plan_input("a human please"))
    plan = await planner.plan(plan_input(reason="resume", state=plan.state, answers=ended))
    assert (plan.answer, plan.says, plan.waits) == (said, (), ())


@pytest.mark.parametrize("body", [b"", b"[1]", b'{"text": 3}', b'{"text": " "}', b'{"result": 4}', b"\xff"])
def test_a_reply_that_says_nothing_closes_without_a_word(body: bytes) -> None:
    assert reply_of(body) == ("", True)


@pytest.mark.req("LIC-30.7")
async def test_a_hand_over_comes_after_the_questions_and_calls_of_its_intent() -> None:
    late = Intent(
        "late",
        phrases=["late"],
        slots=[Slot("order_id", pattern=r"(\d+)", ask="Which?")],
        calls=[Call("orders.lookup", {"order_id": "{order_id}"})],
        handover="A colleague looks at order {lookup.id}.",
    )
    talk = Talk(shop_planner(intents=[late]), shop_tools())
    assert await talk.say("It is late") == "Which?"
    assert await talk.say("1042") == "A colleague looks at order 1042."
    assert talk.calls == [("orders.lookup", {"order_id": "1042"})]
