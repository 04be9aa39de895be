"""The sessions of one tenant's clients over HTTP, held open by a task of their own until the server closes."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.types import Receive, Scope, Send

from lichen.core.words.scope import Actor
from lichen.serve.http.exchange import BODY_BYTES_MAX

SESSIONS_MAX: Final = 1_000
IDLE_S: Final = 30 * 60.0
GRACE_S: Final = 3.0


class Hall:
    """Takes requests once it is open. A session is its key's: for every other key there is no such session."""

    def __init__(self, server: Server[Any], closing: asyncio.Event) -> None:
        self._manager = StreamableHTTPSessionManager(
            server, max_sessions=SESSIONS_MAX, session_idle_timeout=IDLE_S, max_request_body_size=BODY_BYTES_MAX
        )
        self._closing = closing
        self._ready = asyncio.Event()
        self._posts = 0
        self._rest = asyncio.Event()
        self._task = asyncio.ensure_future(self._hold())

    async def answer(self, scope: Scope, receive: Receive, send: Send, *, actor: Actor) -> None:
        """Answers one request of an actor."""
        await self._ready.wait()
        token = AccessToken(token="", client_id=actor.auth, scopes=[], subject=f"{actor.kind}/{actor.id}")
        scope["user"] = AuthenticatedUser(token)
        with self._answering(scope):
            await self._manager.handle_request(scope, receive, send)

    @contextmanager
    def _answering(self, scope: Scope) -> Generator[None]:
        """Counts what is answered to its end when the server stops: everything but the streams that never end."""
        if scope["method"] != "POST":
            yield
            return
        self._posts += 1
        self._rest.clear()
        try:
            yield
        finally:
            self._posts -= 1
            if not self._posts:
                self._rest.set()

    async def _hold(self) -> None:
        async with self._manager.run():
            self._ready.set()
            await self._closing.wait()
            if self._posts:
                await asyncio.wait({asyncio.ensure_future(self._rest.wait())}, timeout=GRACE_S)
