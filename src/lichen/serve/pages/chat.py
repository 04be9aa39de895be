"""The chat page of a tenant: one page, one small style of the tenant's own, and a client of the web chat's door."""

from __future__ import annotations

from typing import Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from lichen.core.errors import Invalid, NotFound
from lichen.runtime.runtime import Runtime
from lichen.serve import html
from lichen.serve.assets import static_routes
from lichen.serve.pages.accent import stylesheet
from lichen.settings import WebChat

STATIC = ("chat.css", "chat.js", "mark.svg")
DOOR = "/v1/messaging/webchat"

Theme = Literal["dark", "light"]


class Wanted(msgspec.Struct, frozen=True):
    """What the address may say of the page; `user` is read by the page itself."""

    theme: Theme | None = None


def chat_routes(runtime: Runtime) -> list[BaseRoute]:
    """`/chat/{tenant}` with its style, and the static files both need. Without a web chat a tenant has no page."""

    async def show(request: Request) -> Response:
        tenant, chat = _webchat(runtime, request)
        theme = _theme(request)
        return html.page("chat.html", tenant=tenant, chat=chat, title=chat.title or tenant, theme=theme, door=DOOR)

    async def style(request: Request) -> Response:
        _, chat = _webchat(runtime, request)
        return Response(stylesheet(chat.accent), media_type="text/css", headers={"cache-control": "no-cache"})

    return [
        Route("/chat/{tenant}", show, methods=["GET"]),
        Route("/chat/{tenant}/theme.css", style, methods=["GET"]),
        *static_routes(*STATIC),
    ]


def _webchat(runtime: Runtime, request: Request) -> tuple[str, WebChat]:
    """The tenant of the path and its web chat. Raises NotFound (`webchat_unknown`)."""
    name: str = request.path_params["tenant"]
    declared = runtime.settings.tenants.get(name) if runtime.settings is not None else None
    if declared is None or declared.webchat is None:
        raise NotFound("There is no chat at this address.", code="webchat_unknown", next_step="Check the address.")
    return name, declared.webchat


def _theme(request: Request) -> Theme | None:
    try:
        return msgspec.convert({"theme": request.query_params.get("theme")}, Wanted).theme
    except msgspec.ValidationError:
        raise Invalid("A theme is dark or light.", code="query_invalid", place="$.theme") from None
