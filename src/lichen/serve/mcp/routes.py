"""`/mcp`: Streamable HTTP for whoever has a key, and on the owner's socket the pipe of `lichen mcp`.

The official SDK is loaded by the first who comes: it is an extra, and large.
"""

from __future__ import annotations

import asyncio
from importlib import import_module
from importlib.util import find_spec
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from lichen.core.words.errors import Denied, Invalid, LichenError, Unauthenticated, Unavailable
from lichen.runtime.runtime import Runtime
from lichen.serve.http.auth import Identify
from lichen.serve.http.errors import failure
from lichen.serve.http.origin import is_own
from lichen.serve.http.state import site_of
from lichen.serve.mcp.pipe import serve_pipe

if TYPE_CHECKING:
    from typing import Any

    from mcp.server.lowlevel import Server

    from lichen.serve.mcp.hall import Hall

PATH: Final = "/mcp"
LOCAL: Final = frozenset(("localhost", "127.0.0.1", "::1"))


def mcp_routes(runtime: Runtime, admit: Identify, identify: Identify) -> list[BaseRoute]:
    """The route on the port. `admit` recognises who comes, each so often only; `identify` whose a message is."""
    return [Route(PATH, endpoint=_Door(runtime, admit, identify))]


def pipe_routes(runtime: Runtime, identify: Identify) -> list[BaseRoute]:
    """The route on the owner's socket."""
    made = _Made(runtime, identify)

    async def pipe(socket: WebSocket) -> None:
        await serve_pipe(socket, made.server, identify, site_of(socket).closing)

    return [WebSocketRoute(PATH, pipe)]


class _Made:
    """The SDK's server, made when somebody needs it."""

    def __init__(self, runtime: Runtime, identify: Identify) -> None:
        self._runtime, self._identify = runtime, identify
        self._server: Server[Any] | None = None

    async def server(self) -> Server[Any]:
        """The server. Raises Unavailable (`extra_missing`)."""
        if self._server is None:
            if find_spec("mcp") is None:
                step = "Install Lichen with its extra `mcp`, in a clone with `pip install '.[mcp]'`."
                raise Unavailable("The SDK of the protocol is not installed.", code="extra_missing", next_step=step)
            await asyncio.to_thread(_load)
            from lichen.serve.mcp.server import make_server
            from lichen.serve.mcp.visit import House

            self._server = self._server or make_server(House(self._runtime, self._identify))
        return self._server


def _load() -> None:
    """Loads what takes a second, where it keeps nobody waiting."""
    for name in ("hall", "server"):
        import_module(f"lichen.serve.mcp.{name}")


class _Door:
    """Answers at the path, whatever the method: the SDK knows which there are."""

    def __init__(self, runtime: Runtime, admit: Identify, identify: Identify) -> None:
        self._made = _Made(runtime, identify)
        self._runtime, self._admit = runtime, admit
        self._halls: dict[str, Hall] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request of whoever has a key."""
        request = Request(scope, receive)
        try:
            check_host(request, self._hosts())
            check_origin(request)
            caller = self._admit(request)
            hall = await self._hall(request, caller.scope().log_id())
            await hall.answer(scope, receive, send, actor=caller.actor())
        except LichenError as error:
            await _failure(error)(scope, receive, send)

    def _hosts(self) -> tuple[str, ...]:
        settings = self._runtime.settings
        return settings.serve.mcp.hosts if settings is not None else ()

    async def _hall(self, request: Request, log: str) -> Hall:
        server = await self._made.server()
        from lichen.serve.mcp.hall import Hall

        if log not in self._halls:
            self._halls[log] = Hall(server, site_of(request).closing)
        return self._halls[log]


def check_origin(request: HTTPConnection) -> None:
    """Refuses what another site's page sent. Raises Denied (`origin_foreign`)."""
    origin = request.headers.get("origin")
    if origin is not None and not is_own(request, origin):
        raise Denied("Pages of other sites may not speak to this server.", code="origin_foreign")


def check_host(request: HTTPConnection, hosts: tuple[str, ...]) -> None:
    """Refuses a name that is not ours: a page whose name was made to mean this machine carries its own name. What
    listens on the loopback has the loopback's names, and those of `hosts`. Raises Misdirected (`host_foreign`)."""
    server = request.scope.get("server")
    name = _name_of(request.headers.get("host", ""))
    if name in hosts or (not hosts and not _is_loopback(server[0] if server else "")):
        return
    if name not in LOCAL or not _is_loopback(server[0] if server else ""):
        raise Misdirected("This server is not called that.", code="host_foreign")


class Misdirected(Invalid):
    """The request is for another host (RFC 9110, 15.5.20)."""

    status = 421
    next_step = "Name the host under [serve.mcp] hosts in lichen.toml, if it is this server's."


def _name_of(host: str) -> str:
    """The name in a Host header, without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _failure(error: LichenError) -> Response:
    """The error; a 401 says what is wanted (RFC 6750)."""
    response = failure(error)
    if isinstance(error, Unauthenticated):
        wrong = "" if error.code == "key_missing" else ', error="invalid_token"'
        response.headers["www-authenticate"] = f'Bearer realm="lichen"{wrong}'
    return response
