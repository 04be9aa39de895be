"""The files of a bundle, written to the disk: into a new folder, which is there with all of them or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from lichen.core.words.errors import Conflict
from lichen.packs.bundles.opening import Bundle


def unpack_into(bundle: Bundle, folder: Path) -> tuple[str, ...]:
    """Writes every file, and tells their paths. Raises Conflict (`folder_exists`), Invalid (`bundle_…`)."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        paths = tuple(bundle)
        for path in paths:
            where = beside / path
            where.parent.mkdir(parents=True, exist_ok=True)
            with where.open("xb") as file:
                file.write(bundle.read(path))
                file.flush()
                os.fsync(file.fileno())
        beside.chmod(0o755)
        try:
            beside.rename(folder)
        except OSError:
            step = "Name a folder that is not there yet."
            raise Conflict(
                "The folder is there already.", code="folder_exists", place=str(folder), next_step=step
            ) from None
        return paths
    finally:
        shutil.rmtree(beside, ignore_errors=True)
