"""`lichen init`: a project to begin with."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from lichen.core.errors import Conflict, LichenError

LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".lichen", "*.sqlite*")


def copy(
    folder: Annotated[
        Path, typer.Argument(help="An empty folder; it is made if need be.", metavar="[FOLDER]")
    ] = Path(),
) -> None:
    """Copies the demo shop into an empty folder."""
    if folder.exists() and any(folder.iterdir()):
        raise Conflict(
            "The folder is not empty.",
            code="folder_not_empty",
            next_step="Name an empty folder, or one that does not exist yet.",
            place=str(folder.resolve()),
        )
    shutil.copytree(demo_files(), folder, ignore=LEFT_OUT, dirs_exist_ok=True)
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    typer.echo("\n".join(names))
    here = "" if folder.resolve() == Path.cwd() else f"cd {folder} && "
    typer.echo(f'\nNext: {here}echo "Where is order 1042?" | lichen chat --tenant acme --as customer-7')


def demo_files() -> Path:
    """The demo's files: in an installed package beside its modules, in a clone beside the sources."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "demo_files", package.parent.parent / "demo"):
        if (folder / "lichen.toml").is_file():
            return folder
    raise LichenError("The demo's files are not installed.", code="demo_missing", next_step="Install Lichen again.")
