"""Who fails all the time is left alone for a while."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.agents.lanes.lane import TERMS
from lichen.core.ports.call import CircuitBreaker
from lichen.tools.breaker import (
    Breaker,
    abandoned,
    admitted,
    answered,
    failed,
    opens_in_s,
)

OPEN_US = round(TERMS.open_s * 1e6)


def opened() -> Breaker:
    breaker = Breaker()
    for _ in range(TERMS.failures):
        breaker = failed(breaker, 0, 0, TERMS)
    return breaker


def half_open() -> Breaker:
    breaker = admitted(opened(), OPEN_US)
    assert breaker is not None
    return breaker


@pytest.mark.req("SYM-81.1")
def test_it_opens_after_five_failures_in_a_row_and_lets_nothing_pass() -> None:
    assert (TERMS.failures, TERMS.of, TERMS.open_s, TERMS.answers) == (5, 5, 30.0, 2)
    breaker = opened()
    assert breaker.phase == "open"
    assert admitted(breaker, OPEN_US - 1) is None
    assert opens_in_s(breaker, 10_000_000) == pytest.approx(20.0)


@pytest.mark.req("SYM-81.1")
def test_an_answer_in_between_begins_the_count_anew() -> None:
    breaker = Breaker()
    for _ in range(3 * TERMS.failures):
        breaker = failed(breaker, 0, 0, TERMS)
        breaker = answered(breaker, 0, TERMS)
    assert breaker.phase == "closed"


@pytest.mark.req("SYM-81.2")
def test_half_open_it_admits_one_request_and_closes_after_two_answers() -> None:
    breaker = half_open()
    assert admitted(breaker, OPEN_US) is None
    breaker = answered(breaker, breaker.era, TERMS)
    assert breaker.phase == "half_open"
    second = admitted(breaker, OPEN_US)
    assert second is not None
    assert admitted(second, OPEN_US) is None
    assert answered(second, second.era, TERMS).phase == "closed"


@pytest.mark.req("SYM-81.2")
def test_half_open_one_failure_opens_it_again_for_as_long() -> None:
    breaker = half_open()
    breaker = failed(breaker, breaker.era, OPEN_US, TERMS)
    assert breaker.phase == "open"
    assert breaker.open_until_us == 2 * OPEN_US


@pytest.mark.req("SYM-81.2")
def test_a_request_that_was_given_up_leaves_its_place_to_the_next() -> None:
    breaker = half_open()
    assert admitted(abandoned(breaker, breaker.era), OPEN_US) is not None


@pytest.mark.req("SYM-81.3")
def test_what_began_in_another_phase_says_nothing_about_this_one() -> None:
    breaker = half_open()
    assert failed(breaker, 0, OPEN_US, TERMS) == breaker
    assert answered(breaker, 0, TERMS) == breaker
    assert abandoned(breaker, 0) == breaker


@pytest.mark.req("SYM-81.2")
@given(st.lists(st.tuples(st.sampled_from(["ask", "answer", "fail", "drop"]), st.integers(0, 20)), max_size=60))
def test_whatever_comes_half_open_has_one_request_under_way_and_open_has_none(steps: list[tuple[str, int]]) -> None:
    breaker, now_us, under_way = Breaker(), 0, list[int]()
    for step, seconds in steps:
        now_us += seconds * 1_000_000
        if step == "ask":
            passed = admitted(breaker, now_us)
            if passed is not None:
                under_way.append(passed.era)
                breaker = passed
        elif under_way:
            era = under_way.pop(0)
            match step:
                case "answer":
                    breaker = answered(breaker, era, TERMS)
                case "fail":
                    breaker = failed(breaker, era, now_us, TERMS)
                case _:
                    breaker = abandoned(breaker, era)
        if breaker.phase != "closed":
            assert under_way.count(breaker.era) == int(breaker.is_probed)
            assert under_way.count(breaker.era) <= 1


@pytest.mark.req("SYM-81.6")
@given(st.lists(st.booleans(), max_size=40), st.integers(1, 6), st.integers(1, 12))
def test_it_opens_with_the_first_failure_that_makes_so_many_among_so_many(
    outcomes: list[bool], failures: int, of: int
) -> None:
    terms, breaker = CircuitBreaker(failures=failures, of=max(of, failures)), Breaker()
    for count, is_failure in enumerate(outcomes, start=1):
        breaker = failed(breaker, 0, 0, terms) if is_failure else answered(breaker, 0, terms)
        is_open = sum(outcomes[max(0, count - terms.of) : count]) >= failures
        assert breaker.phase == ("open" if is_open else "closed")
        if is_open:
            break


@pytest.mark.req("SYM-81.6")
def test_without_a_number_of_failures_it_never_opens() -> None:
    terms, breaker = CircuitBreaker(failures=0), Breaker()
    for _ in range(200):
        breaker = failed(breaker, 0, 0, terms)
    assert breaker == Breaker()
