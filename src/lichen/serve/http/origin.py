"""Which page a browser sent a request from."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import HTTPConnection


def is_own(request: HTTPConnection, origin: str) -> bool:
    """Whether the `Origin` is that of the host the request went to. One that nobody can read is not."""
    try:
        return urlsplit(origin).netloc == request.headers.get("host")
    except ValueError:
        return False
