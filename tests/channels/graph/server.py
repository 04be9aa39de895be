"""A server that speaks the part of Microsoft's sign-in and of Graph that sends mails, on loopback."""

from __future__ import annotations

import base64
import json
from email import message_from_bytes
from email.message import Message
from email.policy import default
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from tests.channels.loopback import Loopback, body_of

TENANT, CLIENT = "31537af4-6d77-4bb9-a681-d2394888ea26", "11111111-2222-3333-4444-555555555555"
SECRET, REFRESH = "a client secret", "a refresh token"


class Refusal(NamedTuple):
    """What the next mail is answered with. 0 cuts it off; the mail is sent if `is_kept`."""

    status: int
    code: str = ""
    retry_after: str = ""
    is_kept: bool = False


class Graph(Loopback):
    """`signed_in` are the forms that tokens were asked for with, `sent` the mails with where they were handed in;
    `refusals` answer the next ones, and `may_read` says whether the sent ones may be looked through."""

    def __init__(self) -> None:
        super().__init__()
        self.signed_in: list[dict[str, str]] = []
        self.sent: list[tuple[str, Message[str, str]]] = []
        self.refusals: list[Refusal] = []
        self.may_read = True
        self.rotated = 0

    def post(self, request: BaseHTTPRequestHandler) -> None:
        body, path = body_of(request), unquote(urlsplit(request.path).path)
        if path == f"/{TENANT}/oauth2/v2.0/token":
            self._sign_in(request, {name: each[0] for name, each in parse_qs(body.decode()).items()})
        elif not self._is_known(request):
            _answer(request, 401, _error("InvalidAuthenticationToken"))
        else:
            self._send(request, path, body)

    def _sign_in(self, request: BaseHTTPRequestHandler, form: dict[str, str]) -> None:
        is_refresh = form["grant_type"] == "refresh_token"
        newest = f"{REFRESH} {self.rotated}" if self.rotated else REFRESH
        is_good = form["client_id"] == CLIENT and form.get("client_secret") == SECRET
        if not is_good or (is_refresh and form["refresh_token"] != newest):
            _answer(request, 400, {"error": "invalid_grant"})
            return
        self.signed_in.append(form)
        granted = {"token_type": "Bearer", "expires_in": 3_599, "access_token": f"token-{len(self.signed_in)}"}
        if is_refresh:
            self.rotated += 1
            granted["refresh_token"] = f"{REFRESH} {self.rotated}"
        _answer(request, 200, granted)

    def _is_known(self, request: BaseHTTPRequestHandler) -> bool:
        return request.headers["authorization"] == f"Bearer token-{len(self.signed_in)}"

    def _send(self, request: BaseHTTPRequestHandler, path: str, body: bytes) -> None:
        assert request.headers["content-type"] == "text/plain", "else it would be JSON"
        refusal = self.refusals.pop(0) if self.refusals else Refusal(202)
        if refusal.status == 202 or refusal.is_kept:
            raw = base64.b64decode(body, validate=True)
            self.sent.append((path, message_from_bytes(raw, policy=default)))
        if refusal.status == 0:
            request.close_connection = True
        elif refusal.status == 202:
            _answer(request, 202, None)
        else:
            _answer(request, refusal.status, _error(refusal.code), refusal.retry_after)

    def get(self, request: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(request.path)
        if not self._is_known(request):
            _answer(request, 401, _error("InvalidAuthenticationToken"))
        elif not self.may_read:
            _answer(request, 403, _error("ErrorAccessDenied"))
        else:
            assert parts.path.endswith("/mailFolders/sentitems/messages")
            (which,) = parse_qs(parts.query)["$filter"]
            found = [mail for _, mail in self.sent if which == f"internetMessageId eq '{mail['Message-ID']}'"]
            _answer(request, 200, {"value": [{"id": "AAMk"} for _ in found]})


def _error(code: str) -> dict[str, Any]:
    """As https://learn.microsoft.com/en-us/graph/errors has it."""
    return {"error": {"code": code, "message": "no", "innerError": {"request-id": "r", "date": "2025-10-09"}}}


def _answer(request: BaseHTTPRequestHandler, status: int, said: Any, retry_after: str = "") -> None:
    body = b"" if said is None else json.dumps(said).encode()
    request.send_response(status)
    if retry_after:
        request.send_header("retry-after", retry_after)
    request.send_header("content-length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
