"""Worker processes in jails: one for each call, which has what its tool was granted and leaves nothing for the next."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from lichen.core.cage.grant import Grant
from lichen.core.ports.call import NotDone
from lichen.core.words.errors import LichenError
from lichen.tools.workers.frames import Answer, Job, ToolFailed, pack
from lichen.tools.workers.processes import BOOT, WorkerProcess, search_path

if TYPE_CHECKING:  # what makes jails is loaded with the first of them
    from lichen.tools.cage.choice import Cages
    from lichen.tools.cage.port import Caged, Command

TOLD: Final = ("LANG", "LC_ALL", "TZ")
_PREFIXES: Final = (sys.prefix, sys.base_prefix)


class Jails:
    """Starts a process in a jail for each job. `hides` are paths that none of them has."""

    def __init__(self, hides: tuple[str, ...] = ()) -> None:
        self._hides = hides
        self._cages: Cages | None = None

    async def ask(self, job: Job, grant: Grant) -> Answer:
        """The answer of a process in a jail to `job`. Everything in it is gone before this returns.

        Raises NotDone where none could be started, ToolFailed (`worker_crashed`) if it ended without an answer.
        """
        try:
            cage = await self._known().of("jail")
            caged = await cage.start(_command(grant, self._hides), _with_modules(grant))
        except LichenError as error:
            raise NotDone(error.message, code=error.code, retryable=False) from error
        try:
            return await _asked(caged, job)
        finally:
            await caged.end()

    def _known(self) -> Cages:
        from lichen.tools.cage.choice import Cages

        if self._cages is None:
            self._cages = Cages()
        return self._cages


async def _asked(caged: Caged, job: Job) -> Answer:
    process = WorkerProcess(caged.process)
    try:
        process.introduce(search_path())
        return await process.ask(pack(job))
    except ToolFailed as error:
        await caged.end()
        if caged.exceeded:
            message = f"The tool was ended, since it used more {caged.exceeded} than it may."
            raise ToolFailed(
                message, code=error.code, next_step="Grant it more with cage=, or let it do less."
            ) from None
        raise


def _command(grant: Grant, hides: tuple[str, ...]) -> Command:
    from lichen.tools.cage.port import Command

    env = {name: os.environ[name] for name in TOLD if name in os.environ}
    own = tuple(_hidden((*grant.reads, *grant.writes)))
    return Command((sys.executable, "-P", "-c", BOOT), env=env, hides=(*hides, *own))


def _with_modules(grant: Grant) -> Grant:
    """With everything that a worker imports from, too."""
    return msgspec.structs.replace(grant, reads=tuple(dict.fromkeys((*_modules(), *grant.reads))))


def _modules() -> Iterator[str]:
    """The folders and archives that modules come from."""
    yield from _PREFIXES
    yield from _own_folders()


def _own_folders() -> Iterator[str]:
    """Those that are not of the installation."""
    for path in search_path():
        if Path(path).exists() and not path.startswith(tuple(f"{prefix}/" for prefix in _PREFIXES)):
            yield path


def _hidden(granted: tuple[str, ...]) -> Iterator[str]:
    """What no module is imported from though it lies beside them: files and folders whose names begin with a dot."""
    kept = [os.path.realpath(each) for each in (*_modules(), *granted)]
    for folder in map(Path, _own_folders()):
        for path in folder.glob(".*") if folder.is_dir() else ():
            real = os.path.realpath(path)
            if not any(each == real or each.startswith(f"{real}/") for each in kept):
                yield str(path)
