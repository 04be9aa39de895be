"""Agents that are written elsewhere, killed where their conversation passes: nothing is lost, nothing is done or asked
twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.own import KINDS
from tests.crash.owned import POINTS, death, deaths, life


@pytest.mark.req("LIC-19.34")
@pytest.mark.parametrize(("kind", "point", "nth"), deaths())
def test_an_agent_that_is_written_elsewhere_and_dies_here_loses_and_repeats_nothing(
    kind: str, point: str, nth: int, tmp_path: Path
) -> None:
    found = death(tmp_path, kind, point, nth)
    assert found.was_hit, f"{point} was never passed: {found.trouble}"
    assert not found.trouble


@pytest.mark.req("LIC-19.34")
@pytest.mark.parametrize("kind", KINDS)
def test_no_point_that_its_conversation_passes_is_left_out(kind: str, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    ended = life(tmp_path, kind, "--seen", str(seen))
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert set(seen.read_text().split()) == set(POINTS)
