"""A server that speaks the part of Mattermost's REST API that a channel needs, on loopback."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tests.channels.loopback import Loopback, body_of

TOKEN, BOT = "bot-token", "helper"
ROOT, REPLY, FILE = "axdygg1957njfe5pu38saikdho", "bxdygg1957njfe5pu38saikdho", "cxdygg1957njfe5pu38saikdho"
PICTURE = b"\x89PNG\r\n\x1a\n" + b"x" * 100
# as `WriteFileResponse` of mattermost/server/channels/web has it: escaped in both
DISPOSITION = (
    "inline;filename=\"Gr%C3%BC%C3%9Fe%20%F0%9F%90%88.png\"; filename*=UTF-8''Gr%C3%BC%C3%9Fe%20%F0%9F%90%88.png"
)


class Refusal(NamedTuple):
    """What the next post is answered with: a status. 0 cuts it off, 201 lets it be; the post is there if `is_kept`."""

    status: int = 201
    reset: str = ""
    is_kept: bool = False


FINE = Refusal()


class Mattermost(Loopback):
    """What was posted, the newest last; `refusals` answer the next posts, in order. A post whose pending id is known is
    the same."""

    def __init__(self) -> None:
        super().__init__()
        self.posted: list[dict[str, Any]] = []
        self.typed: list[dict[str, Any]] = []
        self.refusals: list[Refusal] = []
        self.direct: list[list[str]] = []

    def get(self, request: BaseHTTPRequestHandler) -> None:
        self._answer(request, None)

    def post(self, request: BaseHTTPRequestHandler) -> None:
        self._answer(request, json.loads(body_of(request)))

    def _answer(self, request: BaseHTTPRequestHandler, body: Any) -> None:
        path = urlsplit(request.path).path.removeprefix("/api/v4/")
        if request.headers["authorization"] != f"Bearer {TOKEN}":
            _send(request, 401, {"id": "api.context.session_expired.app_error", "status_code": 401})
            return
        match path.split("/"):
            case ["posts"]:
                self._post(request, body)
            case ["posts", id] if id != "gone":
                _send(request, 200, {"id": id, "root_id": ROOT if id == REPLY else ""})
            case ["channels", channel, "posts"]:
                found = {each["id"]: each for each in self.posted if each["channel_id"] == channel}
                _send(request, 200, {"order": list(found), "posts": found})
            case ["files", id] if id == FILE:
                _send_bytes(request, 200, PICTURE, {"content-type": "image/png", "content-disposition": DISPOSITION})
            case ["channels", "direct"] if len(set(body[1])) > 1:
                self.direct.append(body)
                _send(request, 201, {"id": f"direct{len(self.direct)}"})
            case ["users", "me"]:
                _send(request, 200, {"id": "u1", "username": BOT})
            case ["users", "me", "typing"]:
                self.typed.append(body)
                _send(request, 200, {"status": "OK"})
            case _:
                _send(request, 404, {"id": "store.sql_post.get.app_error", "status_code": 404})

    def _post(self, request: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        refusal = self.refusals.pop(0) if self.refusals else FINE
        known = [each for each in self.posted if each["pending_post_id"] == body["pending_post_id"]]
        if not known and (refusal == FINE or refusal.is_kept):
            self.posted.append({**body, "id": f"post{len(self.posted)}"})
        if not refusal.status:
            request.close_connection = True
            return
        headers = {"x-ratelimit-reset": refusal.reset} if refusal.reset else {}
        said = (known or self.posted)[-1] if refusal == FINE else {"id": "odd", "status_code": refusal.status}
        _send(request, refusal.status, said, headers)


def _send(
    request: BaseHTTPRequestHandler, status: int, said: dict[str, Any], headers: dict[str, str] | None = None
) -> None:
    _send_bytes(request, status, json.dumps(said).encode(), {"content-type": "application/json", **(headers or {})})


def _send_bytes(request: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str]) -> None:
    request.send_response(status)
    for name, value in {**headers, "content-length": str(len(body))}.items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(body)
