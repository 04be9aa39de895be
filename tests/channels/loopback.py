"""A platform on loopback, as its API is spoken: what a channel's tests post to and fetch from."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class Loopback:
    """Serves between `with` and its end, at `url`; a platform says what it does with a `get`, a `post` and so on."""

    def __init__(self) -> None:
        platform = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                platform.get(self)

            def do_POST(self) -> None:
                platform.post(self)

            def do_PUT(self) -> None:
                platform.put(self)

            def do_DELETE(self) -> None:
                platform.delete(self)

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def get(self, request: BaseHTTPRequestHandler) -> None:
        """What is fetched: nothing is here."""
        respond(request, 404)

    def post(self, request: BaseHTTPRequestHandler) -> None:
        """What is posted: nobody takes it."""
        respond(request, 405)

    def put(self, request: BaseHTTPRequestHandler) -> None:
        """What is put there: nobody takes it."""
        respond(request, 405)

    def delete(self, request: BaseHTTPRequestHandler) -> None:
        """What is to go: nothing is here."""
        respond(request, 404)


def body_of(request: BaseHTTPRequestHandler) -> bytes:
    """What came with a request."""
    return request.rfile.read(int(request.headers.get("content-length", 0)))


def respond(
    request: BaseHTTPRequestHandler, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> None:
    """Answers it, with JSON unless the headers say otherwise."""
    request.send_response(status)
    for name, value in {"content-type": "application/json", **(headers or {})}.items():
        request.send_header(name, value)
    request.send_header("content-length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


def cut_off(request: BaseHTTPRequestHandler) -> None:
    """Ends the connection without a word."""
    request.close_connection = True
