"""How often cases go as expected, how sure that is, and whether it differs from before by more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb, sqrt
from typing import Literal, NamedTuple

from lichen.runtime.trials.result import Tried

SIGNIFICANT = 0.05
_Z = 1.96  # of a 95 % interval


def interval(met: int, of: int) -> tuple[float, float]:
    """Where a rate lies with 95 % confidence; anywhere where nothing was tried. Source: Wilson 1927."""
    if not of:
        return 0.0, 1.0
    part = met / of
    middle = (part + _Z**2 / (2 * of)) / (1 + _Z**2 / of)
    half = _Z * sqrt(part * (1 - part) / of + _Z**2 / (4 * of**2)) / (1 + _Z**2 / of)
    return max(0.0, middle - half), min(1.0, middle + half)


class Change(NamedTuple):
    """A case now and then. `p` is how likely a difference as large is by chance (Fisher's exact test, two-sided)."""

    file: str
    name: str
    word: Literal["better", "worse", "same", "new", "gone"]
    before: str
    now: str
    p: float = 1.0

    @property
    def is_significant(self) -> bool:
        """Whether chance alone explains it badly."""
        return self.p < SIGNIFICANT


def changes(before: Sequence[Tried], now: Sequence[Tried]) -> tuple[Change, ...]:
    """What differs, case by case. Of a suite that nothing was kept of before, each case is new."""
    old = {(case.file, case.name): case for case in before}
    new = {(case.file, case.name): case for case in now}
    held = {case.file for case in now}
    gone = [
        Change(case.file, case.name, "gone", _rate(case), "")
        for key, case in old.items()
        if key not in new and case.file in held
    ]
    return (*(_change(old.get(key), case) for key, case in new.items()), *gone)


def _change(old: Tried | None, new: Tried) -> Change:
    if old is None:
        return Change(new.file, new.name, "new", "", _rate(new))
    p = fisher(old.met, len(old.trials), new.met, len(new.trials))
    was, part = old.met / len(old.trials), new.met / len(new.trials)
    word = "same" if was == part else "better" if part > was else "worse"
    return Change(new.file, new.name, word, _rate(old), _rate(new), p)


def _rate(case: Tried) -> str:
    return f"{case.met}/{len(case.trials)}"


def fisher(met_a: int, of_a: int, met_b: int, of_b: int) -> float:
    """How likely a table as uneven as this is, if both rates are the same. Source: Fisher's exact test, two-sided."""
    met = met_a + met_b
    every = comb(of_a + of_b, met)

    def chance(k: int) -> float:
        return comb(of_a, k) * comb(of_b, met - k) / every

    seen = chance(met_a)
    possible = range(max(0, met - of_b), min(of_a, met) + 1)
    return min(1.0, sum(chance(k) for k in possible if chance(k) <= seen * (1 + 1e-9)))
