"""What a message of the web chat costs at the disk: read off the loop, waited for once, one record for a delivery."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from websockets.asyncio.client import connect

from lichen.core.words import faults
from lichen.core.words.ids import SessionId, session_stream
from lichen.core.words.scope import Scope
from lichen.log.keys.keyfile import KeyFile
from lichen.log.log import Log
from lichen.log.sqlite.store import SqliteReading
from lichen.runtime import Runtime
from lichen.runtime.operations.talk.conversation import Conversation, Page
from tests.serve.widget import DEADLINE_S, Client, app_of, project_in, runtime_of, served, texts

ACME = Scope("acme", "dev")


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncGenerator[Runtime]:
    async with runtime_of(project_in(tmp_path)) as runtime:
        yield runtime


@pytest.fixture
def app(runtime: Runtime) -> Starlette:
    return app_of(runtime)


@contextmanager
def read_on_the_loop(*kinds: type[Any]) -> Generator[list[str]]:
    """The queries that this thread, which is the loop's, sends to a file."""
    found: list[str] = []
    loop = threading.get_ident()

    def noting(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def noted(self: Any, query: str, *values: Any) -> Any:
            if threading.get_ident() == loop:
                found.append(query)
            return method(self, query, *values)

        return noted

    with pytest.MonkeyPatch.context() as patch:
        for kind in kinds:
            for name in {"rows", "each", "totals", "read"} & vars(kind).keys():
                patch.setattr(kind, name, noting(name, vars(kind)[name]))
        yield found


def kinds(runtime: Runtime) -> Counter[str]:
    """The types of the records of the only session."""
    log = runtime.log(ACME)
    (row,) = log.stream_rows("session", limit=10)
    return Counter(event.control.type for event in log.events(session_stream(SessionId(row.id))))


@pytest.mark.req("LIC-16.11")
async def test_a_message_its_reply_and_its_poll_never_read_the_disk_on_the_loop(
    runtime: Runtime, app: Starlette
) -> None:
    service = runtime.keyring.api_keys.issue("acme", "dev", actor_kind="service", actor_id="site")
    client = Client(app)
    await client.generate(authorization=f"Bearer {service}")
    await client.say("first")
    page = await client.get()
    async with served(app) as host:
        opened = await client.send("POST", "conversations")
        url = opened.json()["streamUrl"].replace("chat.test", host)
        async with connect(f"{url}&watermark={page['watermark']}") as socket:
            await runtime.idle()
            with read_on_the_loop(SqliteReading, KeyFile) as found:
                await client.say("again", id="a1")
                await client.say("again", id="a1")
                seen = list[str]()
                async with asyncio.timeout(DEADLINE_S):
                    while "echo: again" not in seen:
                        seen += texts(json.loads(await socket.recv())["activities"])
                await client.get(page["watermark"])
    assert found == []


@pytest.mark.req("LIC-16.11")
async def test_a_long_conversation_nobody_remembers_is_read_by_a_thread(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    async with runtime_of(project) as runtime:
        client = await Client(app_of(runtime)).open()
        for i in range(20):
            await client.say(str(i))
        before = await client.heard(40)
    async with runtime_of(project) as runtime:
        await runtime.idle()
        app = app_of(runtime)
        again = Client(app)
        again.token, again.conversation = client.token, client.conversation
        with read_on_the_loop(SqliteReading) as found:
            pages = [await again.get(), await again.get(7)]
            gets = await asyncio.gather(*(again.get() for _ in range(5)))
        assert found == []
        assert pages[0]["activities"] == before
        assert pages[1]["activities"] == [a for a in before if int(a["id"].partition("|")[2]) >= 7]
        assert all(get["activities"] == before for get in gets)
        id = await again.say("and on")
        await runtime.idle()
        page = await again.get(pages[0]["watermark"])
        assert page["activities"][0]["id"] == id


@pytest.mark.req("LIC-16.12")
async def test_a_delivery_is_one_record_and_nobody_waits_for_it(runtime: Runtime, app: Starlette) -> None:
    client = await Client(app).open()
    await client.say("Hello")
    await runtime.idle()
    page = await client.get()
    disk = threading.Event()
    faults.install(lambda name: None if not name.startswith("commit.before") else _wait(disk))
    try:
        async with asyncio.timeout(DEADLINE_S):
            assert (await client.get(page["watermark"]))["activities"] == []
    finally:
        disk.set()
        faults.install(None)
    await runtime.log(ACME).durable()
    assert kinds(runtime)["delivery_settled"] == 1
    assert kinds(runtime)["delivery_attempted"] == 0


@pytest.mark.req("LIC-16.12")
async def test_a_reply_on_a_socket_waits_for_the_disk_once(
    runtime: Runtime, app: Starlette, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await Client(app).open()
    await client.say("Hi")
    await client.heard(2)
    await client.get((await client.get())["watermark"])
    await runtime.idle()
    log = runtime.log(ACME)
    (row,) = log.stream_rows("session", limit=10)
    stream = session_stream(SessionId(row.id))
    appended = list[str]()
    append = Log.append_now

    def noting(self: Log, moves: Any, **more: Any) -> Any:
        appended.append(" ".join(draft.control.type for draft in moves.get(stream, ())))
        return append(self, moves, **more)

    async with served(app) as host, connect(client.url.replace("chat.test", host)) as socket:
        monkeypatch.setattr(Log, "append_now", noting)
        await client.say("Hello")
        seen = list[str]()
        async with asyncio.timeout(DEADLINE_S):
            while "echo: Hello" not in seen:
                seen += texts(json.loads(await socket.recv())["activities"])
        await runtime.idle()
    by_the_door = [kinds for kinds in appended if "delivery" in kinds]
    assert by_the_door == ["delivery_settled"]


@pytest.mark.req("LIC-17.7")
async def test_a_socket_reads_on_only_where_there_is_something_to_show(
    runtime: Runtime, app: Starlette, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await Client(app).open()
    pages = list[int]()
    page = Conversation.page

    async def counted(self: Conversation, after: int, **bounds: int) -> Page:
        found = await page(self, after, **bounds)
        pages.append(len(found.lines))
        return found

    async with served(app) as host, connect(client.url.replace("chat.test", host)) as socket:

        async def talk(text: str) -> None:
            await client.say(text)
            while f"echo: {text}" not in texts(json.loads(await socket.recv())["activities"]):
                pass
            await runtime.idle()

        async with asyncio.timeout(DEADLINE_S):
            await talk("Hi")
            monkeypatch.setattr(Conversation, "page", counted)
            for i in range(5):
                await talk(str(i))
    assert sum(pages) == 10
    assert 0 not in pages


def _wait(event: threading.Event) -> None:
    event.wait(DEADLINE_S)
