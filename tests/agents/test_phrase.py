from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.agents.rules.phrase import any_of, phrase
from lichen.core.patterns.pattern import PatternError


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


@given(st.text(max_size=30))
def test_a_phrase_that_is_taken_is_found_in_its_own_words(words: str) -> None:
    try:
        expression = phrase(words)
    except PatternError:
        return
    assert re.search(expression, " ".join(re.findall(r"\w+", words)), re.IGNORECASE)
