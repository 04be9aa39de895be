"""Files of evals, held: each case as often as it asks for, and what was done is kept as it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Literal, Protocol

from lichen.core.words.errors import LichenError
from lichen.evals.document import Suite
from lichen.evals.report import Report
from lichen.evals.suite import Trials
from lichen.runtime.project.project import Project
from lichen.runtime.trials.result import Begun, Calibrated, Trial, Tried
from lichen.testing.worlds import LiveClock

Progress = Callable[[str, int, bool], None]
"""Is told of each trial: the case, which time it was, and whether it went as expected."""


class Keeping(Protocol):
    """Keeps a result while its suite is held."""

    def judge(self, calibrated: Calibrated) -> None:
        """How its judge did."""
        ...

    def trial(self, case: str, trial: Trial) -> None:
        """One more time that a case was held."""
        ...

    def end(self, status: Literal["finished", "interrupted", "failed"], *, code: str = "") -> None:
        """No more will come."""
        ...


class Kept(Protocol):
    """Begins to keep a result; None where it cannot."""

    def __call__(self, begun: Begun) -> Keeping | None:
        """What keeps it."""
        ...


async def tried(
    project: Project,
    suites: Sequence[tuple[Path, Suite]],
    *,
    times: int | None,
    told: Progress,
    keep: Kept = lambda begun: None,
) -> Report:
    """Holds every case of these files, as many as it may: cancelled, it says what was done.

    Raises what a project or a file makes impossible: LichenError with its place.
    """
    cases: list[Tried] = []
    judges: dict[str, Calibrated] = {}
    kept: list[str] = []
    is_interrupted = False
    for path, suite in suites:
        trials = Trials(project, path, suite, times=times)
        begun = await trials.begun(at_us=LiveClock().now_us())
        keeping = keep(begun)
        kept += [begun.id] if keeping is not None else []
        holding = Holding(trials, keeping, told)
        is_interrupted = await holding.whole()
        cases += holding.cases
        judges |= holding.judges
        if is_interrupted:
            break
    return Report(tuple(cases), judges, version=version("lichen"), kept=tuple(kept), interrupted=is_interrupted)


class Holding:
    """One file while it is held, case by case."""

    def __init__(self, trials: Trials, keeping: Keeping | None, told: Progress) -> None:
        self._trials, self._keeping, self._told = trials, keeping, told
        self._found: dict[str, list[Trial]] = {}
        self.judges: dict[str, Calibrated] = {}

    @property
    def cases(self) -> tuple[Tried, ...]:
        """What was done."""
        return tuple(Tried(self._trials.name, name, tuple(found)) for name, found in self._found.items())

    async def whole(self) -> bool:
        """Holds all of it; whether it was interrupted. Raises LichenError."""
        try:
            await self._all()
        except asyncio.CancelledError:
            self._end("interrupted")
            task = asyncio.current_task()
            if task is not None:
                task.uncancel()
            return True
        except LichenError as error:
            self._end("failed", error.code)
            raise
        self._end("finished")
        return False

    async def _all(self) -> None:
        trials = self._trials
        judge = trials.suite.judge
        if judge is not None and judge.calibration is not None:
            found = self.judges[trials.name] = await trials.calibrated(judge)
            if self._keeping is not None:
                self._keeping.judge(found)
        for case in trials.suite.case:
            for number in range(trials.times(case)):
                trial = await trials.of(case, number)
                self._found.setdefault(case.name, []).append(trial)
                if self._keeping is not None:
                    self._keeping.trial(case.name, trial)
                self._told(case.name, number + 1, trial.is_met)
                _check_cancelled()

    def _end(self, status: Literal["finished", "interrupted", "failed"], code: str = "") -> None:
        if self._keeping is not None:
            self._keeping.end(status, code=code)


def _check_cancelled() -> None:
    """Raises CancelledError where somebody wanted the end, though what they broke off went on: a world at its end."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
