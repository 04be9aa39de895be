"""The door to the network: what a stranger cannot make it hold, and how it opens and shuts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

import httpx
import pytest
import websockets
from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from lichen.core.words.errors import LichenError
from lichen.serve.http.state import Site, of_app, site_of
from lichen.serve.listen import places, tcp
from lichen.serve.listen.proxies import Proxies
from lichen.serve.listen.tcp import Bounds, listening

SMALL = Bounds(connections_max=3, head_bytes_max=4096, head_s=0.2)


class Visit(NamedTuple):
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def go_on_forever(self) -> None:
        """Sends a head that never ends."""
        await self.send(b"GET / HTTP/1.1\r\nx-long: ")
        while True:
            await self.send(b"a" * 1024)
            await asyncio.sleep(0)

    async def rest(self) -> bytes:
        try:
            return await self.reader.read()
        except ConnectionResetError:
            return b""


@pytest.fixture(params=["httptools", "h11"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both parsers: one is an extra."""
    if request.param == "h11":

        def protocol(hall: tcp.Hall) -> type[asyncio.Protocol]:
            return type("PatientH11", (tcp._Patience, H11Protocol), {"hall": hall, "stall_s": hall.bounds.stall_s})  # pyright: ignore[reportPrivateUsage]

        monkeypatch.setattr(tcp, "_protocol", protocol)
    return request.param


def is_operator(request: HTTPConnection) -> bool:
    return "x-operator" in request.headers


def app() -> Starlette:
    async def hello(request: Request) -> Response:
        return PlainTextResponse("hello")

    async def hold(request: Request) -> Response:
        request.app.state.held.set()
        await site_of(request).closing.wait()
        return PlainTextResponse("at last")

    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(await socket.receive_text())
        await socket.receive()

    async def who(request: Request) -> Response:
        assert request.client is not None
        return JSONResponse([request.client.host, request.url.scheme])

    async def take(request: Request) -> Response:
        return PlainTextResponse(str(len(await request.body())))

    found = Starlette(
        routes=[
            Route("/", hello, methods=["GET"]), Route("/", take, methods=["POST"]), Route("/healthz", hello),
            Route("/hold", hold), Route("/who", who), WebSocketRoute("/talk", talk),
        ]
    )  # fmt: skip
    found.state.held = asyncio.Event()
    return Site(reserved=is_operator).of(found)


@asynccontextmanager
async def visiting(port: int) -> AsyncGenerator[Visit]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Visit(reader, writer)
    finally:
        writer.close()


HOLD = b"GET /hold HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
HELLO = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"


@asynccontextmanager
async def holding(port: int, count: int) -> AsyncGenerator[list[Visit]]:
    """So many connections whose requests are being answered."""
    async with AsyncExitStack() as stack:
        visits = [await stack.enter_async_context(visiting(port)) for _ in range(count)]
        for visit in visits:
            await visit.send(HOLD)
        yield visits


@pytest.mark.req("SYM-97.18")
async def test_far_above_its_connections_it_takes_no_more(parser: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "SPARE", 1)
    site = app()
    async with (
        asyncio.timeout(10),
        listening(site, "127.0.0.1", 0, bounds=Bounds(connections_max=1)) as port,
        holding(port, 1),
        visiting(port) as second,
    ):
        await site.state.held.wait()
        await second.send(HELLO.replace(b"close", b"keep-alive"))
        assert (await second.reader.readline()).startswith(b"HTTP/1.1 503")
        site.state.held.clear()
        async with visiting(port) as operator:
            await operator.send(HOLD.replace(b"close", b"close\r\nx-operator: yes"))
            await site.state.held.wait()
            assert (await second.rest()).endswith(b"}"), "it made room"
            async with visiting(port) as beyond:
                assert await beyond.rest() == b""
        of_app(site).closing.set()


@pytest.mark.req("SYM-97.22")
@pytest.mark.parametrize(
    "half", [b"", b"GET / HTTP/1.1\r\nhost: x\r\n", b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\na"]
)
async def test_who_has_too_many_requests_half_sent_makes_room_for_whole_ones(parser: str, half: bytes) -> None:
    async with (
        asyncio.timeout(20),
        listening(app(), "127.0.0.1", 0, bounds=Bounds(connections_each_max=5)) as port,
        AsyncExitStack() as stack,
    ):
        first = await stack.enter_async_context(visiting(port))
        await first.send(half)
        for _ in range(20):
            await (await stack.enter_async_context(visiting(port))).send(half)
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"http://127.0.0.1:{port}/")).status_code == 200
        assert await first.rest() == b""


