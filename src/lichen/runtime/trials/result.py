"""What came of a suite of evals that was held: its cases, what each trial brought, and with which versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

FORMAT: Final = 2

Status = Literal["running", "finished", "interrupted", "failed"]
"""`interrupted`: it ended before its last trial, by a person or with its process; `failed`: by an error of the file."""


class Miss(msgspec.Struct, frozen=True):
    """One thing that is not as expected: where, as a pointer into the case, in which words, and what stands there."""

    place: str
    message: str
    expected: str = ""


class Spent(msgspec.Struct, frozen=True):
    """What a conversation cost, all of its runs together."""

    calls: int = 0
    tokens: int = 0
    micro_usd: int = 0
    seconds: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.calls + other.calls,
            self.tokens + other.tokens,
            self.micro_usd + other.micro_usd,
            self.seconds + other.seconds,
        )

    def __sub__(self, other: Spent) -> Spent:
        return Spent(
            self.calls - other.calls,
            self.tokens - other.tokens,
            self.micro_usd - other.micro_usd,
            self.seconds - other.seconds,
        )


class Made(msgspec.Struct, frozen=True):
    """A call, as it stood after the turn: its arguments as JSON, how it was decided and how it ended."""

    tool: str
    args: str
    verdict: str
    outcome: str


class Line(msgspec.Struct, frozen=True):
    """What was said in one turn, all that was said upon it, and what was called. `error` is why it was refused."""

    said: str
    texts: tuple[str, ...] = ()
    calls: tuple[Made, ...] = ()
    outcome: str = ""
    error: str = ""


class Judged(msgspec.Struct, frozen=True):
    """What a judge said of the reply to a turn, which is counted from 0, and the least that was asked."""

    turn: int
    score: float
    least: float
    reason: str = ""


class Trial(msgspec.Struct, frozen=True):
    """One time that a case was held. `error` is the code of what stopped it before its end; `judge` is what its judge
    cost, which `spent` does not hold. One that `is_cut` was too large to be kept with all its words."""

    missed: tuple[Miss, ...]
    spent: Spent
    lines: tuple[Line, ...]
    judged: tuple[Judged, ...] = ()
    judge: Spent = Spent()
    error: str = ""
    is_cut: bool = False

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


class Calibrated(msgspec.Struct, frozen=True):
    """How far a judge agrees with people. `precision`: of the replies it calls good, how many people call good too;
    `recall`: of those that people call good, how many it does. None where there is nothing to divide by."""

    agreement: float
    asked: float
    cases: int
    precision: float | None
    recall: float | None
    spent: Spent = Spent()

    @property
    def is_met(self) -> bool:
        """Whether its verdicts count."""
        return self.agreement >= self.asked


# -- what is kept of it, line by line ------------------------------------------------------------------------------


class Versions(msgspec.Struct, frozen=True):
    """With what it was held. `project` identifies agents and policies together, `suite` the file; `models` are those
    that each agent asks, `judge` the one that judges."""

    lichen: str
    project: str
    suite: str
    models: Mapping[str, tuple[str, ...]] = {}
    judge: str = ""


class Begun(msgspec.Struct, frozen=True, tag="begun", tag_field="line"):
    """The first line: what is held, where, since when, and how often each case will be."""

    id: str
    suite: str
    tenant: str
    env: str
    at_us: int
    times: Mapping[str, int]
    versions: Versions
    format: int = FORMAT


class JudgeTold(msgspec.Struct, frozen=True, tag="judge", tag_field="line"):
    """A line: how the judge did on what people labelled."""

    calibrated: Calibrated


class TrialTold(msgspec.Struct, frozen=True, tag="trial", tag_field="line"):
    """A line: one time that a case was held."""

    case: str
    trial: Trial


class Sums(msgspec.Struct, frozen=True):
    """What all its trials come to. `judge_is_met` is None where no judge was measured."""

    met: int = 0
    of: int = 0
    cases_met: int = 0
    cases: int = 0
    spent: Spent = Spent()
    judge: Spent = Spent()
    judge_is_met: bool | None = None


class Ended(msgspec.Struct, frozen=True, tag="ended", tag_field="line"):
    """The last line. `code` says why it failed."""

    at_us: int
    status: Literal["finished", "interrupted", "failed"]
    sums: Sums
    code: str = ""


class Result(msgspec.Struct, frozen=True):
    """A suite that was held, or as much of it as was."""

    begun: Begun
    cases: tuple[Tried, ...]
    judge: Calibrated | None
    ended: Ended | None
    status: Status


def sums_of(cases: tuple[Tried, ...], judge: Calibrated | None) -> Sums:
    """What these cases come to."""
    trials = [trial for case in cases for trial in case.trials]
    return Sums(
        met=sum(trial.is_met for trial in trials),
        of=len(trials),
        cases_met=sum(case.met == len(case.trials) for case in cases),
        cases=len(cases),
        spent=sum((trial.spent for trial in trials), Spent()),
        judge=sum((trial.judge for trial in trials), judge.spent if judge is not None else Spent()),
        judge_is_met=judge.is_met if judge is not None else None,
    )
