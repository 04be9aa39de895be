"""`lichen stop` and `lichen start`: the kill switch, and the end of the process that owns the data."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from lichen.cli.here.caller import Caller, calling
from lichen.cli.show.moments import moment
from lichen.core.words.errors import Invalid, NotFound


class Kind(StrEnum):
    """What can be stopped, and started again."""

    TENANT = "tenant"
    AGENT = "agent"
    TOOL = "tool"
    RUN = "run"


class Stoppable(StrEnum):
    """What can be stopped: any of `Kind`, and the process."""

    TENANT = "tenant"
    AGENT = "agent"
    TOOL = "tool"
    RUN = "run"
    PROCESS = "process"


What = Annotated[Kind, typer.Argument(help="What kind of thing.")]
Name = Annotated[str, typer.Argument(help="Its name or id; a tenant is the one of --tenant.", metavar="[NAME]")]
Reason = Annotated[str, typer.Option(help="Why; kept sealed in the log.")]


@calling
def stop(
    caller: Caller,
    kind: Annotated[Stoppable, typer.Argument(help="What kind of thing.")],
    name: Name = "",
    reason: Reason = "",
    anyway: Annotated[bool, typer.Option("--anyway", help="Also what is not there yet.")] = False,
) -> None:
    """Stops a tool, agent, run or tenant, or ends the process.

    From now on nothing of it begins an effect; what has begun is brought to its end. What is not there is not stopped,
    and the answer says so. A process ends as by SIGTERM: what is in flight may end, nothing is lost."""
    if kind is Stoppable.PROCESS:
        _end_process(caller, name)
        return
    wanted = {"kind": kind.value, "name": _checked(Kind(kind.value), name), "reason": reason, "anyway": anyway}
    _confirm(caller, caller.client.post("stops", wanted), "stopped")


@calling
def start(caller: Caller, kind: What, name: Name = "", reason: Reason = "") -> None:
    """Takes a stop back."""
    wanted = {"kind": kind.value, "name": _checked(kind, name), "reason": reason}
    _confirm(caller, caller.client.post("stops/release", wanted), "started")


@calling
def stops(caller: Caller) -> None:
    """Lists what is stopped now, by whom and why."""
    found = caller.client.get("stops")
    if caller.screen.data(found):
        return
    rows = [(stop["kind"], stop["name"], stop["by_name"], moment(stop["at_us"]), stop["reason"]) for stop in found]
    caller.screen.table(("kind", "name", "by", "since", "reason"), rows, empty="Nothing is stopped.")


def _end_process(caller: Caller, name: str) -> None:
    """Asks the process that owns the data to end. Raises NotFound (`process_unknown`) when none does."""
    if name:
        raise Invalid("There is one process, without a name.", code="name_unneeded", next_step="Leave the name out.")
    if not caller.client.connection.is_answered():
        raise NotFound(
            "No process serves this data directory.",
            code="process_unknown",
            next_step="Run `lichen serve` or `lichen run --stay` to start one.",
            place=str(caller.client.connection.workspace.home),
        )
    caller.client.post("process/stop")
    if not caller.screen.data({"kind": "process", "state": "ending"}):
        caller.screen.line("The process is ending: what is in flight may end, and nothing is lost.")


def _checked(kind: Kind, name: str) -> str:
    if not name and kind is not Kind.TENANT:
        raise Invalid(f"No {kind.value} is named.", code="name_missing", next_step=f"Say which {kind.value}.")
    return name


def _confirm(caller: Caller, hit: dict[str, Any], done: str) -> None:
    if not caller.screen.data({**hit, "state": done}):
        calls = f" {hit['calls']} open calls are held by it." if done == "stopped" else ""
        caller.screen.line(f"{hit['kind']} {hit['name']} is {done}.{calls}")
