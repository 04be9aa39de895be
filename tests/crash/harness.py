"""Runs lives: one that dies at a point, then one that finds what it left."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tests.crash.judge import left_started
from tests.crash.nest import Nests

LIFE = "tests.crash.life"
PRELUDE = "effect.after/shop.pay"  # a death that leaves something to take over


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


def trial(lives: Nests, home: Path, point: str, *, has_probe: bool, nth: int = 1, prelude: bool = False) -> Trial:
    """Dies at the point, then lives to the end; the last life judges."""
    argv = [str(home), *(("--probe",) if has_probe else ())]
    in_doubt = 0
    if prelude:
        lives.live([*argv, "--point", PRELUDE])
        in_doubt = left_started(home)
    died = lives.live([*argv, "--point", point, "--nth", str(nth)])
    if not died.was_killed and died.code:
        return Trial(point, has_probe, False, 0, 0, died.trouble)
    in_doubt += left_started(home)
    after = lives.live(argv)
    unknown = sum(line.startswith("unknown ") for line in after.said.splitlines())
    return Trial(point, has_probe, died.was_killed, in_doubt, unknown, after.trouble)
