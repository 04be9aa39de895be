"""The warden of a jail: looks at what its processes use together, and ends it when that is more than it may."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from lichen.core.cage.grant import Bounds
from lichen.tools.cage.groups import Group
from lichen.tools.cage.port import Exceeded

LOOK_S: Final = 0.2
_MIB: Final = 1024 * 1024
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


class Use(NamedTuple):
    """What a process and all below it use."""

    cpu_s: float
    memory_bytes: int
    processes: int  # and threads


async def watch(
    pid: int, gone: asyncio.Future[None], bounds: Bounds, group: Group | None, kill: Callable[[Exceeded], object]
) -> None:
    """Looks until the process is gone, and kills it where all of it exceed a bound."""
    while not (await asyncio.wait({gone}, timeout=LOOK_S))[0]:
        exceeded = _exceeded(pid, bounds, group)
        if exceeded:
            kill(exceeded)
            await gone


def _exceeded(pid: int, bounds: Bounds, group: Group | None) -> Exceeded:
    use = used(pid)
    if use.cpu_s > bounds.cpu_s:
        return "cpu"
    if group is not None:
        return "memory" if group.has_run_out else ""
    if use.memory_bytes > bounds.memory_mb * _MIB:
        return "memory"
    return "processes" if use.processes > bounds.processes + 1 else ""


def used(pid: int) -> Use:
    """What a process and everything below it use, those that ended before them included."""
    found = [each for below in _tree(pid) if (each := _of(below)) is not None]
    return Use(
        sum(each.cpu_s for each in found),
        sum(each.memory_bytes for each in found),
        sum(each.processes for each in found),
    )


def _tree(pid: int) -> Iterator[int]:
    left = [pid]
    while left:
        here = left.pop()
        yield here
        with suppress(OSError):
            for task in Path("/proc", str(here), "task").iterdir():
                left += map(int, (task / "children").read_text().split())


def _of(pid: int) -> Use | None:
    try:
        fields = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    ticks = sum(map(int, fields[11:15]))  # its own and those of children that ended: utime, stime, cutime, cstime
    return Use(ticks / _TICKS_PER_S, int(fields[21]) * _PAGE_BYTES, int(fields[17]))
