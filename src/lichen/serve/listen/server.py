"""A uvicorn server in the runtime's own loop: it starts and ends when it is told to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send
from uvicorn import Config, Server

from lichen.core.words.errors import Unavailable
from lichen.serve.http.errors import failure
from lichen.serve.http.state import Site, of_app

GRACE_S = 5


class InLoop(Server):
    """Starts and stops when it is told to, not on signals and not on a tick."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self.leaving = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leaves signals alone."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begins to listen."""
        await super().startup(sockets)
        self.ready.set()

    async def main_loop(self) -> None:
        """Serves until told to leave."""
        await self.leaving.wait()


@asynccontextmanager
async def running(server: InLoop, listener: socket.socket, site: Site) -> AsyncGenerator[None]:
    """Serves on `listener` within the context. On leaving the site drains, and requests begun have GRACE_S seconds to
    end."""
    task = asyncio.ensure_future(server.serve(sockets=[listener]))
    try:
        await server.ready.wait()
        yield
    finally:
        site.drain()
        server.leaving.set()
        await task


WATCHED = ("/healthz", "/readyz")
"""Answered to the end: whoever watches the process is told that it ends."""


def closed(site: Site, path: str) -> Unavailable | None:
    """Why a request that comes now is not taken: the site drains."""
    if site.draining and path not in WATCHED:
        return Unavailable("The runtime is shutting down.", code="draining")
    return None


class TillDrained:
    """An application that takes nothing new once its site drains."""

    def __init__(self, app: Starlette) -> None:
        self._app, self._site = app, of_app(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers as the application does, or says that nothing is taken any more."""
        refusal = closed(self._site, scope["path"])
        await (self._app if refusal is None else failure(refusal))(scope, receive, send)


def config_of(app: Any, **options: Any) -> Config:
    """What every door of ours has in common: no signals, no logs, nothing told about the server, and nobody's word for
    whom they speak for."""
    return Config(
        app, lifespan="off", log_config=None, access_log=False, server_header=False, date_header=False,
        proxy_headers=False, timeout_graceful_shutdown=GRACE_S, **options,
    )  # fmt: skip
