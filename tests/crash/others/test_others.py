"""A platform that hangs up, a shop's schedules and a call that asks a model, killed around each record of theirs."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.crash.nest import Nests, nests
from tests.crash.others.deaths import LIFE, RECORDS, mortal, points
from tests.crash.rounds import Passing


@pytest.fixture(scope="module")
def lives() -> Generator[Nests]:
    with nests(LIFE) as found:
        yield found


@pytest.mark.req("LIC-7.13")
@pytest.mark.parametrize(("kind", "point"), [(kind, point) for kind in RECORDS for point in points(kind)])
def test_a_message_a_letter_a_tick_and_a_request_are_settled_once_wherever_the_process_dies(
    kind: str, point: str, tmp_path: Path, lives: Nests
) -> None:
    found = mortal(lives, kind).die(tmp_path, [Passing(point)])
    assert not found.trouble
    assert found.was_hit, f"{point} was never passed"


@pytest.mark.req("LIC-7.13")
@pytest.mark.parametrize(
    ("kind", "sabotage", "point", "told"),
    [
        ("platform", "doubt_nothing", Passing("deliver.after"), "told "),
        ("platform", "take_twice", Passing("commit.before/letter_settled"), "queued "),
        ("timed", "begin_twice", Passing("commit.after/run_started"), "there are "),
        ("asking", "lose_for_nothing", Passing("ask.after"), "an estimate is less"),
    ],
)
def test_a_runtime_that_settles_something_twice_or_not_is_found_out(
    kind: str, sabotage: str, point: Passing, told: str, tmp_path: Path, lives: Nests
) -> None:
    found = mortal(lives, kind, "--sabotage", sabotage).die(tmp_path, [point])
    assert found.was_hit
    assert told in found.trouble
