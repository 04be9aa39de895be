"""Control groups: how much a jail uses with all its processes together, held by the kernel.

Where none can be made, each process is bounded by itself and the warden adds them up.

Source: Linux, cgroup-v2.rst and cgroup-v1/.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from lichen.core.cage.grant import Bounds

MOUNTS: Final = Path("/proc/self/mounts")
OWN: Final = Path("/proc/self/cgroup")
CONTROLLERS: Final = ("memory", "pids")
_PREFIX: Final = "lichen-"
_MIB: Final = 1024 * 1024
_numbers = itertools.count(1)


class Group:
    """A control group of one jail: a folder for each controller, or one for both."""

    def __init__(self, folders: tuple[Path, ...], bounds: Bounds) -> None:
        self._folders = folders
        limits: Mapping[str, int] = {
            "memory.max": bounds.memory_mb * _MIB,
            "memory.swap.max": 0,
            "memory.limit_in_bytes": bounds.memory_mb * _MIB,
            "memory.memsw.limit_in_bytes": bounds.memory_mb * _MIB,
            "pids.max": bounds.processes,
        }
        for file, limit in ((folder / name, limit) for folder in folders for name, limit in limits.items()):
            if file.exists():
                file.write_text(str(limit))

    def take(self, pid: int) -> None:
        """Puts a process, and so all that it starts, into the group."""
        for folder in self._folders:
            (folder / "cgroup.procs").write_text(str(pid))

    @property
    def has_run_out(self) -> bool:
        """Whether the kernel killed one of them for want of memory."""
        return any(
            _counted(folder / "memory.events") or _counted(folder / "memory.oom_control") for folder in self._folders
        )

    @property
    def was_full(self) -> bool:
        """Whether one more process was refused."""
        return any(_counted(folder / "pids.events", "max") for folder in self._folders)

    def close(self) -> bool:
        """Removes the group. Whether it is gone: the kernel keeps it for a moment after its last process."""
        for folder in self._folders:
            with suppress(OSError):
                folder.rmdir()
        return not any(folder.exists() for folder in self._folders)


def grouped(bounds: Bounds) -> Group | None:
    """A group with these bounds, None where none can be made."""
    name = f"{_PREFIX}{os.getpid()}-{next(_numbers)}"
    made: list[Path] = []
    try:
        for parent in places():
            folder = parent / name
            folder.mkdir()
            made.append(folder)
        return Group(tuple(made), bounds) if made else None
    except OSError:
        for folder in made:
            with suppress(OSError):
                folder.rmdir()
        return None


def sweep() -> None:
    """Removes groups of processes that are gone. What is not empty stays."""
    for parent in places():
        for folder in parent.glob(f"{_PREFIX}*"):
            pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
            if pid.isdecimal() and not Path("/proc", pid).exists():
                with suppress(OSError):
                    folder.rmdir()


def places() -> tuple[Path, ...]:
    """Where groups can be made that bound memory and processes: one folder, or one for each; none where not both."""
    with suppress(OSError):
        unified = _unified()
        if unified is not None:
            return (unified,)
        return tuple(_of_version_1())
    return ()


def _unified() -> Path | None:
    """The folder of version 2 whose groups have both controllers: that of this process, or the one above it."""
    root = next((Path(place) for kind, place, _ in _mounts() if kind == "cgroup2"), None)
    own = next((path for number, names, path in _own() if number == "0" and not names), None)
    if root is None or own is None:
        return None
    here = root / own.lstrip("/")
    for folder in (here, here.parent):
        control = folder / "cgroup.subtree_control"
        if not control.exists() or not set(CONTROLLERS) <= set((folder / "cgroup.controllers").read_text().split()):
            continue
        with suppress(OSError):
            if not set(CONTROLLERS) <= set(control.read_text().split()):
                control.write_text(" ".join(f"+{name}" for name in CONTROLLERS))
            if os.access(folder, os.W_OK):
                return folder
    return None


def _of_version_1() -> Iterator[Path]:
    paths = {name: path for _, names, path in _own() for name in names.split(",")}
    roots = {name: Path(place) for kind, place, options in _mounts() if kind == "cgroup" for name in options.split(",")}
    found = [roots[name] / paths[name].lstrip("/") for name in CONTROLLERS if name in roots and name in paths]
    if len(found) == len(CONTROLLERS) and all(os.access(folder, os.W_OK) for folder in found):
        yield from dict.fromkeys(found)


def _mounts() -> Iterator[tuple[str, str, str]]:
    for line in MOUNTS.read_text().splitlines():
        _, place, kind, options, *_ = line.split(" ")
        yield kind, place, options


def _own() -> Iterator[tuple[str, str, str]]:
    for line in OWN.read_text().splitlines():
        number, names, path = line.split(":", 2)
        yield number, names, path


def _counted(file: Path, what: str = "oom_kill") -> int:
    with suppress(OSError):
        for line in file.read_text().splitlines():
            name, _, count = line.partition(" ")
            if name == what:
                return int(count)
    return 0
