"""Writing files so that they survive a power cut."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def write_new_file(path: Path, data: bytes) -> None:
    """Makes `path` with `data`, mode 0600, durable with its name. Raises FileExistsError rather than overwrite."""
    write_unnamed(path, data)
    sync_directory(path.parent)


def write_once(path: Path, data: bytes, *, mark: str) -> None:
    """Makes `path` whole or not at all, unless it is there: of several who do the same, one's counts. `mark` is nobody
    else's word. Raises OSError."""
    if path.exists():
        return
    made = path.with_name(f"{path.name}.{mark}")
    write_new_file(made, data)
    try:
        with suppress(FileExistsError):
            os.link(made, path)
    finally:
        made.unlink()


def write_whole(path: Path, data: bytes) -> None:
    """Makes `path` whole or not at all, in the place of what is there; one process at a time does. Raises OSError."""
    made = path.with_name(f"{path.name}.new")
    made.unlink(missing_ok=True)
    write_unnamed(made, data)
    made.replace(path)
    sync_directory(path.parent)


def write_unnamed(path: Path, data: bytes) -> None:
    """Makes `path` with `data`, mode 0600, the data durable but its name not yet. Raises FileExistsError."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_directory(path: Path) -> None:
    """Makes the names in the directory `path` durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
