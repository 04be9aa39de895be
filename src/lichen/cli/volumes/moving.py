"""`lichen log move`: the logs of a project, from the file of its data directory to its Postgres, or back."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lichen.cli.here.caller import Caller, calling
from lichen.cli.here.connection import Connection
from lichen.cli.here.entrance import entrance
from lichen.core.words.errors import Corrupt, Invalid

if TYPE_CHECKING:
    from lichen.log.postgres.store import PostgresStore
    from lichen.log.store.port import Store


@contextmanager
def files(connection: Connection) -> Generator[Path]:
    """A folder with a project's logs as files: its data directory, or a copy of what lies in its Postgres."""
    workspace = connection.workspace
    if workspace.file is None or connection.project.settings.store.kind == "sqlite":
        yield workspace.home
        return
    from lichen.log.audit.copying import files_of

    with files_of(workspace.home, _postgres(connection)) as folder:
        yield folder


@calling
def move(
    caller: Caller,
    back: Annotated[bool, typer.Option("--back", help="From the Postgres to the data directory.")] = False,
) -> None:
    """Moves all logs from the data directory to the Postgres that lichen.toml names under [store], or back.

    Nobody may own the data meanwhile. The copy is verified before the source is put aside; where something is wrong
    with it, everything stays as it was.
    """
    from lichen.log.audit.copying import FromFiles, copy
    from lichen.log.disk.lock import DirectoryLock
    from lichen.log.projections.every import TABLES
    from lichen.log.sqlite.store import SqliteStore

    connection = caller.client.connection
    home, there = connection.workspace.home, _postgres(connection)
    with ExitStack() as stack:
        stack.enter_context(entrance(home))
        stack.callback(DirectoryLock(home).release)
        there.prepare(TABLES)
        stack.callback(there.claim(f"lichen log move, process {os.getpid()}", lambda: None).close)
        with _counting() as tell:
            records = copy(there, SqliteStore(home), tell) if back else copy(FromFiles(home), there, tell)
        _check(home, SqliteStore(home) if back else there)
        aside = there.put_away() if back else _put_aside(home)
    told = {"records": records, "to": "sqlite" if back else "postgres", "aside": aside}
    if not caller.screen.data(told):
        what = "the data directory, where `kind` of [store] is sqlite" if back else "the Postgres"
        caller.screen.line(f"{records} records are in {what}, and verify. What was there is kept in {aside}.")


@contextmanager
def _counting() -> Generator[Callable[[int], None]]:
    """Shows how many records were copied, where somebody sees it."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn

    columns = SpinnerColumn(), TextColumn("{task.completed:,.0f} records")
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("records", total=None)
        yield lambda records: bar.update(task, completed=records)


def _check(home: Path, store: Store) -> None:
    """Raises Corrupt where the copy is not what it should be."""
    from lichen.log.audit.copying import files_of
    from lichen.log.audit.verify import verify
    from lichen.log.keys.keyring import Keyring

    with files_of(home, store) as folder, closing(Keyring.open(home / "keys", os.urandom)) as keyring:  # noqa: TID251 - none is drawn
        report = verify(folder, keyring=keyring)
    if not report.is_sound:
        raise Corrupt(f"The copy does not verify, and is not used: {report.findings[0]}.")


def _put_aside(home: Path) -> str:
    """Puts the logs of a data directory where nobody looks for them."""
    aside = home / f"moved-{int(time.time())}"  # noqa: TID251 - a name that nobody has
    aside.mkdir(mode=0o700)
    for path in (*home.glob("lichen.sqlite*"), home / "blobs"):
        if path.exists():
            path.rename(aside / path.name)
    return str(aside)


def _postgres(connection: Connection) -> PostgresStore:
    table = connection.project.settings.store
    if table.kind != "postgres":
        step = 'Add [store] with kind = "postgres" to lichen.toml, and put the address into DATABASE_URL.'
        raise Invalid("This project names no Postgres.", code="store_unset", next_step=step)
    from lichen.runtime.given.stores import postgres

    return postgres(table, os.environ)
