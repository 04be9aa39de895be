"""Operators in a browser: an API key is exchanged for a cookie that says the same, for a working day."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping

from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from lichen.core.words.errors import Denied, LichenError, Unauthenticated
from lichen.core.words.scope import Scope
from lichen.gate.rules.identity import may
from lichen.log.keys.apikeys import ApiKey
from lichen.runtime.runtime import Runtime
from lichen.serve.http.auth import CREDENTIAL, Caller, bearer, by_key, caller_of, check_nothing_contradicts
from lichen.serve.http.errors import failure
from lichen.serve.http.exchange import read_form
from lichen.serve.http.limits import Rates, client_of
from lichen.serve.http.origin import is_own

COOKIE = "lichen_session"
CSRF_FIELD, CSRF_HEADER = "csrf_token", "x-csrf-token"
LIFE_S = 8 * 3600
HOME = "/console"
SAFE = ("GET", "HEAD", "OPTIONS")
ATTEMPTS_PER_S, ATTEMPTS_BURST = 0.2, 10

_COOKIE = re.compile(r"(?P<id>[0-9a-f]{8})\.(?P<until_s>[0-9]{1,12})\.(?P<mac>[0-9a-f]{64})")


class Login:
    """Cookie sessions of operators. A cookie names a key and is signed with a secret of the key's log.

    Nothing is kept here: every request asks again whether the key was revoked or is past its time.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._by_key = by_key(runtime)
        self._attempts = Rates(per_s=ATTEMPTS_PER_S, burst=ATTEMPTS_BURST)

    def enter(self, key: str) -> str:
        """The cookie's value for an operator's key. Raises Unauthenticated (`key_invalid`), Denied (`role_missing`)."""
        found = self._runtime.keyring.api_keys.check(key.strip(), self._now_us())
        if found is None:
            raise Unauthenticated(
                "This is no key of this runtime, or it was revoked or is past its time.",
                code="key_invalid",
                next_step="Take the key that `lichen serve` or `lichen keys create` printed.",
            )
        if not _may_enter(found):
            raise Denied("Only operators use the console.", code="role_missing", next_step="Use an operator's key.")
        until_s = self._now_us() // 1_000_000 + LIFE_S
        return f"{found.id}.{until_s}.{self._mac(found, 'cookie', f'{found.id}.{until_s}')}"

    def caller(self, request: HTTPConnection) -> Caller | None:
        """Whom the request's cookie names, if it has one that is still good."""
        key = self._key(request)
        return caller_of(key) if key is not None else None

    def csrf(self, request: HTTPConnection) -> str:
        """What a form of this session carries in `csrf_token`. Empty without a session."""
        key = self._key(request)
        return self._mac(key, "csrf", request.cookies[COOKIE]) if key is not None else ""

    def check_csrf(self, request: HTTPConnection, form_token: str | None) -> None:
        """Whether a change comes from a page of ours. Raises Denied (`csrf_invalid`)."""
        check_origin(request)
        wanted = self.csrf(request)
        given = form_token or request.headers.get(CSRF_HEADER, "")
        if not wanted or not hmac.compare_digest(wanted.encode(), given.encode()):
            raise _csrf_invalid()

    def identify(self, request: HTTPConnection) -> Caller:
        """The caller by key, else by cookie; with a cookie, whatever changes something needs the token too.

        Raises Unauthenticated (`key_missing`, `key_invalid`), Denied (`csrf_invalid`).
        """
        if CREDENTIAL in request.scope or bearer(request.headers) is not None:
            return self._by_key(request)
        key = self._key(request)
        if key is None:
            raise Unauthenticated("The request carries no key.", code="key_missing")
        if request.scope["method"] not in SAFE:
            self.check_csrf(request, None)
        check_nothing_contradicts(key, request.headers)
        return caller_of(key)

    def routes(self) -> list[BaseRoute]:
        """`POST /login` and `POST /logout`. The page with the form is the console's."""
        return [Route("/login", self._log_in, methods=["POST"]), Route("/logout", self._log_out, methods=["POST"])]

    # -- routes --------------------------------------------------------------------------------------------------

    async def _log_in(self, request: Request) -> Response:
        try:
            check_origin(request)
            self._attempts.take(client_of(request))
            form = await read_form(request)
            cookie = self.enter(form.get("key", ""))
        except LichenError as error:
            if "text/html" in request.headers.get("accept", ""):
                return RedirectResponse(f"/login?error={error.code}", 303)
            return failure(error)
        response = RedirectResponse(_inside(form), 303)
        response.set_cookie(
            COOKIE, cookie, max_age=LIFE_S, httponly=True, samesite="strict", secure=request.url.scheme == "https"
        )
        return response

    async def _log_out(self, request: Request) -> Response:
        try:
            form = await read_form(request)
            self.check_csrf(request, form.get(CSRF_FIELD))
        except LichenError as error:
            return failure(error)
        response = RedirectResponse("/login", 303)
        response.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=request.url.scheme == "https")
        return response

    # -- cookies -------------------------------------------------------------------------------------------------

    def _key(self, request: HTTPConnection) -> ApiKey | None:
        text = request.cookies.get(COOKIE, "")
        found = _COOKIE.fullmatch(text)
        now_us = self._now_us()
        if not found or int(found["until_s"]) * 1_000_000 <= now_us:
            return None
        key = self._runtime.keyring.api_keys.find(found["id"], now_us)
        if key is None or not _may_enter(key):
            return None
        right = self._mac(key, "cookie", text.rpartition(".")[0])
        return key if hmac.compare_digest(right, found["mac"]) else None

    def _mac(self, key: ApiKey, purpose: str, text: str) -> str:
        secret = self._runtime.log(Scope(key.tenant, key.env)).digest(f"console/{purpose}/1".encode())
        return hmac.digest(secret, text.encode(), "sha256").hex()

    def _now_us(self) -> int:
        return self._runtime.engine.services.clock()


def check_origin(request: HTTPConnection) -> None:
    """Refuses what another site's page sent. Raises Denied (`csrf_invalid`)."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise _csrf_invalid()
    origin = request.headers.get("origin")
    if origin is not None and not is_own(request, origin):
        raise _csrf_invalid()


def _may_enter(key: ApiKey) -> bool:
    return key.actor_kind == "operator" and may(caller_of(key).actor(), "run.read")


def _inside(form: Mapping[str, str]) -> str:
    """Where the form wants to go on, if that is a page of ours."""
    wanted = form.get("next", HOME)
    return wanted if re.fullmatch(r"/(?![/\\])[ -~]*", wanted) else HOME


def _csrf_invalid() -> Denied:
    return Denied(
        "This change was not asked for by a page of this console.",
        code="csrf_invalid",
        next_step="Load the page again and repeat it.",
    )
