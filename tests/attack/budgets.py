"""Many payments at once against a budget of the day, in one life or in several that are cut off: it is never passed."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

from tests.attack import till
from tests.attack.section import Outcome, Size

ROOT = Path(__file__).resolve().parents[2]
LIFE_S = 120.0


def attack(size: Size, chance: random.Random, folder: Path) -> Outcome:
    """Asks for far more than the budget; kills the process in between, at full size."""
    payments, kills = (40, 1) if size == "small" else (200, 8)
    died = sum(_life(folder, payments, kill_after_s=chance.uniform(0.0, 0.15)) for _ in range(kills))
    finished = _life(folder, payments, kill_after_s=LIFE_S)
    found = ["the last life did not end by itself"] if finished else []
    if not died:
        found.append("no life was cut off")
    paid = _paid(folder)
    twice = [key for key, count in Counter(paid).items() if count > 1]
    wanted = till.BUDGET // till.AMOUNT
    if twice:
        found.append(f"paid twice: {twice}")
    if len(paid) != wanted:
        found.append(f"{len(paid)} were paid, and {wanted} are in the budget")
    return Outcome(f"{payments} payments at once, {died} kills, {len(paid)} paid of {wanted} in the budget", found)


def _life(folder: Path, payments: int, *, kill_after_s: float) -> bool:
    """One life of the till, killed so long after its payments began. Returns whether it had to be."""
    command = [sys.executable, "-m", "tests.attack.till", str(folder), str(payments)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == f"{till.OPEN}\n", process.communicate()[1][-2_000:]
    try:
        _, said = process.communicate(timeout=kill_after_s)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return True
    assert process.returncode == 0, said[-2_000:]
    return False


def _paid(folder: Path) -> list[str]:
    deadline = time.monotonic() + 5
    while not (folder / till.BANK).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    with closing(sqlite3.connect(folder / till.BANK)) as bank:
        return [key for (key,) in bank.execute("SELECT key FROM payments")]
