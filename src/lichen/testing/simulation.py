"""A volume that commits in the loop instead of beside it: what happens depends on nothing but clock and randomness."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from lichen.core.words.errors import Unavailable
from lichen.log.keys.keyring import Keyring
from lichen.log.volume import Volume, VolumeOptions
from lichen.log.write.commits import Commits
from lichen.log.write.entry import Entry
from lichen.log.write.tips import Tip


def seeded(seed: int) -> Callable[[int], bytes]:
    """`random(n)`: the same bytes for the same seed, in the same order."""
    return random.Random(seed).randbytes


class InlineWriter:
    """Makes commits on the loop's thread, in the turn after the one that handed something over."""

    def __init__(
        self, commits: Commits, on_commit: Callable[[list[Entry]], None], on_failure: Callable[[Exception], None]
    ) -> None:
        self.bounds = commits.bounds
        self._commits, self._on_commit, self._on_failure = commits, on_commit, on_failure
        self._loop = asyncio.get_running_loop()
        self._is_due = False

    def put(self, entries: list[Entry], /, *, is_first: bool = False) -> None:
        """Queues entries."""
        self._commits.put(entries, is_first=is_first)
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._is_due = False
        while batch := self._commits.take():
            try:
                self._commits.commit(batch)
            except Exception as error:  # noqa: BLE001 - the volume is told, as by a thread
                self._loop.call_soon(self._on_failure, error)
            else:
                self._loop.call_soon(self._on_commit, batch)

    def discard(self) -> None:
        """Throws away what is queued."""
        self._commits.discard()

    async def sign(self, tips: Iterable[Tip], /) -> None:
        """Signs at once."""
        self._commits.sign(tips)

    async def recover(self) -> None:
        """Opens the store anew."""
        self._commits.recover()

    async def stop(self) -> None:
        """Writes what is queued, and lets go of the store."""
        self._turn()
        self._commits.close()


def open_volume(
    home: Path, *, clock: Callable[[], int], random: Callable[[int], bytes], options: VolumeOptions | None = None
) -> Volume:
    """A simulated volume in `home` with its keys in `home/keys`."""
    simulated = msgspec.structs.replace(options or VolumeOptions(), writer=InlineWriter)
    keyring = Keyring.open(home / "keys", random)
    try:
        return Volume.open(home, keyring=keyring, clock=clock, random=random, options=simulated)
    except BaseException:
        keyring.close()
        raise


async def close_after_power_loss(volume: Volume) -> None:
    """Lets go of the directory of a volume whose disk has no power, as the end of its process does."""
    with suppress(Unavailable, OSError):
        await volume.close()


async def until(is_so: Callable[[], Any], *, turns_max: int = 20_000) -> None:
    """Returns once `is_so()` holds. Raises AssertionError when it does not within so many turns of the loop."""
    for _ in range(turns_max):
        if is_so():
            return
        await asyncio.sleep(0)
    raise AssertionError("it did not come to pass")
