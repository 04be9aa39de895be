"""That an answer is being written, as long as one is owed and at nobody's cost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from lichen import Scope
from lichen.channels.dummy.channel import DummyChannel
from lichen.channels.port import Typing
from lichen.serve.hooks import composing
from lichen.serve.hooks.composing import Composing
from tests.channels.test_letters import ACME, channel_of, idle, opened, post, said


class Shows(DummyChannel):
    """A platform that shows it; with `fails` it cannot."""

    shown: list[bytes]
    fails = False

    async def typing(self, scope: Scope, address: bytes) -> None:
        self.shown.append(address)
        if self.fails:
            raise OSError("the platform is away")


class Owed:
    """Something that is owed for so many looks, in conversations of which each sleeps a turn of the loop at a time."""

    def __init__(self, looks: int) -> None:
        self.looks, self.slept = looks, list[float]()

    def __call__(self) -> bool:
        self.looks -= 1
        return self.looks >= 0

    async def sleep(self, pause_s: float) -> None:
        self.slept.append(pause_s)
        await asyncio.sleep(0)


def shows(*, fails: bool = False) -> Shows:
    channel = Shows.__new__(Shows)
    channel.shown, channel.fails = [], fails
    return channel


async def settled(composing: Composing) -> None:
    for _ in range(100):
        await asyncio.sleep(0)
    assert composing.count == 0


@pytest.mark.req("GRE-49.20")
async def test_it_is_shown_again_every_few_seconds_as_long_as_an_answer_is_owed() -> None:
    channel, owed = shows(), Owed(3)
    composing = Composing(owed.sleep)
    composing.begin(channel, ACME, b"c1", of="s1", is_owed=owed)
    composing.begin(channel, ACME, b"c1", of="s1", is_owed=owed)  # once for a conversation
    await settled(composing)
    assert (channel.shown, owed.slept) == ([b"c1"] * 3, [4.0] * 3)


@pytest.mark.req("GRE-49.20")
async def test_it_ends_after_a_minute_and_where_the_platform_cannot_show_it() -> None:
    for channel, times in ((shows(), 15), (shows(fails=True), 1)):
        owed = Owed(1_000)
        composing = Composing(owed.sleep)
        composing.begin(channel, ACME, b"c1", of="s1", is_owed=owed)
        await settled(composing)
        assert len(channel.shown) == times


@pytest.mark.req("GRE-49.20")
async def test_in_more_conversations_than_may_be_it_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composing, "SHOWN_MAX", 2)
    channel, shown = shows(), Composing(asyncio.sleep)
    for n in range(3):
        shown.begin(channel, ACME, b"c", of=f"s{n}", is_owed=Owed(1_000))
    assert shown.count == 2
    shown.end()
    await settled(shown)


@pytest.mark.req("GRE-49.21")
async def test_it_is_shown_once_a_message_is_taken_and_never_for_a_forged_or_refused_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUMMY_SECRET", "s3")
    async with opened(tmp_path) as (runtime, client):
        channel = channel_of(runtime)
        channel.__class__ = Shows
        assert isinstance(channel, Shows)
        channel.shown = []
        begun: list[bytes] = []

        def begin(
            self: Composing, channel: Typing, scope: Scope, address: bytes, *, of: str, is_owed: Callable[[], bool]
        ) -> None:
            begun.append(address)
            real(self, channel, scope, address, of=of, is_owed=lambda: True)

        real = Composing.begin
        monkeypatch.setattr(Composing, "begin", begin)
        forged = await client.post("/v1/messaging/ingress/dummy/acme", content=b"{}", headers={"dummy-time": "1"})
        assert forged.status_code == 403
        assert await post(client, said(" ")) == 200  # a letter
        assert begun == []
        assert await post(client, said("Hello?", id="m2")) == 200
        await idle(runtime)
        assert begun == [b"c1"]
        assert channel.shown == [b"c1"]  # and again in four seconds
