"""What the processes of one installation share of the models that they ask: how much each way carries, by one name."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from lichen.agents.lanes.file import MeetingFile
from lichen.agents.lanes.shared import Shared
from lichen.agents.lanes.window import InMemory, Windows
from lichen.log.disk.files import write_once

SALT_BYTES: Final = 32
SALT: Final = "ways.salt"  # in the directory of the keys: with it and a list of keys one could be told in the file

Random = Callable[[int], bytes]


class Sharing(NamedTuple):
    """The windows of a process, and what gives the salt under which keys have the same name in all that share them."""

    windows: Windows
    salt: Callable[[], bytes]


@asynccontextmanager
async def sharing(
    home: Path | None, clock: Callable[[], int], random: Random, *, is_guest: bool = False
) -> AsyncGenerator[Sharing]:
    """What the processes over this data directory share; a process without one shares nothing. A guest, whose own data
    lies elsewhere, puts nothing among the keys."""
    if home is None:
        yield Sharing(InMemory(), lambda: random(SALT_BYTES))
        return
    keys, salt_of = home / "keys", found if is_guest else salt
    member = f"{os.getpid()}-{random(8).hex()}"  # chance alone may be a test's
    async with Shared(MeetingFile(home), member, clock) as shared:
        yield Sharing(shared, lambda: salt_of(keys, random))


def salt(keys: Path, random: Random) -> bytes:
    """The salt of an installation, made by whoever needs it first. One that cannot be kept is this process's own."""
    with suppress(OSError):
        write_once(keys / SALT, random(SALT_BYTES), mark=random(8).hex())
    return found(keys, random)


def found(keys: Path, random: Random) -> bytes:
    """The salt of an installation; where there is none, one of this process's own."""
    try:
        kept = (keys / SALT).read_bytes()
    except OSError:
        kept = b""
    return kept if len(kept) == SALT_BYTES else random(SALT_BYTES)
