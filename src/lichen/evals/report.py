"""What came of evals, whole: the suites that were held, and a file to compare the next one with."""

from __future__ import annotations

from typing import Any

import msgspec

from lichen.core.words.errors import Invalid
from lichen.runtime.trials.result import FORMAT, Calibrated, Spent, Tried, sums_of


class Report(msgspec.Struct, frozen=True):
    """All that came of some files. `judges` are those that were calibrated, by file; `kept` are the ids of results in
    the data directory; of one that was `interrupted`, cases or trials are missing."""

    cases: tuple[Tried, ...]
    judges: dict[str, Calibrated] = {}
    version: str = ""
    kept: tuple[str, ...] = ()
    interrupted: bool = False
    format: int = FORMAT

    @property
    def is_met(self) -> bool:
        """Whether every case went as expected each time, and none is missing."""
        return not self.interrupted and all(case.met == len(case.trials) for case in self.cases)

    @property
    def uncalibrated(self) -> tuple[str, ...]:
        """The files whose judge does not judge as people do."""
        return tuple(file for file, judge in self.judges.items() if not judge.is_met)

    @property
    def spent(self) -> Spent:
        """What the agents cost, without their judges."""
        return sums_of(self.cases, None).spent

    @property
    def judge_spent(self) -> Spent:
        """What the judges cost: measuring them, and every verdict."""
        return sum((judge.spent for judge in self.judges.values()), sums_of(self.cases, None).judge)


def read_report(data: bytes, place: str) -> Report:
    """A report as it was written. Raises Invalid (`eval_report_invalid`)."""
    step = "Name a file that `lichen eval run --report FILE` wrote."
    try:
        found: Any = msgspec.json.decode(data)
        if isinstance(found, dict) and found.get("format", FORMAT) != FORMAT:  # type: ignore[reportUnknownMemberType]
            step = "Hold the evals again with this version: `lichen eval run --report FILE`."
        return msgspec.convert(found, Report)
    except msgspec.DecodeError as error:
        raise Invalid(
            f"This is no report of evals: {error}.", code="eval_report_invalid", place=place, next_step=step
        ) from None
