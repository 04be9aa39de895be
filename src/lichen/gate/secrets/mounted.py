"""Secrets in files that somebody else puts there, as Kubernetes and Docker mount them: one file for each name."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path
from typing import Final

from lichen.core.ports.secrets import SECRET_BYTES_MAX, Secret, Source, checked_secret_name
from lichen.core.words.errors import LichenError, NotFound, Unavailable
from lichen.core.words.scope import Scope

KIND: Final = "mounted"


class MountedSecrets:
    """The files of a folder, or the one file that the source names. They are read at each use.

    Links are followed as far as they stay in the folder: a mount is replaced by turning one. One line feed at the end
    is not part of the secret.
    """

    def __init__(self, source: Source) -> None:
        self._path, self._is_exact = Path(source.detail), source.is_exact

    async def get(self, scope: Scope, name: str) -> Secret:
        """What the file holds.

        Raises NotFound (`secret_unknown`), Unavailable (`secret_store_unavailable`) for what is no file, too large,
        elsewhere, or open to be written by everybody.
        """
        return Secret(await asyncio.to_thread(self._read, name))

    def _read(self, name: str) -> bytes:
        path = self._path if self._is_exact else self._path / checked_secret_name(name)
        try:
            if path.is_absolute() is False:
                raise _unusable(path, "is no absolute path")
            found = path.resolve(strict=True)
            folder = (path.parent if self._is_exact else self._path).resolve(strict=True)
            if not found.is_relative_to(folder):
                raise _unusable(path, "leads out of its folder")
            return _content(path, found)
        except (FileNotFoundError, NotADirectoryError):
            step = f"Mount it as {path}."
            raise NotFound("The file of this secret is not there.", code="secret_unknown", next_step=step) from None
        except LichenError:
            raise
        except (OSError, RuntimeError, ValueError) as error:
            raise _unusable(path, f"cannot be read ({type(error).__name__})") from None


def _content(path: Path, found: Path) -> bytes:
    """What the file holds: looked at once it is open, so that nobody changes it for another in between."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(found, flags), "rb") as file:
        how = os.fstat(file.fileno())
        if not stat.S_ISREG(how.st_mode):
            raise _unusable(path, "is no file")
        if how.st_mode & stat.S_IWOTH:
            raise _unusable(path, "can be written by everybody")
        data = file.read(SECRET_BYTES_MAX + 2)
    data = data.removesuffix(b"\n")
    if not 0 < len(data) <= SECRET_BYTES_MAX:
        raise _unusable(path, "is empty" if not data else f"has more than {SECRET_BYTES_MAX} bytes")
    return data


def _unusable(path: Path, why: str) -> Unavailable:
    return Unavailable(
        f"The file of a secret {why}.",
        code="secret_store_unavailable",
        next_step="Correct the mount; it is read again at the next use.",
        place=str(path),
    )
