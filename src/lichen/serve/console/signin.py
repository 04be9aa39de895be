"""The page to sign in with. What becomes of the key is the login's business."""

from __future__ import annotations

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from lichen.serve.http.login import HOME, Login
from lichen.serve.page import html

_REASONS = {
    "key_invalid": "That is no key of this runtime, or it was revoked or is past its time.",
    "role_missing": "Only operators use the console. This key is somebody else’s.",
    "csrf_invalid": "That came from another site’s page. Sign in here.",
    "too_many_requests": "Too many attempts from here. Wait a minute and try again.",
}
_OTHER = "That did not work. Try again."


def signin_routes(login: Login) -> list[BaseRoute]:
    """`GET /login`. Whoever is signed in already goes on."""

    async def show(request: Request) -> Response:
        if login.caller(request) is not None:
            return RedirectResponse(HOME)
        code = request.query_params.get("error")
        reason = _REASONS.get(code, _OTHER) if code else ""
        return html.page("console/login.html", reason=reason, next=request.query_params.get("next", HOME))

    return [Route("/login", show, methods=["GET"])]


def address(request: Request) -> str:
    """Where to sign in, to come back to the page that was wanted."""
    wanted = request.url.path if request.method == "GET" else HOME
    return f"/login?next={quote(wanted, safe='/')}"
