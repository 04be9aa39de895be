"""The door to the network: an app on a TCP port, with bounds on what a stranger can make it hold."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from lichen.core.words.errors import Invalid, Unavailable
from lichen.serve.http.limits import network_of
from lichen.serve.http.state import of_app
from lichen.serve.listen.bounded import Bounded, Bounds
from lichen.serve.listen.frames import websocket_protocol
from lichen.serve.listen.places import Places
from lichen.serve.listen.proxies import Proxies
from lichen.serve.listen.quiet import quiet
from lichen.serve.listen.server import InLoop, config_of, running
from lichen.serve.listen.short import Shortly
from lichen.serve.listen.stall import Stalling
from lichen.settings import Serve, Settings

BACKLOG = 2_048

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as _Base
else:
    _Base = asyncio.Protocol


@asynccontextmanager
async def listening(
    app: Starlette, host: str, port: int, *, bounds: Bounds | None = None, proxies: Proxies | None = None
) -> AsyncGenerator[int]:
    """Answers requests on a port as long as the context lasts, and yields the port: with `port` 0 a free one is taken.

    The application has a `Site`, which says of a request whether it is an operator's, for whom places are reserved.
    On leaving, those begun may end. Raises Unavailable (`port_in_use`, `port_unusable`), Invalid (`host_unknown`).
    """
    bounds, proxies = bounds or Bounds(), proxies or Proxies()
    with _bound(host, port) as listener:
        places = Places(most=bounds.connections_max, most_each=bounds.connections_each_max)
        bounded = Bounded(app, bounds, places)
        config = config_of(
            proxies.before(bounded), http=_protocol(Hall(bounds, places, proxies, bounded)),
            ws=websocket_protocol(bounds.stall_s), ws_max_size=bounds.frame_bytes_max,
            ws_per_message_deflate=False, timeout_keep_alive=bounds.keep_alive_s, backlog=BACKLOG,
            h11_max_incomplete_event_size=bounds.head_bytes_max,
        )  # fmt: skip
        async with running(InLoop(config), listener, of_app(app)):
            yield listener.getsockname()[1]


def listening_as(app: Starlette, host: str, port: int, settings: Settings | None) -> AbstractAsyncContextManager[int]:
    """`listening` with the bounds and the trusted proxies of a project."""
    serve = settings.serve if settings is not None else Serve()
    bounds = Bounds(
        connections_max=serve.connections,
        connections_each_max=serve.connections_per_address,
        sockets_max=serve.sockets,
        sockets_each_max=serve.sockets_per_address,
    )
    return listening(app, host, port, bounds=bounds, proxies=Proxies(serve.trusted_proxies))


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError, OverflowError):
        raise Invalid(
            f"There is no address {host!r} to listen on.", code="host_unknown", next_step="Use --host 127.0.0.1."
        ) from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise _unusable(error, host, port) from None
    return listener


def _unusable(error: OSError, host: str, port: int) -> Unavailable:
    if error.errno == errno.EADDRINUSE:
        return Unavailable(
            f"Port {port} is in use by another program.",
            code="port_in_use",
            next_step="Stop that program, or choose another port with --port (LICHEN_PORT); 0 takes a free one.",
        )
    return Unavailable(
        f"Nobody can listen on {host}, port {port} ({error.strerror}).",
        code="port_unusable",
        next_step="Choose another address with --host or another port with --port.",
    )


# -- bounds ------------------------------------------------------------------------------------------------------


class Hall(NamedTuple):
    """What every connection of a port needs to know."""

    bounds: Bounds
    places: Places
    proxies: Proxies
    bounded: Bounded


class _Patience(Stalling):
    """Closes a connection whose next request does not begin in time, however slowly it trickles."""

    hall: Hall
    peer = ""
    _is_upgraded = False
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.logger = quiet()
        address = transport.get_extra_info("peername")[0]
        self.peer = "" if address in self.hall.proxies else network_of(address)
        self._expect()
        self.hall.places.enter(self)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_upgraded or self._is_answering():
            self._forget()
        else:
            self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        self.hall.places.leave(self)
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, *event: Any) -> None:
        self._is_upgraded = True
        self.hall.places.leave(self)  # the application counts it from here
        super().handle_websocket_upgrade(*event)

    def is_waiting(self) -> bool:
        """Whether the rest of a request, or the next one, is what it waits for."""
        return not self._is_answering() or self.cycle.more_body

    def cut(self) -> None:
        """Ends it at once."""
        self.transport.abort()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete  # pyright: ignore[reportUnnecessaryComparison]

    def _expect(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self.hall.bounds.head_s, self._give_up)

    def _give_up(self) -> None:
        self._timer = None
        if not self._is_answering():
            self._part()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._part()

    def _part(self) -> None:
        """Closes, after `stall_s` even if something still waits to be read."""
        self.transport.close()
        if self.transport.get_write_buffer_size():
            self.loop.call_later(self.stall_s, self.transport.abort)

    def _forget(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _protocol(hall: Hall) -> type[asyncio.Protocol]:
    """HTTP by httptools when it is installed, which is faster; else by h11."""
    limits = {"hall": hall, "stall_s": hall.bounds.stall_s}
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
    except ImportError:
        return type("PatientH11", (_Patience, H11Protocol), limits)
    short = {"proxies": hall.proxies, "bounded": hall.bounded}
    return type("PatientHttpTools", (_Counting, _Patience, Shortly, HttpToolsProtocol), limits | short)


class _Counting(_Base):
    """Bounds a head while it comes: httptools itself keeps however much there is."""

    hall: Hall
    _is_in_head = False
    _head_bytes = 0

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._head_bytes = self._head_bytes + len(data) if self._is_in_head else 0
        if self._head_bytes > self.hall.bounds.head_bytes_max:
            self.transport.abort()

    def on_message_begin(self) -> None:
        self._is_in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        super().on_headers_complete()
