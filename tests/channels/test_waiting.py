"""A reply that cannot leave yet says why, until when and what helps: with its run, its session, and the metrics."""

from __future__ import annotations

import asyncio
from io import StringIO
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lichen import Runtime
from lichen.cli.show.screen import Screen
from lichen.cli.show.waiting import tell_waiting
from lichen.core.words.scope import Actor, Customer
from lichen.engine.ports import Delivery
from lichen.runtime.project.loading import load
from lichen.runtime.views.story.replies import REASONS
from tests.channels.test_letters import ACME, OPS, channel_of, idle, opened, post, said
from tests.serve.widget import DEADLINE_S

REASON_CODES = ["channel_secret_missing", "secret_refused", "platform_resting", "platform_busy"]
CUSTOMER = Customer("dummy:bea")


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUMMY_SECRET", "s3")


def refusing(code: str, pause_s: float = 3_600.0) -> Any:
    async def send(scope: object, message: object) -> Delivery:
        return Delivery("retry", code, pause_s)

    return send


@pytest.mark.req("GRE-53.4")
@pytest.mark.parametrize("code", REASON_CODES)
async def test_a_reply_that_waits_says_why_until_when_and_what_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    async with opened(tmp_path) as (runtime, client):
        monkeypatch.setattr(channel_of(runtime), "send", refusing(code))
        for n in (1, 2):
            assert await post(client, said("Hello?", id=f"m{n}")) == 200
            await idle(runtime)
        (row,) = await runtime.sessions.list(ACME, OPS)
        session = await runtime.sessions.get(ACME, row.id, OPS).detail()
        first, second = session.waiting
        assert (first.code, first.attempts, first.channel) == (code, 1, "dummy")
        assert (first.reason, first.next_step) == REASONS[code]
        assert first.until_us is not None
        assert 3_590_000_000 < first.until_us - first.queued_at_us < 3_610_000_000
        assert (second.code, second.attempts, second.until_us) == ("behind", 0, None)
        assert first.run is not None
        why = runtime.runs.explain(ACME, first.run, OPS)
        assert (why.replies, runtime.runs.show(ACME, first.run, OPS).replies) == ((first,), (first,))
        assert why.summary.endswith(f"A message of it has not left yet: {first.reason}")
        assert second.run is not None
        assert runtime.runs.explain(ACME, second.run, OPS).replies == (second,)
        stream = StringIO()
        tell_waiting(Screen(stream=stream), msgspec.to_builtins(why.replies))
        shown = " ".join(stream.getvalue().split())
        assert all(each in shown for each in (first.reason, first.next_step, f"({code}); tried again"))
        (held,) = runtime.admin.health(ACME, OPS).replies
        assert (held.channel, held.kind, held.code, held.count) == ("dummy", "dummy", code, 2)
        assert (held.since_us, held.until_us) == (first.queued_at_us, first.until_us)
        assert runtime.admin.health(ACME, Actor("operator", "ops", ("operator",))).replies == (held,)
        told = (await client.get("/metrics")).text
        assert f'lichen_replies_waiting{{channel="dummy",reason="{code}"}} 2.0' in told
        assert f'lichen_replies_oldest_seconds{{channel="dummy",reason="{code}"}} ' in told
        assert f'lichen_channels_resting{{channel="dummy"}} {float(code == "platform_resting")}' in told


@pytest.mark.req("GRE-53.4")
async def test_nothing_waits_any_more_once_it_left_and_a_customer_is_not_told_why_it_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as (runtime, client):
        channel = channel_of(runtime)
        monkeypatch.setattr(channel, "send", refusing("own_words_of_a_package", 0.02))
        assert await post(client, said("Hello?")) == 200
        await idle(runtime)
        (row,) = await runtime.sessions.list(ACME, OPS)
        theirs = await runtime.sessions.get(ACME, row.id, CUSTOMER).detail()
        assert (theirs.waiting, theirs.undelivered) == ((), 1)
        assert 'reason="other"' in (await client.get("/metrics")).text
        monkeypatch.undo()
        monkeypatch.setenv("DUMMY_SECRET", "s3")
        session = runtime.sessions.get(ACME, row.id, OPS)
        async with asyncio.timeout(DEADLINE_S):
            while (await session.detail()).waiting:
                await session.changed()
        assert runtime.admin.health(ACME, OPS).replies == ()
        assert "lichen_replies_waiting{" not in (await client.get("/metrics")).text


@pytest.mark.req("GRE-53.4")
async def test_after_a_restart_what_waits_says_so_still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path) as (runtime, client):
        monkeypatch.setattr(channel_of(runtime), "send", refusing("secret_refused"))
        assert await post(client, said("Hello?")) == 200
        await idle(runtime)
    async with Runtime.of(load(tmp_path / "lichen.toml", environ={})) as runtime:
        (row,) = await runtime.sessions.list(ACME, OPS)
        (reply,) = (await runtime.sessions.get(ACME, row.id, OPS).detail()).waiting
        assert (reply.code, reply.attempts) == ("secret_refused", 1)
        (held,) = runtime.admin.health(ACME, OPS).replies
        assert (held.code, held.until_us, held.count) == ("restarted", reply.until_us, 1)
