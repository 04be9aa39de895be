"""The paths of WebChat, and what is the same for all of them: tenant, origin, body, errors.

Upstream serves them under two prefixes, and the conversations also without Direct Line's own: one table answers all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route, Router, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from lichen.core.words.errors import LichenError
from lichen.serve.files.upload import UPLOADS_EACH_MAX, UPLOADS_MAX, read_upload
from lichen.serve.http.errors import INTERNAL, failure
from lichen.serve.http.exchange import read_body
from lichen.serve.http.limits import Slots
from lichen.serve.http.lines import broken
from lichen.serve.webchat import activities, conversations
from lichen.serve.webchat.chat import Chat, Chats
from lichen.serve.webchat.sockets import Sockets
from lichen.serve.webchat.stream import stream
from lichen.serve.webchat.visit import PREFLIGHT, Visit, check_origin, cors

PREFIXES: Final = ("/v1/messaging/webchat/{tenant}", "/v1/web/webchat/{tenant}")
DIRECT_LINE: Final = "/v3/directline"
ACTIVITIES: Final = "/conversations/{conversation}/activities"
UPLOAD: Final = "/conversations/{conversation}/upload"

Handler = Callable[[Visit], Awaitable[Response]]

_TABLE: Final[Mapping[str, Mapping[str, Handler]]] = {
    ACTIVITIES: {"POST": activities.post, "GET": activities.get},
    "/conversations": {"POST": conversations.open_conversation},
    "/conversations/{conversation}": {"GET": conversations.resume},
    UPLOAD: {"POST": activities.upload},
    "/conversations/{conversation}/attachments/{n:int}/{i:int}": {"GET": activities.file},
    "/conversations/{conversation}/artifacts/{n:int}/{i:int}": {"GET": activities.artifact},
    "/tokens/generate": {"POST": conversations.generate},
    "/tokens/refresh": {"POST": conversations.refresh},
    "/token": {"POST": conversations.generate},
}
"""What each path takes, the busiest first."""


def webchat_routes(chats: Chats) -> list[BaseRoute]:
    """The routes of every tenant's web chat.

    The application they are put into has a `Site`, which sends streams home when it closes.
    """
    sockets, uploads = Sockets(), Slots(most=UPLOADS_MAX, most_each=UPLOADS_EACH_MAX)

    async def read_files(chat: Chat, request: Request) -> bytes:
        Visit(chat, request).visitor()  # of a stranger nothing large is read
        return await read_upload(request, uploads)

    async def follow(socket: WebSocket) -> None:
        await stream(socket, chats, sockets)

    routes: list[BaseRoute] = []
    for path, handlers in _TABLE.items():
        endpoint = _Endpoint(chats, handlers, read_files if path == UPLOAD else _read)
        routes.append(Route(path, endpoint, methods=[*handlers, "OPTIONS"]))
    routes.append(WebSocketRoute("/conversations/{conversation}/stream", follow))
    line = _Line(Router(routes, redirect_slashes=False))
    return [Mount(prefix, app=line) for prefix in PREFIXES]


class _Line:
    """The paths below a prefix, which stand below Direct Line's own base as well."""

    def __init__(self, router: Router) -> None:
        self._router: ASGIApp = router
        self.routes = router.routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers as the router does."""
        root: str = scope["root_path"]
        if scope["path"].startswith(f"{root}{DIRECT_LINE}/"):
            scope["root_path"] = f"{root}{DIRECT_LINE}"
        await self._router(scope, receive, send)


class _Endpoint:
    """One path, and what answers each method there."""

    def __init__(
        self, chats: Chats, handlers: Mapping[str, Handler], read: Callable[[Chat, Request], Awaitable[bytes]]
    ) -> None:
        self._chats, self._read = chats, read
        self._handlers = {**handlers, "OPTIONS": _preflight}
        if "GET" in handlers:
            self._handlers["HEAD"] = handlers["GET"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request to a tenant's web chat."""
        request = Request(scope, receive, send)
        try:
            chat = self._chats.of(request.path_params["tenant"])
            check_origin(chat, request)
        except LichenError as error:
            await failure(error)(scope, receive, send)
            return
        response = await self._answered(chat, request)
        response.headers.update(cors(chat, request))
        await response(scope, receive, send)

    async def _answered(self, chat: Chat, request: Request) -> Response:
        try:
            read = _read if request.method == "OPTIONS" else self._read
            return await self._handlers[request.method](Visit(chat, request, await read(chat, request)))
        except LichenError as error:
            return failure(error)
        except Exception as error:  # noqa: BLE001 - no stack trace ever leaves; the log has its place
            broken("webchat request", error)
            return failure(INTERNAL)


async def _read(chat: Chat, request: Request) -> bytes:
    return await read_body(request)


async def _preflight(visit: Visit) -> Response:
    return Response(status_code=204, headers=dict(PREFLIGHT))
