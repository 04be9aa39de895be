"""Labels form a lattice: joining loses nothing, adds nothing and does not care for order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.core.words.label import EMPTY, Label, join

SOURCES = st.sampled_from(["customer:1", "operator:1", "tool:orders.lookup", "third_party:web", "third_party:mail"])


def made(sources: set[str], secrecy: int) -> Label:
    return Label(tuple(sorted(sources)), secrecy)


LABELS = st.builds(made, st.sets(SOURCES), st.integers(0, 3))


def covers(a: Label, b: Label) -> bool:
    return set(a.sources) >= set(b.sources) and a.secrecy >= b.secrecy


@given(LABELS, LABELS, LABELS)
def test_joining_does_not_care_for_order(a: Label, b: Label, c: Label) -> None:
    assert join(a, b) == join(b, a)
    assert join(join(a, b), c) == join(a, join(b, c))


@given(LABELS)
def test_joining_with_itself_or_nothing_changes_nothing(a: Label) -> None:
    assert join(a, a) == join(a, EMPTY) == join(EMPTY, a) == a


@given(LABELS, LABELS, LABELS)
def test_a_join_is_the_least_label_that_covers_both(a: Label, b: Label, c: Label) -> None:
    joined = join(a, b)
    assert covers(joined, a)
    assert covers(joined, b)
    if covers(c, a) and covers(c, b):
        assert covers(c, joined)


@given(LABELS, LABELS)
def test_taint_stays(a: Label, b: Label) -> None:
    assert join(a, b).is_tainted is (a.is_tainted or b.is_tainted)


@given(LABELS, LABELS)
def test_sources_are_sorted_and_unique(a: Label, b: Label) -> None:
    sources = join(a, b).sources
    assert list(sources) == sorted(set(sources))


@pytest.mark.parametrize(
    ("source", "is_tainted"), [("third_party:web.fetch", True), ("tool:third_party:x", False), ("customer:1", False)]
)
def test_only_a_strangers_words_taint(source: str, is_tainted: bool) -> None:
    assert Label((source,)).is_tainted is is_tainted
