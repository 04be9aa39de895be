"""Runs lives: one that dies at a point, then one that finds what it left."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.crash.judge import left_started

ROOT = Path(__file__).resolve().parents[2]
PRELUDE = "effect.after/shop.pay"  # a death that leaves something to take over
LIFE_S = 90


class Trial(NamedTuple):
    """What became of one death: payments it left started and not finished, and attempts nobody knows the outcome of."""

    point: str
    has_probe: bool
    was_hit: bool
    in_doubt: int
    unknown: int
    trouble: str

    @property
    def is_wrong(self) -> bool:
        """Whether something happened that no death may do. Only a payment that was left started may be unknown."""
        return bool(self.trouble) or self.unknown > (0 if self.has_probe else self.in_doubt)


def life(home: Path, *, has_probe: bool, point: str = "", nth: int = 1) -> subprocess.CompletedProcess[str]:
    """One life in a process of its own."""
    command = [sys.executable, "-m", "tests.crash.life", str(home), "--point", point, "--nth", str(nth)]
    command += ["--probe"] if has_probe else []
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIFE_S, check=False)


def trial(home: Path, point: str, *, has_probe: bool, nth: int = 1, prelude: bool = False) -> Trial:
    """Dies at the point, then lives to the end; the last life judges."""
    in_doubt = 0
    if prelude:
        life(home, has_probe=has_probe, point=PRELUDE)
        in_doubt = left_started(home)
    died = life(home, has_probe=has_probe, point=point, nth=nth)
    was_hit = died.returncode == -signal.SIGKILL
    if not was_hit and died.returncode != 0:
        return Trial(point, has_probe, False, 0, 0, died.stderr[-2000:])
    in_doubt += left_started(home)
    after = life(home, has_probe=has_probe)
    unknown = after.stdout.count("unknown ")
    return Trial(point, has_probe, was_hit, in_doubt, unknown, after.stderr[-2000:] if after.returncode else "")
