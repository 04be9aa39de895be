"""A server that speaks the part of Meta's Graph API that WhatsApp needs, on loopback."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import urlsplit

TOKEN, NUMBER, VERSION = "EAAtoken", "106540352242922", "v23.0"
PICTURE = b"\x89PNG\r\n\x1a\n" + b"x" * 100


class Refusal(NamedTuple):
    """What the next request is answered with: a status and the code of Meta's error. 0 cuts it off, 200 lets it be."""

    status: int
    code: int = 0


class Meta:
    """What was posted, the newest last; `refusals` answer the next requests, in order."""

    def __init__(self) -> None:
        self.posted: list[dict[str, Any]] = []
        self.refusals: list[Refusal] = []
        meta = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                meta._get(self)

            def do_POST(self) -> None:
                meta._post(self)

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Meta:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _post(self, request: BaseHTTPRequestHandler) -> None:
        body = json.loads(request.rfile.read(int(request.headers["content-length"])))
        if self._is_refused(request):
            return
        assert request.path == f"/{VERSION}/{NUMBER}/messages"
        assert body["messaging_product"] == "whatsapp"
        self.posted.append(body)
        said = {"messaging_product": "whatsapp", "messages": [{"id": f"wamid.{len(self.posted)}"}]}
        _answer(request, 200, json.dumps(said).encode())

    def _get(self, request: BaseHTTPRequestHandler) -> None:
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
            _answer(request, 200, PICTURE, {"content-type": "image/png"})
            return
        else:
            _refuse(request, Refusal(404, 100))
            return
        _answer(request, 200, json.dumps(said).encode())

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
        request.close_connection = True
        return
    error = {"message": "no", "type": "OAuthException", "code": refusal.code, "fbtrace_id": "A"}
    _answer(request, refusal.status, json.dumps({"error": error}).encode())


def _answer(request: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
    request.send_response(status)
    for name, value in {"content-type": "application/json", **(headers or {})}.items():
        request.send_header(name, value)
    request.send_header("content-length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
