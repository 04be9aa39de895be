"""The files of a pack's folder, read within bounds; what is no plain file in it is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from lichen.core.words.errors import Invalid, NotFound
from lichen.packs.container.limits import LIMITS
from lichen.packs.container.names import checked_name
from lichen.packs.manifests.source import FILE, Source, read_source

SKIPPED: Final = frozenset({".git", "target", "dist", "node_modules", "__pycache__", ".DS_Store", ".lichen", ".venv"})
_STEP: Final = "Put the file itself there, or leave it out of the pack's folder."


class Folder(msgspec.Struct, frozen=True):
    """A pack's folder: its files by path, in order, and what its `pack.yaml` says."""

    name: str
    files: dict[str, bytes]
    source: Source


def read_folder(root: Path) -> Folder:
    """The folder of a pack. Raises NotFound (`pack_source_missing`), Invalid (`pack_source_invalid`, `pack_…`)."""
    if not (root / FILE).is_file():
        step = "Write one there, or begin with `lichen pack new FOLDER`."
        message = f"There is no {FILE} in the folder."
        raise NotFound(message, code="pack_source_missing", place=str(root), next_step=step)
    files = files_of(root)
    return Folder(root.resolve().name, files, read_source(files[FILE], str(root / FILE)))


def files_of(root: Path) -> dict[str, bytes]:
    """Every file of a folder by its path, in order. Raises Invalid (`pack_source_special`, `pack_too_large`)."""
    found: dict[str, bytes] = {}
    total = 0
    for path in sorted(root.rglob("*")):
        inner = path.relative_to(root)
        if any(step in SKIPPED for step in inner.parts) or (path.is_dir() and not path.is_symlink()):
            continue
        if path.is_symlink() or not path.is_file():
            message = "It is a link or another thing that is no file."
            raise Invalid(message, code="pack_source_special", place=str(path), next_step=_STEP)
        if path.suffix == ".gtpack" and len(inner.parts) == 1:
            continue
        name = checked_name(str(root), inner.as_posix(), LIMITS)
        with path.open("rb") as file:
            found[name] = file.read(LIMITS.entry_bytes + 1)
        total += len(found[name])
        if len(found[name]) > LIMITS.entry_bytes or total > LIMITS.archive_bytes or len(found) > LIMITS.entries:
            message = (
                f"A file has more than {LIMITS.entry_bytes} bytes, or the folder more than {LIMITS.archive_bytes}."
            )
            raise Invalid(message, code="pack_too_large", place=str(path), next_step="Leave large files out of it.")
    return dict(sorted(found.items()))
