"""Where the local socket is, in a spelling the operating system takes however deep the data directory lies."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from lichen.core.words.errors import Unavailable

FILE = "lichen.sock"
NAME_BYTES_MAX = 100  # the kernel's own bound is 104 to 108, by system


@contextmanager
def address(path: Path) -> Generator[str]:
    """A name for the socket `path` that is short enough to bind or connect to, valid within the context.

    Raises Unavailable (`socket_path_too_long`) where the system offers no short name for a long path.
    """
    if len(os.fsencode(path)) <= NAME_BYTES_MAX:
        yield str(path)
        return
    if not Path("/proc/self/fd").is_dir():
        raise Unavailable(
            "The path of the data directory is too long for a socket.",
            code="socket_path_too_long",
            next_step="Set LICHEN_HOME to a shorter path.",
            place=str(path.parent),
        )
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
