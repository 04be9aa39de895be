"""Results of evals on the screen: as they are held, as they are kept, and one beside another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lichen.cli.show.moments import moment
from lichen.cli.show.screen import Screen

if TYPE_CHECKING:
    from lichen.evals import Report
    from lichen.runtime.trials.rates import Change
    from lichen.runtime.trials.result import Tried

Shown = Mapping[str, Any]
"""A view, as JSON."""


def tell(screen: Screen, report: Report, changes: Sequence[Change]) -> None:
    """What came of evals just now, and what changed."""
    import msgspec

    found = {
        **msgspec.to_builtins(report),
        "is_met": report.is_met,
        "changes": [{**change._asdict(), "is_significant": change.is_significant} for change in changes],
    }
    if screen.data(found):
        return
    for case in report.cases:
        _case(screen, case)
    for file, judge in report.judges.items():
        _judge(screen, f"judge of {file}", msgspec.to_builtins(judge))
    for change in changes:
        if change.word != "same":
            chance = "" if change.is_significant else ", which chance alone explains"
            told = f"{change.before or 'nothing'} before and {change.now or 'nothing'} now{chance}"
            screen.line(f"{change.word}: {change.name}, {told}")
    _cost(screen, report.spent.micro_usd, report.judge_spent.micro_usd)
    met = sum(case.met == len(case.trials) for case in report.cases)
    screen.line(f"{met} of {len(report.cases)} cases go as expected.", "green" if report.is_met else "bold red")


def _case(screen: Screen, case: Tried) -> None:
    import msgspec

    from lichen.runtime.trials.rates import interval

    low, high = interval(case.met, len(case.trials))
    rate = {"met": case.met, "of": len(case.trials), "low": low, "high": high}
    cost = sum(trial.spent.micro_usd for trial in case.trials) // len(case.trials)
    _rate(screen, case.name, rate, cost)
    first = next((trial for trial in case.trials if not trial.is_met), None)
    if first is not None:
        _trial(screen, msgspec.to_builtins(first))


def _rate(screen: Screen, name: str, rate: Shown, micro_usd: int) -> None:
    is_met = rate["met"] == rate["of"]
    often = "" if rate["of"] == 1 else f", {rate['met']} of {rate['of']} times"
    sure = "" if rate["of"] == 1 else f" (95 %: {rate['low']:.0%} to {rate['high']:.0%})"
    cost = f", {micro_usd / 1e6:.4f} USD" if micro_usd else ""
    screen.line(f"{'ok' if is_met else 'NOT OK'}  {name}{often}{sure}{cost}", None if is_met else "bold red")


def _trial(screen: Screen, trial: Shown) -> None:
    """The first trial that was not as expected."""
    if trial["error"]:
        screen.line(f"        stopped with {trial['error']}")
    for miss in trial["missed"]:
        screen.line(f"        {miss['place']}: {miss['message']}")
    for line in trial["lines"]:
        screen.line(f"        > {line['said']}", "dim")
        calls = "  ".join(f"{call['tool']}: {call['outcome'] or call['verdict']}" for call in line["calls"])
        told = line["texts"][-1] if line["texts"] else line["error"] or "(silence)"
        screen.line(f"          {told}  {calls}".rstrip(), "dim")


def _judge(screen: Screen, name: str, judge: Shown) -> None:
    told = f"agrees with people in {judge['agreement']:.0%} of {judge['cases']} cases (asked: {judge['asked']:.0%})"
    screen.line(f"{name} {told}", None if judge["agreement"] >= judge["asked"] else "bold red")


def _cost(screen: Screen, micro_usd: int, judge_micro_usd: int) -> None:
    if micro_usd or judge_micro_usd:
        judge = f", the judge {judge_micro_usd / 1e6:.4f} USD" if judge_micro_usd else ""
        screen.line(f"the agents cost {micro_usd / 1e6:.4f} USD{judge}", "dim")


# -- as they are kept --------------------------------------------------------------------------------------------


def listed(screen: Screen, book: Shown) -> None:
    """Every result, suite by suite, the newest first."""
    rows = [
        (
            each["id"],
            moment(each["at_us"]),
            each["suite"],
            each["status"],
            f"{each['rate']['met']} of {each['rate']['of']}",
            f"{(each['micro_usd'] + each['judge_micro_usd']) / 1e6:.4f} USD",
        )
        for suite in book["suites"]
        for each in suite["results"]
    ]
    columns = ("id", "held", "suite", "status", "as expected", "cost")
    screen.table(columns, rows, empty="No evals were held here. Hold them with `lichen eval`.")


def shown(screen: Screen, view: Shown) -> None:
    """One result, case by case, beside its baseline."""
    line, baseline = view["line"], view["baseline"]
    beside = f", beside {baseline['id']} of {moment(baseline['at_us'])}" if baseline else ""
    screen.line(f"{line['suite']}, {moment(line['at_us'])}: {line['status']}{beside}")
    if line["status"] != "finished":
        screen.line(f"{line['rate']['of']} of {line['planned']} conversations were held.", "yellow")
    if baseline and view["differs"]:
        screen.line(f"not the same as then: {', '.join(view['differs'])}", "yellow")
    for case in view["cases"]:
        _rate(screen, case["name"], case["rate"], case["spent"]["micro_usd"])
        if case["word"] not in ("", "same"):
            _change(screen, case)
        for each in case["failing"][:1]:
            _trial(screen, each["trial"])
    if view["judge"]:
        _judge(screen, "judge", view["judge"])
    _cost(screen, line["micro_usd"], line["judge_micro_usd"])


def _change(screen: Screen, case: Shown) -> None:
    before = case["before"]
    was = f"{before['met']}/{before['of']}" if before else "nothing"
    chance = "" if case["is_significant"] or case["word"] == "new" else ", which chance alone explains"
    screen.line(f"        {case['word']}: {was} before{chance}")
