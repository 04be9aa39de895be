"""What every response tells a browser it may not do. A response that says something of its own keeps it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Header = tuple[bytes, bytes]

Frames = Callable[[str], str]
"""Who may frame the page at a path: the value of `frame-ancestors`."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors "
)
NOBODY = "'none'"
POLICIES_MAX = 1_000  # one for each tenant with pages of its own
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
                add(message["headers"], scope, self._frames)
            await send(message)

        await self._app(scope, receive, send_with)


def add(headers: list[Header], scope: Scope, frames: Frames) -> None:
    """Adds them to what a response to this request says itself."""
    path: str = scope["path"]
    own = {name for name, _ in headers}
    added = _headers(frames(path), is_secure=scope["scheme"] == "https", is_kept=path.startswith("/static/"))
    headers += [header for header in added if header[0] not in own]


@lru_cache(POLICIES_MAX)
def _headers(frames: str, *, is_secure: bool, is_kept: bool) -> tuple[Header, ...]:
    """What a page that `frames` may frame says. `is_kept`: it may be kept by whoever fetched it."""
    found = {
        "content-security-policy": POLICY + frames,
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
    }
    found |= {"x-frame-options": "DENY"} if frames == NOBODY else {}
    found |= {"strict-transport-security": HSTS} if is_secure else {}
    found |= {} if is_kept else {"cache-control": "no-store"}
    return tuple((name.encode(), value.encode("latin-1")) for name, value in found.items())
