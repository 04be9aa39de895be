"""Two processes that ask one provider with one key, for real: they slow down and recover together."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lichen.agents.lanes.file import FILE
from lichen.agents.lanes.meeting import LEASE_S
from tests.agents.ways.narrow import Came, Narrow

PER_S = 20
LATENCY_S = 0.25
CROWD = 20
STARTS_S = 90.0


@asynccontextmanager
async def asking(home: Path, url: str, *names: str) -> AsyncGenerator[dict[str, asyncio.subprocess.Process]]:
    """Processes that ask all the time, and are killed at the end."""
    module = "tests.agents.ways.asker"
    made = {
        name: await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, str(home), url, name, str(CROWD), cwd=Path(__file__).parents[3]
        )
        for name in names
    }
    try:
        yield made
    finally:
        for process in made.values():
            if process.returncode is None:
                process.kill()
            await process.wait()


@pytest.mark.req("GOA-65.14")
@pytest.mark.req("GOA-65.15")
async def test_two_processes_slow_down_and_recover_together_and_one_that_is_killed_holds_nothing(
    tmp_path: Path,
) -> None:
    (tmp_path / "keys").mkdir(mode=0o700)
    async with Narrow(PER_S, LATENCY_S).serving() as provider, asking(tmp_path, provider.url, "a", "b") as processes:
        for name in processes:
            await provider.until(lambda came, name=name: came.name == name and came.is_answered, within_s=STARTS_S)
        begin_s = await _passed(provider, asyncio.get_running_loop().time(), 3.0)
        end_s = await _passed(provider, begin_s, 6.0)
        _shared_fairly(provider, begin_s, end_s)
        _known_by_one_name(tmp_path)
        await _is_silent_when_asked_to_be(provider)
        processes["b"].kill()
        killed_s = await _passed(provider, asyncio.get_running_loop().time(), LEASE_S + 2.0)
        alone_s = await _passed(provider, killed_s, 4.0)
        assert provider.count("a", killed_s, alone_s) >= 0.6 * PER_S * (alone_s - killed_s)


def _shared_fairly(provider: Narrow, begin_s: float, end_s: float) -> None:
    answered = [provider.count(name, begin_s, end_s) for name in "ab"]
    refused = [provider.count(name, begin_s, end_s, is_answered=False) for name in "ab"]
    assert sum(answered) >= 0.5 * PER_S * (end_s - begin_s), (answered, refused)
    assert sum(answered) + sum(refused) <= 1.25 * PER_S * (end_s - begin_s), (answered, refused)
    assert min(answered) >= 0.35 * sum(answered), (answered, refused)


def _known_by_one_name(home: Path) -> None:
    with sqlite3.connect(home / FILE) as db:
        members, identities = db.execute("SELECT count(DISTINCT member), count(DISTINCT identity) FROM uses").fetchone()
    db.close()
    assert (members, identities) == (2, 1)
    assert b"k-1" not in (home / FILE).read_bytes()


async def _is_silent_when_asked_to_be(provider: Narrow) -> None:
    """Once one of them was asked to wait for two seconds, neither asks: but for what was on its way already."""
    provider.retry_after_s = 2
    sent_away = await provider.until(lambda came: not came.is_answered, within_s=20.0)
    provider.retry_after_s = None
    next_one = await provider.until(lambda came: came.at_s > sent_away.at_s + 0.6, within_s=20.0)
    assert next_one.at_s >= sent_away.at_s + 1.9


async def _passed(provider: Narrow, since_s: float, seconds: float) -> float:
    """Lets time pass in which requests come, and returns when that was."""

    def is_later(came: Came) -> bool:
        return came.at_s >= since_s + seconds

    return (await provider.until(is_later, within_s=seconds + 20.0)).at_s
