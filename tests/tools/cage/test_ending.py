"""The end of a jail: nothing that was started in it goes on, however it or we end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest
import uvloop

from lichen.core.cage.grant import Grant, Tier
from lichen.core.words.errors import NotFound
from lichen.tools.cage.groups import places, sweep
from lichen.tools.cage.oneshot import run
from lichen.tools.cage.port import Cage, Caged, Command
from tests.runtime.world import until
from tests.tools.cage.prisons import CAGES, ESCAPES, attempt, bare, below, lives, said_by

ENDS_S = 20.0
ROOT = Path(__file__).parents[3]

OURS = """
import asyncio, sys
from pathlib import Path
from tests.tools.cage.prisons import CAGES
from tests.tools.cage.test_ending import jailed

async def main(name, folder):
    cage = next(cage for cage in CAGES if cage.name == name)
    await jailed(cage, Path(folder))
    print("it runs", flush=True)
    await asyncio.sleep(600)

asyncio.run(main(*sys.argv[1:]))
"""
"""Stands for us: starts a jail, says so, and goes on until it is killed."""


@pytest.fixture(params=CAGES, ids=lambda cage: cage.name)
def cage(request: pytest.FixtureRequest) -> Cage:
    return request.param


async def jailed(cage: Cage, folder: Path) -> Caged:
    grant = Grant(reads=(str(ESCAPES),), writes=(str(folder),))
    caged = await cage.start(attempt("linger", folder / "pid"), grant)
    assert caged.process.stdout is not None
    assert b"escaped" in await asyncio.wait_for(caged.process.stdout.readline(), ENDS_S)
    return caged


@pytest.mark.req("SYM-31.5")
async def test_children_that_left_everything_behind_end_with_the_jail(cage: Cage, tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    caged = await jailed(cage, inside)
    assert len(said_by(str(inside))) >= 2
    await caged.end()
    assert said_by(str(inside)) == []
    await bare("outlive", outside / "pid")
    survivor = int((outside / "pid").read_text())
    assert lives(survivor)
    os.kill(survivor, signal.SIGKILL)


@pytest.mark.req("SYM-31.5")
async def test_a_jail_ends_with_the_process_that_was_started(cage: Cage, tmp_path: Path) -> None:
    caged = await jailed(cage, tmp_path)
    assert caged.process.stdin is not None
    caged.process.stdin.close()
    assert await asyncio.wait_for(caged.process.wait(), ENDS_S) == 0
    await until(lambda: said_by(str(tmp_path)) == [])
    await caged.end()


@pytest.mark.req("SYM-31.5")
async def test_nothing_goes_on_after_our_own_death(cage: Cage, tmp_path: Path) -> None:
    words = (sys.executable, "-c", OURS, cage.name, str(tmp_path))
    ours = await asyncio.create_subprocess_exec(
        *words, stdout=PIPE, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert ours.stdout is not None
    assert await asyncio.wait_for(ours.stdout.readline(), ENDS_S) == b"it runs\n"
    assert len(said_by(str(tmp_path))) >= 3
    os.kill(ours.pid, signal.SIGKILL)
    await ours.wait()
    await until(lambda: said_by(str(tmp_path)) == [])

    def is_swept() -> bool:
        sweep()  # as whoever comes next does
        return not any(folder for place in places() for folder in place.glob(f"lichen-{ours.pid}-*"))

    await until(is_swept)


@pytest.mark.req("SYM-31.5")
async def test_nothing_is_left_of_a_jail_once_it_ended(cage: Cage, tmp_path: Path) -> None:
    def opened() -> set[str]:
        return {os.path.realpath(path) for path in Path("/proc/self/fd").iterdir()}

    await (await jailed(cage, tmp_path)).end()  # the loop opens what it needs to wait for processes
    before = opened()
    caged = await jailed(cage, tmp_path)
    await caged.end()
    assert opened() - before == set()
    assert [group for place in places() for group in place.glob(f"lichen-{os.getpid()}-*")] == []


@pytest.mark.req("SYM-31.6")
async def test_a_program_that_is_not_there_is_said_before_anything_starts(cage: Cage) -> None:
    with pytest.raises(NotFound) as refused:
        await cage.start(Command(("no-such-program",)), Grant())
    assert refused.value.code == "program_unknown"


@pytest.mark.req("SYM-31.22")
async def test_a_jail_that_is_broken_off_while_it_is_made_leaves_nothing(cage: Cage) -> None:
    for turns in range(0, 200, 10):  # as many turns of the loop are made first
        starting = asyncio.ensure_future(cage.start(attempt("wait", 60), Grant(reads=(str(ESCAPES),))))
        for _ in range(turns):
            await asyncio.sleep(0)
        starting.cancel()
        async with asyncio.timeout(ENDS_S):
            await asyncio.wait({starting})
        if not starting.cancelled():  # it was made by then
            await starting.result().end()
        assert below(os.getpid()) == []
    assert said_by(str(ESCAPES)) == []


class Gone:
    """A cage whose commands have ended when they are to be told something."""

    def __init__(self, cage: Cage) -> None:
        self._cage = cage

    @property
    def name(self) -> str:
        return self._cage.name

    @property
    def tier(self) -> Tier:
        return self._cage.tier

    async def start(self, command: Command, grant: Grant) -> Caged:
        caged = await self._cage.start(command, grant)
        assert caged.process.stdin is not None
        await caged.process.wait()
        await until(caged.process.stdin.is_closing)
        return caged


@pytest.mark.req("SYM-31.25")
def test_a_command_that_ended_before_it_was_told_anything_is_only_one_that_did_not_want_to_know(cage: Cage) -> None:
    async def end() -> None:
        ran = await run(Gone(cage), Command(("/bin/true",)), Grant(), timeout_s=ENDS_S, stdin=b"x" * 1024 * 1024)
        assert (ran.exit_code, ran.exceeded) == (0, "")

    uvloop.run(end())
