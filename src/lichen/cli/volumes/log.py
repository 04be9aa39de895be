"""`lichen log`: read the log, prove it, take it away, back it up, erase a person from it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from lichen.cli.commands.keys import Kind
from lichen.cli.here.caller import Caller, calling
from lichen.cli.show.moments import moment, position
from lichen.cli.volumes import backup, moving, proof
from lichen.core.words.errors import Conflict, Invalid

app = typer.Typer(name="log", help="Read the log, prove it, take it away, back it up.", no_args_is_help=True)

PAGE = 500

app.command("verify")(proof.verify)
app.command("head")(proof.head)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("move")(moving.move)


@app.command()
@calling
def show(
    caller: Caller,
    after: Annotated[int, typer.Option(help="The position after which to begin.", min=0)] = 0,
    limit: Annotated[int, typer.Option(help="How many stored records, at most; one may hold several.", min=1)] = 100,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with records as they come.")] = False,
) -> None:
    """Shows records in order: position, time, stream, type, and the few fields that matter."""
    while limit > 0:
        page = caller.client.get("log/records", after=after, limit=min(limit, PAGE), wait_s=20.0 if follow else 0.0)
        for record in page:
            if not caller.screen.event(record):
                line = f"{position(record):>8}  {moment(record['ts_us'])}  {record['stream']:<32}  {record['type']:<18}"
                caller.screen.line(f"{line}  {record['summary']}")
        if not page and not follow:
            return
        after = page[-1]["seq"] if page else after
        limit -= 0 if follow else len({record["seq"] for record in page})


@app.command()
@calling
def export(
    caller: Caller,
    to: Annotated[Path | None, typer.Argument(help="The file to write; stdout if left out.", metavar="[FILE]")] = None,
    run: Annotated[str | None, typer.Option(help="Only this run.", metavar="RUN")] = None,
    session: Annotated[str | None, typer.Option(help="Only this session.", metavar="SESSION")] = None,
) -> None:
    """Writes the log, or a run or session of it, with the proofs by which anybody can verify it."""
    from lichen.log.disk.files import write_new_file

    if to is not None and to.exists():
        raise Conflict("The file exists already.", code="file_exists", next_step="Name another.", place=str(to))
    data: bytes = caller.client.get("log/export", run=run, session=session)
    if to is None:
        sys.stdout.buffer.write(data)
        return
    write_new_file(to, data)
    signer = proof.signer(data)
    if not caller.screen.data({"file": str(to), "bytes": len(data), "public_key": signer}):
        caller.screen.line(f"{to}: {len(data)} bytes, signed by {signer}.")


@app.command()
@calling
def erase(
    caller: Caller,
    actor: Annotated[
        str, typer.Argument(help="Whose contents become unreadable for good: their id or pseudonym.", metavar="ACTOR")
    ],
    kind: Annotated[Kind, typer.Option(help="What the actor is, when an id is given.")] = Kind.CUSTOMER,
    force: Annotated[bool, typer.Option("--force", help="Shut somebody out beforehand whom nobody knows.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Destroys the keys of everything a person said. The log still verifies and runs still list.

    Whom nobody knows is not erased, and the answer says so.
    """
    if not yes:
        if not sys.stdin.isatty():
            raise Invalid("This cannot be undone.", code="not_confirmed", next_step="Say --yes if you mean it.")
        typer.confirm(f"Make everything of {actor} unreadable, for good?", abort=True, err=True)
    erased = caller.client.post("log/erase", {"actor": actor, "kind": kind.value, "force": force})
    if caller.screen.data(erased):
        return
    if erased["is_repeated"]:
        caller.screen.line(f"{actor} was erased before; nothing was left to erase.")
        return
    counts = ", ".join(_count(erased[f"{name}s"], name) for name in ("session", "run", "record"))
    caller.screen.line(f"{actor} is erased: {counts}, {_count(erased['keys'], 'key')} destroyed.")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
