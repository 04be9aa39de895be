"""`lichen log`: read the log, prove it, take it away, back it up, erase a person from it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from lichen.cli.caller import Caller, calling
from lichen.cli.moments import moment
from lichen.cli.screen import note
from lichen.core.errors import Conflict, Invalid

app = typer.Typer(name="log", help="Read the log, prove it, take it away, back it up.", no_args_is_help=True)

LONG_S = 3600.0
PAGE = 500


@app.command()
@calling
def show(
    caller: Caller,
    after: Annotated[int, typer.Option(help="The position after which to begin.", min=0)] = 0,
    limit: Annotated[int, typer.Option(help="How many records, at most.", min=1)] = 100,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with records as they come.")] = False,
) -> None:
    """Shows records in order: position, time, stream, type, and the few fields that matter."""
    from lichen.cli.timeline import summary

    while limit > 0:
        page = caller.client.get("log/records", after=after, limit=min(limit, PAGE), wait_s=20.0 if follow else 0.0)
        for record in page:
            if not caller.screen.event(record):
                line = f"{record['seq']:>6}  {moment(record['ts_us'])}  {record['stream']:<32}  {record['type']:<18}"
                caller.screen.line(f"{line}  {summary(record)}")
        if not page and not follow:
            return
        after = page[-1]["seq"] if page else after
        limit -= 0 if follow else len(page)


@app.command()
@calling
def verify(caller: Caller) -> None:
    """Proves the log: reads every record again, checks chain, tree and signatures, rebuilds every view and compares.

    Without a tenant, every log of the data directory. Exit code 1 when anything is wrong.
    """
    reports: list[dict[str, Any]] = []
    for scope in _scopes(caller):
        client = caller.client.within(scope["tenant"], scope["env"]) if scope else caller.client
        reports.append(client.post("log/verify", answer_s=LONG_S))
    if not caller.screen.data(reports[0] if caller.tenant or caller.has_key else reports):
        for report in reports:
            _tell(caller, report)
    if not all(_is_fine(report) for report in reports):
        raise typer.Exit(1)


def _scopes(caller: Caller) -> list[dict[str, Any] | None]:
    """The named scope, or all of them."""
    return [None] if caller.tenant is not None or caller.has_key else caller.client.get("scopes")


def _is_fine(report: dict[str, Any]) -> bool:
    return bool(report["ok"])


def _tell(caller: Caller, report: dict[str, Any]) -> None:
    for name, value in report.items():
        caller.screen.line(f"{name:<16}  {value}")


@app.command()
@calling
def export(
    caller: Caller,
    to: Annotated[Path | None, typer.Argument(help="The file to write; stdout if left out.", metavar="[FILE]")] = None,
    run: Annotated[str | None, typer.Option(help="Only this run.", metavar="RUN")] = None,
    session: Annotated[str | None, typer.Option(help="Only this session.", metavar="SESSION")] = None,
) -> None:
    """Writes the log, or a run or session of it, with the proofs by which anybody can verify it."""
    if to is not None and to.exists():
        raise Conflict("The file exists already.", code="file_exists", next_step="Name another.", place=str(to))
    data: bytes = caller.client.get("log/export", run=run, session=session)
    if to is None:
        sys.stdout.buffer.write(data)
        return
    to.write_bytes(data)
    if not caller.screen.data({"file": str(to), "bytes": len(data)}):
        caller.screen.line(f"{to}: {len(data)} bytes.")


@app.command()
@calling
def backup(
    caller: Caller,
    to: Annotated[Path, typer.Argument(help="Where the logs go: a folder that does not exist yet.", metavar="FOLDER")],
    keys: Annotated[Path | None, typer.Option(help="Where the keys go; never into the same place.")] = None,
) -> None:
    """Copies every log while it is in use. Keys are left out unless they are given a place of their own."""
    places = {"to": str(to.resolve()), "keys": str(keys.resolve()) if keys is not None else None}
    done = caller.client.post("log/backup", places, answer_s=LONG_S)
    if not caller.screen.data(done):
        caller.screen.line(f"Logs are in {done['to']}.")
        note(f"Keys are in {done['keys']}." if done["keys"] else "Without its keys nobody can read this backup.")


@app.command()
@calling
def erase(
    caller: Caller,
    actor: Annotated[str, typer.Argument(help="Whose contents become unreadable for good.", metavar="ACTOR")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Destroys the keys of everything a customer said. The log still verifies and runs still list."""
    if not yes:
        if not sys.stdin.isatty():
            raise Invalid("This cannot be undone.", code="not_confirmed", next_step="Say --yes if you mean it.")
        typer.confirm(f"Make everything of {actor} unreadable, for good?", abort=True, err=True)
    erased = caller.client.post("log/erase", {"actor": actor})
    if not caller.screen.data(erased):
        caller.screen.line(f"{actor}: {erased['keys']} keys destroyed.")
