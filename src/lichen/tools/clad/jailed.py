"""Commands in the jail of this machine, the only place where they are run."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import msgspec

from lichen.core.cage.grant import Grant
from lichen.core.ports.call import NotDone
from lichen.core.words.errors import LichenError
from lichen.tools.clad.runner import OUTPUT_BYTES_MAX, Job, Said

if TYPE_CHECKING:  # of use only where there are commands
    from lichen.tools.cage.choice import Cages
    from lichen.tools.cage.port import Caged, Command


@cache
def cages() -> Cages:
    """The jails of this process."""
    from lichen.tools.cage.choice import Cages

    return Cages()


async def jailed(job: Job, timeout_s: float, /) -> Said:
    """What became of a command in its jail. Raises NotDone where it was not started: no jail works here, its grant
    would open it, or there is no such program."""
    from lichen.tools.cage.oneshot import run

    with _not_started():
        ran = await run(
            await cages().of("jail"),
            _command(job),
            _granted(job),
            timeout_s=timeout_s,
            output_bytes_max=OUTPUT_BYTES_MAX,
        )
    return Said(ran.exit_code, ran.stdout, ran.stderr, ran.exceeded, ran.is_stdout_cut)


async def begun(job: Job, /) -> Caged:
    """A program in its jail that goes on. Raises NotDone as `jailed`."""
    with _not_started():
        cage = await cages().of("jail")
        return await cage.start(_command(job), _granted(job))


def _command(job: Job) -> Command:
    from lichen.tools.cage.port import Command

    return Command(job.words, job.cwd, job.env, job.hides)


def _granted(job: Job) -> Grant:
    names = ("reads", "writes", "network", "memory_mb", "cpu_s", "processes")
    return msgspec.convert({name: getattr(job, name) for name in names}, Grant)


@contextmanager
def _not_started() -> Generator[None]:
    try:
        yield
    except (LichenError, msgspec.ValidationError) as error:
        code = error.code if isinstance(error, LichenError) else "grant_refused"
        raise NotDone(str(error), code=code, retryable=False, recovery="finish") from error
