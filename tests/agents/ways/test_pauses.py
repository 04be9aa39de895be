"""How long is waited before a request is tried again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.agents.ways.pauses import BASE_S, CAP_S, pause_s

chances = st.floats(0.0, 1.0, exclude_max=True)


@pytest.mark.req("GOA-65.1")
@given(st.integers(1, 10_000), chances)
def test_a_pause_is_anything_up_to_twice_as_much_each_time_and_at_most_half_a_minute(tries: int, chance: float) -> None:
    assert 0.0 <= pause_s(tries, chance) <= CAP_S
    assert pause_s(tries, chance) <= BASE_S * 2.0 ** min(tries - 1, 30)
    assert pause_s(tries, 0.0) == 0.0


@pytest.mark.req("GOA-65.1")
@given(st.integers(1, 100), chances, st.floats(-5.0, 1_000.0))
def test_a_pause_is_never_shorter_than_the_provider_asks_for(tries: int, chance: float, asked_s: float) -> None:
    assert pause_s(tries, chance, asked_s) >= max(0.0, asked_s)
    assert pause_s(tries, chance, asked_s) == pytest.approx(max(0.0, asked_s) + pause_s(tries, chance))
