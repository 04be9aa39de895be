"""The public door: the API, the web chat, the console and health under one roof, for strangers."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from lichen.core.words.errors import LichenError, NotFound, Unauthenticated
from lichen.runtime.runtime import Runtime
from lichen.serve.app import PREFIX, api_routes
from lichen.serve.console import console_routes
from lichen.serve.credentials import Presented
from lichen.serve.docs import docs_routes
from lichen.serve.health import health_routes
from lichen.serve.hooks import hook_routes
from lichen.serve.http.auth import Caller, Identify, by_key
from lichen.serve.http.errors import INTERNAL, MethodUnknown, failure
from lichen.serve.http.headers import NOBODY, Frames, SecurityHeaders
from lichen.serve.http.limits import Rates, client_of
from lichen.serve.http.login import HOME, Login
from lichen.serve.http.messages import Messages
from lichen.serve.http.metrics import Metered, Metrics
from lichen.serve.http.state import Reserved, Site, of_app
from lichen.serve.mcp import mcp_routes
from lichen.serve.page import html
from lichen.serve.pages import chat_routes
from lichen.serve.webchat import Chats, Shortcut, webchat_routes
from lichen.settings import Settings

CHAT = "/chat/"
REQUESTS_PER_S, REQUESTS_BURST = 200.0, 400  # of one key
GUESSES_PER_S, GUESSES_BURST = 0.5, 30  # of one address


def make_site(runtime: Runtime) -> Starlette:
    """Everything strangers may reach, as an ASGI application without lifespan. Callers have a key or a cookie."""
    login, metrics, messages = Login(runtime), Metrics(runtime), Messages(runtime.settings)
    chats, frames = Chats(runtime, messages), _frames(runtime.settings)
    routes: Sequence[BaseRoute] = (
        *webchat_routes(chats),
        *hook_routes(runtime, messages),
        *docs_routes(),
        *api_routes(runtime, _rated(login.identify)),
        *mcp_routes(runtime, _rated(by_key(runtime)), by_key(runtime)),
        *health_routes(runtime),
        *(() if _is_apart(runtime.settings) else metrics.routes()),
        *login.routes(),
        *console_routes(runtime, login),
        *chat_routes(runtime),
        Route("/", _home),
    )
    site = Starlette(
        routes=routes,
        middleware=[
            Middleware(Metered, metrics=metrics),
            Middleware(SecurityHeaders, frames=frames),
            *(() if runtime.credentials is None else (Middleware(Presented, credentials=runtime.credentials),)),
        ],
        exception_handlers={HTTPException: _unroutable, LichenError: _refused, Exception: _broken},
    )
    site.router.redirect_slashes = False  # such a redirect repeats whatever host a stranger names
    short = Shortcut(chats, metrics=metrics, frames=frames)
    return Site(messages=messages, metrics=metrics, reserved=_reserved(login.identify), short=short).of(site)


def _reserved(identify: Identify) -> Reserved:
    """Whether a request is an operator's, for whom a full port keeps some room."""

    def reserved(request: HTTPConnection) -> bool:
        try:
            return identify(request).actor().kind == "operator"
        except LichenError:
            return False

    return reserved


def make_metrics_site(site: Starlette, runtime: Runtime) -> Starlette:
    """`/metrics` of a site, and health, for a port that strangers do not reach."""
    metrics = of_app(site).metrics
    assert metrics is not None, "a site has figures"
    return Site().of(Starlette(routes=[*health_routes(runtime), *metrics.routes()]))


def _is_apart(settings: Settings | None) -> bool:
    """Whether the figures have a port of their own."""
    return settings is not None and settings.serve.metrics_port is not None


def _rated(identify: Identify) -> Identify:
    """Callers as `identify` says, each so often only; an address that guesses keys, more seldom."""
    requests = Rates(per_s=REQUESTS_PER_S, burst=REQUESTS_BURST)
    guesses = Rates(per_s=GUESSES_PER_S, burst=GUESSES_BURST)

    def rated(request: HTTPConnection) -> Caller:
        try:
            caller = identify(request)
        except Unauthenticated:
            guesses.take(client_of(request))
            raise
        requests.take(caller.actor().auth)
        return caller

    return rated


async def _home(request: Request) -> Response:
    return RedirectResponse(HOME)


def _frames(settings: Settings | None) -> Frames:
    """A tenant's pages may frame its chat; nobody frames anything else."""

    def frames(path: str) -> str:
        if settings is None or not path.startswith(CHAT):
            return NOBODY
        tenant = settings.tenants.get(path.removeprefix(CHAT).partition("/")[0])
        return NOBODY if tenant is None or tenant.webchat is None else " ".join(("'self'", *tenant.webchat.origins))

    return frames


async def _unroutable(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        return _told(request, MethodUnknown("This path has no such method."), error.headers)
    return _told(request, NotFound("There is no such page.", code="path_unknown", next_step="Check the address."))


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, LichenError)
    return _told(request, error)


async def _broken(request: Request, error: Exception) -> Response:
    return _told(request, INTERNAL)


def _told(request: Request, error: LichenError, headers: object = None) -> Response:
    """The error as a page for people and as JSON for programs."""
    response = failure(error)
    if "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(PREFIX):
        start = "" if request.url.path.startswith(CHAT) else HOME  # customers have no business there
        return html.page("trouble.html", status=response.status_code, error=error, start=start)
    return response
