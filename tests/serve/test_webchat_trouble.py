"""WebChat when something breaks between the network and the log: nothing acknowledged is lost, nothing runs twice."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from websockets.asyncio.client import connect

from lichen.core.words import faults
from lichen.core.words.ids import SessionId
from lichen.core.words.scope import Customer, Operator, Scope
from lichen.runtime import Runtime
from lichen.serve.webchat import points
from tests.runtime.world import Disk, until
from tests.serve.widget import DEADLINE_S, Client, app_of, code, project_in, runtime_of, served, texts

ACME = Scope("acme", "dev")
HELLO = {"type": "message", "text": "Hello", "id": "a1"}


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncGenerator[Runtime]:
    async with runtime_of(project_in(tmp_path)) as runtime:
        yield runtime


@pytest.fixture
def app(runtime: Runtime) -> Starlette:
    return app_of(runtime)


@pytest.fixture
async def ann(app: Starlette) -> Client:
    return await Client(app).open()


@pytest.fixture
def break_at() -> Generator[Callable[[str], None]]:
    """Fails once at a point."""

    def install(point: str) -> None:
        def hit(name: str) -> None:
            if name == point:
                faults.install(None)
                raise RuntimeError(point)

        faults.install(hit)

    yield install
    faults.install(None)


@pytest.mark.req("LIC-16.8")
@pytest.mark.parametrize(("point", "kept"), [(points.TAKEN, 0), (points.DURABLE, 2)])
async def test_a_message_whose_acknowledgement_was_lost_runs_once_when_sent_again(
    runtime: Runtime, ann: Client, break_at: Callable[[str], None], point: str, kept: int
) -> None:
    break_at(point)
    assert code(await ann.post(HELLO)) == (500, "internal")
    await runtime.idle()
    assert len((await ann.get())["activities"]) == kept
    assert (await ann.post(HELLO)).status_code == 200
    await runtime.idle()
    assert texts((await ann.get())["activities"]) == ["Hello", "echo: Hello"]


@pytest.mark.req("LIC-16.7")
@pytest.mark.parametrize(("point", "left"), [(points.READ, 1), (points.SENT, 1), (points.CONFIRMED, 0)])
async def test_a_frame_that_was_not_recorded_is_sent_again_under_the_same_ids(
    runtime: Runtime, app: Starlette, ann: Client, break_at: Callable[[str], None], point: str, left: int
) -> None:
    await ann.post(HELLO)
    await runtime.idle()
    journal = runtime.engine.journal(ACME)
    session = SessionId(journal.log.stream_rows("session", limit=1)[0].id)
    break_at(point)
    async with served(app) as host, connect(ann.url.replace("chat.test", host)) as socket:
        await asyncio.wait_for(socket.wait_closed(), DEADLINE_S)
    assert len(journal.mailbox(session).outbox) == left
    assert texts((await ann.get())["activities"]) == ["Hello", "echo: Hello"]


async def test_a_volume_that_cannot_write_takes_nothing_and_says_so(runtime: Runtime, ann: Client) -> None:
    disk = Disk()
    try:
        disk.is_full = True
        refused = await ann.post(HELLO)
        assert code(refused)[0] == 503
        assert refused.headers["retry-after"] == "1"
    finally:
        disk.is_full = False
        await until(lambda: not runtime.volume.is_readonly)
        faults.install(None)
    assert (await ann.post(HELLO)).status_code == 200
    await runtime.idle()
    assert texts((await ann.get())["activities"]) == ["Hello", "echo: Hello"]


async def test_a_waiter_that_goes_away_is_forgotten(runtime: Runtime, app: Starlette, ann: Client) -> None:
    journal = runtime.engine.journal(ACME)
    async with served(app) as host:
        for _ in range(5):
            async with connect(ann.url.replace("chat.test", host)):
                pass
        await until(lambda: not journal.watched)


@pytest.mark.req("LIC-16.6")
async def test_nothing_is_acknowledged_or_shown_before_it_is_durable(runtime: Runtime, ann: Client) -> None:
    await ann.say("Hi")
    await runtime.idle()
    disk = threading.Event()
    faults.install(lambda name: None if not name.startswith("commit.before") else _wait(disk))
    journal = runtime.engine.journal(ACME)
    await journal.log.durable()
    session = SessionId(journal.log.stream_rows("session", limit=1)[0].id)
    try:
        post = asyncio.ensure_future(ann.post(HELLO))
        await until(lambda: journal.mailbox(session).received == 2)
        gets = [asyncio.ensure_future(ann.get()) for _ in range(2)]  # the second finds the attempt made, not durable
        done, _ = await asyncio.wait((post, *gets), timeout=0.2)
        assert not done
    finally:
        disk.set()
    assert (await post).status_code == 200
    for get in gets:
        assert "Hello" in texts((await get)["activities"])
    faults.install(None)


async def test_what_was_erased_is_not_shown_and_the_conversation_is_over(runtime: Runtime, ann: Client) -> None:
    await ann.post(HELLO)
    await runtime.idle()
    await runtime.people.erase(ACME, Customer("webchat:ann"), Operator("ops"))
    assert (await ann.get())["activities"] == []
    assert (await ann.post({**HELLO, "id": "a2"})).status_code in (409, 410)


def _wait(event: threading.Event) -> None:
    event.wait(DEADLINE_S)
