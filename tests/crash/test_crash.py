"""Every generated point is hit once, with and without a probe."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.crash.harness import LIFE, trial
from tests.crash.nest import Nests, nests
from tests.crash.points import WINDOW, needs_a_death_before, points


@pytest.fixture(scope="module")
def lives() -> Generator[Nests]:
    with nests(LIFE) as found:
        yield found


@pytest.mark.req("LIC-7.1")
@pytest.mark.parametrize("point", points())
def test_with_a_probe_a_death_here_leaves_every_effect_done_once_and_known(
    point: str, tmp_path: Path, lives: Nests
) -> None:
    found = trial(lives, tmp_path, point, has_probe=True, prelude=needs_a_death_before(point))
    assert found.was_hit, f"{point} was never passed"
    assert not found.trouble, found.trouble
    assert found.unknown == 0


@pytest.mark.req("LIC-7.2")
@pytest.mark.parametrize("point", points())
def test_without_a_probe_only_a_call_between_started_and_finished_becomes_unknown(
    point: str, tmp_path: Path, lives: Nests
) -> None:
    found = trial(lives, tmp_path, point, has_probe=False, prelude=needs_a_death_before(point))
    assert found.was_hit, f"{point} was never passed"
    assert not found.trouble, found.trouble
    assert found.unknown <= found.in_doubt
    assert found.unknown == 1 or point not in WINDOW
