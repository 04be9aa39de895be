"""Conditions: what they compare, how they bind, and where they are refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest

from lichen.flows.text.expr import CONDITION_CHARS_MAX, ExprError, holds, parse_condition
from lichen.flows.text.reach import Path, reach


class Values(NamedTuple):
    tree: Mapping[str, Any]

    def get(self, path: Path) -> Any:
        return reach(self.tree, path)


TREE = {
    "response": {"action": "Pay", "total": 50, "share": "0.5", "tags": ["new", "Red"], "text": "Please REFUND me"},
    "a": {"b c": [{"d": True}]},
    "none": None,
    "no": False,
    "word": "other",
}


def is_so(text: str) -> bool:
    return holds(parse_condition(text), Values(TREE))


@pytest.mark.req("GRE-13.1")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('response.action == "pay"', True),
        ("response.action == 'PAY'", True),
        ('response.action != "pay"', False),
        ("response.total == 50", True),
        ('response.total == "50.0"', True),
        ("response.total >= 50", True),
        ("response.total > 50", False),
        ("response.total <= 49.5", False),
        ("response.total < 50.5", True),
        ("response.share < 1", True),
        ("response.action > 1", False),
        ('response.text contains "refund"', True),
        ('response.text contains "order"', False),
        ('response.tags contains "red"', True),
        ("response contains 'total'", True),
        ("missing.path == null", True),
        ("missing.path contains 'x'", False),
        ("no == false", True),
        ("no == 'false'", True),
        ("{{response.total}} == 50", True),
        ("response.action == pay", True),
    ],
)
def test_an_operator_compares_numbers_by_value_and_texts_without_case(text: str, expected: bool) -> None:
    assert is_so(text) is expected


@pytest.mark.req("GRE-13.2")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true or false and false", True),
        ("(true or false) and false", False),
        ("not false and false", False),
        ("not (false and false)", True),
        ("not response.total > 50", True),
        ("response.total > 1 and response.total < 60 and response.action == pay", True),
        ("no || response.total == 50 && !no", True),
        ("none or missing or no", False),
        ('a["b c"][0].d', True),
        ("a['b c'][1].d", False),
        ("response.tags.length == 2", True),
    ],
)
def test_and_binds_tighter_than_or_and_parentheses_tighter_still(text: str, expected: bool) -> None:
    assert is_so(text) is expected


@pytest.mark.req("GRE-13.3")
@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("", 0),
        ("response.total ==", 17),
        ("(true", 5),
        ("true)", 4),
        ("a = b", 2),
        ("a b", 2),
        ("'open", 0),
        ("a..b", 0),
        ("true and and", 9),
        ("not", 3),
        ("== 1", 0),
    ],
)
def test_what_is_no_condition_is_refused_where_it_stops_being_one(text: str, offset: int) -> None:
    with pytest.raises(ExprError) as refused:
        parse_condition(text)
    assert refused.value.offset == offset


@pytest.mark.req("GRE-13.4")
@pytest.mark.parametrize(
    "text", ["a" * (CONDITION_CHARS_MAX + 1), "(" * 40 + "true" + ")" * 40, "not " * 40 + "true", "!" * 900 + "a"]
)
def test_length_and_depth_of_a_condition_are_bounded(text: str) -> None:
    with pytest.raises(ExprError):
        parse_condition(text)


def test_a_condition_knows_what_it_reads() -> None:
    assert parse_condition("a.b == 1 or not c").paths == (("a", "b"), ("c",))
