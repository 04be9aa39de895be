"""The least a figure could be on this machine in this minute, measured: what is left without a line of ours."""

from __future__ import annotations

import statistics
import subprocess
import sys
from typing import NamedTuple

from bench.figure import ROOT, run_own


class Unit(NamedTuple):
    """What a turn or a step makes, counted: stored records, sealed contents, commits, Python calls."""

    records: float
    seals: float
    commits: float
    calls: float


class Floor:
    """The floor of a turn or a step, measured in turns with it. The median counts."""

    def __init__(self) -> None:
        self._found: list[tuple[float, float]] = []
        self._of = ""

    def measure(self, unit: Unit, rows: int) -> None:
        """Once more. `rows` are the records of one commit, which may be those of many units."""
        found = run_own("own.floor", str(rows))
        stored_s = unit.commits * found["commit_s"] + unit.seals * found["seal_s"]
        self._found.append((stored_s, unit.calls * found["call_s"]))
        self._of = f"{unit.records:.3g} records and {unit.seals:.3g} contents" + (
            f" in {unit.commits:.3g} commit(s)" if unit.commits >= 1 else f" ({rows:,} records a commit)"
        )

    @property
    def seconds(self) -> float:
        """All of it, one after the other."""
        return statistics.median(sum(each) for each in self._found)

    @property
    def of(self) -> str:
        """What it is made of."""
        stored_us, calls_us = (statistics.median(each) * 1e6 for each in zip(*self._found, strict=True))
        return (
            f"{self._of} sealed, hashed and stored by bare SQLite and cryptography: {stored_us:,.0f} us; "
            f"as many Python calls that do nothing: {calls_us:,.0f} us"
        )


def libraries(code: str) -> list[str]:
    """The modules of others that this code loads, in the order in which it does."""
    tell = "; import sys; print(*(m for m in sys.modules if m.partition('.')[0] not in {'lichen', '__main__'}))"
    done = subprocess.run([sys.executable, "-c", code + tell], capture_output=True, text=True, check=True, cwd=ROOT)
    bare = subprocess.run([sys.executable, "-c", "pass" + tell], capture_output=True, text=True, check=True, cwd=ROOT)
    known = set(bare.stdout.splitlines()[-1].split())
    return [name for name in done.stdout.splitlines()[-1].split() if name not in known]
