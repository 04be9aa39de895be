"""A server that speaks the part of Webex's REST API that a bot needs, on loopback."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tests.channels.loopback import Loopback

TOKEN, SECRET = "bot token", "a secret of ours"
PICTURE = b"\x89PNG\r\n\x1a\n" + b"x" * 100
# https://developer.webex.com/docs/basics, "Message attachments"
PICTURE_HEADERS = {"content-type": "image/png", "content-disposition": 'attachment; filename="invoice.png"'}


class Refusal(NamedTuple):
    """What the next post is answered with. 0 cuts it off, 200 lets it be."""

    status: int
    retry_after: str = ""


class Webex(Loopback):
    """What was posted, the newest last; `said` is what may be asked for, by its path; `refusals` answer posts."""

    def __init__(self) -> None:
        super().__init__()
        self.posted: list[dict[str, Any]] = []
        self.said: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.webhooks: dict[str, dict[str, Any]] = {}
        self.refusals: list[Refusal] = []

    def get(self, request: BaseHTTPRequestHandler) -> None:
        path = urlsplit(request.path).path.removeprefix("/v1/")
        self.asked.append(path)
        if not _is_ours(request):
            _answer(request, 401, {"message": "The request requires a valid access token."})
        elif path == "people/me":
            _answer(request, 200, {"displayName": "Acme", "emails": ["acme@webex.bot"]})
        elif path == "webhooks":
            _answer(request, 200, {"items": [{**each, "id": id} for id, each in self.webhooks.items()]})
        elif path == "contents/f1":
            _answer(request, 200, PICTURE, headers=PICTURE_HEADERS)
        elif path == "contents/checked":
            _answer(request, 423, {})
        elif path in self.said:
            _answer(request, 200, self.said[path])
        else:
            _answer(request, 404, {"message": "The requested resource could not be found."})

    def post(self, request: BaseHTTPRequestHandler) -> None:
        body = json.loads(request.rfile.read(int(request.headers["content-length"])))
        refusal = self.refusals.pop(0) if self.refusals else Refusal(200)
        if not _is_ours(request):
            _answer(request, 401, {})
        elif refusal.status == 0:
            request.close_connection = True
        elif refusal.status != 200:
            _answer(request, refusal.status, {"message": "no"}, refusal.retry_after)
        elif request.path == "/v1/webhooks":
            self.webhooks[f"w{len(self.webhooks)}{body['resource']}"] = body
            _answer(request, 200, {})
        else:
            assert request.path == "/v1/messages"
            assert sum(name in body for name in ("text", "markdown")) == 1 or "files" in body
            self.posted.append(body)
            _answer(request, 200, {"id": f"m{len(self.posted)}"})

    def delete(self, request: BaseHTTPRequestHandler) -> None:
        del self.webhooks[request.path.removeprefix("/v1/webhooks/")]
        request.send_response(204)
        request.end_headers()


def _is_ours(request: BaseHTTPRequestHandler) -> bool:
    return request.headers["authorization"] == f"Bearer {TOKEN}"


def _answer(
    request: BaseHTTPRequestHandler,
    status: int,
    said: Any,
    retry_after: str = "",
    *,
    headers: dict[str, str] | None = None,
) -> None:
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    request.send_response(status)
    if retry_after:
        request.send_header("retry-after", retry_after)
    for name, value in {**(headers or {}), "content-length": str(len(body))}.items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(body)
