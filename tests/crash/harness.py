"""Runs lives: one that dies at a point, then one that finds what it left."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PRELUDE = "effect.after/shop.pay"  # a death that leaves something to take over
LIFE_S = 90


class Trial(NamedTuple):
    """What became of one death."""

    point: str
    has_probe: bool
    was_hit: bool
    unknown: int
    trouble: str


def life(home: Path, *, has_probe: bool, point: str = "", nth: int = 1) -> subprocess.CompletedProcess[str]:
    """One life in a process of its own."""
    command = [sys.executable, "-m", "tests.crash.life", str(home), "--point", point, "--nth", str(nth)]
    command += ["--probe"] if has_probe else []
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIFE_S, check=False)


def trial(home: Path, point: str, *, has_probe: bool, nth: int = 1, prelude: bool = False) -> Trial:
    """Dies at the point, then lives to the end; the last life judges."""
    if prelude:
        life(home, has_probe=has_probe, point=PRELUDE)
    died = life(home, has_probe=has_probe, point=point, nth=nth)
    was_hit = died.returncode == -signal.SIGKILL
    if not was_hit and died.returncode != 0:
        return Trial(point, has_probe, False, 0, died.stderr[-2000:])
    after = life(home, has_probe=has_probe)
    unknown = after.stdout.count("unknown ")
    return Trial(point, has_probe, was_hit, unknown, after.stderr[-2000:] if after.returncode else "")
