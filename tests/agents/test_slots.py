from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.agents.rules.rules import Slot
from lichen.agents.rules.slots import VALUE_CHARS_MAX, Finder, SlotValue, Unclear, finder, search
from lichen.core.patterns.pattern import PatternError

ORDER = finder(Slot("order_id", pattern=r"\b(\d{4,12})\b"))
AMOUNT = finder(Slot("amount", kind="money", currency="EUR"))
COUNT = finder(Slot("count", kind="integer"))
SIZE = finder(Slot("size", kind="choice", choices={"large": ["big", "extra large"], "small": []}))
ADDRESS = finder(Slot("address"))
ALL = [ORDER, AMOUNT, COUNT, SIZE, ADDRESS]


def one(slot: Finder, text: str, *, asked: bool = False) -> SlotValue | Unclear | None:
    return search(text, [slot], slot.slot.name if asked else "").get(slot.slot.name)


def test_a_pattern_gives_its_first_group_that_took_part() -> None:
    slot = finder(Slot("order_id", pattern=r"order (\d+)|#(\d+)"))
    assert one(slot, "about #77") == "77"
    assert one(finder(Slot("word", pattern=r"\ba\w+")), "an elephant") == "an"


@pytest.mark.req("CONV-1.1")
@pytest.mark.parametrize(
    ("text", "order", "amount"),
    [
        ("15 EUR for order 1044", "1044", 1500),
        ("15 EUR for order 1044, I said 15 EUR for order 1044", "1044", 1500),
        ("order 1042 and 10 EUR for order 1043", Unclear(("1042", "1043")), 1000),
        ("15 EUR or 16 EUR for order 1044", "1044", Unclear(("15 EUR", "16 EUR"))),
    ],
)
def test_of_several_values_in_one_message_none_is_taken(text: str, order: object, amount: object) -> None:
    slots = [finder(Slot("order_id", pattern=r"order (\d+)")), finder(Slot("amount", kind="money", currency="EUR"))]
    assert search(text, slots) == {"order_id": order, "amount": amount}


def test_a_pattern_of_kind_integer_gives_a_number_and_skips_what_is_none() -> None:
    slot = finder(Slot("count", kind="integer", pattern=r"(\w+) pieces"))
    assert one(slot, "some pieces, 12 pieces") == 12


def test_a_pattern_takes_no_part_of_a_number() -> None:
    slot = finder(Slot("count", kind="integer", pattern=r"(\d+) pieces"))
    assert one(slot, "1.500 pieces") is None
    assert one(slot, "1500 pieces") == 1500
    assert one(finder(Slot("id", kind="integer", pattern=r"A-(\d+)")), "about A-1042") == 1042


def test_a_slot_with_a_pattern_takes_nothing_else_even_as_the_answer() -> None:
    assert one(finder(Slot("count", kind="integer", pattern=r"(\d+) pieces")), "7", asked=True) is None
    assert one(finder(Slot("order_id", pattern=r"order (\d+)")), "1042", asked=True) is None


def test_a_choice_is_found_by_any_of_its_words_and_gives_its_value() -> None:
    assert one(SIZE, "the BIG one") == "large"
    assert one(SIZE, "extra - Large, please") == "large"
    assert one(SIZE, "smaller") is None


def test_money_without_a_currency_counts_only_as_the_answer_to_its_question() -> None:
    assert one(AMOUNT, "refund 80 for 1042") is None
    assert one(AMOUNT, "80", asked=True) == 8000
    assert one(AMOUNT, "refund 80 EUR for 1042") == 8000
    assert one(AMOUNT, "of 120 I want 80 EUR back", asked=True) == 8000


def test_money_in_another_currency_is_not_taken_even_as_the_answer() -> None:
    assert one(AMOUNT, "80 USD", asked=True) is None


def test_a_bare_number_counts_only_as_the_answer_to_its_question() -> None:
    assert one(COUNT, "I have 3 of them") is None
    assert one(COUNT, "I have 3 of them", asked=True) == 3


def test_free_text_is_the_whole_answer_and_never_taken_from_other_words() -> None:
    assert one(ADDRESS, "Main Street 5") is None
    assert one(ADDRESS, "  Main Street 5 ", asked=True) == "Main Street 5"
    assert one(ADDRESS, "x", asked=True) == "x"
    assert one(ADDRESS, " ", asked=True) is None
    assert one(ADDRESS, "x" * (VALUE_CHARS_MAX + 1), asked=True) is None


def test_two_slots_never_share_characters() -> None:
    assert search("refund 2000 EUR for order 1042", [ORDER, AMOUNT]) == {"order_id": "1042", "amount": 200_000}
    assert search("xy", [finder(Slot("x", pattern="x")), finder(Slot("y", pattern="y"))]) == {"x": "x", "y": "y"}
    assert search("yx", [finder(Slot("x", pattern="x")), finder(Slot("y", pattern="y"))]) == {"x": "x", "y": "y"}
    assert search("1042 and 5", [ORDER, COUNT], "count") == {"count": 1042}
    assert search("order 1042, Main Street", [ORDER, ADDRESS], "address") == {"address": "order 1042, Main Street"}


@pytest.mark.parametrize(
    "slot",
    [Slot("x", kind="choice"), Slot("x", kind="choice", choices=["a ... b"]), Slot("x", kind="choice", choices=["!"]),
     Slot("x", kind="choice", choices=[str(i) for i in range(65)]), Slot("x", pattern="(")],
)  # fmt: skip
def test_a_slot_that_cannot_be_looked_for_is_refused(slot: Slot) -> None:
    with pytest.raises(PatternError):
        finder(slot)


@given(st.text(max_size=200), st.sampled_from(["", *(slot.slot.name for slot in ALL)]))
def test_searching_never_fails_and_gives_values_of_the_slots_kind(text: str, asked: str) -> None:
    for name, value in search(text, ALL, asked).items():
        assert isinstance(value, int if name in ("amount", "count") else str)
