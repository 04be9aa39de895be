"""`lichen schedules`: what begins by itself, when it is next, and what became of its ticks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer

from lichen.cli.here.caller import Caller, calling
from lichen.cli.show.moments import moment

app = typer.Typer(name="schedules", help="What begins by itself: when, and what became of it.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Its name in lichen.toml.", metavar="NAME")]
Reason = Annotated[str, typer.Option(help="Why, for the log.")]
TONES = {"dead": "bold red", "failed": "red", "skipped": "yellow", "missed": "yellow", "cancelled": "yellow"}


@app.command("list")
@calling
def list_schedules(caller: Caller) -> None:
    """Lists the schedules of a tenant, and when each is next."""
    found = caller.client.get("schedules")
    if caller.screen.data(found):
        return
    rows = [
        (
            each["name"],
            each["target"],
            each["when"],
            each["state"],
            moment(each["next_us"][0]) if each["next_us"] else "-",
            each["last"]["summary"] if each["last"] is not None else "-",
            str(each["dead"] or "-"),
        )
        for each in found
    ]
    heads = ("name", "begins", "when", "state", "next", "last", "failed")
    caller.screen.table(heads, rows, empty="No schedule is named in lichen.toml.")


@app.command()
@calling
def show(caller: Caller, name: Name) -> None:
    """Shows a schedule: its next moments, and its ticks that wait, are under way, or failed for good."""
    found = caller.client.get(f"schedules/{name}")
    if caller.screen.data(found):
        return
    schedule = found["schedule"]
    caller.screen.line(f"{schedule['summary']}, {schedule['state']}")
    terms = f"missed: {schedule['catch_up']}, overlap: {schedule['overlap']}, retries: {schedule['retries']}"
    caller.screen.line(terms, "dim")
    for due_us in schedule["next_us"]:
        caller.screen.line(f"next {moment(due_us)}", "dim")
    _ticks(caller, [*found["open"], *found["dead"], *found["recent"][:5]])
    if found["dead"]:
        caller.screen.line(f"`lichen schedules replay {name} TICK` begins one again that failed.", "dim")


@app.command()
@calling
def history(
    caller: Caller, name: Name, limit: Annotated[int, typer.Option(min=1, max=200, help="How many, at most.")] = 20
) -> None:
    """Shows what became of the last ticks, the newest first."""
    found = caller.client.get(f"schedules/{name}")
    ticks = [*found["open"], *found["recent"]][:limit]
    if not caller.screen.data(ticks):
        _ticks(caller, ticks)


@app.command()
@calling
def pause(caller: Caller, name: Name, reason: Reason = "") -> None:
    """Begins nothing more until it is resumed; what has begun goes on."""
    _steer(caller, name, "pause", {"reason": reason})


@app.command()
@calling
def resume(caller: Caller, name: Name, reason: Reason = "") -> None:
    """Begins again what comes due from now on."""
    _steer(caller, name, "resume", {"reason": reason})


@app.command()
@calling
def run(caller: Caller, name: Name) -> None:
    """Begins it once, now."""
    _said(caller, caller.client.post(f"schedules/{name}/run"))


@app.command()
@calling
def replay(caller: Caller, name: Name, tick: Annotated[str, typer.Argument(help="The tick's id.")]) -> None:
    """Begins a tick again that failed for good."""
    _said(caller, caller.client.post(f"schedules/{name}/replay", {"tick": tick}))


def _steer(caller: Caller, name: str, what: str, body: Mapping[str, str]) -> None:
    found = caller.client.post(f"schedules/{name}/{what}", dict(body))
    if not caller.screen.data(found):
        following = f", next {moment(found['next_us'][0])}" if found["next_us"] else ""
        caller.screen.line(f"{name} is {found['state']}{following}.")


def _said(caller: Caller, tick: Mapping[str, Any]) -> None:
    if not caller.screen.data(tick):
        about = f", run {tick['run']}" if tick["run"] else ""
        caller.screen.line(f"tick {tick['id']}: {tick['summary']}{about}", TONES.get(tick["stage"]))


def _ticks(caller: Caller, ticks: Iterable[Mapping[str, Any]]) -> None:
    rows = [
        (each["id"], moment(each["due_us"]), each["summary"], str(each["attempt"]), each["run"] or "-")
        for each in ticks
    ]
    caller.screen.table(("tick", "due", "what", "attempt", "run"), rows, empty="It never came due.")
