"""What came of evals: how often each case went as expected, and what is better or worse than it was."""

from __future__ import annotations

from math import comb, sqrt
from typing import Literal, NamedTuple

import msgspec

from lichen.core.words.errors import Invalid
from lichen.evals.checks import Miss
from lichen.evals.judge import Calibrated
from lichen.evals.trial import Spent

FORMAT = 1
SIGNIFICANT = 0.05
_Z = 1.96  # of a 95 % interval


class Line(msgspec.Struct, frozen=True):
    """What was said in one turn, and what was called."""

    said: str
    replied: str
    calls: tuple[str, ...] = ()


class Trial(msgspec.Struct, frozen=True):
    """One time that a case was held. `error` is the code of what stopped it before its end."""

    missed: tuple[Miss, ...]
    spent: Spent
    lines: tuple[Line, ...]
    scores: tuple[float, ...] = ()
    error: str = ""

    @property
    def is_met(self) -> bool:
        """Whether it went as expected."""
        return not self.missed and not self.error


class Tried(msgspec.Struct, frozen=True):
    """A case and its trials."""

    file: str
    name: str
    trials: tuple[Trial, ...]

    @property
    def met(self) -> int:
        """How many went as expected."""
        return sum(trial.is_met for trial in self.trials)

    @property
    def interval(self) -> tuple[float, float]:
        """Where the rate lies with 95 % confidence. Source: Wilson 1927."""
        n, part = len(self.trials), self.met / len(self.trials)
        middle = (part + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
        half = _Z * sqrt(part * (1 - part) / n + _Z**2 / (4 * n**2)) / (1 + _Z**2 / n)
        return max(0.0, middle - half), min(1.0, middle + half)


class Report(msgspec.Struct, frozen=True):
    """All that came of some files. `judges` are those that were calibrated, by file."""

    cases: tuple[Tried, ...]
    judges: dict[str, Calibrated] = {}
    at_us: int = 0
    version: str = ""
    format: int = FORMAT

    @property
    def is_met(self) -> bool:
        """Whether every case went as expected each time."""
        return all(case.met == len(case.trials) for case in self.cases)

    @property
    def uncalibrated(self) -> tuple[str, ...]:
        """The files whose judge does not judge as people do."""
        return tuple(file for file, judge in self.judges.items() if not judge.is_met)


class Change(NamedTuple):
    """A case now and then. `p` is how likely a difference as large is by chance (Fisher's exact test, two-sided)."""

    name: str
    word: Literal["better", "worse", "same", "new", "gone"]
    before: str
    now: str
    p: float = 1.0

    @property
    def is_significant(self) -> bool:
        """Whether chance alone explains it badly."""
        return self.p < SIGNIFICANT


def changes(before: Report, now: Report) -> tuple[Change, ...]:
    """What differs between two reports, case by case."""
    old = {(case.file, case.name): case for case in before.cases}
    new = {(case.file, case.name): case for case in now.cases}
    gone = [Change(case.name, "gone", _rate(case), "") for key, case in old.items() if key not in new]
    return (*(_change(old.get(key), case) for key, case in new.items()), *gone)


def _change(old: Tried | None, new: Tried) -> Change:
    if old is None:
        return Change(new.name, "new", "", _rate(new))
    p = fisher(old.met, len(old.trials), new.met, len(new.trials))
    was, part = old.met / len(old.trials), new.met / len(new.trials)
    word = "same" if was == part else "better" if part > was else "worse"
    return Change(new.name, word, _rate(old), _rate(new), p)


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


def read_report(data: bytes, place: str) -> Report:
    """A report as it was written. Raises Invalid (`eval_report_invalid`)."""
    try:
        return msgspec.json.decode(data, type=Report)
    except msgspec.DecodeError as error:
        step = "Name a file that `lichen eval run --report FILE` wrote."
        raise Invalid(
            f"This is no report of evals: {error}.", code="eval_report_invalid", place=place, next_step=step
        ) from None
