"""A platform with pagers: it brings each message until it is taken, and shows each reply once, by its id."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

from tests.channels.pager import signed
from tests.crash.visitor import GONE, MESSAGES, Gateway

INGRESS = "/v1/messaging/ingress/pager/acme"


class Exchange:
    """Where replies are posted: `posted` holds every one of them, also those that came again."""

    def __init__(self) -> None:
        self.posted: list[tuple[str, str]] = []
        self.url = ""

    @property
    def shown(self) -> list[str]:
        """What customers see: each id once, in the order in which it came first."""
        return list(dict(self.posted).values())

    @contextmanager
    def listening(self) -> Generator[Exchange]:
        """Listens meanwhile."""
        exchange = self

        class Taking(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                page = json.loads(self.rfile.read(int(self.headers["content-length"])))
                exchange.posted.append((page["id"], page["text"]))
                self.send_response(204)
                self.end_headers()

            def log_request(self, code: object = "-", size: object = "-") -> None:
                """Says nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
        self.url = f"http://127.0.0.1:{server.server_port}/"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join(10)
            server.server_close()


async def converse(gateway: Gateway, exchange: Exchange) -> None:
    """The whole conversation of one pager, each message after the reply to the one before."""
    for i, (text, answer) in enumerate(MESSAGES.items()):
        await _bring(gateway, f"m-{i}", text)
        while answer not in exchange.shown:
            await gateway.ensure()
            await asyncio.sleep(0.02)
    for i, text in enumerate(MESSAGES):  # once more, as platforms do that missed an acknowledgement
        await _bring(gateway, f"m-{i}", text)


async def _bring(gateway: Gateway, id: str, text: str) -> None:
    """Brings it until somebody answers with 2xx. Anything but a broken connection or 503 is an error."""
    while True:
        await gateway.ensure()
        body, headers = signed(text, id=id)
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}") as http:
                response = await http.post(INGRESS, content=body, headers=headers, timeout=20)
        except GONE:
            await gateway.died()
            continue
        if response.status_code == 503:
            await asyncio.sleep(0.05)
            continue
        if response.is_error:
            raise AssertionError(f"{text}: {response.status_code} {response.text}")
        return
