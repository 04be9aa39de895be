"""Which paths a jail has: those of the system that programs need, those of the program, and those that are granted.

Every path is resolved before it is looked at, so a link leads nowhere that its name does not show.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from lichen.core.cage.grant import Grant
from lichen.core.words.errors import NotFound
from lichen.tools.cage.port import Command, GrantRefused

SYSTEM: Final = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
SETTINGS: Final = (  # of /etc, what programs read and everybody may
    "/etc/alternatives", "/etc/ca-certificates", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d",
    "/etc/localtime", "/etc/mime.types", "/etc/pki/tls/certs", "/etc/pki/ca-trust/extracted", "/etc/protocols",
    "/etc/services", "/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/timezone",
)  # fmt: skip
CLOSED: Final = (  # nothing in them, nothing above them
    "/proc", "/sys", "/dev", "/boot", "/etc", "/var/lib/docker", "/var/lib/containerd", "/var/lib/kubelet",
    "/var/lib/rancher", "/run/containerd", "/run/crio", "/run/docker.sock", "/run/systemd", "/run/user",
)  # fmt: skip
WHOLE: Final = ("/root", "/home", "/var", "/tmp", "/usr", "/opt", "/srv", "/mnt", "/run")
_PYTHON: Final = re.compile(r"python[0-9.]*")


class Paths(NamedTuple):
    """What a jail has, each with where it lies there: to read, to write, and what of it is hidden all the same."""

    reads: tuple[tuple[str, str], ...]
    writes: tuple[tuple[str, str], ...]
    hides: tuple[str, ...]
    program: str
    cwd: str


def paths(command: Command, grant: Grant) -> Paths:
    """The paths of a command with its grant. Raises GrantRefused, NotFound (`program_unknown`)."""
    hidden = tuple(_real(path) for path in command.hides)
    named = (*grant.reads, *grant.writes)
    reads = [pair for path in grant.reads for pair in _where(_granted(path, hidden), path, named)]
    writes = [pair for path in grant.writes for pair in _where(_granted(path, hidden), path, named)]
    program = _program(command)
    reads += [(_real(path), path) for path in _installed(program) if not _lies_in(path, (*SYSTEM, *_places(reads)))]
    has = (*SYSTEM, *_places(reads), *_places(writes))
    cwd = command.cwd if command.cwd is not None and _is_there(command.cwd, has) else "/tmp"
    below = tuple(
        place + path.removeprefix(real)
        for path in hidden
        for real, place in (*reads, *writes)
        if _lies_in(path, (real,)) and Path(path).exists()
    )
    return Paths(tuple(reads), tuple(writes), below, program, cwd)


def _where(real: str, path: str, named: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """What is granted by a path, where it really lies, and by the name of a link to it that is not granted itself."""
    yield real, real
    if path != real and not any(_lies_in(path, (other,)) for other in named if other != path):
        yield real, path


def _is_there(folder: str, has: tuple[str, ...]) -> bool:
    """Whether there is a folder in the jail: one of those, or one above them, in which there is nothing else."""
    return _lies_in(folder, has) or any(_lies_in(path, (folder,)) for path in has)


def _places(pairs: list[tuple[str, str]]) -> tuple[str, ...]:
    return tuple(place for _, place in pairs)


def _granted(path: str, hidden: tuple[str, ...]) -> str:
    """Where a granted path really lies."""
    if not path.startswith("/"):
        raise GrantRefused(f"{path} is not an absolute path.", next_step="Write the whole path.")
    real = _real(path)
    try:
        mode = Path(real).stat().st_mode
    except OSError as error:
        step = "Make it, or correct the path."
        raise GrantRefused(f"{path} cannot be granted: {error.strerror}.", next_step=step) from None
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        raise GrantRefused(f"{path} is neither a folder nor a file.")
    if any(_lies_in(real, (closed,)) or _lies_in(closed, (real,)) for closed in map(_real, CLOSED)):
        raise GrantRefused(f"{path} belongs to the machine itself, or holds what does.")
    if real in {_real(whole) for whole in WHOLE} or real == _real(str(Path.home())):
        raise GrantRefused(f"{path} as a whole is more than any code works on.")
    if _lies_in(real, hidden):
        raise GrantRefused(f"{path} is of the runtime itself.")
    return real


def _program(command: Command) -> str:
    """The path of the program, as it is called."""
    name = command.words[0]
    if "/" in name:
        path = os.path.normpath(Path(command.cwd or "/", name))
        found = path if os.access(path, os.X_OK) and Path(path).is_file() else None
    else:
        found = shutil.which(name, path=command.env.get("PATH") or os.environ.get("PATH"))
    if found is None:
        step = "Install it, or correct the command."
        raise NotFound(f"There is no program {name!r}.", code="program_unknown", next_step=step)
    return found


def _installed(program: str) -> Iterator[str]:
    """What belongs to a program: of Python its environment and its installation, of others the file."""
    folder = Path(program).parent.parent
    if (folder / "pyvenv.cfg").is_file():
        yield str(folder)
        for line in (folder / "pyvenv.cfg").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition("=")
            if key.strip() == "home":
                yield str(Path(value.strip()).parent)
    real = Path(_real(program))
    if _PYTHON.fullmatch(real.name) and real.parent.name == "bin":
        yield str(real.parent.parent)
    else:
        yield program
        yield str(real)


def _real(path: str) -> str:
    return os.path.realpath(path)


def _lies_in(path: str, folders: tuple[str, ...]) -> bool:
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)
