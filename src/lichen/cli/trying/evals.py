"""`lichen eval`: conversations with what is expected of them, held with the agents of a project."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lichen.cli.here.caller import Caller, calling
from lichen.cli.here.client import segment
from lichen.cli.here.workspace import locate
from lichen.cli.show.screen import Screen
from lichen.core.words.errors import Conflict, Invalid

if TYPE_CHECKING:
    from lichen.evals import Change, Report, Tried

app = typer.Typer(name="eval", help="Conversations with expectations, held with the agents here.")

Json = Annotated[bool, typer.Option("--json", help="JSON on stdout and nothing else.")]


@app.callback(invoke_without_command=True)
def group(context: typer.Context) -> None:
    """Conversations with expectations, held with the agents here.

    `lichen eval` alone holds all of them."""
    if context.invoked_subcommand is None:
        hold()


@app.command("run")
def hold(
    files: Annotated[list[Path] | None, typer.Argument(help="Eval files, instead of evals/**/*.toml.")] = None,
    times: Annotated[int | None, typer.Option(help="How often each case is held.", min=1, max=1_000)] = None,
    baseline: Annotated[Path | None, typer.Option(help="An earlier report: what is better or worse?")] = None,
    report: Annotated[Path | None, typer.Option(help="Where to write this report.")] = None,
    as_json: Json = False,
) -> None:
    """Holds the conversations of eval files, each in a world of its own, and says what is not as expected.

    Policies, tools and log are the real ones; nothing that runs is touched. Exit code 1 when a case is not as expected,
    2 when a file is wrong or a judge does not judge as people do.
    """
    import asyncio

    from lichen.evals import changes, read, suite_files, tried

    project, screen = locate().load(), Screen(as_json=as_json)
    suites = [(path, read(path)) for path in files or suite_files(project.settings.root)]
    before = _report(baseline) if baseline is not None else None
    total = sum(times or case.times or suite.times for _, suite in suites for case in suite.case)
    with _progress(screen, total) as told:
        found = asyncio.run(tried(project, suites, times=times, told=told))
    if report is not None:
        _write(report, found)
    _tell(screen, found, changes(before, found) if before is not None else ())
    if found.uncalibrated:
        raise Invalid(
            f"The judge of {found.uncalibrated[0]} does not judge as people do.",
            code="judge_uncalibrated",
            next_step="Sharpen its rubric, ask another model, or look at the labels.",
            place=f"{found.uncalibrated[0]}#/judge/calibration",
        )
    if not found.is_met:
        raise typer.Exit(1)


def _report(path: Path) -> Report:
    from lichen.evals import read_report

    try:
        return read_report(path.read_bytes(), str(path))
    except OSError as error:
        step = "Name a file that `lichen eval run --report FILE` wrote."
        message = f"The report cannot be read: {error.strerror}."
        raise Invalid(message, code="eval_report_invalid", place=str(path), next_step=step) from None


def _write(path: Path, report: Report) -> None:
    import msgspec

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")


@contextmanager
def _progress(screen: Screen, total: int) -> Generator[Callable[[str, int, bool], None]]:
    """A bar on the terminal, on stderr; nothing elsewhere."""
    if not screen.is_terminal or not sys.stderr.isatty():
        yield lambda name, number, is_met: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("conversations", total=total)
        yield lambda name, number, is_met: bar.update(task, advance=1, description=name[:40])


# -- what is shown -----------------------------------------------------------------------------------------------


def _tell(screen: Screen, report: Report, changes: tuple[Change, ...]) -> None:
    import msgspec

    found = {
        **msgspec.to_builtins(report),
        "is_met": report.is_met,
        "changes": [{**change._asdict(), "is_significant": change.is_significant} for change in changes],
    }
    if screen.data(found):
        return
    for case in report.cases:
        _tell_case(screen, case)
    for file, judge in report.judges.items():
        told = f"agrees with people in {judge.agreement:.0%} of {judge.cases} cases (asked: {judge.asked:.0%})"
        screen.line(f"judge of {file} {told}", None if judge.is_met else "bold red")
    for change in changes:
        if change.word != "same":
            chance = "" if change.is_significant else ", which chance alone explains"
            told = f"{change.before or 'nothing'} before and {change.now or 'nothing'} now{chance}"
            screen.line(f"{change.word}: {change.name}, {told}")
    met = sum(case.met == len(case.trials) for case in report.cases)
    screen.line(f"{met} of {len(report.cases)} cases go as expected.", "green" if report.is_met else "bold red")


def _tell_case(screen: Screen, case: Tried) -> None:
    count = len(case.trials)
    is_met = case.met == count
    low, high = case.interval
    often = "" if count == 1 else f", {case.met} of {count} times (95 %: {low:.0%} to {high:.0%})"
    cost = sum(trial.spent.micro_usd for trial in case.trials) / count / 1e6
    cost_told = f", {cost:.4f} USD" if cost else ""
    screen.line(f"{'ok' if is_met else 'NOT OK'}  {case.name}{often}{cost_told}", None if is_met else "bold red")
    first = next((trial for trial in case.trials if not trial.is_met), None)
    if first is None:
        return
    if first.error:
        screen.line(f"        stopped with {first.error}")
    for miss in first.missed:
        screen.line(f"        {miss.place}: {miss.message}")
    for line in first.lines:
        screen.line(f"        > {line.said}", "dim")
        screen.line(f"          {line.replied or '(silence)'}  {' '.join(line.calls)}", "dim")


# -- a case of what happened -------------------------------------------------------------------------------------


@app.command("add")
@calling
def add(
    caller: Caller,
    run: Annotated[str, typer.Argument(help="The id of a run.", metavar="RUN")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write.")],
    name: Annotated[str | None, typer.Option(help="What to call the case.")] = None,
) -> None:
    """Makes a case of a run that took place: its conversation up to there, with what tools gave as stubs.

    What it expects is what happened: which calls were made, how they were decided and how they ended. Needs somebody
    who may read the words of the conversation.
    """
    from lichen.evals import Suite, case_of, written

    if out.exists():
        raise Conflict("There is such a file.", code="file_exists", place=str(out), next_step="Name another one.")
    shown = caller.client.get(f"runs/{segment(run)}")
    session = caller.client.get(f"sessions/{segment(shown['session'])}") if shown["session"] else None
    earlier = _earlier(session, run) if session is not None else ()
    runs = [*(caller.client.get(f"runs/{segment(each)}") for each in earlier), shown]
    suite = Suite([case_of(name or f"as in {run}", session, runs)], tenant=caller.tenant)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(written(suite))
    if not caller.screen.data({"file": str(out), "turns": len(suite.case[0].turn)}):
        caller.screen.line(f"{out}: {len(suite.case[0].turn)} turns. Hold it with `lichen eval run {out}`.")


def _earlier(session: dict[str, Any], run: str) -> list[str]:
    """The runs of a conversation before this one, in order."""
    found = list(dict.fromkeys(each["run"] for each in session["transcript"] if each["run"]))
    return found[: found.index(run)] if run in found else []
