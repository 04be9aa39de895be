"""How many requests a way carries at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.agents.lanes.window import CLOSED_S_MAX, SIZE_MAX, WAYS_MAX, InMemory, Way, Window, cut, grown

sizes = st.floats(1.0, SIZE_MAX)


def after_too_much(window: Window, in_flight: int, *, begun_us: int = 1_000, asked_s: float | None = None) -> Window:
    return cut(window, in_flight=in_flight, begun_us=begun_us, now_us=2_000, asked_s=asked_s)


@pytest.mark.req("GOA-65.2")
@given(sizes, st.integers(1, 2_000))
def test_too_much_leaves_half_of_what_was_in_flight_and_at_least_one(size: float, in_flight: int) -> None:
    assert after_too_much(Window(size), in_flight).size == max(1.0, min(size, in_flight) / 2)


@pytest.mark.req("GOA-65.2")
def test_requests_that_were_under_way_together_cut_the_window_once() -> None:
    window = after_too_much(Window(), 100)
    assert window.size == 50.0
    assert after_too_much(window, 99, begun_us=1_500).size == 50.0
    assert after_too_much(window, 50, begun_us=2_000).size == 25.0


@pytest.mark.req("GOA-65.2")
@given(st.floats(1.0, 512.0))
def test_as_many_answers_as_a_window_has_places_make_it_a_place_or_a_twentieth_larger(size: float) -> None:
    window = Window(size)
    for _ in range(int(size) + 1):
        window = grown(window)
    assert window.size >= min(size + 1.0, size * 1.05) - 0.05
    assert window.size <= SIZE_MAX


@pytest.mark.req("GOA-65.2")
def test_a_window_recovers_after_so_many_answers_and_never_grows_beyond_its_bound() -> None:
    window, answers = Window(1.0), 0
    while window.size < SIZE_MAX:
        window, answers = grown(window), answers + 1
    assert answers < 20_500  # 200 to twenty places, and a twentieth each from there
    assert grown(window).size == SIZE_MAX


@pytest.mark.req("GOA-65.3")
@given(st.floats(-10.0, 1e9))
def test_a_way_is_closed_for_as_long_as_the_provider_asks_within_bounds(asked_s: float) -> None:
    closed_us = after_too_much(Window(), 1, asked_s=asked_s).closed_until_us - 2_000
    assert closed_us == round(min(max(asked_s, 0.0), CLOSED_S_MAX) * 1e6)


@pytest.mark.req("GOA-65.3")
def test_a_way_is_not_opened_sooner_by_somebody_who_was_asked_to_wait_less() -> None:
    window = after_too_much(Window(), 10, asked_s=60.0)
    assert after_too_much(window, 9, begun_us=1_000, asked_s=1.0).closed_until_us == window.closed_until_us


@pytest.mark.req("GOA-65.4")
def test_what_is_remembered_of_ways_is_bounded_and_the_newest_stays() -> None:
    windows = InMemory()
    for number in range(WAYS_MAX + 5):
        windows.change(Way(f"key-{number}", "far:one"), lambda window: after_too_much(window, 8))
    assert windows.of(Way("key-0", "far:one")) == Window()
    assert windows.of(Way(f"key-{WAYS_MAX + 4}", "far:one")).size == 4.0
