"""Cages to try, and the same attempts without one."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from lichen.core.cage.grant import Grant
from lichen.tools.cage.bubblewrap import Bubblewrap
from lichen.tools.cage.oneshot import Ran, run
from lichen.tools.cage.port import Cage, Command

ESCAPES = Path(__file__).with_name("escapes.py")
CAGES: tuple[Cage, ...] = (Bubblewrap(),)
ENDS_S = 30.0


def attempt(*words: object) -> Command:
    """An attempt as a command."""
    return Command((sys.executable, str(ESCAPES), *map(str, words)))


async def caged(
    cage: Cage,
    *words: object,
    reads: Sequence[Path] = (),
    writes: Sequence[Path] = (),
    timeout_s: float = ENDS_S,
    **bounds: Any,
) -> Ran:
    """What becomes of an attempt in a cage."""
    grant = Grant(tuple(map(str, (ESCAPES, *reads))), tuple(map(str, writes)), **bounds)
    return await run(cage, attempt(*words), grant, timeout_s=timeout_s)


async def bare(*words: object, pass_fds: tuple[int, ...] = ()) -> str:
    """What the same attempt says that nobody shuts in."""
    command = attempt(*words)
    process = await asyncio.create_subprocess_exec(
        *command.words, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, pass_fds=pass_fds, start_new_session=True
    )
    said, errors = await asyncio.wait_for(process.communicate(), ENDS_S)
    return said.decode() + errors.decode()


@asynccontextmanager
async def neighbour() -> AsyncGenerator[int]:
    """The pid of a process outside, which holds a secret in its environment."""
    process = await asyncio.create_subprocess_exec("/bin/sleep", "600", env={"KEY": "the neighbour's"})
    try:
        yield process.pid
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def lives(pid: int) -> bool:
    """Whether a process does anything still."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def said_by(word: str) -> list[int]:
    """The processes of this machine whose command line has a word in it."""
    found: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if word.encode() in words and lives(int(folder.name)):
            found.append(int(folder.name))
    return found


def _forks(pid: str) -> bool:
    try:
        return b"tests.forge" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def below(pid: int) -> list[int]:
    """The processes that a process started, and those below them, without what tests fork their own commands from."""
    found: list[int] = []
    left = [pid]
    while left:
        for children in Path(f"/proc/{left.pop()}/task").glob("*/children"):
            try:
                here = [int(child) for child in children.read_text().split() if lives(int(child)) and not _forks(child)]
            except OSError:
                continue
            found += here
            left += here
    return found
