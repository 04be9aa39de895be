"""The door on this machine: the app on a Unix socket in the data directory, which only its owner can open."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from starlette.applications import Starlette

from lichen.serve.http.state import of_app
from lichen.serve.listen.address import address
from lichen.serve.listen.server import InLoop, config_of, running

BACKLOG = 128


@asynccontextmanager
async def serving(app: Starlette, path: Path) -> AsyncGenerator[None]:
    """Answers requests on the socket `path` as long as the context lasts; on leaving, lets those begun end.

    The caller must own the data directory: a socket that lies there already is taken for a dead process's and
    replaced. Signals are left alone.
    """
    with _listening(path) as listener:
        async with running(InLoop(config_of(app, ws="none")), listener, of_app(app)):
            yield


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
