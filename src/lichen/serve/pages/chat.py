"""The chat page of a tenant: one page, one small style of the tenant's own, and a client of the web chat's door."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from lichen.core.speech.wording import WANTED_CHARS_MAX
from lichen.core.words.errors import Invalid, NotFound
from lichen.core.words.scope import Customer, Scope
from lichen.engine.intake.sizes import MESSAGE_BYTES_MAX
from lichen.runtime.runtime import Runtime
from lichen.serve.page import html
from lichen.serve.page.assets import static_routes
from lichen.serve.pages.accent import stylesheet
from lichen.serve.pages.words import ENGLISH, WORDS
from lichen.settings import WebChat

STATIC = ("cards.css", "cards.js", "chat.css", "chat.js", "files.css", "files.js", "mark.svg")
DOOR = "/v1/messaging/webchat"

Theme = Literal["dark", "light"]


class Wanted(msgspec.Struct, frozen=True):
    """What the address may say of the page: its theme, and the language in which it speaks whatever the browser wants.
    `user` is read by the page itself."""

    theme: Theme | None = None
    locale: Annotated[str, msgspec.Meta(max_length=WANTED_CHARS_MAX)] = ""


def chat_routes(runtime: Runtime) -> list[BaseRoute]:
    """`/chat/{tenant}` with its style, and the static files both need. Without a web chat a tenant has no page."""

    async def show(request: Request) -> Response:
        tenant, chat = _webchat(runtime, request)
        wanted, scope = _wanted(request), Scope(tenant, chat.env)
        language = runtime.wording(scope).chosen(wanted.locale or request.headers.get("accept-language", ""))
        assert runtime.project is not None
        return html.page(
            "chat.html",
            tenant=tenant,
            title=chat.title or tenant,
            theme=wanted.theme,
            door=DOOR,
            language=language,
            words=WORDS.get(language, ENGLISH),
            greeting=runtime.project.greeting(tenant, language),
            user=_signed_in(runtime, scope, chat),
            bytes_max=MESSAGE_BYTES_MAX,
            files_max=runtime.engine.services.file_bytes(scope),
        )

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


def _signed_in(runtime: Runtime, scope: Scope, chat: WebChat) -> str:
    """The customer that a development environment takes the visitor for: the first who was not erased."""
    journal = runtime.engine.journal(scope)
    there = (user for user in chat.signed_in if not journal.is_erased(journal.log.name(Customer(user))))
    return next(there, "")


def _wanted(request: Request) -> Wanted:
    given = {name: value for name in ("theme", "locale") if (value := request.query_params.get(name)) is not None}
    try:
        return msgspec.convert(given, Wanted)
    except msgspec.ValidationError as error:
        place = "$.theme" if "theme" in str(error) else "$.locale"
        said = "A theme is dark or light, and a locale a language such as de."
        raise Invalid(said, code="query_invalid", place=place) from None
