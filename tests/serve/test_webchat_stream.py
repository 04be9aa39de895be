"""The WebSocket of a conversation: everything after the watermark once, live, and recorded when it was sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.applications import Starlette
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from lichen.core.words import faults
from lichen.core.words.ids import SessionId
from lichen.core.words.scope import Scope
from lichen.runtime import Runtime
from lichen.serve.http.state import of_app
from lichen.serve.webchat import points
from lichen.serve.webchat.sockets import Sockets
from tests.runtime.world import until
from tests.serve.widget import DEADLINE_S, Client, Clock, app_of, project_in, runtime_of, served, texts

ACME = Scope("acme", "dev")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def runtime(tmp_path: Path, clock: Clock) -> AsyncGenerator[Runtime]:
    async with runtime_of(project_in(tmp_path, origins=("https://shop.example",)), clock) as runtime:
        yield runtime


@pytest.fixture
def app(runtime: Runtime) -> Starlette:
    return app_of(runtime)


@pytest.fixture
async def host(app: Starlette) -> AsyncGenerator[str]:
    async with served(app) as host:
        yield host


@pytest.fixture
async def ann(app: Starlette) -> Client:
    return await Client(app).open()


def at(host: str, client: Client, watermark: str = "") -> str:
    url = client.url.replace("chat.test", host)
    return f"{url}&watermark={watermark}" if watermark else url


async def read(socket: ClientConnection, count: int) -> tuple[list[dict[str, Any]], str]:
    """So many activities, and the watermark after the last of them."""
    found: list[dict[str, Any]] = []
    watermark = ""
    async with asyncio.timeout(DEADLINE_S):
        while len(found) < count:
            frame = json.loads(await socket.recv())
            assert set(frame) == {"activities", "watermark"}
            found += frame["activities"]
            watermark = frame["watermark"]
    return found, watermark


@pytest.mark.req("GRE-61.8")
async def test_a_socket_sends_what_there_is_and_then_what_comes(runtime: Runtime, host: str, ann: Client) -> None:
    await ann.say("one")
    await runtime.idle()
    async with connect(at(host, ann)) as socket:
        first, _ = await read(socket, 2)
        await socket.send("")  # clients do, to see whether the line holds
        await ann.say("two")
        second, _ = await read(socket, 2)
    assert texts([*first, *second]) == ["one", "echo: one", "two", "echo: two"]
    assert first == (await ann.get())["activities"][:2], "the same as by polling"


@pytest.mark.req("GRE-61.8")
async def test_going_on_from_a_watermark_leaves_no_gap_and_repeats_nothing(
    runtime: Runtime, host: str, ann: Client
) -> None:
    found: list[dict[str, Any]] = []
    watermark = ""
    for i in range(6):
        await ann.say(str(i))
        if i % 2:
            await runtime.idle()
        async with connect(at(host, ann, watermark)) as socket:
            more, watermark = await read(socket, 1)
            found += more
    await runtime.idle()
    found += (await ann.get(watermark))["activities"]
    ids = [activity["id"] for activity in found]
    assert ids == sorted(set(ids))
    assert {f"echo: {i}" for i in range(6)} < set(texts(found))
    assert len(found) == 12


@pytest.mark.req("LIC-16.7")
async def test_a_reply_counts_as_delivered_once_its_frame_was_sent(runtime: Runtime, host: str, ann: Client) -> None:
    passed: list[str] = []
    is_confirmed = asyncio.Event()

    def hit(name: str) -> None:
        if name in points.POINTS:
            passed.append(name)
        if name == points.CONFIRMED:
            is_confirmed.set()

    journal = runtime.engine.journal(ACME)
    faults.install(hit)
    try:
        await ann.say("one")
        await runtime.idle()
        session = SessionId(journal.log.stream_rows("session", limit=1)[0].id)
        assert len(journal.mailbox(session).outbox) == 1
        async with connect(at(host, ann)) as socket:
            await read(socket, 2)
            await asyncio.wait_for(is_confirmed.wait(), DEADLINE_S)
    finally:
        faults.install(None)
    assert passed[:5] == list(points.POINTS)
    assert journal.mailbox(session).outbox == {}


@pytest.mark.req("GRE-61.9")
async def test_a_socket_needs_the_token_of_its_conversation_and_a_page_that_may_ask(
    app: Starlette, host: str, ann: Client
) -> None:
    bob = await Client(app).open("bob")
    good = at(host, ann)
    for url, origin in (
        (good.replace(ann.token, bob.token), None),
        (good.replace(ann.token, "nonsense"), None),
        (good.partition("?")[0], None),
        (good.replace("acme", "globex"), None),
        (good, "https://evil.example"),
    ):
        with pytest.raises(InvalidStatus) as refused:
            async with connect(url, origin=origin):  # type: ignore[arg-type]
                pass
        assert refused.value.response.status_code in (401, 403)
        assert json.loads(refused.value.response.body)["error"]["code"]
    async with connect(good, origin="https://shop.example"):  # type: ignore[arg-type]
        pass


async def test_a_server_that_stops_says_that_it_goes_away(app: Starlette, host: str, ann: Client) -> None:
    async with connect(at(host, ann)) as socket:
        of_app(app).closing.set()
        with pytest.raises(ConnectionClosed) as closed:
            await asyncio.wait_for(socket.recv(), DEADLINE_S)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001


async def test_a_fifth_socket_takes_the_place_of_the_oldest(host: str, ann: Client) -> None:
    oldest = await connect(at(host, ann))
    others = [await connect(at(host, ann)) for _ in range(4)]
    with pytest.raises(ConnectionClosed) as closed:
        await asyncio.wait_for(oldest.recv(), DEADLINE_S)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4000
    await ann.say("one")
    for socket in others:
        assert texts((await read(socket, 2))[0]) == ["one", "echo: one"]
        await socket.close()


async def test_a_socket_ends_with_its_token(runtime: Runtime, host: str, ann: Client, clock: Clock) -> None:
    clock.ahead_s = 1_798  # the rest passes in real time
    async with connect(at(host, ann)) as socket:
        with pytest.raises(ConnectionClosed) as closed:
            await asyncio.wait_for(socket.recv(), DEADLINE_S)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008


@pytest.mark.req("GRE-61.8")
async def test_a_reader_that_does_not_read_holds_one_page_and_loses_nothing(
    runtime: Runtime, app: Starlette, ann: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lichen.serve.webchat.transcript.ACTIVITIES_MAX", 2)
    is_read, is_gone = asyncio.Event(), asyncio.Event()
    begun, sent = asyncio.Event(), list[str]()
    events = iter([{"type": "websocket.connect"}])

    async def receive() -> dict[str, Any]:
        event = next(events, None)
        if event is None:
            await is_gone.wait()
        return event or {"type": "websocket.disconnect", "code": 1000}

    async def send(message: Any) -> None:
        if message["type"] == "websocket.send":
            sent.append(message["text"])
            begun.set()
            await is_read.wait()

    for i in range(3):
        await ann.say(str(i))
        await runtime.idle()
    url = urlsplit(ann.url)
    scope: dict[str, Any] = {
        "type": "websocket", "path": url.path, "query_string": url.query.encode(), "headers": [], "scheme": "ws",
        "server": ("chat.test", 80), "subprotocols": [],
    }  # fmt: skip
    serving = asyncio.ensure_future(app(scope, receive, send))  # type: ignore[arg-type]
    await asyncio.wait_for(begun.wait(), DEADLINE_S)
    for i in range(3, 6):
        await ann.say(str(i))
        await runtime.idle()
    assert len(sent) == 1
    is_read.set()
    await until(lambda: len(sent) == 6)
    is_gone.set()
    await serving
    found = [activity for frame in sent for activity in json.loads(frame)["activities"]]
    assert texts(found) == [text for i in range(6) for text in (str(i), f"echo: {i}")]


def test_a_full_house_takes_no_further_socket_and_a_place_is_given_back() -> None:
    sockets = Sockets(most=2)
    with sockets.holding("a"), sockets.holding("b"):
        with pytest.raises(Exception, match="As many streams"), sockets.holding("c"):
            pass
        assert len(sockets) == 2
    assert len(sockets) == 0
