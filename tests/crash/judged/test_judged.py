"""An operator's judgement of strangers' tools, whose process is killed: each is one record, and none is a half."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.crash.judged.deaths import LIFE, POINTS
from tests.crash.mortal import Mortal
from tests.crash.nest import Nests, nests
from tests.crash.rounds import Passing


@pytest.fixture(scope="module")
def lives() -> Generator[Nests]:
    with nests(LIFE) as found:
        yield found


@pytest.mark.req("SYM-68.10")
@pytest.mark.parametrize("point", POINTS)
def test_what_is_submitted_judged_and_pinned_is_so_once_wherever_the_process_dies(
    point: str, tmp_path: Path, lives: Nests
) -> None:
    found = Mortal(lives).die(tmp_path, [Passing(point)])
    assert not found.trouble
    assert found.was_hit, f"{point} was never passed"
