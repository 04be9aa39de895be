"""`lichen log backup` and `lichen log restore`: the logs to one place, their keys to another, and back."""

from __future__ import annotations

import os
import time
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from lichen.cli.caller import Caller, calling
from lichen.cli.entrance import entrance
from lichen.cli.project import locate
from lichen.cli.screen import Screen, note
from lichen.core.errors import Invalid

LONG_S = 3600.0


@calling
def backup(
    caller: Caller,
    to: Annotated[Path, typer.Argument(help="Where the logs go: a folder that does not exist yet.", metavar="FOLDER")],
    keys: Annotated[Path | None, typer.Option(help="Where the keys go; never into the same place.")] = None,
) -> None:
    """Copies every log while it is in use.

    Keys are left out unless they are given a place of their own: together they would undo every erasure made since.
    """
    places = {"to": str(to.resolve()), "keys": str(keys.resolve()) if keys is not None else None}
    done = caller.client.post("log/backup", places, answer_s=LONG_S)
    if not caller.screen.data(done):
        caller.screen.line(f"Logs are in {done['to']}.")
        note(f"Keys are in {done['keys']}." if done["keys"] else "Without its keys nobody can read this backup.")


def restore(
    logs: Annotated[Path, typer.Argument(help="A backup of logs.", metavar="FOLDER")],
    keys: Annotated[Path | None, typer.Option(help="A backup of keys, when those in use are lost.")] = None,
    newest: Annotated[
        list[Path] | None, typer.Option(help="Logs newer than the backup, for the erasures they record. Repeatable.")
    ] = None,
    erasures: Annotated[
        list[Path] | None, typer.Option(help="A list of erasures kept elsewhere (erasures.jsonl). Repeatable.")
    ] = None,
    accept_loss: Annotated[
        bool, typer.Option("--accept-loss", help="What came after the backup is lost, and that is so.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout and nothing else.")] = False,
) -> None:
    """Puts a backup into an empty data directory.

    The keys first, without any that was destroyed since; then the logs. A log older than what its keys remember is
    refused by every command until the loss is accepted.
    """
    from lichen.log.backup import restore_keys, restore_logs

    home = locate().home
    with entrance(home):
        if keys is not None:
            restore_keys(keys, home / "keys", homes=[logs, *(newest or [])], erasure_lists=erasures or [])
        elif not (home / "keys" / "master.key").exists():
            raise Invalid(
                "There are no keys here, and without them nobody can read the logs.",
                code="keys_missing",
                next_step="Name a backup of the keys with --keys.",
                place=str(home / "keys"),
            )
        restore_logs(logs, home)
        if accept_loss:
            _accept_loss(home)
    screen = Screen(as_json=as_json)
    if not screen.data({"home": str(home), "accepted_loss": accept_loss}):
        screen.line(f"The logs are in {home}. Run `lichen log verify` before you go on.")


def _accept_loss(home: Path) -> None:
    from lichen.log.backup import accept_loss
    from lichen.log.keys import Keyring

    with closing(Keyring.open(home / "keys", os.urandom)) as keyring:  # noqa: TID251 - the outermost adapter
        accept_loss(home, keyring, time.time_ns() // 1000)  # noqa: TID251
