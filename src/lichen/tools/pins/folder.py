"""The files of a folder, as many and as large as they may be; links are not followed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from lichen.core.words.errors import Invalid, NotFound
from lichen.tools.pins.skill import SIGNATURE_FILE, Files

FILES_MAX: Final = 10_000
FOLDER_BYTES_MAX: Final = 256 * 1024 * 1024
DEPTH_MAX: Final = 20


class Found(NamedTuple):
    """A file by its path in the folder, how large it is, and where it lies."""

    path: str
    size: int
    where: Path


def found(folder: Path) -> Iterator[Found]:
    """Every file of the folder but its signature, by path. Raises NotFound (`folder_missing`), Invalid
    (`folder_too_large`) for one that is too deep."""
    if not folder.is_dir():
        raise NotFound("There is no such folder.", code="folder_missing", place=str(folder))
    for root, folders, names in os.walk(folder):
        folders.sort()
        if len(Path(root).relative_to(folder).parts) > DEPTH_MAX:
            raise _too_large(folder, f"more than {DEPTH_MAX} levels")
        for name in sorted(names):
            where = Path(root, name)
            if name != SIGNATURE_FILE and not where.is_symlink() and where.is_file():
                yield Found(where.relative_to(folder).as_posix(), where.stat().st_size, where)


def files_of(folder: Path) -> Files:
    """All files with what is in them. Raises NotFound (`folder_missing`), Invalid (`folder_too_large`)."""
    files: dict[str, bytes] = {}
    size = 0
    for each in found(folder):
        size += each.size
        if size > FOLDER_BYTES_MAX or len(files) >= FILES_MAX:
            raise _too_large(folder, f"more than {FILES_MAX} files or {FOLDER_BYTES_MAX} bytes")
        files[each.path] = each.where.read_bytes()
    return files


def _too_large(folder: Path, what: str) -> Invalid:
    return Invalid(f"The folder has {what}.", code="folder_too_large", place=str(folder))
