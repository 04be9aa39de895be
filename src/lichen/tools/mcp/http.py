"""A server at a URL: its answers are bounded, and no redirect leads anywhere else.

Source: Model Context Protocol, transports, Streamable HTTP (and HTTP with SSE of 2024-11-05).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import httpx2

from lichen.core.remote.server import Server
from lichen.tools.mcp.stdio import MESSAGE_BYTES_MAX

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams

CONNECT_S: Final = 10.0


class Bounded(httpx2.AsyncBaseTransport):
    """Refuses to read more than a message may have, of whatever is no stream of events."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The response, its body counted while it is read."""
        response = await self._inner.handle_async_request(request)
        if not response.headers.get("content-type", "").startswith("text/event-stream"):
            assert isinstance(response.stream, httpx2.AsyncByteStream)
            response.stream = _Counted(response.stream)
        return response

    async def aclose(self) -> None:
        """Lets go of the connections."""
        await self._inner.aclose()


class _Counted(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._inner:
            size += len(chunk)
            if size > MESSAGE_BYTES_MAX:
                raise httpx2.ReadError(f"The response has more than {MESSAGE_BYTES_MAX} bytes.")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


@asynccontextmanager
async def reached(server: Server, headers: Mapping[str, str]) -> AsyncGenerator[TransportStreams]:
    """The streams of a server at its URL, asked with these headers."""
    if server.transport == "sse":
        from mcp.client.sse import sse_client

        def made(headers: Any = None, timeout: Any = None, auth: Any = None) -> httpx2.AsyncClient:
            return _client(server, headers or {}, auth)

        async with sse_client(server.url, headers=dict(headers), httpx_client_factory=made) as streams:
            yield streams
    else:
        from mcp.client.streamable_http import streamable_http_client

        async with (
            _client(server, headers) as client,
            streamable_http_client(server.url, http_client=client, max_sse_event_size=MESSAGE_BYTES_MAX) as streams,
        ):
            yield streams


def _client(server: Server, headers: Mapping[str, str], auth: Any = None) -> httpx2.AsyncClient:
    times = httpx2.Timeout(server.timeout_s, connect=min(CONNECT_S, server.timeout_s), read=None)
    transport = Bounded(httpx2.AsyncHTTPTransport(limits=httpx2.Limits(max_connections=20)))
    return httpx2.AsyncClient(
        headers=dict(headers), timeout=times, transport=transport, auth=auth, follow_redirects=False, trust_env=False
    )
