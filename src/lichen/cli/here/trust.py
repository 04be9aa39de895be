"""Whose project is run: the Python of a `lichen.toml` runs as whoever calls a command, so not just anybody's is.

As git does with repositories: a file counts if it is the caller's own or root's, and nobody else may write it or the
folder it lies in. `LICHEN_TRUST` names folders that count nevertheless.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from lichen.core.words.errors import Denied

VARIABLE = "LICHEN_TRUST"
ROOT = 0


def nearest(start: Path, name: str) -> Path | None:
    """The file of this name at or above a folder, no further than the file system reaches."""
    device = start.stat().st_dev
    for folder in (start, *start.parents):
        if folder.stat().st_dev != device:
            return None
        if (folder / name).is_file():
            return folder / name
    return None


def check_trust(path: Path, environ: Mapping[str, str]) -> None:
    """Whether what lies at `path` may be used. Raises Denied (`project_untrusted`) that names what is wrong."""
    trusted = {Path(name).resolve() for name in environ.get(VARIABLE, "").split(os.pathsep) if name}
    if not trusted.isdisjoint((path.parent.resolve(), *path.resolve().parents)):
        return
    for each in dict.fromkeys((path, path.parent, path.resolve(), path.resolve().parent)):
        found = each.stat()
        if found.st_uid not in _own(environ):
            raise _untrusted(path, f"{each} belongs to somebody else (user {found.st_uid})")
        if found.st_mode & stat.S_IWOTH:
            raise _untrusted(path, f"everybody may write {each}")


def _own(environ: Mapping[str, str]) -> tuple[int, ...]:
    """Root, the user, and whoever became root by sudo."""
    user, caller = os.geteuid(), environ.get("SUDO_UID", "")
    return (ROOT, user, int(caller)) if user == ROOT and caller.isdecimal() else (ROOT, user)


def _untrusted(path: Path, why: str) -> Denied:
    return Denied(
        f"The project's code would run as you, and {why}.",
        code="project_untrusted",
        next_step=f"If you trust it, set {VARIABLE}={path.parent} and try again.",
        place=str(path),
    )
