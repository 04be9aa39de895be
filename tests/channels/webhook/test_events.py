"""A delivery that is an event begins a schedule, once, and is in no conversation."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from lichen import Runtime
from lichen.channels.webhook.channel import WebhookSettings
from lichen.channels.webhook.schemes import standard_signature
from lichen.core.words.ids import RunId, run_stream
from lichen.core.words.scope import Operator, Scope
from lichen.runtime.project.loading import load
from lichen.serve.site import make_site

SCOPE, OPS = Scope("acme", "dev"), Operator("ops", ("operator",))
KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PROJECT = """
[lichen]
agents = ["desk.py:hand"]
flows = ["clock.ygtc"]
home = "data"

[tenants.acme]
environments = ["dev"]
agent = "desk.hand"

[tenants.acme.orders]
kind = "webhook"
secrets = ["env:HOOK_SECRET"]
schedule = "{schedule}"
data = {{order = "/order"}}

[[tenants.acme.schedules]]
name = "order-came"
{target}
data = {{shop = 7}}
"""
DESK = """
from lichen.agents import agent_function


@agent_function("desk.hand")
async def hand(chat):
    return "done"
"""
FLOW = """
id: desk.clock
type: messaging
schema_version: 2
nodes:
  say: {text: "order {{entry.data.event.order.id}} of shop {{entry.data.shop}} by {{entry.handler_id}}"}
"""


@asynccontextmanager
async def opened(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, target: str = 'agent = "desk.hand"', schedule: str = "order-came"
) -> AsyncGenerator[tuple[Runtime, httpx.AsyncClient]]:
    monkeypatch.setenv("HOOK_SECRET", KEY)
    (folder / "desk.py").write_text(DESK)
    (folder / "clock.ygtc").write_text(FLOW)
    (folder / "lichen.toml").write_text(PROJECT.format(target=target, schedule=schedule))
    async with Runtime.of(load(folder / "lichen.toml", environ={})) as runtime:
        runtime.ticker.begin()
        transport = httpx.ASGITransport(make_site(runtime))
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            yield runtime, client


async def bring(client: httpx.AsyncClient, order: int, id: str = "evt-1", *, secret: str = KEY) -> int:
    body, sent = json.dumps({"type": "order.created", "order": {"id": order}}).encode(), int(time.time())
    mark = standard_signature(secret, id, sent, body)
    headers = {"webhook-id": id, "webhook-timestamp": str(sent), "webhook-signature": mark}
    path = "/v1/events/ingress/orders/acme"
    answered = await client.post(path, content=body, headers={**headers, "content-type": "application/json"})
    return answered.status_code


async def ticks(runtime: Runtime, count: int) -> Any:
    """The ticks that ended, once there are so many."""
    async with asyncio.timeout(20):
        while len(found := runtime.schedules.show(SCOPE, "order-came", OPS).recent) < count:  # noqa: ASYNC110 - the schedule's
            await asyncio.sleep(0.01)
    return found


@pytest.mark.req("GRE-80.4")
async def test_an_event_that_is_brought_five_times_begins_its_schedule_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, monkeypatch) as (runtime, client):
        assert [await bring(client, 1) for _ in range(5)] == [200] * 5
        assert await bring(client, 1, secret="whsec_" + "A" * 32) == 403
        assert await bring(client, 2, "evt-2") == 200
        assert {tick.stage for tick in await ticks(runtime, 2)} == {"completed"}
        assert len(runtime.runs.list(SCOPE, OPS)) == 2
        assert len(await runtime.sessions.list(SCOPE, OPS)) == 0


@pytest.mark.req("GRE-80.4")
async def test_its_run_is_told_of_the_event_and_labelled_with_whoever_brought_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, monkeypatch) as (runtime, client):
        await bring(client, 17)
        (tick,) = await ticks(runtime, 1)
        journal = runtime.engine.journal(SCOPE)
        told = json.loads(journal.log.contents(run_stream(RunId(tick.run)), 0)["input"])[0]["data"]["data"]
        event = {"provider": "orders", "id": "evt-1", "text": "order.created", "path": "", "order": {"id": 17}}
        assert told == {"shop": 7, "event": event}
        assert journal.run(RunId(tick.run)).label.sources == ("third_party:orders",)
        assert journal.run(RunId(tick.run)).label.is_tainted


@pytest.mark.req("GRE-80.4")
async def test_an_event_begins_a_flow_that_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path, monkeypatch, target='flow = "desk.clock"') as (runtime, client):
        await bring(client, 17)
        (tick,) = await ticks(runtime, 1)
        outcome = runtime.runs.outcome(SCOPE, RunId(tick.run), OPS)
        assert "order 17 of shop 7 by order-came" in str(outcome)


@pytest.mark.req("GRE-80.4")
async def test_an_event_of_no_schedule_is_a_letter_that_can_be_replayed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, monkeypatch, schedule="another") as (runtime, client):
        assert await bring(client, 17) == 200, "the platform need not bring it again"
        (letter,) = await runtime.letters.list(SCOPE, OPS)
        assert letter.code == "schedule_unknown"
    async with opened(tmp_path, monkeypatch) as (runtime, client):
        await runtime.letters.replay(SCOPE, letter.id, OPS)
        (tick,) = await ticks(runtime, 1)
        assert (tick.stage, await runtime.letters.list(SCOPE, OPS)) == ("completed", ())


@pytest.mark.parametrize(
    "settings",
    [
        {"schedule": "A b"}, {"schedule": "a", "conversation": "/x"},
        {"schedule": "a", "url": "https://x", "url_secret": "secret:x"},
    ],
)  # fmt: skip
def test_an_event_is_answered_to_nobody(settings: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(settings, WebhookSettings)
