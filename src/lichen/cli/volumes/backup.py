"""`lichen log backup` and `lichen log restore`: the logs to one place, their keys to another, and back."""

from __future__ import annotations

import os
import time
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from lichen.cli.here.caller import Caller, calling
from lichen.cli.here.entrance import entrance
from lichen.cli.here.workspace import locate
from lichen.cli.show.moments import moment
from lichen.cli.show.screen import Screen, note
from lichen.core.words.errors import Invalid

LONG_S = 3600.0


@calling
def backup(
    caller: Caller,
    to: Annotated[Path, typer.Argument(help="Where the logs go: a folder that does not exist yet.", metavar="FOLDER")],
    keys: Annotated[Path | None, typer.Option(help="Where the keys go; never into the same place.")] = None,
) -> None:
    """Copies the logs of a tenant, or every log if none is named, while they are in use.

    Keys are left out unless they are given a place of their own: together they would undo every erasure made since.
    """
    places = {"to": str(to.resolve()), "keys": str(keys.resolve()) if keys is not None else None}
    done = caller.client.post("log/backup", places, answer_s=LONG_S)
    if not caller.screen.data(done):
        caller.screen.line(f"{', '.join(done['logs'])}: {done['records']} records are in {done['to']}.")
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
    no_newer_logs: Annotated[
        bool,
        typer.Option(
            "--no-newer-logs", help="There are no newer logs and no list: what was erased since is not known."
        ),
    ] = False,
    accept_loss: Annotated[
        bool, typer.Option("--accept-loss", help="What came after the backup is lost, and that is so.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout and nothing else.")] = False,
) -> None:
    """Puts a backup into an empty data directory.

    The keys first, without any that was destroyed since; then the logs. Keys are copied before an erasure as often as
    after it, so say what knows of the erasures since: --newest, --erasures, or that there is nothing. A log older than
    what its keys remember is refused by every command until the loss is accepted.
    """
    from lichen.log.audit.backup import restore_logs

    home, known_until_us = locate().home, None
    with entrance(home):
        applied = _restored_keys(home, logs, keys, newest or [], erasures or [], no_newer_logs=no_newer_logs)
        restore_logs(logs, home)
        if accept_loss:
            _accept_loss(home)
        if no_newer_logs:
            known_until_us = _known_until_us(home)
    screen = Screen(as_json=as_json)
    told = {"home": str(home), "accepted_loss": accept_loss, "erasures_applied": applied}
    if not screen.data({**told, "erasures_known_until_us": known_until_us}):
        screen.line(f"The logs are in {home}; {applied} erasures were applied to the keys.")
        if no_newer_logs:
            note(_ends_at(known_until_us))
        screen.line("Run `lichen log verify` before you go on.")


def _ends_at(known_until_us: int | None) -> str:
    """The warning that keys know of no erasure after a moment."""
    last = "nobody knows when" if known_until_us is None else moment(known_until_us)
    return f"These keys know of nothing after {last}: whoever was erased later is readable. Erase them again."


def _restored_keys(
    home: Path, logs: Path, keys: Path | None, newest: list[Path], erasures: list[Path], *, no_newer_logs: bool
) -> int:
    """Puts the keys in place, if there are some to put. Returns how many erasures were applied to them.

    Raises Invalid (`erasures_unknown`, `keys_missing`).
    """
    from lichen.log.audit.backup import restore_keys

    if keys is None and not (home / "keys" / "master.key").exists():
        raise Invalid(
            "There are no keys here, and without them nobody can read the logs.",
            code="keys_missing",
            next_step="Name a backup of the keys with --keys.",
            place=str(home / "keys"),
        )
    if keys is None:
        return 0
    if not (newest or erasures or no_newer_logs):
        raise Invalid(
            "Older keys would make readable again what was erased since they were copied.",
            code="erasures_unknown",
            next_step="Name the newest logs with --newest or the list with --erasures; or say --no-newer-logs.",
            place=str(keys),
        )
    return len(restore_keys(keys, home / "keys", homes=[logs, *newest], erasure_lists=erasures))


def _known_until_us(home: Path) -> int | None:
    """When the newest head was signed that lies with the keys."""
    from lichen.log.keys.keyring import Keyring

    with closing(Keyring.open(home / "keys", os.urandom)) as keyring:  # noqa: TID251 - the outermost adapter
        return keyring.newest_head_us()


def _accept_loss(home: Path) -> None:
    from lichen.log.audit.backup import accept_loss
    from lichen.log.keys.keyring import Keyring

    with closing(Keyring.open(home / "keys", os.urandom)) as keyring:  # noqa: TID251 - the outermost adapter
        accept_loss(home, keyring, time.time_ns() // 1000)  # noqa: TID251
