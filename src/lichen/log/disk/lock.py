"""The lock of a data directory: one process at a time, and whoever comes second learns who the first is."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from lichen.core.words.errors import Unavailable

_TEXT_BYTES_MAX = 4096


class DirectoryLock:
    """Holds `directory`/lock from construction to `release`. The system lets go of it when the process ends.

    The file says who: its process id, then `socket`, where that process can be spoken to, if anywhere.
    Raises Unavailable (`data_dir_in_use`) with the process id of the holder, or (`home_unusable`).
    """

    def __init__(self, directory: Path, *, socket: Path | None = None) -> None:
        self._path = directory / "lock"
        try:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _unwritable(directory, error) from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._descriptor, _TEXT_BYTES_MAX, 0)
            os.close(self._descriptor)
            raise _in_use(directory, holder) from None
        with suppress(OSError):  # on a full disk nobody learns who we are, but we are alone all the same
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n{socket or ''}\n".encode(), 0)

    def release(self) -> None:
        """Lets the next one in. The file stays: removing it would let two processes hold two files of one name."""
        with suppress(OSError):
            os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)


def _unwritable(directory: Path, error: OSError) -> Unavailable:
    return Unavailable(
        f"The data directory {directory} cannot be written ({error.strerror}).",
        code="home_unusable",
        next_step="Make it writable, or copy it to where it is; `lichen log verify` reads it as it is.",
    )


def _in_use(directory: Path, holder: bytes) -> Unavailable:
    pid = holder.partition(b"\n")[0].decode(errors="replace") or "unknown"
    return Unavailable(
        f"The data directory {directory} is in use by process {pid}.",
        code="data_dir_in_use",
        next_step="Stop that process, or name another directory.",
    )
