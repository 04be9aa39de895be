from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.agents.rules.money import amounts, minor_units
from lichen.core.speech.template import Reference, shown

ANY = st.text(alphabet="0123456789.,'-€$£ EURusd%\u00a0x", max_size=40) | st.text(max_size=60)


@pytest.mark.parametrize(
    ("text", "minor"),
    [
        ("80", 8000),
        ("80 EUR", 8000),
        ("80,50", 8050),
        ("80.50", 8050),
        ("80,5", 8050),
        ("€ 80.50", 8050),
        ("€80", 8000),
        ("80€", 8000),
        ("80 euros", 8000),
        (" 80 Eur ", 8000),
        ("1.234,56 EUR", 123456),
        ("1,234.56", 123456),
        ("1'234.50", 123450),
        ("1\u00a0234,50", 123450),
        ("1.234.567", 123456700),
        ("0,05", 5),
        ("007", 700),
    ],
)
def test_an_amount_is_read_in_minor_units(text: str, minor: int) -> None:
    assert minor_units(text) == minor


@pytest.mark.parametrize(
    "text",
    ["", "EUR", "-80", "80.5050", "1.23.45", "1,234,56", "12,34,567", "80 %", "80%", "8o", "80 JPY", "eighty",
     "80 EUR!", "EUR 80 USD", "1234567890123456", "A80", "80 FOR", "1.234.56"],
)  # fmt: skip
def test_what_is_no_amount_is_not_read_as_one(text: str) -> None:
    assert minor_units(text) is None


def test_an_amount_in_another_currency_is_not_taken_for_the_wanted_one() -> None:
    assert minor_units("80 USD", "EUR") is None
    assert minor_units("80 EUR", "EUR") == 8000
    assert minor_units("80", "EUR") == 8000
    assert minor_units("80 BGN", "BGN") == 8000


def test_amounts_in_a_sentence_are_found_from_left_to_right_with_their_currency() -> None:
    found = [(a.minor, a.currency) for a in amounts("I paid €12.50, then 3 EUR; order A-1042 was 7 of 100%.")]
    assert found == [(1250, "EUR"), (300, "EUR"), (700, "")]


@pytest.mark.parametrize(
    ("text", "language", "minor"),
    [("1.234 EUR", "de", 123400), ("1,234 EUR", "en", 123400), ("1.234 EUR", "en", None), ("1,234 EUR", "de", None),
     ("1.234 EUR", "", None), ("1,234", "fr", None), ("1.234,00 EUR", "en", 123400), ("0,500 EUR", "", 50)],
)  # fmt: skip
def test_a_mark_before_three_digits_says_thousands_only_in_a_language_that_has_it_so(
    text: str, language: str, minor: int | None
) -> None:
    assert minor_units(text, language=language) == minor


@given(st.integers(0, 10**14 - 1), st.sampled_from(["EUR", "USD", ""]), st.sampled_from([".", ","]))
def test_what_is_shown_as_money_is_read_back_as_the_same_amount(minor: int, currency: str, point: str) -> None:
    text = shown(Reference("amount", (), "money"), minor)
    assert text is not None
    assert minor_units(f"{text} {currency}".replace(".", point)) == minor


@given(ANY)
def test_reading_an_amount_never_fails_and_never_gives_a_negative_one(text: str) -> None:
    value = minor_units(text)
    assert value is None or value >= 0
    for found in amounts(text):
        assert 0 <= found.start < found.end <= len(text)
