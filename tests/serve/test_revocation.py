"""What is open in a name when the name ends: nothing, within a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from lichen.core.words.scope import SYSTEM, Actor, Customer, Operator, Scope
from lichen.runtime import Runtime
from lichen.runtime.access.register import Key, Register
from lichen.serve.app import make_app
from lichen.serve.http.auth import by_owner
from lichen.serve.listen.tcp import listening
from lichen.serve.site import make_site
from tests.runtime.world import until
from tests.serve.asgi import Door
from tests.serve.browser import enter, issue
from tests.serve.talk import held, say, session
from tests.serve.widget import Client, Clock, app_of, code, project_in, runtime_of, served

ACME = Scope("acme", "dev")
OPS: Actor = Operator("ops", ("operator",))
PROMISED_S = 1.0

End = Callable[[Runtime, str], Awaitable[None]]


async def told(runtime: Runtime, key: str) -> None:
    await runtime.keys.revoke(ACME, key.split("_")[1], SYSTEM)


async def untold(runtime: Runtime, key: str) -> None:
    """As another process would: nobody tells the register."""
    runtime.keyring.api_keys.revoke(key.split("_")[1])


@asynccontextmanager
async def port_of(runtime: Runtime) -> AsyncGenerator[str]:
    async with asyncio.timeout(30), listening(make_site(runtime), "127.0.0.1", 0) as port:
        yield f"http://127.0.0.1:{port}"


async def read_to_the_end(socket: ClientConnection) -> None:
    while True:
        await socket.recv()


async def busy(door: Door) -> None:
    """A record every few moments, for good."""
    customer = door.of("acme", "customer-7")
    id = await session(customer)
    while True:
        await say(customer, id, "Where is order 1042?")


@pytest.mark.req("SYM-97.21")
@pytest.mark.parametrize("end", [told, untold])
@pytest.mark.parametrize("by", ["key", "cookie"])
async def test_a_busy_stream_ends_within_a_second_of_its_keys_revocation(runtime: Runtime, end: End, by: str) -> None:
    door, key = Door(make_app(runtime, identify=by_owner(runtime))), issue(runtime)
    run = (await held(runtime, door))["run"]
    talking = asyncio.ensure_future(busy(door))
    async with port_of(runtime) as url, httpx.AsyncClient(base_url=url, timeout=20) as client:
        if by == "key":
            client.headers["authorization"] = f"Bearer {key}"
        else:
            await enter(client, key)
        async with client.stream("GET", f"/api/v1/runs/{run}/events?session=1&follow=1") as response:
            frames = response.aiter_text()
            for _ in range(5):
                await anext(frames)
            await end(runtime, key)
            since = time.monotonic()
            late = [frame async for frame in frames if time.monotonic() > since + PROMISED_S]
    talking.cancel()
    assert late == []
    assert response.status_code == 200
    assert time.monotonic() < since + PROMISED_S


@pytest.mark.req("SYM-97.21")
@pytest.mark.parametrize("path", ["sessions/{session}/messages?wait_s=30", "log/records?after=100000&wait_s=30"])
async def test_a_request_that_waits_is_refused_within_a_second_of_its_keys_revocation(
    runtime: Runtime, path: str
) -> None:
    customer = Customer("customer-7") if "session" in path else OPS
    key = await runtime.keys.issue(ACME, customer, SYSTEM)
    id = (await runtime.sessions.open(ACME, Customer("customer-7"), agent="shop.support")).id
    async with port_of(runtime) as url, httpx.AsyncClient(base_url=url, timeout=20) as client:
        client.headers["authorization"] = f"Bearer {key}"
        first = await client.get(f"/api/v1/{path.format(session=id)}".replace("wait_s=30", "wait_s=0"))
        assert first.status_code == 200, first.text
        if "session" in path:
            turn = await runtime.sessions.get(ACME, id, Customer("customer-7")).say("I want a refund of 80 EUR")
            assert turn.receipt.message
            await runtime.idle()
            for message in (await client.get(f"/api/v1/sessions/{id}/messages")).json()["messages"]:
                await client.post(f"/api/v1/sessions/{id}/messages/{message['id']}/delivered")
        waiting = asyncio.ensure_future(client.get(f"/api/v1/{path.format(session=id)}"))
        await until(lambda: len(runtime.register) > 0)
        since = time.monotonic()
        await told(runtime, key)
        assert code(await waiting) == (401, "key_invalid")
    assert time.monotonic() < since + PROMISED_S


@pytest.mark.req("SYM-97.21")
async def test_a_stream_ends_within_a_second_of_its_keys_time(tmp_path: Path) -> None:
    clock, asked = Clock(), list[str]()
    async with runtime_of(project_in(tmp_path), clock) as runtime:
        key = await runtime.keys.issue(ACME, OPS, SYSTEM, valid_s=100)
        with runtime.register.holding(Key(key.split("_")[1])) as ended:
            clock.ahead_s = 101
            await asyncio.wait_for(ended.wait(), PROMISED_S)
    register = Register(lambda name: asked.append(str(name)) is None)
    with register.holding(Key("a")), register.holding(Key("a")), register.holding(Key("a")):
        await until(lambda: bool(asked))
        assert len(asked) == 1, "one question for a key, however much is open in its name"
    register.close()
    assert len(register) == 0


@pytest.mark.req("GRE-61.11")
@pytest.mark.parametrize("end", [told, untold])
async def test_a_chat_token_is_worth_nothing_once_the_key_that_vouched_for_it_is_revoked(
    tmp_path: Path, end: End
) -> None:
    async with asyncio.timeout(30), runtime_of(project_in(tmp_path)) as runtime:
        app = app_of(runtime)
        ann, key = Client(app), await runtime.keys.issue(ACME, Actor("service", "shop"), SYSTEM)
        assert (await ann.generate("customer-7", authorization=f"Bearer {key}")).status_code == 200
        opened = (await ann.send("POST", "conversations")).json()
        assert await ann.say("hello")
        stranger = await Client(app).open("bob")
        async with served(app) as host, connect(opened["streamUrl"].replace("chat.test", host)) as socket:
            await socket.recv()
            since = time.monotonic()
            await end(runtime, key)
            with pytest.raises(ConnectionClosed) as closed:
                await read_to_the_end(socket)
            assert time.monotonic() < since + PROMISED_S
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008
        for request in (
            ann.post({"type": "message", "from": {"id": "x"}, "text": "again"}),
            ann.send("GET", f"{ann.path}/activities"),
            ann.send("POST", "tokens/refresh"),
            ann.send("POST", "conversations"),
        ):
            assert code(await request) == (403, "token_revoked")
        assert await stranger.say("I go on")


@pytest.mark.req("GRE-61.11")
async def test_a_chat_token_cannot_be_renewed_for_ever(tmp_path: Path) -> None:
    clock = Clock()
    async with runtime_of(project_in(tmp_path, token_s=60, age_s=100), clock) as runtime:
        ann = await Client(app_of(runtime)).open()
        clock.ahead_s = 50
        renewed = (await ann.send("POST", "tokens/refresh")).json()
        ann.token, clock.ahead_s = renewed["token"], 98
        assert (await ann.send("POST", "tokens/refresh")).status_code == 200
        clock.ahead_s = 101
        assert code(await ann.send("POST", "tokens/refresh")) == (403, "token_expired")


@pytest.mark.req("LIC-25.31")
async def test_an_erasure_ends_what_is_open_in_the_customers_name(tmp_path: Path) -> None:
    async with asyncio.timeout(30), runtime_of(project_in(tmp_path)) as runtime:
        app = app_of(runtime)
        ann = await Client(app).open()
        await ann.say("hello")
        async with served(app) as host, connect(ann.url.replace("chat.test", host)) as socket:
            await socket.recv()
            since = time.monotonic()
            await runtime.people.erase(ACME, Customer("webchat:ann"), OPS)
            with pytest.raises(ConnectionClosed):
                await read_to_the_end(socket)
        assert time.monotonic() < since + PROMISED_S
