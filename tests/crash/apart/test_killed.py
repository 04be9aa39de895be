"""From a platform over gateway, bus, runner and egress and back: whichever process is killed, one reply."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.crash.apart.deaths import Load, killed
from tests.crash.apart.shop import NAMES


@pytest.mark.req("GRE-50.5")
async def test_what_a_gateway_acknowledged_has_one_reply_or_is_in_doubt_whichever_process_is_killed(
    tmp_path: Path,
) -> None:
    found = await killed(tmp_path, Load(customers=3, messages=8, kills=NAMES), random.Random(7))
    assert not found.trouble
