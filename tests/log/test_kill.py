from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from lichen.core.words.ids import LogId, RunId, run_stream
from lichen.core.words.scope import Scope
from lichen.log.audit.verify import verify
from lichen.log.keys.keyring import Keyring
from tests.log.homes import Home

LIVES = 6
SEED = 20_261
ROOT = Path(__file__).parents[2]


def life(directory: Path, seed: int, lines: int) -> list[str]:
    """Lets a process live until it has acknowledged so many appends, then kills it. Returns what it acknowledged."""
    command = [sys.executable, "-m", "tests.log.lives", str(directory), str(seed)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        said = [process.stdout.readline() for _ in range(lines + 1)]
        process.kill()
        said += process.stdout.read().splitlines(keepends=True)
        assert process.wait() == -9, process.stderr.read().decode()[-2000:]
    return [line.decode().strip() for line in said if line.endswith(b"\n")][1:]


@pytest.mark.req("LIC-2.23")
async def test_what_was_acknowledged_survives_sigkill_and_verifies(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    acknowledged: dict[tuple[str, str], int] = {}
    for number in range(LIVES):
        for line in life(tmp_path, SEED + number, chance.randrange(1, 400)):
            log_id, run, count = line.split()
            acknowledged[log_id, run] = max(int(count), acknowledged.get((log_id, run), 0))
        home = Home(tmp_path)
        keyring = Keyring.open(home.keys, os.urandom)
        report = verify(home.logs, keyring=keyring)
        keyring.close()
        assert report.findings == (), f"seed {SEED}, life {number}"
        await check(home, acknowledged)


async def check(home: Home, acknowledged: dict[tuple[str, str], int]) -> None:
    """Everything acknowledged is there and can be read."""
    home.random = os.urandom
    volume = await home.open()
    for (log_id, run), count in acknowledged.items():
        log = volume.log(Scope(*LogId(log_id).split("/")[:2]))
        stream = run_stream(RunId(run))
        assert log.state(stream).n >= count, f"{run} of {log_id}"
        last = log.record(stream, count - 1)
        assert log.contents(stream, count - 1) or last.type != "signal"
    await home.close()
