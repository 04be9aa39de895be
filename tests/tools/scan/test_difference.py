"""Two definitions beside each other: every line is there, what differs is marked, and nothing stays unseen."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.tools.scan.difference import beside, difference, shown

WORDS = st.text(st.sampled_from('ab \n"\\\u200b\u202e\ufe0f\U000e0041'), max_size=12)
SAID = st.dictionaries(st.sampled_from("abcd"), WORDS | st.lists(WORDS, max_size=3), max_size=4)


@pytest.mark.req("SYM-68.3")
@given(SAID, SAID)
def test_each_side_is_whole_and_where_the_lines_of_a_row_differ_is_marked(
    one: dict[str, str], two: dict[str, str]
) -> None:
    rows = beside(one, two)
    assert [row.before for row in rows if row.before is not None] == [row.before for row in beside(one, one)]
    assert [row.after for row in rows if row.after is not None] == [row.after for row in beside(two, two)]
    for row in rows:
        assert (row.mark == "same") == (row.before == row.after)
        if row.mark == "changed":
            assert row.before is not None
            assert row.after is not None
            assert row.before[: row.head] == row.after[: row.head]
            assert row.head + row.tail <= min(len(row.before), len(row.after))
            assert row.before[len(row.before) - row.tail :] == row.after[len(row.after) - row.tail :]
    assert bool(difference(one, two)) == (one != two)


@pytest.mark.req("SYM-68.3")
@pytest.mark.parametrize("category", ["Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"])
def test_no_character_that_cannot_be_seen_is_shown_as_it_is(category: str) -> None:
    unseen = [chr(n) for n in range(0x110000) if unicodedata.category(chr(n)) == category]
    assert all(shown(c).startswith("\\u{") for c in unseen)


@pytest.mark.req("SYM-68.3")
def test_what_counts_as_a_letter_or_a_mark_and_is_invisible_all_the_same_is_written_out() -> None:
    # Default_Ignorable_Code_Point of Unicode's DerivedCoreProperties.txt, those that are not of category Cf or Cn
    ignorable = (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x3164, 0xFFA0)
    selectors = (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))
    assert all(shown(chr(n)) == f"\\u{{{n:x}}}" for n in (*ignorable, *selectors, 0x2800))
    assert shown("Größe 7 – 東京 🙂") == "Größe 7 – 東京 🙂"
