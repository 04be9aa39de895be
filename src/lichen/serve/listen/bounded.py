"""What one port holds for strangers, and who is refused before the application sees a request."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from lichen.core.words.errors import Invalid, LichenError, TooMany, Unavailable
from lichen.serve.http.errors import HeadTooLarge, failure
from lichen.serve.http.limits import Slots, client_of
from lichen.serve.http.state import Answer, Short, of_app
from lichen.serve.listen.places import Places
from lichen.serve.listen.server import closed

ALIVE = "/healthz"  # answered whoever else is connected


class Bounds(msgspec.Struct, frozen=True):
    """What one process holds for strangers, in all and of one address; see `places` for who makes room. Beyond
    it only operators are served. WebSockets are counted apart, and so is what comes through a proxy, by its client."""

    connections_max: int = 2_000
    connections_each_max: int = 200
    sockets_max: int = 4_000
    sockets_each_max: int = 200
    head_bytes_max: int = 32 * 1024
    head_s: float = 10.0  # how long a request's head may take to come, from the first moment of a connection
    keep_alive_s: int = 30
    frame_bytes_max: int = 256 * 1024  # of a WebSocket message
    stall_s: float = 30.0  # how long somebody may take nothing of what waits for them


class Bounded:
    """Refuses what is too much before the app sees it."""

    def __init__(self, app: Starlette, bounds: Bounds, places: Places) -> None:
        self._app, self._bounds, self._places = app, bounds, places
        self._requests = Slots(most=2 * bounds.connections_max, most_each=bounds.connections_each_max)
        self._sockets = Slots(most=bounds.sockets_max, most_each=bounds.sockets_each_max)
        self._site = of_app(app)
        self._is_reserved = self._site.reserved

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers as the application does, or says why nobody does."""
        request = HTTPConnection(scope)
        slots, client = self._requests if scope["type"] == "http" else self._sockets, client_of(request)
        refusal = self._refusal(request, client, slots)
        if refusal is None:
            with slots.holding(client):
                await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await WebSocket(scope, receive, send).send_denial_response(failure(refusal))
        else:
            await failure(refusal)(scope, receive, send)

    @property
    def short(self) -> Short | None:
        """The application's way for requests that come often, if it has one."""
        return self._site.short

    def takes(self, scope: Scope, body: bytes, answered: Callable[[Answer], None]) -> bool:
        """Whether the short way took a request that came whole; it is answered later. If not, nothing was done, and
        calling this says what there is to say."""
        request, short, slots = HTTPConnection(scope), self._site.short, self._requests
        client = client_of(request)
        if short is None or self._refusal(request, client, slots) is not None:
            return False

        def leave(answer: Answer) -> None:
            slots.leave(client)
            answered(answer)

        slots.enter(client)
        is_taken = short.takes(request, body, leave)
        if not is_taken:
            slots.leave(client)
        return is_taken

    def _refusal(self, request: HTTPConnection, client: str, slots: Slots) -> LichenError | None:
        """Why a request does not reach the application."""
        scope = request.scope
        found = self._malformed(scope) or closed(self._site, scope["path"])
        if found is None and scope["path"] != ALIVE:
            found = self._crowded(request, client, slots)
        return found

    def _malformed(self, scope: Scope) -> LichenError | None:
        hosts = head_bytes = 0
        for name, value in scope["headers"]:
            hosts += name == b"host"
            head_bytes += len(name) + len(value)
        if hosts > 1 or (hosts == 0 and scope["http_version"] == "1.1"):
            return Invalid("A request names one host.", code="host_invalid", next_step="Send one Host header.")
        if head_bytes + len(scope["raw_path"]) + len(scope["query_string"]) > self._bounds.head_bytes_max:
            return HeadTooLarge(f"The head has more than {self._bounds.head_bytes_max} bytes.")
        return None

    def _crowded(self, request: HTTPConnection, client: str, slots: Slots) -> LichenError | None:
        """Why there is no room for a request, unless an operator makes it."""
        found: LichenError | None = None
        if self._places.is_over:
            found = Unavailable("As many connections are open as may be.", code="overloaded")
        else:
            try:
                slots.check(client)
            except TooMany as error:
                found = error
        return None if found is None or self._is_reserved(request) else found
