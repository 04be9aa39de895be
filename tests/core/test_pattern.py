from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.core.patterns.pattern import PatternError, compiled


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+", "(a*)*b", "(?:x{2,})+", "((ab)*c)*", "((a+)b)+", "([a-z]+)*$", "(\\d+,){12}", "a.*b.*c", "(", "[",
     "a{99999999999}", "", "x" * 1001,
     "[[a]", "[a--b]", "[^[]", "[a||b]",
     "(a|a)*b", "(a|aa)+b", "(a|)*b", "(a?){20}a{20}", "(?:x?x?)*y", r"(\d{1,3},?)+", r"\w+\s?\w+!", r"\w+(?:\w+)x",
     ".{0,40}a.{0,40}a.{0,40}b", "a?" * 25 + "a" * 25, "(?:ab|a)" * 20, r"(\w+)\1!", r"[^x]*[^x]*x", r"(?x)\w+ \w+ !"],
)  # fmt: skip
def test_a_pattern_that_is_wrong_or_could_take_forever_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        compiled(pattern)


@pytest.mark.parametrize(
    "pattern",
    [r"\b(\d{4,})\b", r"(?:order|#)\s*#?(\d{4,12})\b|^\s*(\d+)\s*$", "(a|b)+", r"[*+]+", r"\(\d+\)+", ".*order",
     r"order\s*:?\s*(\d+)", r"(\w\s?)+!", r"(\d{1,3}\.){3}\d{1,3}", r"\w+(?:-\w+)?", r"[a-z]+\d+[a-z]+",
     r"(?:ref|refund)\s+(?:of\s+)?(\d+)", r"(\d+(?:[.,]\d{3})*)\s*(?:eur|€)", r"my name is (\w+ \w+)", "^(yes|no)$",
     r"(?<!\d)(\d{4,12})(?!\d)", r"\$\s*(\d+(?:\.\d{2})?)", r"[\w.+-]+@[\w-]+\.[\w.]+", "[]a]+", r"[\[a]", "a||b",
     r"(?P<x>a)(?(x)b|c)",
     "(a+)?", r"[^@\s]+@[^@\s]+\.[a-z]+", r"(\d+-){2,4}", "a.{0,40}b.{0,40}c", r"\d++", r"(?P<id>x+?)"],
)  # fmt: skip
def test_an_ordinary_pattern_is_taken(pattern: str) -> None:
    assert compiled(pattern).flags & re.IGNORECASE


@given(st.text(alphabet="ab(+*?){}[]|\\.^$,12", max_size=12))
def test_a_pattern_is_compiled_or_refused_and_nothing_else(pattern: str) -> None:
    with contextlib.suppress(PatternError):
        compiled(pattern).search("ab" * 8)
