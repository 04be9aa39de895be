"""The files that commands about packs take: a pack or its folder, keys, and whom is trusted here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lichen.cli.signing.files import read
from lichen.core.words.errors import Conflict, NotFound

if TYPE_CHECKING:
    from lichen.packs.container.archive import Archive
    from lichen.packs.proofs.keys import PrivateKey

Pack = Annotated[Path, typer.Argument(metavar="PACK.gtpack", help="The pack's file.")]
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout and nothing else.")]
Key = Annotated[Path, typer.Option("--key", help="The private key, in PEM; `lichen pack key` makes one.")]


def opened(path: Path) -> Archive:
    """The pack in a file, or that of a folder as it would be built now. Raises NotFound, Invalid (`pack_…`)."""
    from lichen.packs.container.archive import opened as opened_bytes
    from lichen.packs.container.archive import opened_file

    if not path.is_dir():
        return opened_file(path)
    from lichen.packs.building.building import build
    from lichen.packs.building.folder import read_folder

    return opened_bytes(f"{path.resolve().name}.gtpack", build(read_folder(path)).data)


def read_pack(path: Path) -> bytes:
    """The bytes of a file that may be a pack. Raises NotFound (`file_missing`)."""
    from lichen.packs.container.limits import LIMITS

    try:
        with path.open("rb") as file:
            return file.read(LIMITS.archive_bytes + 1)
    except OSError:
        raise NotFound("There is no such file.", code="file_missing", place=str(path)) from None


def signing_key(path: Path) -> PrivateKey:
    """The private key in a file. Raises NotFound (`file_missing`), Invalid (`pack_key_invalid`)."""
    from lichen.packs.proofs.keys import private_key

    return private_key(read(path).decode("ascii", "replace"))


def write_new(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Writes a file that is not there yet. Raises Conflict (`file_exists`)."""
    import os

    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        step = "Name another file, or remove that one."
        raise Conflict("The file is there already.", code="file_exists", place=str(path), next_step=step) from None
    with os.fdopen(handle, "wb") as file:
        file.write(data)


def replace(path: Path, data: bytes) -> None:
    """Writes a file, at once or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    beside.write_bytes(data)
    beside.replace(path)
