"""What every response tells a browser it may not do. A response that says something of its own keeps it."""

from __future__ import annotations

from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Frames = Callable[[str], str]
"""Who may frame the page at a path: the value of `frame-ancestors`."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors "
)
NOBODY = "'none'"
HSTS = "max-age=31536000; includeSubDomains"


class SecurityHeaders:
    """Adds the headers to every HTTP response of an application."""

    def __init__(self, app: ASGIApp, *, frames: Frames) -> None:
        self._app, self._frames = app, frames

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers as the application does, with more headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._add(scope, MutableHeaders(scope=message))
            await send(message)

        await self._app(scope, receive, send_with)

    def _add(self, scope: Scope, headers: MutableHeaders) -> None:
        path: str = scope["path"]
        frames = self._frames(path)
        headers.setdefault("content-security-policy", POLICY + frames)
        headers.setdefault("x-content-type-options", "nosniff")
        headers.setdefault("referrer-policy", "same-origin")
        headers.setdefault("cross-origin-opener-policy", "same-origin")
        if frames == NOBODY:
            headers.setdefault("x-frame-options", "DENY")
        if scope["scheme"] == "https":
            headers.setdefault("strict-transport-security", HSTS)
        if not path.startswith("/static/"):
            headers.setdefault("cache-control", "no-store")
