"""Worker processes in jails: one for each call, which has what its tool was granted and leaves nothing for the next."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from lichen.core.cage.grant import Grant
from lichen.core.ports.call import NotDone
from lichen.core.words.errors import LichenError
from lichen.tools.workers.frames import Answer, Job
from lichen.tools.workers.jail import Jail
from lichen.tools.workers.processes import BOOT, search_path
from lichen.tools.workers.waiting import Waiting

if TYPE_CHECKING:  # what makes jails is loaded with the first of them
    from lichen.tools.cage.choice import Cages
    from lichen.tools.cage.port import Command

TOLD: Final = ("LANG", "LC_ALL", "TZ")
_PREFIXES: Final = (sys.prefix, sys.base_prefix)


class Kind(NamedTuple):
    """What one jail is like another in: the code that it is for, what it may have, and how all that lies on the disk
    now. Of two calls whose jails are of one kind, either could have either."""

    module: str
    grant: Grant
    env: tuple[tuple[str, str], ...]
    hides: tuple[str, ...]
    seen: tuple[tuple[int, ...], ...]


class Jails:
    """A process in a jail for each job, which waits there already where one like it was asked before. `hides` are paths
    that none of them has."""

    def __init__(self, hides: tuple[str, ...] = ()) -> None:
        self._hides = hides
        self._cages: Cages | None = None
        self._waiting = Waiting[Kind](self._start)

    async def ask(self, job: Job, grant: Grant) -> Answer:
        """The answer of a process in a jail to `job`. Everything in it is gone before this returns.

        Raises NotDone where none could be started, ToolFailed (`worker_crashed`) if it ended without an answer.
        """
        kind = _kind(job.module, grant, self._hides)
        try:
            jail = await self._waiting.take(kind)
        except LichenError as error:
            raise NotDone(error.message, code=error.code, retryable=False) from error
        try:
            return await jail.ask(job)
        finally:
            self._waiting.prepare(kind)
            await jail.end()

    async def close(self) -> None:
        """Ends those that wait."""
        await self._waiting.close()

    async def _start(self, kind: Kind) -> Jail:
        from lichen.tools.cage.choice import Cages

        if self._cages is None:
            self._cages = Cages()
        cage = await self._cages.of("jail")
        return Jail(await cage.start(_command(kind), _with_modules(kind.grant)))


def _kind(module: str, grant: Grant, hides: tuple[str, ...]) -> Kind:
    own = tuple(_hidden((*grant.reads, *grant.writes)))
    paths = (*grant.reads, *grant.writes, *_own_folders())
    env = tuple((name, os.environ[name]) for name in TOLD if name in os.environ)
    return Kind(module, grant, env, (*hides, *own), tuple(map(_seen, (_file(module), *paths))))


def _file(module: str) -> str:
    """Where the code of a module lies, if it does anywhere."""
    return getattr(sys.modules.get(module), "__file__", None) or ""


def _seen(path: str) -> tuple[int, ...]:
    """What is another number once something else lies there, or a file changed."""
    try:
        found = Path(path).stat()
    except OSError:
        return ()
    changed = () if stat.S_ISDIR(found.st_mode) else (found.st_size, found.st_mtime_ns)
    return (found.st_dev, found.st_ino, *changed)


def _command(kind: Kind) -> Command:
    from lichen.tools.cage.port import Command

    return Command((sys.executable, "-P", "-c", BOOT, kind.module), env=dict(kind.env), hides=kind.hides)


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
