"""The HTTP client that reaches a provider: it retries nothing, and reads no more of a reply than is allowed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import httpx2

REPLY_BYTES_MAX: Final = 8 * 1024 * 1024
CONNECT_S: Final = 10.0
CONNECTIONS_MAX: Final = 1_000
IDLE_MAX: Final = 100


class ReplyTooLarge(Exception):
    """A provider sent more than is read of one reply."""


class ReplyPacked(Exception):
    """A provider compressed its reply, though it was asked not to: what that unpacks to cannot be bounded."""


class _Bounded(httpx2.AsyncByteStream):
    """The bytes of a body, up to a bound."""

    def __init__(self, inner: httpx2.AsyncByteStream, bytes_max: int) -> None:
        self._inner, self._bytes_max = inner, bytes_max

    async def __aiter__(self) -> AsyncIterator[bytes]:
        seen = 0
        async for chunk in self._inner:
            seen += len(chunk)
            if seen > self._bytes_max:
                raise ReplyTooLarge(f"more than {self._bytes_max} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


def http_client(*, timeout_s: float, bytes_max: int = REPLY_BYTES_MAX) -> httpx2.AsyncClient:
    """A client for one connection. Proxies of the environment count, as they do for the provider's own client."""

    async def bound(response: httpx2.Response) -> None:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise ReplyPacked("the reply is compressed")
        stream = response.stream
        if isinstance(stream, httpx2.AsyncByteStream):
            response.stream = _Bounded(stream, bytes_max)

    return httpx2.AsyncClient(
        timeout=httpx2.Timeout(timeout_s, connect=min(CONNECT_S, timeout_s)),
        limits=httpx2.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=IDLE_MAX),
        headers={"Accept-Encoding": "identity"},
        event_hooks={"response": [bound]},
        follow_redirects=False,  # a key follows nobody elsewhere
    )
