"""A server that speaks the part of Telegram's Bot API that the channel needs, on loopback."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple

from tests.channels.loopback import Loopback, body_of, cut_off, respond

TOKEN = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
PICTURE = b"\xff\xd8\xff\xe0" + b"x" * 100


class Refusal(NamedTuple):
    """What the next call is answered with: a status, a description, parameters. 0 cuts it off, 200 lets it be."""

    status: int
    description: str = "no"
    parameters: dict[str, Any] | None = None


class BotApi(Loopback):
    """What was called, the newest last, with its `method`; `refusals` answer the next calls, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.called: list[dict[str, Any]] = []
        self.refusals: list[Refusal] = []
        self.webhook = ""
        self.info: dict[str, Any] = {}

    def get(self, request: BaseHTTPRequestHandler) -> None:
        """A file."""
        is_there = request.path == f"/file/bot{TOKEN}/photos/file_1.jpg"
        respond(request, 200 if is_there else 404, PICTURE if is_there else b"")

    def post(self, request: BaseHTTPRequestHandler) -> None:
        """A call of a method."""
        body = json.loads(body_of(request))
        _, bot, method = request.path.split("/")
        if bot != f"bot{TOKEN}":
            _refuse(request, Refusal(401, "Unauthorized"))
            return
        refusal = self.refusals.pop(0) if self.refusals else Refusal(200)
        if refusal.status != 200:
            _refuse(request, refusal)
            return
        self.called.append({"method": method, **body})
        respond(request, 200, json.dumps({"ok": True, "result": self._result(method, body)}).encode())

    def _result(self, method: str, body: dict[str, Any]) -> Any:
        match method:
            case "getMe":
                return {"id": 1, "is_bot": True, "first_name": "Acme", "username": "acme_bot"}
            case "getWebhookInfo":
                return {"url": self.webhook, **self.info}
            case "setWebhook":
                self.webhook = body["url"]
                return True
            case "deleteWebhook":
                self.webhook = ""
                return True
            case "getFile":
                return {"file_id": body["file_id"], "file_path": "photos/file_1.jpg"} if body["file_id"] == "p1" else {}
            case _:
                return {"message_id": len(self.called), "chat": {"id": body.get("chat_id")}, "date": 0}


def _refuse(request: BaseHTTPRequestHandler, refusal: Refusal) -> None:
    if not refusal.status:
        cut_off(request)
        return
    said: dict[str, Any] = {"ok": False, "error_code": refusal.status, "description": refusal.description}
    if refusal.parameters is not None:
        said["parameters"] = refusal.parameters
    respond(request, refusal.status, json.dumps(said).encode())
