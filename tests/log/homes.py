"""A data directory for one test, with a clock that stands still and randomness that repeats itself."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from lichen.core.words.scope import Scope
from lichen.log.keys.keyring import Keyring
from lichen.log.log import Log
from lichen.log.volume import Volume, VolumeOptions
from lichen.log.write import staging

SCOPE = Scope("acme", "dev")
START_US = 1_800_000_000_000_000


class Clock:
    """Microseconds since 1970, moved on by the test."""

    def __init__(self, us: int = START_US) -> None:
        self.us = us

    def __call__(self) -> int:
        return self.us

    def tick(self, seconds: float) -> None:
        self.us += int(seconds * 1_000_000)


@contextmanager
def stored(*, together: bool) -> Generator[None]:
    """Logs are written with records that facts share, or with every fact apart, as any reader must take them."""
    with pytest.MonkeyPatch.context() as patch:
        if not together:
            patch.setattr(staging, "stands", lambda state, draft: "alone")  # type: ignore[misc]
        yield


class Home:
    """The directories, and what is open of them. `logs` and `keys` lie apart."""

    def __init__(self, path: Path, *, seed: int = 1) -> None:
        self.logs, self.keys = path / "logs", path / "keys"
        self.clock = Clock()
        self.random: Callable[[int], bytes] = random.Random(seed).randbytes
        self.keyring: Keyring | None = None
        self.volume: Volume | None = None

    @property
    def file(self) -> Path:
        return self.logs / "lichen.sqlite"

    def sql(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Does something to the file behind the volume's back."""
        connection = sqlite3.connect(self.file, isolation_level=None)
        try:
            return connection.execute(query, values).fetchall()
        finally:
            connection.close()

    async def open(self, options: VolumeOptions | None = None) -> Volume:
        self.keyring = Keyring.open(self.keys, self.random)
        try:
            self.volume = Volume.open(
                self.logs, keyring=self.keyring, clock=self.clock, random=self.random, options=options
            )
        except BaseException:
            self.keyring.close()
            raise
        return self.volume

    async def close(self) -> None:
        volume, self.volume = self.volume, None
        if volume is not None:
            await volume.close()
        if self.keyring is not None:
            self.keyring.close()
            self.keyring = None

    async def reopen(self) -> Log:
        await self.close()
        return (await self.open()).log(SCOPE)

    @asynccontextmanager
    async def opened(self, options: VolumeOptions | None = None) -> AsyncGenerator[Log]:
        volume = await self.open(options)
        try:
            yield volume.log(SCOPE)
        finally:
            await self.close()
