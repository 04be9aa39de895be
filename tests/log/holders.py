"""A process that holds a store in Postgres and appends to a log of it, as fast as it becomes durable.

python -m tests.log.holders FOLDER URL SCHEMA

It prints `held`, then how many records of a run are durable after each, `late` where the store may be somebody else's
by now, and in the end why it never can write again.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

from lichen.core.deciders import events as e
from lichen.core.words.errors import Unavailable
from lichen.core.words.ids import RunId, run_stream
from lichen.core.words.scope import Scope
from lichen.log.keys.keyring import Keyring
from lichen.log.postgres.store import PostgresStore
from lichen.log.volume import Volume, VolumeOptions
from lichen.testing.log_conformance import put, started

SCOPE = Scope("acme", "dev")


def say(what: object) -> None:
    """Tells whoever started this."""
    os.write(1, f"{what}\n".encode())


async def opened(folder: Path, options: VolumeOptions) -> Volume:
    """The volume, once nobody else has it."""
    home = folder / f"home-{os.getpid()}"
    while True:
        keyring = Keyring.open(folder / "keys", os.urandom)
        try:
            return Volume.open(
                home, keyring=keyring, clock=lambda: time.time_ns() // 1_000, random=os.urandom, options=options
            )
        except Unavailable as error:
            keyring.close()
            if error.code != "store_in_use":
                raise
            await asyncio.sleep(0.2)


async def main(folder: Path, url: str, schema: str) -> None:
    volume = await opened(folder, VolumeOptions(store=lambda home: PostgresStore(url, schema=schema)))
    say("held")
    log, run = volume.log(SCOPE), run_stream(RunId(f"run-{os.getpid()}"))
    try:
        put(log, run, started(log))
        while True:
            if not volume.is_ours():
                say("late")
            n = log.state(run).n
            put(log, run, e.Draft(e.Signal("input", f"s{n}")))
            await log.durable()
            say(n + 1)
    except Unavailable as error:
        say(await end_of(volume) if error.code == "volume_readonly" else error.code)


async def end_of(volume: Volume) -> str:
    """Why a volume that cannot be written to never will be: it is asked again and again, as a runtime does."""
    while True:
        try:
            await volume.recover()
        except Unavailable as error:
            if error.code != "volume_readonly":
                return error.code
            await asyncio.sleep(0.1)
        else:
            return "recovered"


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:]))
