from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.agents.pattern import PatternError, any_of, compiled, phrase


def finds(words: str, text: str) -> bool:
    return any_of([phrase(words)]).search(text) is not None


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("where is my order", "Hi, WHERE is - my order?"),
        ("where is ... order", "where is order 3"),
        ("where is ... order", "where is the very big blue order"),
        ("c++", "about c, please"),
        ("geld zurück", "Ich will mein GELD  ZURÜCK"),
    ],
)
def test_a_phrase_is_its_words_in_a_row_whatever_case_and_signs_stand_between(words: str, text: str) -> None:
    assert finds(words, text)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("refund", "refunds are great"),
        ("my order", "my big order"),
        ("where is ... order", "where is it? a b c d e f g h order"),
        ("where is ... order", "order where is"),
    ],
)
def test_a_phrase_is_not_found_in_parts_of_words_or_across_too_many(words: str, text: str) -> None:
    assert not finds(words, text)


@pytest.mark.parametrize("words", ["", "!!", "...", "... order", "order ...", "a ... b ... c ... d ... e", "x" * 1001])
def test_a_phrase_without_words_or_with_loose_gaps_is_refused(words: str) -> None:
    with pytest.raises(PatternError):
        phrase(words)


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+", "(a*)*b", "(?:x{2,})+", "((ab)*c)*", "((a+)b)+", "([a-z]+)*$", "(\\d+,){12}", "a.*b.*c", "(", "[",
     "a{99999999999}", "", "x" * 1001],
)  # fmt: skip
def test_a_pattern_that_is_wrong_or_could_take_forever_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        compiled(pattern)


@pytest.mark.parametrize(
    "pattern",
    [r"\b(\d{4,})\b", r"(?:order|#)\s*#?(\d{4,12})\b|^\s*(\d+)\s*$", "(a|b)+", r"[*+]+", r"\(\d+\)+", ".*order",
     "(a+)?", r"[^@\s]+@[^@\s]+\.[a-z]+", r"(\d+-){2,4}", "a.{0,40}b.{0,40}c", r"\d++", r"(?P<id>x+?)"],
)  # fmt: skip
def test_an_ordinary_pattern_is_taken(pattern: str) -> None:
    assert compiled(pattern).flags & re.IGNORECASE


@given(st.text(alphabet="ab(+*?){}[]|\\.^$,12", max_size=12))
def test_a_pattern_is_compiled_or_refused_and_nothing_else(pattern: str) -> None:
    with contextlib.suppress(PatternError):
        compiled(pattern).search("ab" * 8)


@given(st.text(max_size=30))
def test_a_phrase_that_is_taken_is_found_in_its_own_words(words: str) -> None:
    try:
        expression = phrase(words)
    except PatternError:
        return
    assert re.search(expression, " ".join(re.findall(r"\w+", words)), re.IGNORECASE)
