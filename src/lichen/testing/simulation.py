"""A volume that writes in the loop instead of beside it: what happens depends on nothing but clock and randomness."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from lichen.log.keys.keyring import Keyring
from lichen.log.volume import Volume, VolumeOptions
from lichen.log.write.entry import Entry
from lichen.log.write.writer import Bounds, Writer

T = TypeVar("T")


def seeded(seed: int) -> Callable[[int], bytes]:
    """`random(n)`: the same bytes for the same seed, in the same order."""
    return random.Random(seed).randbytes


class InlineWriter(Writer):
    """Commits on the loop's thread, in the turn after the one that handed something over."""

    _is_due = False

    def _run(self) -> None:
        """Nothing: the thread ends at once."""

    def put(self, entries: list[Entry], *, is_first: bool = False) -> None:
        """Queues entries."""
        super().put(entries, is_first=is_first)
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._is_due = False
        while not self._has_failed and not self._is_stopping and (batch := self._take()):
            self._commit(batch)

    async def _do(self, job: Callable[[], T]) -> T:
        return job()


class SimulatedVolume(Volume):
    """A volume with an inline writer. `crash` lets go of the directory as a killed process would."""

    def _start(self, path: Path) -> Writer:
        options = self._options
        return InlineWriter(
            path,
            connect=options.connect,
            keyring=self.keyring,
            blobs=self._store.blobs,
            clock=self.clock,
            bounds=Bounds(options.commit_rows_max, options.commit_bytes_max),
            on_commit=self._on_commit,
            on_failure=self._on_failure,
        )

    def discard(self) -> None:
        """From here on nothing becomes durable, as if the process were dead."""
        self._store.discard()
        self._store.is_closed = True

    async def crash(self) -> None:
        """What is not durable by now never will be."""
        self.discard()
        for log in self._logs.values():
            log.feed.close()
        await self._writer.stop()
        self._store.reader.close()
        self._lock.release()


def open_volume(
    home: Path, *, clock: Callable[[], int], random: Callable[[int], bytes], options: VolumeOptions | None = None
) -> SimulatedVolume:
    """A simulated volume in `home` with its keys in `home/keys`."""
    keyring = Keyring.open(home / "keys", random)
    try:
        return SimulatedVolume.open(home, keyring=keyring, clock=clock, random=random, options=options)
    except BaseException:
        keyring.close()
        raise


async def until(is_so: Callable[[], Any], *, turns_max: int = 20_000) -> None:
    """Returns once `is_so()` holds. Raises AssertionError when it does not within so many turns of the loop."""
    for _ in range(turns_max):
        if is_so():
            return
        await asyncio.sleep(0)
    raise AssertionError("it did not come to pass")
