"""Teams killed in the midst of their work: they come to the same, nobody is asked twice, and what is undone is undone
once, the last first."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.crash.nest import Nests, nests
from tests.crash.patterned.deaths import LIFE, Team
from tests.crash.patterned.teams import TEAMS
from tests.crash.rounds import Passing


@pytest.fixture(scope="module")
def lives() -> Generator[Nests]:
    with nests(LIFE) as found:
        yield found


@pytest.mark.req("SYM-86.11", "SYM-83.6")
@pytest.mark.parametrize("name", TEAMS)
def test_a_team_whose_process_is_killed_comes_to_what_it_would_have_come_to(
    name: str, tmp_path: Path, lives: Nests
) -> None:
    team = Team(lives, tmp_path / "undisturbed", name)
    for i, passing in enumerate(team.some):
        found = team.die(tmp_path / str(i), [passing])
        assert not found.trouble
        assert found.was_hit, f"{passing} was never passed"


@pytest.mark.req("SYM-86.11", "SYM-83.6")
@pytest.mark.parametrize(
    ("name", "sabotage", "passing", "told"),
    [
        ("chain", "forget", Passing("effect.after/desk.mark"), "something was done twice"),
        ("saga that is undone", "forget", Passing("effect.after/trip.unbook", 2), "something was done twice"),
        ("saga that is undone", "undo_forwards", Passing("effect.after/trip.unbook", 2), "done in this order"),
    ],
)
def test_a_team_that_breaks_its_promise_is_found_out(
    name: str, sabotage: str, passing: Passing, told: str, tmp_path: Path, lives: Nests
) -> None:
    team = Team(lives, tmp_path / "undisturbed", name)
    found = team.die(tmp_path, [passing], "--sabotage", sabotage)
    assert found.was_hit
    assert told in found.trouble
