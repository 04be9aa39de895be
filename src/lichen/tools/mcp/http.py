"""A server at a URL: its answers are bounded, and no redirect leads anywhere else.

Source: Model Context Protocol, transports, Streamable HTTP (and HTTP with SSE of 2024-11-05).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

import httpx2

from lichen.core.remote.server import Server
from lichen.tools.mcp.stdio import MESSAGE_BYTES_MAX

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams

CONNECT_S: Final = 10.0


class Bounded(httpx2.AsyncBaseTransport):
    """Refuses to read more than a message may have, of whatever is no stream of events; and to go where a server at
    `url` has nobody to send us."""

    def __init__(self, url: str, inner: httpx2.AsyncBaseTransport) -> None:
        self._url, self._inner = httpx2.URL(url), inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The response, its body counted while it is read."""
        check_elsewhere(self._url, request.url)
        response = await self._inner.handle_async_request(request)
        if not response.headers.get("content-type", "").startswith("text/event-stream"):
            assert isinstance(response.stream, httpx2.AsyncByteStream)
            response.stream = _Counted(response.stream)
        return response

    async def aclose(self) -> None:
        """Lets go of the connections."""
        await self._inner.aclose()


def check_elsewhere(server: httpx2.URL, url: httpx2.URL) -> None:
    """Raises httpx2.UnsupportedProtocol for an address that is neither the server's own nor public and HTTPS. On the
    loopback a server may name another port of it."""
    if (url.scheme, url.host, url.port) == (server.scheme, server.host, server.port):
        return
    if _is_loopback(server.host) and _is_loopback(url.host):
        return
    if url.scheme != "https" or _is_private(url.host):
        raise httpx2.UnsupportedProtocol(f"The server leads to {url.scheme}://{url.host}, where nobody goes for it.")


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (_is_address(host) and ip_address(host).is_loopback)


def _is_private(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost") or (_is_address(host) and not ip_address(host).is_global)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


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
async def reached(
    server: Server, headers: Mapping[str, str], auth: httpx2.Auth | None = None
) -> AsyncGenerator[TransportStreams]:
    """The streams of a server at its URL, asked with these headers, and as whoever `auth` says."""
    if server.transport == "sse":
        from mcp.client.sse import sse_client

        def made(headers: Any = None, timeout: Any = None, auth: Any = None) -> httpx2.AsyncClient:
            return client_of(server, headers or {}, auth)

        async with sse_client(server.url, headers=dict(headers), httpx_client_factory=made, auth=auth) as streams:
            yield streams
    else:
        from mcp.client.streamable_http import streamable_http_client

        async with (
            client_of(server, headers, auth) as client,
            streamable_http_client(server.url, http_client=client, max_sse_event_size=MESSAGE_BYTES_MAX) as streams,
        ):
            yield streams


def client_of(server: Server, headers: Mapping[str, str], auth: Any = None) -> httpx2.AsyncClient:
    """A client for one server. It follows no redirect, and goes elsewhere, as signing in does, over HTTPS alone."""
    times = httpx2.Timeout(server.timeout_s, connect=min(CONNECT_S, server.timeout_s), read=None)
    transport = Bounded(server.url, httpx2.AsyncHTTPTransport(limits=httpx2.Limits(max_connections=20)))
    return httpx2.AsyncClient(
        headers=dict(headers), timeout=times, transport=transport, auth=auth, follow_redirects=False, trust_env=False
    )
