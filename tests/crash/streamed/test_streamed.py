"""A streamed conversation of two agents with tools, killed where its requests, replies and effects are on their way."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path

import pytest

from tests.crash.nest import Nests, nests
from tests.crash.rounds import Passing, named
from tests.crash.streamed.deaths import LIFE, PIVOTS, POINTS, Provider, mortal, provider


@pytest.fixture(scope="module")
def served() -> Generator[Provider]:
    with provider() as found:
        yield found


@pytest.fixture(scope="module")
def lives() -> Generator[Nests]:
    with nests(LIFE) as found:
        yield found


@pytest.mark.req("LIC-24.19", "LIC-7.12")
@pytest.mark.parametrize("passings", PIVOTS, ids=named)
def test_a_conversation_of_two_agents_that_dies_here_answers_once_and_bills_every_request(
    passings: Sequence[Passing], tmp_path: Path, served: Provider, lives: Nests
) -> None:
    found = mortal(lives, served.url()).die(tmp_path, passings)
    assert not found.trouble
    assert found.was_hit, f"{found.deaths} deaths came"


@pytest.mark.req("LIC-24.19")
def test_no_point_that_the_conversation_passes_is_left_out(served: Provider, lives: Nests) -> None:
    assert set(mortal(lives, served.url()).passed()) == set(POINTS)


@pytest.mark.req("LIC-24.19", "LIC-7.12")
@pytest.mark.parametrize(
    ("sabotage", "point", "told"),
    [
        ("forget_what_was_lost", Passing("ask.piece", 3), "1 attempts were lost, 0 estimated"),
        ("bill_twice", Passing("ask.piece", 8), "requests were seen"),
        ("bill_less", Passing("effect.after/shop.pay"), "billed are "),
        ("doubt_nothing", Passing("effect.after/shop.pay"), "done: "),
    ],
)
def test_a_runtime_that_breaks_its_promise_is_found_out(
    sabotage: str, point: Passing, told: str, tmp_path: Path, served: Provider, lives: Nests
) -> None:
    found = mortal(lives, served.url(), "--sabotage", sabotage).die(tmp_path, [point])
    assert found.was_hit
    assert told in found.trouble
