"""Results of evals as people and programs read them: suites over time, and one result beside another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal

import msgspec

from lichen.runtime.trials.rates import changes, interval
from lichen.runtime.trials.reader import Entry
from lichen.runtime.trials.result import Calibrated, Result, Spent, Status, Trial, Tried, Versions, sums_of

FAILING_SHOWN: Final = 20  # trials of a case with their words
POINTS: Final = 50


class Rate(msgspec.Struct, frozen=True):
    """How often something went as expected, and where the rate lies with 95 % confidence."""

    met: int
    of: int
    low: float
    high: float

    @property
    def part(self) -> float:
        """From 0 to 1."""
        return self.met / self.of if self.of else 0.0


class ResultLine(msgspec.Struct, frozen=True):
    """A result in a list. `micro_usd` is what the models of agents cost, `judge_micro_usd` what the judge did, in
    millionths of a US dollar; `judge_is_met` is None where no judge was measured."""

    id: str
    suite: str
    at_us: int
    ended_us: int | None
    status: Status
    rate: Rate
    cases_met: int
    cases: int
    planned: int
    micro_usd: int
    judge_micro_usd: int
    tokens: int
    judge_is_met: bool | None
    lichen: str
    project: str
    models: tuple[str, ...]

    @property
    def is_met(self) -> bool:
        """Whether all of it went as expected, and the judge counts."""
        return self.status == "finished" and self.rate.met == self.rate.of and self.judge_is_met is not False


class SuiteLine(msgspec.Struct, frozen=True):
    """A suite over time: its results, the newest first, that is its last one first."""

    suite: str
    results: tuple[ResultLine, ...]


class EvalBook(msgspec.Struct, frozen=True):
    """Every suite of which results are kept, the one that was held last first."""

    suites: tuple[SuiteLine, ...]


class TrialView(msgspec.Struct, frozen=True):
    """One time that a case was held, counted from 1."""

    number: int
    trial: Trial


class CaseView(msgspec.Struct, frozen=True):
    """A case beside the baseline. `spent` is the mean of a trial; `failing` are the first of those that did not go as
    expected, without words for who may not read them. `p` is how likely a difference as large is by chance."""

    name: str
    rate: Rate
    planned: int
    spent: Spent
    judge: Spent
    failing: tuple[TrialView, ...]
    before: Rate | None = None
    word: Literal["", "better", "worse", "same", "new"] = ""
    p: float = 1.0
    is_significant: bool = False


class ResultView(msgspec.Struct, frozen=True):
    """One result beside another, which is its baseline. `others` may be that as well; `code` says why it failed;
    `gone` are cases that only the baseline has; words are left out unless `has_words`."""

    line: ResultLine
    versions: Versions
    judge: Calibrated | None
    cases: tuple[CaseView, ...]
    has_words: bool
    code: str = ""
    baseline: ResultLine | None = None
    differs: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    others: tuple[ResultLine, ...] = ()


def book_of(entries: Iterable[Entry]) -> EvalBook:
    """These results by suite."""
    by_suite: dict[str, list[ResultLine]] = {}
    for entry in entries:
        by_suite.setdefault(entry.begun.suite, []).append(line_of(entry))
    return EvalBook(tuple(SuiteLine(suite, tuple(lines[:POINTS])) for suite, lines in by_suite.items()))


def line_of(entry: Entry) -> ResultLine:
    """One of them."""
    begun, sums = entry.begun, entry.sums
    return ResultLine(
        id=begun.id,
        suite=begun.suite,
        at_us=begun.at_us,
        ended_us=entry.ended_us,
        status=entry.status,
        rate=_rate(sums.met, sums.of),
        cases_met=sums.cases_met,
        cases=len(begun.times),
        planned=sum(begun.times.values()),
        micro_usd=sums.spent.micro_usd,
        judge_micro_usd=sums.judge.micro_usd,
        tokens=sums.spent.tokens + sums.judge.tokens,
        judge_is_met=sums.judge_is_met,
        lichen=begun.versions.lichen,
        project=begun.versions.project,
        models=tuple(sorted({model for models in begun.versions.models.values() for model in models})),
    )


def result_view(
    result: Result, baseline: Result | None, *, others: Sequence[Entry] = (), has_words: bool
) -> ResultView:
    """A result beside its baseline."""
    before = baseline.cases if baseline is not None else ()
    cases = tuple(_case(case, result, before, baseline is not None, has_words=has_words) for case in result.cases)
    names = {case.name for case in result.cases}
    return ResultView(
        line=line_of(_entry(result)),
        versions=result.begun.versions,
        judge=result.judge,
        cases=cases,
        has_words=has_words,
        code=result.ended.code if result.ended is not None else "",
        baseline=line_of(_entry(baseline)) if baseline is not None else None,
        differs=tuple(_differs(baseline.begun.versions, result.begun.versions)) if baseline is not None else (),
        gone=tuple(case.name for case in before if case.name not in names),
        others=tuple(line_of(entry) for entry in others),
    )


def _entry(result: Result) -> Entry:
    ended = result.ended
    sums = ended.sums if ended is not None else sums_of(result.cases, result.judge)
    return Entry(result.begun, result.status, ended.at_us if ended is not None else None, sums)


def _rate(met: int, of: int) -> Rate:
    low, high = interval(met, of)
    return Rate(met, of, low, high)


def _case(case: Tried, result: Result, before: Sequence[Tried], is_compared: bool, *, has_words: bool) -> CaseView:
    count = len(case.trials)
    failing = [TrialView(i, trial) for i, trial in enumerate(case.trials, 1) if not trial.is_met][:FAILING_SHOWN]
    view = CaseView(
        name=case.name,
        rate=_rate(case.met, count),
        planned=result.begun.times.get(case.name, count),
        spent=_mean([trial.spent for trial in case.trials]),
        judge=_mean([trial.judge for trial in case.trials]),
        failing=tuple(failing if has_words else map(_without_words, failing)),
    )
    if not is_compared:
        return view
    old = next((each for each in before if each.name == case.name), None)
    (change,) = changes([] if old is None else [msgspec.structs.replace(old, file=case.file)], [case])
    return msgspec.structs.replace(
        view,
        before=_rate(old.met, len(old.trials)) if old is not None else None,
        word=change.word,
        p=change.p,
        is_significant=change.is_significant,
    )


def _mean(spent: Sequence[Spent]) -> Spent:
    every, count = sum(spent, Spent()), len(spent)
    return Spent(every.calls // count, every.tokens // count, every.micro_usd // count, every.seconds / count)


def _without_words(view: TrialView) -> TrialView:
    """Which expectation was missed is no word of the conversation; what stands there may quote it."""
    trial = view.trial
    missed = tuple(msgspec.structs.replace(miss, message="", expected="") for miss in trial.missed)
    judged = tuple(msgspec.structs.replace(each, reason="") for each in trial.judged)
    return TrialView(view.number, msgspec.structs.replace(trial, missed=missed, judged=judged, lines=()))


def _differs(before: Versions, now: Versions) -> Iterable[str]:
    """What else is not as it was, by name: then a change of rates may not be the agent's."""
    for name in ("lichen", "project", "suite", "models", "judge"):
        if getattr(before, name) != getattr(now, name):
            yield name
