"""`lichen runs`: what the agents are doing and did."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from lichen.cli.caller import Caller, calling
from lichen.cli.client import segment
from lichen.cli.moments import moment
from lichen.core.errors import NotFound

app = typer.Typer(name="runs", help="What the agents are doing and did.", no_args_is_help=True)

Run = Annotated[str, typer.Argument(help="The id of a run.", metavar="RUN")]


@app.command("list")
@calling
def list_runs(caller: Caller, limit: Annotated[int, typer.Option(help="How many, at most.")] = 20) -> None:
    """Lists the newest runs first."""
    runs = caller.client.get("runs", limit=limit)
    if not caller.screen.data(runs):
        rows = [(r["id"], r["agent"], r["status"], moment(r["started_at_us"]), r["session"] or "-") for r in runs]
        caller.screen.table(("id", "agent", "status", "started", "session"), rows, empty="There are no runs yet.")


@app.command()
@calling
def show(caller: Caller, run: Run) -> None:
    """Draws a run: every plan, decision, wait and call, and how long each took."""
    detail = found(caller, f"runs/{segment(run)}")
    if not caller.screen.data(detail):
        from lichen.cli.timeline import show_run

        show_run(caller.screen, detail)


@app.command()
@calling
def explain(caller: Caller, run: Run) -> None:
    """Says why a run is where it is: what is owed, waited for and due."""
    explanation = found(caller, f"runs/{segment(run)}/explain")
    if caller.screen.data(explanation):
        return
    caller.screen.line(f"{explanation['id']} is {explanation['status']}. {explanation['summary']}")
    for owed in explanation["obligations"]:
        caller.screen.line(f"  in flight   {owed}", "cyan")
    for wait in explanation["waits"]:
        what = f"{wait['kind']} of {wait['tool']}" if wait["tool"] else wait["kind"]
        caller.screen.line(f"  waits       {wait['id']}  {what}, by {' or '.join(wait['may_answer']) or 'the runtime'}")
    for child in explanation["children"]:
        caller.screen.line(f"  child       {child}")
    for timer in explanation["timers"]:
        caller.screen.line(f"  due         {timer['timer']} at {moment(timer['due_at_us'])}", "dim")


@app.command()
@calling
def cancel(caller: Caller, run: Run) -> None:
    """Ends a run: what has not started never will, what started is settled."""
    _steer(caller, run, "cancel", "is being cancelled")


@app.command()
@calling
def pause(caller: Caller, run: Run) -> None:
    """Halts a run at its next step."""
    _steer(caller, run, "pause", "is paused")


@app.command()
@calling
def resume(caller: Caller, run: Run) -> None:
    """Lets a paused run go on."""
    _steer(caller, run, "resume", "goes on")


def _steer(caller: Caller, run: str, verb: str, done: str) -> None:
    caller.client.post(f"runs/{segment(run)}/{verb}")
    if not caller.screen.data({"id": run, "done": verb}):
        caller.screen.line(f"{run} {done}.")


def found(caller: Caller, path: str) -> Any:
    """What is at a path of the named tenant; of whichever tenant has it when none is named."""
    if caller.tenant is not None or caller.has_key:
        return caller.client.get(path)
    missing: NotFound | None = None
    for scope in caller.client.get("scopes"):
        try:
            return caller.client.within(scope["tenant"], scope["env"]).get(path)
        except NotFound as error:
            missing = error
    raise missing or NotFound("No tenant is declared.", code="tenant_unknown")
