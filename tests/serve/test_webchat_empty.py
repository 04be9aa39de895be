"""A page that is only loaded makes no session: a conversation is stored from the first thing that is said in it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from websockets.asyncio.client import connect

from lichen.core.speech.wording import Greeting
from lichen.core.words.scope import SYSTEM, Scope
from lichen.runtime import Runtime
from tests.serve.widget import DEADLINE_S, Client, app_of, code, project_in, runtime_of, served, texts

ACME = Scope("acme", "dev")
HELLO = {"en": Greeting("Hello!")}


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncGenerator[Runtime]:
    async with runtime_of(project_in(tmp_path, greetings=HELLO)) as runtime:
        yield runtime


@pytest.fixture
def app(runtime: Runtime) -> Starlette:
    return app_of(runtime)


def sessions(runtime: Runtime) -> int:
    return len(runtime.log(ACME).stream_rows("session", limit=100))


@pytest.mark.req("LIC-30.28")
async def test_a_page_that_is_loaded_polled_and_reported_on_makes_no_session(runtime: Runtime, app: Starlette) -> None:
    before = runtime.log(ACME).last_seq
    for _ in range(3):
        client = await Client(app).open("")
        page = await client.get()
        assert texts(page["activities"]) == ["Hello!"]
        assert (await client.get(page["watermark"]))["activities"] == [], "it is there once"
        assert (await client.send("GET", client.path)).status_code == 200
        for kind in ("typing", "event", "conversationUpdate"):
            assert (await client.post({"type": kind, "from": {"id": "ann"}})).status_code == 200
    await runtime.log(ACME).durable()
    assert (sessions(runtime), runtime.log(ACME).last_seq) == (0, before)
    assert runtime.admin.load(ACME, SYSTEM).streams_in_memory <= 1


@pytest.mark.req("LIC-30.28")
async def test_the_first_message_begins_the_session_after_the_greeting_that_was_seen(
    runtime: Runtime, app: Starlette
) -> None:
    client = await Client(app).open()
    page = await client.get()
    (greeting,) = page["activities"]
    await client.say("Hi")
    await runtime.idle()
    assert sessions(runtime) == 1
    everything = await client.get()
    assert texts(everything["activities"]) == ["Hello!", "Hi", "echo: Hi"]
    assert everything["activities"][0]["id"] == greeting["id"]
    assert texts((await client.get(page["watermark"]))["activities"]) == ["Hi", "echo: Hi"]


@pytest.mark.req("LIC-30.28")
async def test_a_conversation_that_did_not_begin_outlives_the_process_and_is_nobody_elses(tmp_path: Path) -> None:
    async with runtime_of(project_in(tmp_path, greetings=HELLO)) as runtime:
        client = await Client(app_of(runtime)).open()
    async with runtime_of(project_in(tmp_path, greetings=HELLO)) as runtime:
        again = Client(app_of(runtime))
        again.token, again.conversation = client.token, client.conversation
        assert texts((await again.get())["activities"]) == ["Hello!"]
        stranger = Client(app_of(runtime))
        await stranger.generate("ben")
        stranger.conversation = client.conversation
        refused = await stranger.post({"type": "message", "from": {"id": "ben"}, "text": "mine"})
        assert code(refused) == (403, "token_conversation")
        await again.say("Hi")
        assert texts(await again.heard(3)) == ["Hello!", "Hi", "echo: Hi"]


@pytest.mark.req("LIC-30.28")
async def test_a_socket_shows_the_greeting_and_then_what_is_said(runtime: Runtime, app: Starlette) -> None:
    client = await Client(app).open()
    seen: list[str] = []
    async with served(app) as host, connect(client.url.replace("chat.test", host)) as socket:
        seen += texts(json.loads(await socket.recv())["activities"])
        assert (seen, sessions(runtime)) == (["Hello!"], 0)
        await client.say("Hi")
        async with asyncio.timeout(DEADLINE_S):
            while "echo: Hi" not in seen:
                seen += [each.get("text", "") for each in json.loads(await socket.recv())["activities"]]
    assert seen == ["Hello!", "Hi", "echo: Hi"]
