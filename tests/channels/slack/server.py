"""A server that speaks the part of Slack's Web API that a channel needs, on loopback."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from tests.channels.loopback import Loopback, body_of

TOKEN = "xoxb-token"
PICTURE = b"\x89PNG\r\n\x1a\n" + b"x" * 100
PAGE = b"<!DOCTYPE html><title>Slack</title>"


class Refusal(NamedTuple):
    """What the next request is answered with: a status, or an error of Slack's. 0 cuts it off once it is kept."""

    status: int = 200
    error: str = ""
    retry_after: str = ""
    is_kept: bool = False


FINE = Refusal()


class Slack(Loopback):
    """What was posted, opened and shown, the newest last; `refusals` answer the next requests, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.posted: list[dict[str, Any]] = []
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.refusals: list[Refusal] = []
        self.scopes = "chat:write,files:read"
        self.uploaded: list[bytes] = []

    def get(self, request: BaseHTTPRequestHandler) -> None:
        self._answer(request, {})

    def post(self, request: BaseHTTPRequestHandler) -> None:
        body = body_of(request)
        if request.path == "/upload/v1/abc":
            assert "authorization" not in request.headers
            self.uploaded.append(body)
            _send_bytes(request, b"OK - 1", 200, {"content-type": "text/plain"})
            return
        is_json = request.headers.get("content-type", "").startswith("application/json")
        form = {name: value[0] for name, value in parse_qs(body.decode()).items()} if not is_json else {}
        self._answer(request, json.loads(body) if is_json and body else form)

    def of(self, method: str) -> list[dict[str, Any]]:
        """What one method was asked, in order."""
        return [fields for name, fields in self.asked if name == method]

    def _answer(self, request: BaseHTTPRequestHandler, fields: dict[str, Any]) -> None:
        url = urlsplit(request.path)
        fields |= {name: value[0] for name, value in parse_qs(url.query).items()}
        if url.path.startswith("/ours/"):
            status = 200 if url.path == "/ours/bill.pdf" else 404
            _send_bytes(request, PICTURE, status, {"content-type": "application/pdf"})
            return
        if request.headers["authorization"] != f"Bearer {TOKEN}":
            _send(request, {"ok": False, "error": "invalid_auth"})
            return
        if url.path.startswith("/files/"):
            self._file(request, url.path)
            return
        method = url.path.removeprefix("/api/")
        self.asked.append((method, fields))
        refusal = self.refusals.pop(0) if self.refusals else FINE
        if refusal == FINE or refusal.is_kept:
            said = self._said(method, fields)
            if refusal == FINE:
                _send(request, said, headers={"x-oauth-scopes": self.scopes})
                return
        if not refusal.status:
            request.close_connection = True
            return
        headers = {"retry-after": refusal.retry_after} if refusal.retry_after else {}
        _send(request, {"ok": False, "error": refusal.error or "odd"}, refusal.status, headers)

    def _said(self, method: str, fields: dict[str, Any]) -> dict[str, Any]:
        match method:
            case "chat.postMessage" | "chat.postEphemeral":
                self.posted.append(fields)
                return {"ok": True, "channel": fields["channel"], "ts": f"1760000000.{len(self.posted):06}"}
            case "views.open":
                return {"ok": True, "view": {"id": "VMHU10V25"}}
            case "auth.test":
                who = {"team": "Acme", "user": "helper", "team_id": "T0123ABCD", "user_id": "U0BOT"}
                return {"ok": True, **who}
            case "conversations.replies" | "conversations.history":
                thread = fields.get("ts")
                found = [each for each in self.posted if each.get("thread_ts") == thread and "user" not in each]
                return self._page(found, int(fields.get("cursor", "0")), int(fields["limit"]))
            case "conversations.open":
                return {"ok": True, "channel": {"id": "D024BE91L"}}
            case "files.getUploadURLExternal":
                return {"ok": True, "upload_url": f"{self.url}/upload/v1/abc", "file_id": "F123ABC456"}
            case "files.info" if fields["file"] == "F1":
                return {
                    "ok": True,
                    "file": {
                        "id": "F1",
                        "name": "invoice.png",
                        "mimetype": "image/png",
                        "url_private_download": f"{self.url}/files/F1",
                    },
                }
            case "files.info":
                return {"ok": False, "error": "file_not_found"}
            case _:
                return {"ok": True}

    def _page(self, found: list[dict[str, Any]], at: int, limit: int) -> dict[str, Any]:
        following = str(at + limit) if at + limit < len(found) else ""
        return {"ok": True, "messages": found[at : at + limit], "response_metadata": {"next_cursor": following}}

    def _file(self, request: BaseHTTPRequestHandler, path: str) -> None:
        if path == "/files/F1":
            _send_bytes(request, PICTURE, 200, {"content-type": "image/png"})
        else:
            _send_bytes(request, PAGE, 200, {"content-type": "text/html; charset=utf-8"})


def _send(
    request: BaseHTTPRequestHandler, said: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None
) -> None:
    _send_bytes(request, json.dumps(said).encode(), status, {"content-type": "application/json", **(headers or {})})


def _send_bytes(request: BaseHTTPRequestHandler, body: bytes, status: int, headers: dict[str, str]) -> None:
    request.send_response(status)
    for name, value in {**headers, "content-length": str(len(body))}.items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(body)
