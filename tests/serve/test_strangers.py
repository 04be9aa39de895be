"""Connections that behave as no browser does: what they can make a port hold, and what they can make it write."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from base64 import b64encode
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from lichen.runtime.runtime import Runtime
from lichen.serve.http.state import Site
from lichen.serve.listen.frames import FRAGMENTS_MAX
from lichen.serve.listen.stall import Stalling
from lichen.serve.listen.tcp import Bounds, listening
from lichen.serve.site import make_site

UPGRADE = "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: {}\r\n"
TEXT, MORE, PING, CLOSE = 0x01, 0x00, 0x89, 0x88
DEADLINE_S = 20


def frame(opcode: int, data: bytes = b"") -> bytes:
    """A masked frame of at most 125 bytes; the mask is zero."""
    return bytes((opcode, 0x80 | len(data), 0, 0, 0, 0)) + data


def app() -> Starlette:
    async def endless(request: Request) -> Response:
        async def chunks() -> AsyncGenerator[bytes]:
            try:
                while True:
                    yield b"a" * 65_536
                    await asyncio.sleep(0)
            finally:
                request.app.state.ended.set()

        return StreamingResponse(chunks())

    async def listen(socket: WebSocket) -> None:
        await socket.accept()
        while (await socket.receive())["type"] != "websocket.disconnect":
            pass
        socket.app.state.ended.set()

    async def shout(socket: WebSocket) -> None:
        await socket.accept()
        try:
            while True:
                await socket.send_text("a" * 65_536)
        finally:
            socket.app.state.ended.set()

    routes = [Route("/", endless), WebSocketRoute("/listen", listen), WebSocketRoute("/shout", shout)]
    found = Starlette(routes=routes)
    found.state.ended = asyncio.Event()
    return Site().of(found)


@asynccontextmanager
async def visiting(port: int, path: str) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection with small buffers that has asked for a path, and for a WebSocket unless that is the root."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=raw, limit=1_024)
    more = UPGRADE.format(b64encode(os.urandom(16)).decode()) if path != "/" else ""
    writer.write(f"GET {path} HTTP/1.1\r\nhost: x\r\n{more}\r\n".encode())
    try:
        await reader.readuntil(b"\r\n\r\n")
        yield reader, writer
    finally:
        writer.close()


@pytest.mark.req("SYM-97.15")
async def test_pings_of_somebody_who_reads_no_pongs_do_not_pile_up() -> None:
    pings = frame(PING, b"p" * 125) * 1_000
    sent = 0
    async with (
        asyncio.timeout(DEADLINE_S),
        listening(app(), "127.0.0.1", 0) as port,
        visiting(port, "/listen") as (reader, writer),
    ):
        for _ in range(200):
            writer.write(pings)
            await writer.drain()
            sent += len(pings)
        writer.write(frame(CLOSE))
        heard = 0
        while found := await reader.read(1 << 20):
            heard += len(found)
    assert heard < sent / 2


@pytest.mark.req("SYM-97.15")
async def test_a_message_of_empty_fragments_is_cut_off() -> None:
    site = app()
    async with (
        asyncio.timeout(DEADLINE_S),
        listening(site, "127.0.0.1", 0) as port,
        visiting(port, "/listen") as (_, writer),
    ):
        writer.write(frame(TEXT) + frame(MORE) * (FRAGMENTS_MAX + 1))
        await site.state.ended.wait()


@pytest.mark.req("SYM-97.15")
@pytest.mark.parametrize("path", ["/", "/shout"])
async def test_whoever_stops_reading_is_cut_off(path: str) -> None:
    site = app()
    async with (
        asyncio.timeout(DEADLINE_S),
        listening(site, "127.0.0.1", 0, bounds=Bounds(stall_s=0.2)) as port,
        visiting(port, path),
    ):
        await site.state.ended.wait()


class Transport:
    """What waits in it is what the test says."""

    waiting = 0
    is_aborted = False

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def abort(self) -> None:
        self.is_aborted = True


class Loop:
    def call_later(self, delay_s: float, call: Callable[[], None]) -> Any:
        self.next = call
        return asyncio.get_running_loop().call_later(60, call)


@pytest.mark.req("SYM-97.15")
async def test_a_slow_reader_is_not_cut_off() -> None:
    class Plain:
        def pause_writing(self) -> None: ...

    kind: Any = type("Connection", (Stalling, Plain), {"stall_s": 1.0})
    connection = kind()
    connection.transport, connection.loop = Transport(), Loop()
    connection.transport.waiting = 100_000
    connection.pause_writing()
    connection.transport.waiting = 99_999
    connection.loop.next()
    assert not connection.transport.is_aborted
    connection.loop.next()
    assert connection.transport.is_aborted


@pytest.mark.req("SYM-97.17")
@pytest.mark.parametrize(("hosts", "status"), [("", 400), ("host: a\r\nhost: b\r\n", 400), ("host: a\r\n", 404)])
async def test_a_request_names_one_host(hosts: str, status: int) -> None:
    async with asyncio.timeout(DEADLINE_S), listening(app(), "127.0.0.1", 0) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /nothing HTTP/1.1\r\n{hosts}connection: close\r\n\r\n".encode())
        assert (await reader.read()).startswith(f"HTTP/1.1 {status}".encode())
        writer.close()


@pytest.mark.req("SYM-97.16")
async def test_strangers_cannot_fill_the_log_and_no_token_is_in_it(
    runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    asked = "/v1/messaging/webchat/acme/"
    async with asyncio.timeout(DEADLINE_S), listening(make_site(runtime), "127.0.0.1", 0) as port:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            given = (await client.post(f"{asked}tokens/generate")).json()
            await client.post(f"{asked}conversations", headers={"authorization": f"Bearer {given['token']}"})
        caplog.clear()
        stream = f"{asked}conversations/{given['conversationId']}/stream?t={given['token']}"
        for path in (f"{stream}x", "/nothing", stream):
            async with visiting(port, path) as (reader, writer):
                writer.write(b"\x81\x82\0\0\0\0\xff\xfe")
                await reader.read()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"nonsense\r\n\r\n")
        await reader.read()
        writer.close()
    ours = [record for record in caplog.records if record.name.startswith(("uvicorn", "lichen", "websockets"))]
    assert not [record for record in ours if record.levelno >= logging.WARNING or given["token"] in record.getMessage()]
