"""The paths of WebChat, and what is the same for all of them: tenant, origin, body, errors.

Upstream serves them under two prefixes, and the conversations also without Direct Line's own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from lichen.core.errors import LichenError
from lichen.runtime.runtime import Runtime
from lichen.serve.errors import INTERNAL, failure
from lichen.serve.exchange import read_body
from lichen.serve.lines import broken
from lichen.serve.messages import Messages
from lichen.serve.webchat import activities, conversations
from lichen.serve.webchat.chat import Chat, Chats
from lichen.serve.webchat.sockets import Sockets
from lichen.serve.webchat.stream import stream
from lichen.serve.webchat.visit import PREFLIGHT, Visit, check_origin, cors

PREFIXES: Final = ("/v1/messaging/webchat/{tenant}/", "/v1/web/webchat/{tenant}/")
DIRECT_LINE: Final = "v3/directline/"

Handler = Callable[[Visit], Awaitable[Response]]

_TABLE: Final[tuple[tuple[str, str, Handler], ...]] = (
    ("POST", "tokens/generate", conversations.generate),
    ("POST", "tokens/refresh", conversations.refresh),
    ("POST", "conversations", conversations.open_conversation),
    ("GET", "conversations/{conversation}", conversations.resume),
    ("GET", "conversations/{conversation}/activities", activities.get),
    ("POST", "conversations/{conversation}/activities", activities.post),
    ("POST", "conversations/{conversation}/upload", activities.upload),
)


def webchat_routes(runtime: Runtime, messages: Messages | None = None) -> list[BaseRoute]:
    """The routes of every tenant's web chat, over a running runtime. `messages` counts what is said.

    The application they are put into sets `app.state.closing`, an asyncio.Event, to send streams home.
    """
    chats, sockets = Chats(runtime, messages or Messages(runtime.settings)), Sockets()
    routes: list[BaseRoute] = []

    async def follow(socket: WebSocket) -> None:
        await stream(socket, chats, sockets)

    for prefix in PREFIXES:
        routes += _paths(chats, "POST", f"{prefix}token", conversations.generate)
        for base in (f"{prefix}{DIRECT_LINE}", prefix):
            for method, path, handler in _TABLE:
                routes += _paths(chats, method, f"{base}{path}", handler)
            routes.append(WebSocketRoute(f"{base}conversations/{{conversation}}/stream", follow))
    return routes


def _paths(chats: Chats, method: str, path: str, handler: Handler) -> list[BaseRoute]:
    return [
        Route(path, _endpoint(chats, handler), methods=[method]),
        Route(path, _endpoint(chats, _preflight), methods=["OPTIONS"]),
    ]


async def _preflight(visit: Visit) -> Response:
    return Response(status_code=204, headers=dict(PREFLIGHT))


def _endpoint(chats: Chats, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            chat = chats.of(request.path_params["tenant"])
            check_origin(chat, request)
        except LichenError as error:
            return failure(error)
        response = await _answered(handler, chat, request)
        response.headers.update(cors(chat, request))
        return response

    return endpoint


async def _answered(handler: Handler, chat: Chat, request: Request) -> Response:
    try:
        return await handler(Visit(chat, request, request.method, await read_body(request)))
    except LichenError as error:
        return failure(error)
    except Exception as error:  # noqa: BLE001 - no stack trace ever leaves; the log has its place
        broken("webchat request", error)
        return failure(INTERNAL)
