"""The door on this machine: the app on a Unix socket in the data directory, which only its owner can open."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from starlette.applications import Starlette

from lichen.core.words.errors import Unavailable
from lichen.serve.http.state import of_app
from lichen.serve.listen.address import address
from lichen.serve.listen.frames import websocket_protocol
from lichen.serve.listen.server import InLoop, TillDrained, config_of, running

BACKLOG = 128
STALL_S = 60.0
FRAME_BYTES_MAX = 1024 * 1024


@asynccontextmanager
async def serving(app: Starlette, path: Path) -> AsyncGenerator[None]:
    """Answers requests on the socket `path` as long as the context lasts; on leaving, lets those begun end.

    The caller must own the data directory: a socket that lies there already is taken for a dead process's and
    replaced. Signals are left alone. Raises Unavailable (`socket_unusable`, `socket_path_too_long`).
    """
    protocol = websocket_protocol(STALL_S)
    config = config_of(TillDrained(app), ws=protocol, ws_max_size=FRAME_BYTES_MAX, ws_per_message_deflate=False)
    with _listening(path) as listener:
        async with running(InLoop(config), listener, of_app(app)):
            yield


@contextmanager
def _listening(path: Path) -> Generator[socket.socket]:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _bind(listener, path)
        yield listener
    finally:
        listener.close()
        path.unlink(missing_ok=True)


def _bind(listener: socket.socket, path: Path) -> None:
    """Raises Unavailable (`socket_unusable`, `socket_path_too_long`)."""
    try:
        path.unlink(missing_ok=True)
        with address(path) as name:
            before = os.umask(0o177)  # from its first moment nobody else can open it
            try:
                listener.bind(name)
            finally:
                os.umask(before)
        listener.listen(BACKLOG)
    except OSError as error:
        raise Unavailable(
            f"Nobody can listen on the socket of the data directory ({error.strerror}).",
            code="socket_unusable",
            next_step="Set LICHEN_HOME to a directory that this user can write.",
            place=str(path),
        ) from None