@pytest.mark.req("SYM-97.22")
async def test_one_address_holds_no_more_requests_and_sockets_than_its_share(parser: str) -> None:
    site = app()
    bounds = Bounds(connections_each_max=3, sockets_each_max=2)
    async with asyncio.timeout(20), listening(site, "127.0.0.1", 0, bounds=bounds) as port:
        async with AsyncExitStack() as stack:
            url = f"ws://127.0.0.1:{port}/talk"
            for _ in range(2):
                await stack.enter_async_context(websockets.connect(url))
            with pytest.raises(websockets.InvalidStatus) as caught:
                await stack.enter_async_context(websockets.connect(url))
            assert caught.value.response.status_code == 429
            await stack.enter_async_context(holding(port, 3))
            client = await stack.enter_async_context(httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}"))
            while (full := await client.get("/")).status_code == 200:
                pass
            assert (full.status_code, full.json()["error"]["code"]) == (429, "all_taken")
            assert full.headers["retry-after"]
            assert (await client.get("/healthz")).status_code == 200
            assert (await client.get("/", headers={"x-operator": "yes"})).status_code == 200
        of_app(site).closing.set()


@pytest.mark.req("SYM-97.23")
async def test_only_a_proxy_that_is_named_may_say_for_whom_it_speaks(parser: str) -> None:
    for trusted, seen in (((), ("127.0.0.1", "http")), (("127.0.0.0/8",), ("203.0.113.9", "https"))):
        async with (
            asyncio.timeout(10),
            listening(app(), "127.0.0.1", 0, proxies=Proxies(trusted)) as port,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
        ):
            told = {"x-forwarded-for": "1.2.3.4, 203.0.113.9", "x-forwarded-proto": "https"}
            assert tuple((await client.get("/who", headers=told)).json()) == seen


@pytest.mark.req("SYM-97.23")
async def test_behind_a_proxy_each_client_has_its_own_share(parser: str) -> None:
    site = app()
    bounds = Bounds(connections_each_max=2)
    async with (
        asyncio.timeout(20),
        listening(site, "127.0.0.1", 0, bounds=bounds, proxies=Proxies(["127.0.0.1"])) as port,
        AsyncExitStack() as stack,
    ):
        for _ in range(2):
            visit = await stack.enter_async_context(visiting(port))
            await visit.send(HOLD.replace(b"\r\n", b"\r\nx-forwarded-for: 192.0.2.1\r\n", 1))
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}"))
        while (await client.get("/", headers={"x-forwarded-for": "192.0.2.1"})).status_code != 429:
            pass
        assert (await client.get("/", headers={"x-forwarded-for": "192.0.2.2"})).status_code == 200
        of_app(site).closing.set()


@pytest.mark.req("SYM-97.8")
async def test_a_free_port_is_found_and_told() -> None:
    async with listening(app(), "127.0.0.1", 0) as port, httpx.AsyncClient() as client:
        assert (await client.get(f"http://127.0.0.1:{port}/")).text == "hello"


@pytest.mark.req("SYM-97.8")
async def test_a_port_in_use_is_said_with_what_to_do() -> None:
    async with listening(app(), "127.0.0.1", 0) as port:
        with pytest.raises(LichenError) as caught:
            async with listening(app(), "127.0.0.1", port):
                pass
    assert caught.value.code == "port_in_use"
    assert "--port" in caught.value.next_step


@pytest.mark.parametrize(("host", "code"), [("no.such.host.invalid", "host_unknown"), ("192.0.2.1", "port_unusable")])
async def test_an_address_that_is_not_ours_is_said(host: str, code: str) -> None:
    with pytest.raises(LichenError) as caught:
        async with listening(app(), host, 0):
            pass
    assert caught.value.code == code


@pytest.mark.req("SYM-97.9")
async def test_above_its_connections_it_answers_that_it_is_full(parser: str) -> None:
    site = app()
    async with listening(site, "127.0.0.1", 0, bounds=SMALL) as port, httpx.AsyncClient() as client:
        async with holding(port, 3):
            await site.state.held.wait()
            full = await client.get(f"http://127.0.0.1:{port}/")
            assert (full.status_code, full.json()["error"]["code"]) == (503, "overloaded")
            assert full.headers["retry-after"] == "1"
            async with websockets.connect(f"ws://127.0.0.1:{port}/talk") as socket:
                await socket.send("counted apart")
                assert await socket.recv() == "counted apart"
                await socket.send("")
            of_app(site).closing.set()
        async with asyncio.timeout(5), httpx.AsyncClient() as client:
            while (await client.get(f"http://127.0.0.1:{port}/")).status_code != 200:
                pass


@pytest.mark.req("SYM-97.9")
async def test_a_head_that_trickles_is_given_up(parser: str) -> None:
    async with listening(app(), "127.0.0.1", 0, bounds=SMALL) as port, visiting(port) as visit:
        async with asyncio.timeout(5):
            await visit.send(b"GET / HTTP/1.1\r\nhost: x\r\n")
            assert await visit.rest() == b""


