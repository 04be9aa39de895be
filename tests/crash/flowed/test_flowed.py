"""A flow whose process is killed at its nodes: it comes to what it has to, and nothing is done, said or asked twice."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.crash.flowed.deaths import LIFE, SOME, mortal
from tests.crash.nest import Nests, nests
from tests.crash.rounds import Passing, named


@pytest.fixture(scope="module")
def lives() -> Generator[Nests]:
    with nests(LIFE) as found:
        yield found


@pytest.mark.req("GRE-24.11")
@pytest.mark.parametrize("passing", SOME, ids=lambda each: named([each]))
def test_a_flow_whose_process_is_killed_comes_to_its_end_and_does_nothing_twice(
    passing: Passing, tmp_path: Path, lives: Nests
) -> None:
    found = mortal(lives).die(tmp_path, [passing])
    assert not found.trouble
    assert found.was_hit, f"{passing} was never passed"


@pytest.mark.req("GRE-24.11")
@pytest.mark.parametrize(
    ("sabotage", "passing", "told"),
    [
        ("forget", Passing("effect.after/shop.send"), "something was done twice"),
        ("skip_a_reply", Passing("commit.after/planned"), "told"),
    ],
)
def test_a_flow_that_does_something_twice_or_leaves_out_a_reply_is_found_out(
    sabotage: str, passing: Passing, told: str, tmp_path: Path, lives: Nests
) -> None:
    found = mortal(lives, "--sabotage", sabotage).die(tmp_path, [passing])
    assert found.was_hit
    assert told in found.trouble
