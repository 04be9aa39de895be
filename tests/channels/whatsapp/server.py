"""A server that speaks the part of Meta's Graph API that WhatsApp needs, on loopback."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tests.channels.loopback import Loopback, body_of, cut_off, respond

TOKEN, NUMBER, VERSION = "EAAtoken", "106540352242922", "v23.0"
PICTURE = b"\x89PNG\r\n\x1a\n" + b"x" * 100


class Refusal(NamedTuple):
    """What the next request is answered with: a status and the code of Meta's error. 0 cuts it off, 200 lets it be."""

    status: int
    code: int = 0


class Meta(Loopback):
    """What was posted, the newest last; `refusals` answer the next requests, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.posted: list[dict[str, Any]] = []
        self.refusals: list[Refusal] = []

    def post(self, request: BaseHTTPRequestHandler) -> None:
        """A message that is sent."""
        body = json.loads(body_of(request))
        if self._is_refused(request):
            return
        assert request.path == f"/{VERSION}/{NUMBER}/messages"
        assert body["messaging_product"] == "whatsapp"
        self.posted.append(body)
        said = {"messaging_product": "whatsapp", "messages": [{"id": f"wamid.{len(self.posted)}"}]}
        respond(request, 200, json.dumps(said).encode())

    def get(self, request: BaseHTTPRequestHandler) -> None:
        """Who we are, or a file."""
        path = urlsplit(request.path).path
        if self._is_refused(request):
            return
        if path == f"/{VERSION}/{NUMBER}":
            said = {"display_phone_number": "15550783881", "verified_name": "Acme", "id": NUMBER}
        elif path == f"/{VERSION}/media-1":
            said = {"url": f"{self.url}/files/media-1", "mime_type": "image/png", "file_size": len(PICTURE)}
        elif path == f"/{VERSION}/media-elsewhere":
            said = {"url": "https://evil.example/steal", "mime_type": "image/png"}
        elif path == "/files/media-1":
            respond(request, 200, PICTURE, {"content-type": "image/png"})
            return
        else:
            _refuse(request, Refusal(404, 100))
            return
        respond(request, 200, json.dumps(said).encode())

    def _is_refused(self, request: BaseHTTPRequestHandler) -> bool:
        if request.headers["authorization"] != f"Bearer {TOKEN}":
            _refuse(request, Refusal(401, 190))
            return True
        if not self.refusals:
            return False
        refusal = self.refusals.pop(0)
        if refusal.status == 200:
            return False
        _refuse(request, refusal)
        return True


def _refuse(request: BaseHTTPRequestHandler, refusal: Refusal) -> None:
    if not refusal.status:
        cut_off(request)
        return
    error = {"message": "no", "type": "OAuthException", "code": refusal.code, "fbtrace_id": "A"}
    respond(request, refusal.status, json.dumps({"error": error}).encode())
