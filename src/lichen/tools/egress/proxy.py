"""The proxy of a cage. It connects to granted hosts alone, at the address that was looked at, and adds what the code in
the cage is not told: the credentials of a host.

Through a tunnel goes only TLS that names the tunnel's own host: one that was granted is no way to its neighbours at the
same address.

Source: RFC 9110 sections 7.6 and 9.3.6.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import msgspec

from lichen.core.words.errors import Denied, Invalid, LichenError, Unavailable
from lichen.tools.egress.addresses import Resolve, addresses_of, host_of, is_address, reached
from lichen.tools.egress.authority import Authority
from lichen.tools.egress.hello import HANDSHAKE, UNKNOWN_NAME, read_hello
from lichen.tools.egress.requests import HEAD_BYTES_MAX, Request, request_of

CONNECT_S: Final = 10.0
Credentials = Mapping[str, Mapping[str, str]]
"""The fields that are added to requests to a host."""
_Ends = tuple[StreamReader, StreamWriter]


class EgressBounds(msgspec.Struct, frozen=True):
    """How much goes through one connection, how many there are at once, and how long one may be silent."""

    bytes_max: int = 256 * 1024 * 1024
    connections_max: int = 64
    idle_s: float = 120.0


NONE: Final[Credentials] = {}
BOUNDS: Final = EgressBounds()


class Egress:
    """What one cage reaches of the network. `credentials` are fields that are added to requests to a host; `authority`
    vouches inside the cage for those hosts, as their requests are read; `trust` says whom it takes for them.
    """

    def __init__(
        self,
        network: tuple[str, ...],
        credentials: Credentials = NONE,
        *,
        authority: Authority | None = None,
        resolve: Resolve = addresses_of,
        trust: ssl.SSLContext | None = None,
        bounds: EgressBounds = BOUNDS,
    ) -> None:
        self._hosts = tuple(map(host_of, network))
        self._credentials = {host.lower(): fields for host, fields in credentials.items()}
        self._authority = authority
        self._resolve = resolve
        self._trust = trust
        self._bounds = bounds
        self._talks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def serve(self, listening: socket.socket) -> None:
        """Serves whoever connects to a socket, until it is closed."""
        self._server = await asyncio.start_server(self._begin, sock=listening, limit=HEAD_BYTES_MAX)

    async def close(self) -> None:
        """Ends it with every connection."""
        if self._server is not None:
            self._server.close()
        for talk in tuple(self._talks):
            talk.cancel()
        if self._talks:
            await asyncio.wait(self._talks)

    # -- one connection ------------------------------------------------------------------------------------------

    def _begin(self, reader: StreamReader, writer: StreamWriter) -> None:
        talk = asyncio.ensure_future(self._talk(reader, writer))
        self._talks.add(talk)
        talk.add_done_callback(self._talks.discard)

    async def _talk(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            if len(self._talks) > self._bounds.connections_max:
                raise Unavailable("There are too many connections.", code="connections_full")
            await self._serve(reader, writer)
        except LichenError as error:
            with suppress(ConnectionError):
                writer.write(_said(error))
                await writer.drain()
        except (OSError, EOFError, TimeoutError, ValueError):  # whoever asked is told by the end of it
            pass
        finally:
            writer.close()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        request = await self._request(reader)
        address = await reached(self._hosts, request.name, request.port, self._resolve)
        if not request.is_tunnel:
            is_upgraded = request.name in self._credentials and request.port == 80
            await self._exchange(request, address, reader, writer, port=443 if is_upgraded else request.port)
            return
        if request.name not in self._credentials:
            theirs = await self._connected(address, request.port, None)
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await self._join(request, (reader, writer), theirs)
            return
        await self._read_tunnel(request, address, reader, writer)

    async def _read_tunnel(self, tunnel: Request, address: str, reader: StreamReader, writer: StreamWriter) -> None:
        """A tunnel whose requests are read, since something is added to them."""
        if self._authority is None:
            raise Denied(f"{tunnel.name} is asked with http:// here.", code="tunnel_denied", next_step="Ask it so.")
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await writer.drain()
        await writer.start_tls(self._authority.context(tunnel.name), ssl_handshake_timeout=CONNECT_S)
        request = await self._request(reader, (tunnel.name, tunnel.port))
        await self._exchange(request, address, reader, writer, port=tunnel.port)

    async def _request(self, reader: StreamReader, within: tuple[str, int] | None = None) -> Request:
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), self._bounds.idle_s)
        except asyncio.LimitOverrunError:
            raise Invalid("The head of the request is too long.", code="request_refused") from None
        return request_of(head, within)

    async def _exchange(
        self, request: Request, address: str, reader: StreamReader, writer: StreamWriter, *, port: int
    ) -> None:
        """One request with what is added to it, and its answer."""
        added = self._credentials.get(request.name, {})
        is_secured = port == 443 or bool(added)
        theirs = await self._connected(address, port, request.name if is_secured else None)
        try:
            theirs[1].write(request.sent(added))
            await self._pass(reader, theirs[1], request.body_bytes)
            await self._pass(theirs[0], writer, None)
        finally:
            theirs[1].close()

    async def _connected(self, address: str, port: int, secured: str | None) -> tuple[StreamReader, StreamWriter]:
        trust = (self._trust or ssl.create_default_context()) if secured is not None else None
        try:
            opening = asyncio.open_connection(address, port, ssl=trust, server_hostname=secured)
            return await asyncio.wait_for(opening, CONNECT_S)
        except (OSError, TimeoutError):
            raise Unavailable("The host cannot be reached.", code="host_unreachable") from None

    async def _join(self, tunnel: Request, ours: _Ends, theirs: _Ends) -> None:
        """Both ways at once, until either ends; ours once it named the host that the tunnel is for."""
        ways = {
            asyncio.ensure_future(self._enter(tunnel, ours, theirs[1])),
            asyncio.ensure_future(self._pass(theirs[0], ours[1], None)),
        }
        try:
            ended, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_EXCEPTION)
            for way in ended:
                way.result()
        finally:
            for way in ways:
                way.cancel()
            await asyncio.wait(ways)
            theirs[1].close()

    async def _enter(self, tunnel: Request, ours: _Ends, target: StreamWriter) -> None:
        """What is sent through a tunnel, which is for one host: a TLS client names that, and nobody else's name goes
        through. Only to an address that was granted goes what names nobody, or is no TLS."""
        first = await asyncio.wait_for(ours[0].readexactly(1), self._bounds.idle_s)
        if first[0] == HANDSHAKE:
            first = await self._named(tunnel, ours)
        elif not is_address(tunnel.name):
            raise ConnectionAbortedError("what is no TLS names nobody")
        target.write(first)
        await self._pass(ours[0], target, None)

    async def _named(self, tunnel: Request, ours: _Ends) -> bytes:
        hello = await asyncio.wait_for(read_hello(ours[0]), CONNECT_S)
        is_meant = is_address(tunnel.name) if hello.name is None else hello.name == tunnel.name
        if not is_meant:
            ours[1].write(UNKNOWN_NAME)
            raise ConnectionAbortedError("it names another host than the tunnel is for")
        return hello.sent

    async def _pass(self, source: StreamReader, target: StreamWriter, exactly: int | None) -> None:
        """So many bytes, or all that come; the end of them is passed on, too."""
        left = self._bounds.bytes_max if exactly is None else exactly
        if left > self._bounds.bytes_max:
            raise Invalid("The body of the request is too long.", code="request_refused")
        while left:
            data = await asyncio.wait_for(source.read(min(left, 65_536)), self._bounds.idle_s)
            if not data:
                break
            left -= len(data)
            target.write(data)
            await target.drain()
        else:
            if exactly is None:
                raise ConnectionAbortedError  # more than goes through
        if exactly is None and target.can_write_eof():
            target.write_eof()


def _said(error: LichenError) -> bytes:
    """An error as an answer of the proxy."""
    text = f"{error}\n".encode()
    reason = {400: "Bad Request", 403: "Forbidden", 503: "Service Unavailable"}.get(error.status, "Error")
    fields = ("Content-Type: text/plain", f"Content-Length: {len(text)}", "Connection: close")
    return "\r\n".join((f"HTTP/1.1 {error.status} {reason}", *fields, "", "")).encode() + text
