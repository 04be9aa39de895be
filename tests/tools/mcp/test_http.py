"""Servers at a URL: over Streamable HTTP, with events and with plain JSON, and over the older HTTP with SSE."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import msgspec
import pytest

from lichen.core.ports.call import NotDone
from lichen.core.remote.server import Server
from lichen.core.words.errors import LichenError, Unavailable
from lichen.tools.mcp.failures import ServerGone
from lichen.tools.mcp.results import Malformed
from tests.served import free_port
from tests.tools.mcp.test_connection import STRANGE, called, connected

START_S = 20.0


@pytest.fixture(params=["http", "json", "sse"])
def server(request: pytest.FixtureRequest) -> Generator[Server]:
    """The strange server on a port, in a process of its own."""
    port = free_port()
    process = subprocess.Popen([sys.executable, str(STRANGE), request.param, str(port)], stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        url = f"http://127.0.0.1:{port}/{'sse' if request.param == 'sse' else 'mcp'}"
        headers = {"Authorization": "Bearer secret:books"}
        yield Server(
            "strange", url=url, transport="sse" if request.param == "sse" else "http", headers=headers, timeout_s=10
        )
    finally:
        process.kill()
        process.wait(10)


def wait_for(port: int) -> None:
    """Returns once somebody answers on a port of the loopback."""
    until = time.monotonic() + START_S
    while True:
        try:
            httpx.get(f"http://127.0.0.1:{port}/nothing", timeout=1.0)
            return
        except httpx.HTTPError:
            assert time.monotonic() < until, "the server does not start"
            time.sleep(0.05)


@pytest.mark.req("SYM-57.1")
async def test_a_server_at_a_url_is_called_with_its_headers(server: Server) -> None:
    async with connected(server) as connection:
        assert (await called(connection, "add", a=1, b=2)).result == b'{"total":3}'
        seen = msgspec.json.decode((await called(connection, "asked_with")).result)
        assert seen["authorization"] == "Bearer value of books"
        with pytest.raises(NotDone) as failed:
            await called(connection, "fail", text="the shop is closed")
        assert failed.value.code == "domain_rejection"


@pytest.mark.req("SYM-57.1")
async def test_what_a_server_at_a_url_sends_is_bounded_and_costs_its_call_only(server: Server) -> None:
    async with connected(server) as connection:
        with pytest.raises((Malformed, ServerGone)):  # the client of SSE reads events of 1 MiB at most
            await called(connection, "big", size=2_000_000)
        with pytest.raises((ServerGone, LichenError, NotDone, TimeoutError)):
            await called(connection, "big", 5.0, size=6_000_000)
        assert (await called(connection, "add", a=1, b=2)).result == b'{"total":3}'


@pytest.mark.req("SYM-57.2")
async def test_a_redirect_to_another_address_is_not_followed() -> None:
    reached: list[str] = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            reached.append(self.headers.get("authorization", ""))
            self.send_response(500)
            self.end_headers()

        do_GET = do_POST  # noqa: N815 - what the standard library calls it

        def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 - what the standard library calls it

    elsewhere = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)

    class Here(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(307)
            self.send_header("location", f"http://127.0.0.1:{elsewhere.server_port}/mcp")
            self.end_headers()

        do_GET = do_POST  # noqa: N815 - what the standard library calls it

        def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 - what the standard library calls it

    here = ThreadingHTTPServer(("127.0.0.1", 0), Here)
    for each in (here, elsewhere):
        threading.Thread(target=each.serve_forever, daemon=True).start()
    try:
        server = Server(
            "strange", url=f"http://127.0.0.1:{here.server_port}/mcp", headers={"Authorization": "Bearer x"}
        )
        async with connected(server) as connection:
            with pytest.raises(Unavailable):
                await asyncio.wait_for(connection.offered(), 20)
        assert reached == []
    finally:
        for each in (here, elsewhere):
            each.shutdown()
            each.server_close()
