"""A conversation that was closed: what its customer writes next begins another one, once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from lichen import Runtime
from lichen.channels.port import Inbound
from lichen.core.words import faults
from lichen.core.words.scope import SYSTEM, Customer
from lichen.runtime.channels import points
from lichen.serve.hooks.gateway import Mailroom
from lichen.serve.http.messages import Messages
from tests.channels.test_letters import ACME, OPS, channel_of, idle, opened, post, said


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUMMY_SECRET", "s3")


async def close_newest(runtime: Runtime) -> None:
    newest = (await runtime.sessions.list(ACME, SYSTEM))[0]
    await runtime.sessions.get(ACME, newest.id, OPS).close()


async def transcripts(runtime: Runtime) -> list[list[str | None]]:
    """What customers said, by session, the oldest first."""
    found = reversed(await runtime.sessions.list(ACME, SYSTEM))
    details = [await runtime.sessions.get(ACME, each.id, OPS).detail() for each in found]
    return [[line.text for line in each.transcript if line.role == "customer"] for each in details]


@pytest.mark.req("LIC-16.15")
async def test_what_is_written_after_a_conversation_was_closed_opens_the_next_one_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as (runtime, client):
        for n in ("1", "2", "3"):
            await _say(client, f"Round {n}?", f"m{n}")
            await idle(runtime)
            await close_newest(runtime)
        await _say(client, "And now?", "m4")
        for again in ("1", "2", "3"):  # brought again, late: it was taken in the conversation of its time
            await _say(client, f"Round {again}?", f"m{again}")
        await idle(runtime)
        assert await transcripts(runtime) == [["Round 1?"], ["Round 2?"], ["Round 3?"], ["And now?"]]
        assert await runtime.letters.list(ACME, OPS) == ()
        sessions = await runtime.sessions.list(ACME, SYSTEM)
        journal = runtime.engine.journal(ACME)
        assert len({journal.mailbox(each.id).subject for each in sessions}) == 1
        assert [each["to"] for each in channel_of(runtime).sent] == ["c1"] * 4
    async with opened(tmp_path) as (runtime, client):
        await _say(client, "Are you there?", "m5")
        await idle(runtime)
        assert (await transcripts(runtime))[3:] == [["And now?", "Are you there?"]]


@pytest.mark.req("LIC-16.15")
@pytest.mark.parametrize("point", points.POINTS)
async def test_a_message_after_the_close_is_said_once_wherever_the_process_died(tmp_path: Path, point: str) -> None:
    async with opened(tmp_path) as (runtime, client):
        await _say(client, "Hello?", "m1")
        await idle(runtime)
        await close_newest(runtime)
        mailroom = Mailroom(runtime, ACME, channel_of(runtime), Messages(runtime.settings))
        message = Inbound("c1", Customer("dummy:bea"), "Still there?", "m2", address=b"c1")
        hits = 0

        def die(name: str) -> None:
            nonlocal hits
            hits += name == point
            if name == point and (point != points.OPENED or hits == 2):  # the next conversation is open, and empty
                raise _Killed

        faults.install(die)
        try:
            with pytest.raises(_Killed):
                await mailroom.take(message)
        finally:
            faults.install(None)
    async with opened(tmp_path) as (runtime, client):
        mailroom = Mailroom(runtime, ACME, channel_of(runtime), Messages(runtime.settings))
        await asyncio.gather(*(mailroom.take(message) for _ in range(3)))
        await idle(runtime)
        assert await transcripts(runtime) == [["Hello?"], ["Still there?"]]
        assert await runtime.letters.list(ACME, OPS) == ()


async def _say(client: httpx.AsyncClient, text: str, id: str) -> None:
    assert await post(client, said(text, id)) == 200


class _Killed(BaseException):
    """What nothing catches on its way."""