@pytest.mark.req("SYM-97.9")
async def test_whoever_says_nothing_is_given_up(parser: str) -> None:
    async with listening(app(), "127.0.0.1", 0, bounds=SMALL) as port, visiting(port) as visit:
        async with asyncio.timeout(5):
            assert await visit.rest() == b""


@pytest.mark.req("SYM-97.9")
async def test_a_head_without_end_is_cut_off(parser: str) -> None:
    patient = Bounds(head_bytes_max=4096, head_s=60)
    async with listening(app(), "127.0.0.1", 0, bounds=patient) as port, visiting(port) as visit:
        async with asyncio.timeout(5):
            with pytest.raises(ConnectionError):
                await visit.go_on_forever()


@pytest.mark.req("SYM-97.9")
@pytest.mark.parametrize("where", ["path", "header", "many"])
async def test_a_head_that_is_too_large_is_refused(parser: str, where: str) -> None:
    long = "a" * 3000
    headers = {"many": {f"x-{i}": "b" * 20 for i in range(200)}, "header": {"x-1": long, "x-2": long}}.get(where, {})
    async with listening(app(), "127.0.0.1", 0, bounds=SMALL) as port, httpx.AsyncClient() as client:
        path = f"/?{'a' * 5000}" if where == "path" else "/"
        refused = await client.get(f"http://127.0.0.1:{port}{path}", headers=headers)
    assert refused.status_code in (400, 431)  # h11 refuses it itself
    if parser == "httptools":
        assert refused.json()["error"]["code"] == "head_too_large"


@pytest.mark.req("SYM-97.9")
async def test_a_second_head_cannot_grow_while_the_first_request_is_answered() -> None:
    patient = Bounds(head_bytes_max=4096, head_s=60)
    site = app()
    async with listening(site, "127.0.0.1", 0, bounds=patient) as port, visiting(port) as visit:
        async with asyncio.timeout(5):
            await visit.send(b"GET /hold HTTP/1.1\r\nhost: x\r\n\r\n")
            await site.state.held.wait()
            with pytest.raises(ConnectionError):
                await visit.go_on_forever()


async def test_a_request_that_takes_long_is_not_given_up(parser: str) -> None:
    site = app()
    async with listening(site, "127.0.0.1", 0, bounds=SMALL) as port, visiting(port) as visit:
        await visit.send(b"GET /hold HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        await site.state.held.wait()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SMALL.head_s * 2):
                await visit.reader.read(1)
        of_app(site).closing.set()
        assert (await visit.rest()).endswith(b"at last")


async def test_a_websocket_outlives_the_patience_for_heads_and_its_messages_are_bounded(parser: str) -> None:
    bounds = Bounds(head_s=0.2, frame_bytes_max=100)
    async with listening(app(), "127.0.0.1", 0, bounds=bounds) as port:
        async with websockets.connect(f"ws://127.0.0.1:{port}/talk") as socket:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await socket.recv()
            await socket.send("still here")
            assert await socket.recv() == "still here"
        async with websockets.connect(f"ws://127.0.0.1:{port}/talk") as socket:
            await socket.send("a" * 101)
            with pytest.raises(websockets.ConnectionClosed) as caught:
                await socket.recv()
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1009


@pytest.mark.req("SYM-107.1")
async def test_on_leaving_requests_begun_end_and_websockets_are_sent_home(parser: str) -> None:
    site = app()
    async with asyncio.timeout(10):
        async with listening(site, "127.0.0.1", 0) as port:
            socket = await websockets.connect(f"ws://127.0.0.1:{port}/talk")
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /hold HTTP/1.1\r\nhost: x\r\n\r\n")
            await site.state.held.wait()
        assert of_app(site).draining
        assert (await reader.read()).endswith(b"at last")
        with pytest.raises(websockets.ConnectionClosed):
            await socket.recv()
        writer.close()


@pytest.mark.req("SYM-107.1")
async def test_a_websocket_that_is_closing_already_keeps_nobody_from_leaving(
    parser: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutdown = WebSocketsSansIOProtocol.shutdown

    def shutdown_of_one_that_closes(self: WebSocketsSansIOProtocol) -> None:
        self.conn.send_close(1000)  # as when the other side began to close it in this very moment
        shutdown(self)

    monkeypatch.setattr(WebSocketsSansIOProtocol, "shutdown", shutdown_of_one_that_closes)
    async with asyncio.timeout(10), AsyncExitStack() as stack:
        async with listening(app(), "127.0.0.1", 0) as port:
            sockets = [
                await stack.enter_async_context(websockets.connect(f"ws://127.0.0.1:{port}/talk")) for _ in range(3)
            ]
        for socket in sockets:
            with pytest.raises(websockets.ConnectionClosed):
                await socket.recv()
