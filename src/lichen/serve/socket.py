"""The door on this machine: the app on a Unix socket in the data directory, which only its owner can open."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from starlette.applications import Starlette
from uvicorn import Config, Server

from lichen.serve.address import address

GRACE_S = 5
BACKLOG = 128


@asynccontextmanager
async def serving(app: Starlette, path: Path) -> AsyncGenerator[None]:
    """Answers requests on the socket `path` as long as the context lasts; on leaving, lets those begun end.

    The caller must own the data directory: a socket that lies there already is taken for a dead process's and
    replaced. Signals are left alone.
    """
    with _listening(path) as listener:
        config = Config(
            app, lifespan="off", ws="none", log_config=None, access_log=False, server_header=False, date_header=False,
            timeout_graceful_shutdown=GRACE_S,
        )  # fmt: skip
        server = _Server(config)
        task = asyncio.ensure_future(server.serve(sockets=[listener]))
        try:
            await server.ready.wait()
            yield
        finally:
            app.state.closing.set()
            server.leaving.set()
            await task


class _Server(Server):
    """A server that starts and stops when it is told to, not on signals and not on a tick."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self.leaving = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def main_loop(self) -> None:
        await self.leaving.wait()


@contextmanager
def _listening(path: Path) -> Generator[socket.socket]:
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with address(path) as name:
            before = os.umask(0o177)  # from its first moment nobody else can open it
            try:
                listener.bind(name)
            finally:
                os.umask(before)
        listener.listen(BACKLOG)
        yield listener
    finally:
        listener.close()
        path.unlink(missing_ok=True)
