"""From the HTTP request to the delivered reply: a message that was acknowledged is answered exactly once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.doors import passage, passed_once, points
from tests.crash.visitor import Transport


@pytest.mark.req("LIC-16.10")
@pytest.mark.parametrize(("point", "transport"), points())
async def test_an_acknowledged_message_is_answered_exactly_once_wherever_the_process_dies(
    point: str, transport: Transport, tmp_path: Path
) -> None:
    found = await passage(tmp_path, point, transport, nth=1 if passed_once(point) else 2)
    assert found.was_hit, f"{point} was never passed"
    assert not found.trouble
