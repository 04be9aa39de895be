"""One process at a time goes into a data directory, from its first look at the keys to its last commit."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from lichen.core.words.errors import Unavailable


@contextmanager
def entrance(home: Path) -> Generator[None]:
    """Holds the directory `home`, made (mode 0700) when missing. The system lets go of it when the process ends.

    Raises Unavailable (`data_dir_in_use`) with the process that owns the directory, or when one is about to;
    `home_unusable`.
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise Unavailable(
            f"The data directory {home} cannot be made or opened ({error.strerror}).",
            code="home_unusable",
            next_step="Set LICHEN_HOME to a directory that this user can write.",
        ) from None
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _in_use(home) from None
        yield
    finally:
        os.close(held)


def _in_use(home: Path) -> Unavailable:
    try:
        process = (home / "lock").read_text(encoding="utf-8").partition("\n")[0]
    except OSError:
        process = ""
    user = f"process {process}" if process else "a process that is just opening it"
    return Unavailable(
        f"The data directory {home} is in use by {user}.",
        code="data_dir_in_use",
        next_step="Stop that process, or name another directory.",
    )
