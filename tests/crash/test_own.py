"""Agents that are written elsewhere, killed where their conversation passes: nothing is lost, nothing is done, asked or
billed twice."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.crash.nest import Nests, nests
from tests.crash.own import KINDS
from tests.crash.owned import LIFE, POINTS, deaths, mortal
from tests.crash.rounds import Passing


@pytest.fixture(scope="module")
def lives() -> Generator[Nests]:
    with nests(LIFE) as found:
        yield found


@pytest.mark.req("LIC-19.34")
@pytest.mark.parametrize(("kind", "point", "nth"), deaths())
def test_an_agent_that_is_written_elsewhere_and_dies_here_loses_and_repeats_nothing(
    kind: str, point: str, nth: int, tmp_path: Path, lives: Nests
) -> None:
    found = mortal(lives, kind).die(tmp_path, [Passing(point, nth)])
    assert not found.trouble
    assert found.was_hit, f"{point} was never passed"


@pytest.mark.req("LIC-19.34")
@pytest.mark.parametrize("kind", KINDS)
def test_no_point_that_its_conversation_passes_is_left_out(kind: str, lives: Nests) -> None:
    assert set(mortal(lives, kind).passed()) == set(POINTS)


@pytest.mark.req("LIC-19.34")
@pytest.mark.parametrize(
    ("sabotage", "point", "told"),
    [
        ("forget_what_was_lost", Passing("ask.after", 2), "1 attempts were lost, 0 estimated"),
        ("bill_twice", Passing("ask.after", 2), "requests were seen"),
    ],
)
def test_a_runtime_that_bills_an_agent_of_elsewhere_wrongly_is_found_out(
    sabotage: str, point: Passing, told: str, tmp_path: Path, lives: Nests
) -> None:
    found = mortal(lives, "function", "--sabotage", sabotage).die(tmp_path, [point])
    assert found.was_hit
    assert told in found.trouble
