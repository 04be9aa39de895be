"""`lichen runs`: what the agents are doing and did."""

from __future__ import annotations

import sys
from typing import Annotated, Any, Final

import typer

from lichen.cli.commands.sessions import Sources, Why
from lichen.cli.here.caller import Caller, calling
from lichen.cli.here.client import segment
from lichen.cli.here.narrowing import narrowing
from lichen.cli.here.seeking import found, whose
from lichen.cli.show.moments import moment
from lichen.cli.show.waiting import tell_waiting
from lichen.core.words.errors import Invalid

ASKED_CHARS: Final = 48
INPUT_BYTES_MAX: Final = 64 * 1024

app = typer.Typer(name="runs", help="What the agents are doing and did.", no_args_is_help=True)

Run = Annotated[str, typer.Argument(help="The id of a run.", metavar="RUN")]


@app.command("list")
@calling
def list_runs(caller: Caller, limit: Annotated[int, typer.Option(help="How many, at most.")] = 20) -> None:
    """Lists the newest runs first."""
    runs = caller.client.get("runs", limit=limit)
    if not caller.screen.data(runs):
        rows = [
            (r["id"], r["result"], r["who"], r["agent"], _asked(r), r["summary"] or "-", moment(r["started_at_us"]))
            for r in runs
        ]
        columns = ("id", "result", "who", "agent", "asked", "outcome", "started")
        caller.screen.table(columns, rows, empty="There are no runs yet.")


def _asked(run: dict[str, Any]) -> str:
    """The first words of what was asked."""
    asked = run["asked"]
    if asked is None:
        return "(not shown)" if run["is_sealed"] else "(erased)"
    return asked if len(asked) <= ASKED_CHARS else f"{asked[: ASKED_CHARS - 1]}…"


@app.command()
@calling
def show(
    caller: Caller,
    run: Run,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Shows what happens until it is over.")] = False,
) -> None:
    """Draws a run: every plan, decision, wait and call, and how long each took.

    With --follow: line by line as it happens, in a terminal with what its models say. The exit code is then 0 for a
    run that completed, 1 for one that failed, 3 for one that was cancelled. It survives the end of whoever hosts the
    run; Ctrl-C ends the looking, not the run."""
    if follow:
        _follow(caller, run)
        return
    detail = found(caller, f"runs/{segment(run)}")
    if not caller.screen.data(detail):
        from lichen.cli.show.timeline import show_run

        show_run(caller.screen, detail)
        tell_waiting(caller.screen, detail["replies"])


def _follow(caller: Caller, run: str) -> None:
    """What happens in a run until it is over, then what it cost."""
    from lichen.cli.here.following import Following
    from lichen.cli.show.live import EXITS, Live

    client = whose(caller, f"runs/{segment(run)}/result")
    live = Live(caller.screen)
    for happened in Following(client, run, pieces=caller.screen.is_terminal):
        if happened.kind == "piece":
            live.piece(happened.data)
        elif not caller.screen.event(happened.data):
            live.record(happened.data)
            if happened.data["type"] == "planned":
                live.requests(client.get(f"runs/{segment(run)}")["models"])
    if not caller.screen.as_json:
        live.cost(client.get(f"runs/{segment(run)}")["tree"])
    raise typer.Exit(EXITS.get(live.outcome or client.get(f"runs/{segment(run)}/result")["status"], 1))


@app.command()
@calling
def explain(caller: Caller, run: Run) -> None:
    """Says why a run is where it is: what is owed, waited for and due."""
    explanation = found(caller, f"runs/{segment(run)}/explain")
    if caller.screen.data(explanation):
        return
    caller.screen.line(f"{explanation['id']} is {explanation['story']['result']}. {explanation['summary']}")
    for owed in explanation["obligations"]:
        caller.screen.line(f"  in flight   {owed}", "cyan")
    for wait in explanation["waits"]:
        what = f"{wait['kind']} of {wait['tool']}" if wait["tool"] else wait["kind"]
        caller.screen.line(f"  waits       {wait['id']}  {what}, by {' or '.join(wait['may_answer']) or 'the runtime'}")
    for child in explanation["children"]:
        caller.screen.line(f"  child       {child}")
    for timer in explanation["timers"]:
        caller.screen.line(f"  due         {timer['timer']} at {moment(timer['due_at_us'])}", "dim")
    tell_waiting(caller.screen, explanation["replies"])
    from lichen.cli.show.account import tell_failures

    tell_failures(caller.screen, explanation["story"])


@app.command()
@calling
@narrowing
def start(
    caller: Caller,
    agent: Annotated[str, typer.Argument(help="The name of an agent or flow.", metavar="AGENT")],
    text: Annotated[str, typer.Argument(help="What it is told.")] = "",
    json_input: Annotated[
        str, typer.Option("--json-input", help="What it begins with, as JSON; `-` reads it from stdin.")
    ] = "",
    idempotency_key: Annotated[str, typer.Option(help="With the same key it is the same run.")] = "",
    wait_s: Annotated[float, typer.Option("--wait-s", min=0, help="Waits so long for the answer.")] = 0.0,
    *,
    overrides: dict[str, Any] | None = None,
) -> None:
    """Starts a run without a session: of an agent with a text, of a flow with JSON."""
    given = _read_json(json_input) if json_input else None
    body = {"agent": agent, "text": text, "input": given, "overrides": overrides}
    run = caller.client.post("runs", body, key=idempotency_key or None)["id"]
    outcome = caller.client.get(f"runs/{segment(run)}/result", wait_s=wait_s) if wait_s else {"id": run}
    if not caller.screen.data(outcome):
        caller.screen.line(outcome.get("answer") or f"{run} has begun: `lichen runs show {run}` draws it.")


def _read_json(text: str) -> Any:
    """The JSON of an option, or of stdin for `-`. Raises Invalid (`input_invalid`)."""
    import msgspec

    data = sys.stdin.buffer.read(INPUT_BYTES_MAX + 1) if text == "-" else text.encode()
    try:
        return msgspec.json.decode(data[: INPUT_BYTES_MAX + 1])
    except (msgspec.DecodeError, RecursionError):
        message = "The input is no JSON."
        raise Invalid(
            message, code="input_invalid", next_step="""Write --json-input '{"answers": {"name": "x"}}'."""
        ) from None


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


@app.command()
@calling
def declassify(caller: Caller, run: Run, source: Sources, reason: Why) -> None:
    """Vouches for what a run has read: it goes on without these sources of its label.

    `lichen runs show RUN --json` names the sources of each record."""
    caller.client.post(f"runs/{segment(run)}/declassify", {"sources": source, "reason": reason})
    if not caller.screen.data({"id": run, "declassified": source}):
        caller.screen.line(f"{run} goes on without {', '.join(source)}.")


def _steer(caller: Caller, run: str, verb: str, done: str) -> None:
    caller.client.post(f"runs/{segment(run)}/{verb}")
    if not caller.screen.data({"id": run, "done": verb}):
        caller.screen.line(f"{run} {done}.")
