"""`lichen eval`: conversations with what is expected of them, held with the agents of a project."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lichen.cli.here.caller import Caller, calling
from lichen.cli.here.client import segment
from lichen.cli.here.workspace import locate
from lichen.cli.show.screen import Screen, note
from lichen.cli.trying.baseline import baselines
from lichen.cli.trying.results import listed, shown, tell
from lichen.core.words.errors import Conflict, Invalid

if TYPE_CHECKING:
    from lichen.evals import Report
    from lichen.runtime.trials.keeper import Keeper
    from lichen.runtime.trials.result import Begun

app = typer.Typer(name="eval", help="Conversations with expectations, held with the agents here.")

Json = Annotated[bool, typer.Option("--json", help="JSON on stdout and nothing else.")]

INTERRUPTED = 130  # as shells say of what ctrl-C ended


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
    baseline: Annotated[
        str | None, typer.Option(help="What is better or worse than this: `last`, the id of a result, a report's file.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Where to write this report.")] = None,
    as_json: Json = False,
) -> None:
    """Holds the conversations of eval files, each in a world of its own, and says what is not as expected.

    Policies, tools and log are the real ones; nothing that runs is touched. What came of it is kept: `lichen eval
    results` and the console show it. Exit code 1 when a case is not as expected, 2 when a file is wrong or a judge does
    not judge as people do, 130 when it was interrupted.
    """
    import asyncio

    from lichen.evals import read, suite_files, tried
    from lichen.runtime.trials.rates import changes

    project, screen = locate().load(), Screen(as_json=as_json)
    suites = [(path, read(path)) for path in files or suite_files(project.settings.root)]
    before = baselines(project, suites, baseline) if baseline is not None else None
    total = sum(times or case.times or suite.times for _, suite in suites for case in suite.case)
    with _progress(screen, total) as told, ExitStack() as kept:
        keep = Keeping(project.settings.home, kept)
        found = asyncio.run(tried(project, suites, times=times, told=told, keep=keep))
    if report is not None:
        _write(report, found)
    tell(screen, found, changes(before, found.cases) if before is not None else ())
    _end(screen, found, total)


def _end(screen: Screen, found: Report, total: int) -> None:
    """Raises what the command ends with."""
    if found.interrupted:
        done = sum(len(case.trials) for case in found.cases)
        note(f"Interrupted: {done} of {total} conversations were held. See them again: `lichen eval results`.")
        raise typer.Exit(INTERRUPTED)
    if found.uncalibrated:
        raise Invalid(
            f"The judge of {found.uncalibrated[0]} does not judge as people do.",
            code="judge_uncalibrated",
            next_step="Sharpen its rubric, ask another model, or look at the labels.",
            place=f"{found.uncalibrated[0]}#/judge/calibration",
        )
    if not found.is_met:
        raise typer.Exit(1)


class Keeping:
    """Keeps results in the data directory. Where it cannot, it says so once, and evals are held all the same."""

    def __init__(self, home: Path, stack: ExitStack) -> None:
        self._home, self._stack, self._is_told = home, stack, False

    def __call__(self, begun: Begun) -> Keeper | None:
        """What keeps this one."""
        from lichen.runtime.trials.keeper import Keeper
        from lichen.testing.worlds import LiveClock

        try:
            keeper = Keeper(self._home, begun, clock=LiveClock().now_us, broken=self._tell)
        except OSError as error:
            self._tell(error)
            return None
        self._stack.callback(keeper.close)
        return keeper

    def _tell(self, error: OSError) -> None:
        if not self._is_told:
            note(f"What comes of this is not kept: {error.strerror} ({self._home}).")
        self._is_told = True


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


# -- what came of it, again --------------------------------------------------------------------------------------


@app.command("results")
@calling
def results(
    caller: Caller,
    result: Annotated[str | None, typer.Argument(help="The id of a result.", metavar="RESULT")] = None,
    baseline: Annotated[
        str, typer.Option(help="Beside which: `last`, the one before it; `none`; the id of another.")
    ] = "last",
    suite: Annotated[str | None, typer.Option(help="Of this file alone.")] = None,
) -> None:
    """Shows what came of evals before, or one result case by case, beside another.

    What was said is shown to whoever policy lets read it."""
    if result is not None:
        view = caller.client.get(f"evals/{segment(result)}", baseline=baseline)
        if not caller.screen.data(view):
            shown(caller.screen, view)
        return
    book = caller.client.get("evals", suite=suite)
    if not caller.screen.data(book):
        listed(caller.screen, book)


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
