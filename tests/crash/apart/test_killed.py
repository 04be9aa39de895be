"""From a platform over gateway, bus, runner and egress and back: whichever process is killed, one reply."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from lichen.runtime.channels.points import OPENED
from tests.crash.apart.deaths import Load, killed
from tests.crash.apart.shop import NAMES, Name


@pytest.mark.req("GRE-50.5")
async def test_what_a_gateway_acknowledged_has_one_reply_or_is_in_doubt_whichever_process_is_killed(
    tmp_path: Path,
) -> None:
    found = await killed(tmp_path, Load(customers=3, messages=8, kills=NAMES), random.Random(7))
    assert not found.trouble


@pytest.mark.req("GRE-50.10")
async def test_what_a_gateway_acknowledged_has_one_reply_wherever_the_gateway_or_the_runner_dies(
    tmp_path: Path,
) -> None:
    points: dict[Name, Sequence[str]] = {"gateway": ["bus.durable"], "runner": [OPENED, "bus.taken"]}
    found = await killed(tmp_path, Load(customers=3, messages=4, points=points), random.Random(7))
    assert found == ("", 0)
