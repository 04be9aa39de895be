"""Where tools keep files of their own: a folder for each tenant and environment, and nothing of the runtime's."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from lichen.core.words.scope import Scope

FOLDER = "files"


class Files:
    """The folders below a data directory, each made (mode 0700) when it is first asked for."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._made: dict[Scope, str] = {}

    def of(self, scope: Scope) -> str:
        """The folder of a scope. Tools find it as the attribute `files`."""
        made = self._made.get(scope)
        if made is not None:
            return made
        folder = self._home / FOLDER / scope.tenant / scope.env
        with suppress(OSError):  # a full disk is told by who needs the folder
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._made[scope] = str(folder)
        return str(folder)
