"""What an agent acts on is what the gate finds in the same words, in the same language; or the agent asks."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lichen.agents.rules.money import AMOUNT_MAX, amounts
from lichen.agents.rules.rules import Slot as RuleSlot
from lichen.agents.rules.slots import Unclear, finder, search
from lichen.core.reading.numbers import numbers
from lichen.flows.ir import Slot
from lichen.flows.nodes import slots as flows
from lichen.flows.text.reach import MISSING
from lichen.gate.label.labels import Arguments, arguments_of, endorse, evidence_from_text

TAKES: Arguments = arguments_of(
    {"properties": {"cents": {"type": "integer", "x-lichen-unit": "minor"}, "number": {"type": "number"}}}
)
AMOUNT = finder(RuleSlot("cents", kind="money"))
PATTERNED = finder(RuleSlot("cents", kind="money", pattern=r"(\d[\d.,]*)"))
COUNT = finder(RuleSlot("number", kind="integer"))
FLOWS = flows.Question(Slot("number", "number"), "How many?", is_searched=False)

DIGITS = st.integers(0, 10**7).map(str)
MARKS = st.sampled_from([".", ",", "'", "’", " ", "\u00a0", "\u202f", "-", "−", "+", "%", "/", ":", "k", ",-", "\n"])
WORDS = st.sampled_from(
    [
        " EUR",
        "€",
        "$",
        " USD",
        "EUR ",
        " Mio",
        " or ",
        " order ",
        " pieces ",
        " - ",
        "minus ",
        "1.234",
        "12,345",
        "٣",
        "(",
    ]
)
TEXTS = st.lists(DIGITS | st.integers(100, 999).map(str) | MARKS | WORDS, max_size=12).map("".join) | st.text(
    max_size=40
)
LANGUAGES = st.sampled_from(["", "en", "de", "fr"])


def is_endorsed(name: str, value: Any, text: str, language: str) -> bool:
    said = (evidence_from_text("customer:c1", text, language=language),)
    return endorse(TAKES, {name: value}, said).endorsed[name]


@pytest.mark.req("LIC-10.33")
@pytest.mark.parametrize("slot", [AMOUNT, PATTERNED, COUNT], ids=["money", "pattern", "count"])
@given(text=TEXTS, language=LANGUAGES)
@example(text="1.234 EUR", language="")
@example(text="refund 1 234,56 EUR now", language="de")
@example(text="1.234", language="de")
def test_an_agent_acts_on_what_the_gate_endorses_or_asks(slot: Any, text: str, language: str) -> None:
    name = slot.slot.name
    value = search(text, [slot], name, language=language).get(name)
    assert value is None or isinstance(value, Unclear) or is_endorsed(name, value, text, language)


@pytest.mark.req("LIC-10.33")
@given(TEXTS, LANGUAGES)
def test_a_flow_acts_on_what_the_gate_endorses_or_asks(text: str, language: str) -> None:
    value = flows.answered(FLOWS, text, language)
    assert value is MISSING or isinstance(value, flows.Unclear) or is_endorsed("number", value, text, language)


@pytest.mark.req("LIC-10.33")
@given(TEXTS, LANGUAGES)
def test_what_the_gate_finds_as_an_amount_is_what_an_agent_would_act_on(text: str, language: str) -> None:
    found = evidence_from_text("customer:c1", text, language=language).values
    said = {Decimal(value) * 100 for value in found if isinstance(value, int | Decimal)}
    endorsed = {int(cents) for cents in said if 0 <= cents < AMOUNT_MAX * 100 and cents == int(cents)}
    currencies = {number.currency for number in numbers(text, language)} | {""}
    acted = {a.minor for named in currencies for a in amounts(text, named, language=language) if a.minor is not None}
    assert endorsed == acted


@pytest.mark.req("LIC-10.33")
@given(TEXTS, LANGUAGES)
def test_of_a_number_that_could_be_two_none_is_endorsed(text: str, language: str) -> None:
    for number in numbers(text, language):
        if number.value is None and len(numbers(text, language)) == 1:
            assert not any(is_endorsed("number", float(value), text, language) for value in number.readings)


@pytest.mark.req("LIC-10.33")
@pytest.mark.parametrize(
    ("text", "language", "cents"),
    [
        ("1.234 EUR", "de", 123_400),
        ("1,234 EUR", "en", 123_400),
        ("1\u202f234,50 €", "fr", 123_450),
        ("50,-", "de", 5_000),
    ],
)
def test_what_a_language_makes_certain_is_acted_on_and_endorsed(text: str, language: str, cents: int) -> None:
    assert search(text, [AMOUNT], "cents", language=language) == {"cents": cents}
    assert is_endorsed("cents", cents, text, language)


@pytest.mark.req("LIC-10.33")
def test_a_part_of_a_number_is_neither_acted_on_nor_endorsed() -> None:
    assert search("1 234,56 EUR for it", [AMOUNT], "cents")["cents"] == Unclear(("1,234.56 EUR", "234.56 EUR"))
    for cents in (123_456, 23_456, 100):
        assert not is_endorsed("cents", cents, "1 234,56 EUR for it", "")
