"""What runs commands: a port, and the one that refuses. No command of a manifest is ever run outside of a jail."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

import msgspec

from lichen.core.ports.call import NotDone

OUTPUT_BYTES_MAX: Final = 4 * 1024 * 1024


class Job(msgspec.Struct, frozen=True):
    """A command to run: its words, where, each variable that it gets, what it may read, write and reach, how much of
    the machine it may use, and what below its paths it has not all the same."""

    words: tuple[str, ...]
    cwd: str
    env: Mapping[str, str] = {}
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    network: tuple[str, ...] = ()
    memory_mb: int = 512
    cpu_s: float = 600.0
    processes: int = 64
    hides: tuple[str, ...] = ()


class Said(msgspec.Struct, frozen=True):
    """What a command said and how it ended; `exceeded` is the bound that it was killed for, if any."""

    exit_code: int
    stdout: bytes
    stderr: bytes
    exceeded: str = ""
    is_cut: bool = False


class Run(Protocol):
    """Runs a command in a jail. Raises NotDone where it was not started."""

    async def __call__(self, job: Job, timeout_s: float, /) -> Said:
        """What became of it."""
        ...


async def refused(job: Job, timeout_s: float, /) -> Said:
    """Runs nothing: there is no jail. Raises NotDone (`cage_unavailable`)."""
    raise NotDone("There is no jail, so no command is run.", code="cage_unavailable", retryable=False)


class Commands:
    """How a runtime runs commands; `clock` gives microseconds, `hides` are paths that no command has. Made of nothing
    it runs none."""

    def __init__(self, run: Run = refused, clock: Callable[[], int] = lambda: 0, hides: tuple[str, ...] = ()) -> None:
        self.run, self.clock, self.hides = run, clock, hides
