"""`lichen run`: one agent once, or the engine until it is told to end."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lichen.cli.here.caller import Caller, calling
from lichen.cli.here.client import segment
from lichen.cli.here.host import hosting
from lichen.cli.serving.serve import LogFormat, LogLevel, write_lines
from lichen.cli.show.screen import note
from lichen.core.words.errors import Invalid

if TYPE_CHECKING:
    from lichen.serve.http.lines import LineFormat

WAIT_S = 20.0


@calling
def run(
    caller: Caller,
    agent: Annotated[str | None, typer.Argument(help="The agent, by name.", metavar="[AGENT]")] = None,
    text: Annotated[str | None, typer.Argument(help="What to tell it; from stdin if left out.")] = None,
    stay: Annotated[bool, typer.Option("--stay", help="Host the engine until SIGTERM instead.")] = False,
    log_format: LogFormat = "text",
    log_level: LogLevel = "info",
) -> None:
    """Runs one agent once, or hosts the engine.

    With --stay the engine runs until SIGTERM, and every other command on the same data works through it."""
    if stay:
        _host(caller, log_format, log_level)
    elif agent is None:
        raise Invalid(
            "No agent is named.", code="agent_missing", next_step="Name one, or use --stay to host the engine."
        )
    else:
        _once(caller, agent, text if text is not None else sys.stdin.read())


def _once(caller: Caller, agent: str, text: str) -> None:
    id = caller.client.post("runs", {"agent": agent, "text": text})["id"]
    outcome = {"moving": True}
    while outcome["moving"]:
        outcome = caller.client.get(f"runs/{segment(id)}/result", wait_s=WAIT_S)
    if not caller.screen.data(outcome):
        _tell(caller, outcome)
    if outcome["status"] in ("failed", "cancelled"):
        raise typer.Exit(1)


def _tell(caller: Caller, outcome: dict[str, Any]) -> None:
    if outcome["answer"] is not None:
        caller.screen.line(outcome["answer"])
        return
    for wait in outcome["waits"]:
        note(f"{outcome['id']} waits for {wait}. See `lichen approvals show {wait}{caller.options}`.")


def _host(caller: Caller, log_format: LineFormat, log_level: str) -> None:
    """Owns the data directory until SIGTERM or Ctrl-C, then drains."""
    from lichen.serve.http.lines import event

    write_lines(caller.client.connection.project.settings, log_format, log_level)
    with hosting(caller.client.connection) as host:
        for notice in host.owner.notices:
            note(notice)
        socket = str(caller.client.connection.workspace.socket)
        if not caller.screen.event({"serving": socket}):
            caller.screen.line(f"serving on {socket}")
        event("started", {"socket": socket})
        host.stay()
        event("stopping", {"socket": socket})
    event("stopped", {"socket": socket})
