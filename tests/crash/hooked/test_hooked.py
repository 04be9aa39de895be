"""From a platform's webhook to the reply it is pushed: taken once, answered once, wherever the process dies."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.hooked.deaths import SMALL, death, nth_of
from tests.crash.rounds import Passing


@pytest.mark.req("LIC-47.13")
@pytest.mark.parametrize("point", SMALL)
async def test_what_a_platform_was_told_is_taken_is_answered_exactly_once_wherever_the_process_dies(
    point: str, tmp_path: Path
) -> None:
    found = await death(tmp_path, Passing(point, nth_of(point)))
    assert not found.trouble
    assert found.was_hit, f"{point} was never passed"
