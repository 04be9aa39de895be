"""`lichen run`: one agent once, or the engine until it is told to end."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from lichen.cli.commands.chat import attachment
from lichen.cli.here.caller import Caller, calling
from lichen.cli.here.client import segment
from lichen.cli.here.host import hosting
from lichen.cli.here.narrowing import narrowing
from lichen.cli.serving.serve import LogFormat, LogLevel, write_lines
from lichen.cli.show.lines import Verbose, log_lines
from lichen.cli.show.screen import note
from lichen.core.words.errors import Invalid

if TYPE_CHECKING:
    from lichen.serve.http.lines import LineFormat

WAIT_S = 20.0


Schema = Annotated[
    Path | None,
    typer.Option("--schema", help="A JSON Schema that the answer has to fit.", metavar="FILE"),
]
SCHEMA_BYTES_MAX = 64 * 1024


@calling
@narrowing
def run(
    caller: Caller,
    agent: Annotated[str | None, typer.Argument(help="The agent, by name.", metavar="[AGENT]")] = None,
    text: Annotated[str | None, typer.Argument(help="What to tell it; from stdin if left out.")] = None,
    stay: Annotated[bool, typer.Option("--stay", help="Host the engine until SIGTERM instead.")] = False,
    log_format: LogFormat = "text",
    log_level: LogLevel = "info",
    schema: Schema = None,
    *,
    overrides: dict[str, Any] | None = None,
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
        _once(caller, agent, text, schema, overrides)


@calling
@narrowing
def ask(
    caller: Caller,
    text: Annotated[str | None, typer.Argument(help="The question; from stdin if left out.", metavar="[TEXT]")] = None,
    agent: Annotated[str | None, typer.Option(help="Another agent than the tenant's own.", metavar="NAME")] = None,
    schema: Schema = None,
    attach: Annotated[
        list[Path] | None, typer.Option(help="A file that goes with it; may be repeated.", metavar="FILE")
    ] = None,
    verbose: Verbose = False,
    *,
    overrides: dict[str, Any] | None = None,
) -> None:
    """Asks an agent one question outside of any conversation.

    With --attach the question, its files and the answer are a conversation of their own. With --schema the answer is
    JSON that fits it, or the command fails with the code of why not.

    Who names nobody is, where a project is developed, the customer that its `lichen.toml` declares first."""
    log_lines(verbose=verbose)
    caller.as_some_customer()
    _once(caller, agent, text, schema, overrides, [attachment(path) for path in attach or ()])


def _once(
    caller: Caller,
    agent: str | None,
    text: str | None,
    schema: Path | None,
    overrides: dict[str, Any] | None,
    files: Sequence[Mapping[str, str]] = (),
) -> None:
    caller.client.connection.expect_models()
    said = text if text is not None else sys.stdin.read()
    body = {"text": said, "answers": _read(schema), "overrides": overrides}
    if files:
        _ended(caller, _said_once(caller, agent, {**body, "attachments": files}))
    else:
        _ended(caller, caller.client.post("runs", {"agent": agent, **body})["id"])


def _said_once(caller: Caller, agent: str | None, message: dict[str, Any]) -> str:
    """Says this in a conversation of its own, where files belong to, and returns the run that answers it."""
    session = caller.client.post("sessions", {"agent": agent, "channel": "cli"})["id"]
    path = f"sessions/{segment(session)}/messages"
    run = caller.client.post(path, message)["run"]
    while run is None:
        found = caller.client.get(path, wait_s=WAIT_S)
        replies = found["messages"]
        for reply in replies:  # what is said of it is told once, below
            caller.client.post(f"{path}/{segment(reply['id'])}/delivered")
        run = next((reply["run"] for reply in replies if reply["run"]), None)
        if run is None and not found["owing"]:
            note(f"No run came of it. `lichen sessions show {session}{caller.options}` says what did.")
            raise typer.Exit(1)
    return run


def _ended(caller: Caller, id: str) -> None:
    """Waits for the end of a run, and tells it."""
    outcome = {"moving": True}
    while outcome["moving"]:
        outcome = caller.client.get(f"runs/{segment(id)}/result", wait_s=WAIT_S)
    if not caller.screen.data(outcome):
        _tell(caller, outcome)
    if outcome["status"] in ("failed", "cancelled"):
        raise typer.Exit(1)


def _tell(caller: Caller, outcome: dict[str, Any]) -> None:
    if outcome["value"] is not None:
        caller.screen.line(json.dumps(outcome["value"], ensure_ascii=False))
    elif outcome["answer"] is not None:
        caller.screen.line(outcome["answer"])
    if outcome["status"] == "failed":
        id = outcome["id"]
        note(f"{id} failed: {outcome['code']}. `lichen runs explain {id}{caller.options}` says why.")
    for wait in outcome["waits"]:
        note(f"{outcome['id']} waits for {wait}. See `lichen approvals show {wait}{caller.options}`.")


def _read(schema: Path | None) -> Any:
    """The JSON Schema in a file. Raises Invalid (`answer_schema_invalid`)."""
    if schema is None:
        return None
    step = "Name a file that holds one JSON Schema."
    try:
        data = schema.read_bytes()
        found = json.loads(data) if len(data) <= SCHEMA_BYTES_MAX else None
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        message = "The file cannot be read, is no JSON object, or is too large."
        raise Invalid(message, code="answer_schema_invalid", next_step=step, place=str(schema))
    return cast("dict[str, Any]", found)


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
