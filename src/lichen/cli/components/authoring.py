"""`lichen component new`, `build`: from an empty folder to a component that others can build again."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from lichen.cli.guests.source import LANGUAGES
from lichen.cli.show.screen import Screen

Json = Annotated[bool, typer.Option("--json", help="JSON on stdout and nothing else.")]
Folder = Annotated[Path, typer.Argument(help="The component's folder, with its component.toml.", metavar="[DIR]")]


def new(
    folder: Annotated[Path, typer.Argument(help="The folder to make.", metavar="DIR")],
    language: Annotated[str, typer.Option("--language", help=f"One of {', '.join(LANGUAGES)}.", metavar="LANGUAGE")],
    name: Annotated[
        str, typer.Option("--name", help="What the component is called; else after its folder.", metavar="ORG.NAME")
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Write over what is in the folder.")] = False,
    as_json: Json = False,
) -> None:
    """Begins a component: WIT, source, manifest, questions to test it by, and a README."""
    from lichen.cli.guests.beginning import begun

    files = begun(folder, language, name, overwrite=force)
    screen = Screen(as_json=as_json)
    if not screen.data({"folder": str(folder), "language": language, "files": list(files)}):
        for file in files:
            screen.line(file)
        where = shlex.quote(str(folder))
        screen.line(f"\nNext: lichen component build {where} && lichen component test {where}")


def build(
    folder: Folder = Path(),
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the component there, and nothing else.", metavar="FILE")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing: say whether what lies there is what the source gives.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Builds a component with pinned tools, which are fetched once, and writes its hash into the manifest.

    The code of the folder runs while it is built, on this machine and as you. With `--check` the exit code is 1 if what
    lies there differs from what is built anew."""
    from lichen.cli.guests.building import build as built
    from lichen.cli.guests.building import differences

    screen = Screen(as_json=as_json)
    if check:
        with _told() as tell:
            found = differences(folder, environ=os.environ, tell=tell)
        if not screen.data({"ok": not found, "differences": msgspec.to_builtins(found)}):
            for each in found:
                screen.line(f"{each.what}: {each.message}")
            screen.line("It differs." if found else "It is what its source gives.")
        if found:
            raise typer.Exit(1)
        return
    with _told() as tell:
        came = built(folder, out, environ=os.environ, tell=tell)
    if not screen.data(msgspec.to_builtins(came)):
        screen.line(f"{came.place}: {came.size_bytes} bytes")
        screen.line(f"  sha256 {came.sha256}")
        screen.line(f"  blake3 {came.blake3}")


@contextlib.contextmanager
def _told() -> Generator[Callable[[str], None]]:
    """Says on stderr which tools are fetched, as a bar that moves where it is a terminal."""
    if not sys.stderr.isatty():
        yield lambda name: typer.echo(f"fetching {name}", err=True)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("building", total=None)
        yield lambda name: bar.update(task, description=f"fetching {name}")
