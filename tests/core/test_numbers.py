"""Numbers as people write them: as CLDR has it, and what is not certain is none or asked about."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.core.reading.notation import DIGITS_MAX, GROUPS, readings
from lichen.core.reading.numbers import TOKEN_CHARS_MAX, clipped, number_at, numbers
from lichen.core.speech.which import OR, QUESTIONS, amount_as_written, number_as_written, which
from lichen.core.speech.wording import BUILT_IN

CLDR: dict[str, Any] = json.loads((Path(__file__).parent / "cldr_numbers.json").read_text())
OTHER_MARKS = {"de_CH": "’", "en_ZA": "\u00a0"}  # what groups thousands there is not what groups them in the language
TEXTS = st.text(alphabet="0123456789.,'’-−+€$£ \u00a0\u202fEURkM%x#:/(٣٫٬", max_size=40) | st.text(max_size=60)
LANGUAGES = st.sampled_from(["", "en", "de", "fr", "ja", "xx"])
CHARS_MAX = 64 * 1024
S_MAX = 5.0  # generous: what is meant is that a long text is not quadratic


def values(text: str, language: str = "") -> list[tuple[Decimal, ...]]:
    return [number.readings for number in numbers(text, language)]


# -- as CLDR has it ----------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-10.31")
def test_the_marks_of_every_language_are_those_of_cldr() -> None:
    for language, (_, group) in CLDR["symbols"].items():
        assert GROUPS.get(language) == (group if group in ",." else None), language
    assert GROUPS.keys() <= CLDR["symbols"].keys()


@pytest.mark.req("LIC-10.31")
@pytest.mark.parametrize("kind", ["numbers", "amounts"])
def test_no_number_that_cldr_writes_is_read_as_another(kind: str) -> None:
    read = asked = 0
    for locale, written, text in CLDR[kind]:
        for language in ("", locale[:2]):
            if locale in OTHER_MARKS and language and len(written.partition(".")[2]) == 3:
                continue  # a session knows its language, and not the country
            for said in (text, f"please {text} back"):
                found = values(said, language)
                assert not found or (len(found) == 1 and Decimal(written) in found[0]), (locale, language, said, found)
                read += len(found) == 1 and len(found[0]) == 1
                asked += len(found) == 1 and len(found[0]) > 1
    assert asked < read / 5
    assert read > len(CLDR[kind]) * 3


@pytest.mark.req("LIC-10.31")
@pytest.mark.parametrize("locale", ["en", "de", "de_CH", "fr", "es", "it", "sv", "pl", "ja", "he", "ar_EG"])
def test_every_amount_that_cldr_writes_with_cents_is_read_as_it_was_meant(locale: str) -> None:
    rows = [row for row in CLDR["amounts"] if row[0] == locale]
    assert rows
    for _, written, text in rows:
        assert values(f"please {text} back", locale[:2]) == [(Decimal(written),)], text


@pytest.mark.req("LIC-10.31")
def test_a_number_with_a_word_that_multiplies_it_and_a_percentage_are_none() -> None:
    for language, text in [*CLDR["compact"], *((locale[:2], text) for locale, text in CLDR["percent"])]:
        if not text.isdecimal():
            assert values(text, language) == [], text


# -- what is certain, and what is not ----------------------------------------------------------------------------


@pytest.mark.req("LIC-10.31")
@pytest.mark.parametrize(
    ("text", "language", "found"),
    [
        ("1.234 EUR", "de", ["1234"]), ("1.234 EUR", "en", ["1234", "1.234"]), ("1.234 EUR", "", ["1234", "1.234"]),
        ("1,234 EUR", "en", ["1234"]), ("1,234 EUR", "de", ["1234", "1.234"]), ("1.234 EUR", "fr", ["1234", "1.234"]),
        ("1,234.5", "de", ["1234.5"]), ("80,50", "en", ["80.5"]), ("1.234.567", "en", ["1234567"]),
        ("0.123", "de", ["0.123"]), ("1234.567", "de", ["1234.567"]), ("50,- EUR", "", ["50"]),
        ("1.234,-", "", ["1234"]), ("50.–", "", ["50"]), ("−50", "", ["-50"]), ("-50", "", ["-50"]),
        ("-$1,234.50", "en", ["-1234.5"]),
        ("1’234.50 CHF", "", ["1234.5"]), ("give me 1\u202f234,56\u00a0€ now", "", ["1234.56"]), ("٣٫٥", "", ["3.5"]),
        ("８０ EUR", "", ["80"]), ("amount:80,50€", "", ["80.5"]), ("(80)", "", ["80"]), ("007", "", ["7"]),
        ("refund 1 234,56 € please", "de", ["1234.56", "234.56"]), ("1 234,56 €", "", ["1234.56"]),
        ("order 42 100 EUR", "", ["42100", "100"]), ("- 80 EUR", "", ["80"]),
    ],
)  # fmt: skip
def test_a_number_has_one_reading_or_those_it_could_have(text: str, language: str, found: list[str]) -> None:
    assert values(text, language) == [tuple(map(Decimal, found))]


@pytest.mark.req("LIC-10.31")
@pytest.mark.parametrize(
    "text",
    ["1.2 Mio", "1,2 Mio. EUR", "2 million", "80k", "1e3", "80 %", "80%", "80 per cent", "20-80", "20 - 80 EUR",
     "20 EUR – 80 EUR", "10:30", "12.03.2024", "2024-05-01", "1/2", "80 ½", "1.23.45", "12,34,567", "A-80", "80kg",
     ".5", "− 80", "minus 80", "-€ 80", "+-80", "1" * 30, "1.234,56.7", "٣3", "10th", "192.168.0.1"],
)  # fmt: skip
def test_what_is_not_certain_to_be_a_number_is_none(text: str) -> None:
    assert values(f"say {text} twice") == []


def test_numbers_side_by_side_keep_their_currencies() -> None:
    found = [(str(n.value), n.currency) for n in numbers("I paid 20 EUR 30 USD, $7, order 1042: 9 ABC and EUR 1 USD.")]
    assert found == [("20", "EUR"), ("30", "USD"), ("7", "USD"), ("1042", ""), ("9", "ABC"), ("1", "XXX")]


def test_a_pattern_gets_a_number_with_all_of_its_digits() -> None:
    text = "1.500 pieces at 80,50 EUR"
    assert number_at(text, 2, 5) is None
    assert number_at(text, 0, 5, "de") == (((Decimal(1500),), "", 0, 5))
    found = number_at(text, 16, 21)
    assert found is not None
    assert found.value == Decimal("80.5")


# -- bounds ------------------------------------------------------------------------------------------------------


@given(TEXTS, LANGUAGES)
def test_any_text_is_read_and_every_number_lies_in_it_once(text: str, language: str) -> None:
    end = 0
    for number in numbers(text, language):
        assert end <= number.start < number.end <= len(text)
        assert number.readings
        assert all(len(str(abs(value)).replace(".", "")) <= DIGITS_MAX + 1 for value in number.readings)
        end = number.end


@given(TEXTS, st.sampled_from(["en", "de"]))
def test_a_language_only_settles_what_was_open(text: str, language: str) -> None:
    known, open_ = numbers(text, language), numbers(text)
    assert [(n.start, n.end) for n in known] == [(n.start, n.end) for n in open_]
    for one, other in zip(known, open_, strict=True):
        assert set(one.readings) <= set(other.readings)


@given(TEXTS, TEXTS, st.integers(0, 40))
def test_what_a_clipped_text_says_the_whole_text_says_too(before: str, after: str, most: int) -> None:
    text = f"{before} {after}"
    whole = [(n.start, n.end, n.readings) for n in numbers(text)]
    assert all((n.start, n.end, n.readings) in whole for n in numbers(clipped(text, most)))


@pytest.mark.parametrize("piece", ["1 ", "1.", "1", "123 ", "€", "1,234.", "x1 ", "- 1 ", "a:1 "])
def test_a_long_text_is_read_in_time_that_grows_with_it(piece: str) -> None:
    began = time.perf_counter()
    numbers((piece * CHARS_MAX)[:CHARS_MAX])
    assert time.perf_counter() - began < S_MAX


def test_digits_beyond_the_bound_are_no_number() -> None:
    assert readings("9" * DIGITS_MAX) == (Decimal("9" * DIGITS_MAX),)
    assert readings("9" * (DIGITS_MAX + 1)) == ()
    assert values("1" + ",234" * TOKEN_CHARS_MAX) == []


# -- the question ------------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-10.32")
@pytest.mark.parametrize("language", ["", "en", "de", "fr"])
@given(value=st.decimals(min_value=0, max_value=10**9, places=3))
def test_what_is_offered_can_be_read_in_one_way_only(language: str, value: Decimal) -> None:
    for answered in ("", "en", "de", "fr"):
        assert values(number_as_written(value, language), answered) == [(value,)]
        amount = values(amount_as_written(value, language, "EUR"), answered)
        assert len(amount) == 1
        assert amount[0][0] * 100 == int(value * 100)


@pytest.mark.req("LIC-10.32")
def test_the_question_is_there_in_every_language_of_the_runtime() -> None:
    assert QUESTIONS.keys() == OR.keys() == BUILT_IN.keys()
    options = [amount_as_written(Decimal(number), "de", "EUR") for number in ("1234", "1.234")]
    assert which(options, "de") == "Meinen Sie 1.234,00 EUR oder 1,23 EUR?"
    assert which(["1,234.00 EUR", "1.23 EUR"], "cs") == "Do you mean 1,234.00 EUR or 1.23 EUR?"
    assert which(["1,234.00 EUR", "1.23 EUR"], "ja") == "1,234.00 EUR、または1.23 EURのどちらでしょうか。"
