"""What a customer of a platform without buttons chooses: a number of a list that they were shown, or its words."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from lichen import Runtime, Scope
from lichen.channels.cards import pressed_as
from lichen.channels.platform.signing import hmac_hex
from lichen.channels.port import Inbound
from lichen.core.words.scope import SYSTEM, Customer, Operator
from lichen.runtime.project.loading import load
from lichen.serve.hooks.gateway import Mailroom
from lichen.serve.http.messages import Messages
from lichen.serve.site import make_site
from tests.serve.widget import DEADLINE_S

ACME = Scope("acme", "dev")
PROJECT = """
[lichen]
agents = ["shop.py:clerk"]
home = "data"

[tenants.acme]
environments = ["dev"]

[tenants.acme.dummy]
env = "dev"
secret = "env:DUMMY_SECRET"
"""
SHOP = '''
import json
from lichen import Agent, Saying
from lichen.core.ports.plan import Plan

CARD = {"type": "AdaptiveCard", "version": "1.5", "body": [{"type": "TextBlock", "text": "Which way?"}],
        "actions": [{"type": "Action.Submit", "title": "Send it", "data": {"way": "post", "days": [1, 2]}},
                    {"type": "Action.OpenUrl", "title": "Read", "url": "https://shop.example/ways"},
                    {"type": "Action.Submit", "title": "Fetch it", "data": {"way": "shop"}}]}


class Clerk:
    """Says a card to whoever wants one, and to others what they said."""

    pure, digest = True, "clerk"

    async def plan(self, step):
        message = step.input[-1]
        if message.text == "ways":
            return Plan(answer=Saying("Which way?", card=CARD))
        return Plan(answer=json.dumps([message.text, message.data], sort_keys=True))


clerk = Agent("shop.clerk", planner=Clerk())
'''


@asynccontextmanager
async def opened(folder: Path) -> AsyncGenerator[tuple[Runtime, httpx.AsyncClient]]:
    (folder / "shop.py").write_text(SHOP)
    (folder / "lichen.toml").write_text(PROJECT)
    async with Runtime.of(load(folder / "lichen.toml", environ={"DUMMY_SECRET": "between us"})) as runtime:
        transport = httpx.ASGITransport(make_site(runtime), client=("203.0.113.7", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            yield runtime, client


def dummy(runtime: Runtime) -> Any:
    assert runtime.project is not None
    return runtime.project.channels.get("dummy", "acme")[1]


async def says(runtime: Runtime, client: httpx.AsyncClient, id: str, text: str) -> str:
    """What the platform was sent last after a customer wrote this."""
    sent = str(int(time.time()))
    body = msgspec.json.encode({"id": id, "sender": "ann", "conversation": "c1", "text": text})
    headers = {"dummy-time": sent, "dummy-signature": hmac_hex("between us", sent.encode(), b".", body)}
    answered = await client.post("/v1/messaging/ingress/dummy/acme", content=body, headers=headers)
    assert answered.status_code == 200, answered.text
    async with asyncio.timeout(DEADLINE_S):
        await runtime.idle()
    return dummy(runtime).sent[-1]["text"]


def said(text: str, data: dict[str, Any] | None) -> list[Any]:
    return [text, None if data is None else {"text": text, **data, "metadata": data, "value": data}]


@pytest.mark.req("GRE-63.12")
@pytest.mark.parametrize("text", ["2", "(2)", "2️⃣", "fetch it"])
async def test_a_number_of_a_list_is_the_button_of_the_card_with_its_data(
    tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUMMY_SECRET", "between us")
    async with opened(tmp_path) as (runtime, client):
        shown = await says(runtime, client, "m1", "ways")
        assert shown == "Which way?\n\n1. Send it\n2. Fetch it\n\nRead (https://shop.example/ways)"
    async with opened(tmp_path) as (runtime, client):  # it is known from the record, by another process as well
        told = msgspec.json.decode(await says(runtime, client, "m2", text))
        assert told == said("Fetch it", {"way": "shop"})
        assert len(dummy(runtime).sent) == 1
        await says(runtime, client, "m2", text)  # brought again, after the list is not the last thing shown any more
        assert len(dummy(runtime).sent) == 1
        assert msgspec.json.decode(await says(runtime, client, "m3", text)) == said(text, None)


@pytest.mark.req("GRE-63.12")
async def test_what_is_on_no_list_is_said_as_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUMMY_SECRET", "between us")
    async with opened(tmp_path) as (runtime, client):
        assert msgspec.json.decode(await says(runtime, client, "m1", "1")) == said("1", None)
        await says(runtime, client, "m2", "ways")
        assert msgspec.json.decode(await says(runtime, client, "m3", "3")) == said("3", None)


@pytest.mark.req("GRE-63.12")
async def test_a_button_that_holds_little_names_its_message_and_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUMMY_SECRET", "between us")
    async with opened(tmp_path) as (runtime, client):
        await says(runtime, client, "m1", "ways")
        await says(runtime, client, "m2", "something else")
        mailroom = Mailroom(runtime, ACME, dummy(runtime), Messages(runtime.settings))
        pressed = [("o1", 1), ("o1", 9), ("o9", 1)]
        for i, (message, n) in enumerate(pressed):
            button = Inbound("c1", Customer("dummy:ann"), "a button", f"b{i}", pressed=pressed_as(message, n))
            await mailroom.take(button)
            await mailroom.take(button)
        await mailroom.take(Inbound("c1", Customer("dummy:ann"), "a button", "b9", pressed="nonsense"))
        await runtime.idle()
        told = [msgspec.json.decode(each["text"]) for each in list(dummy(runtime).sent)[2:]]
        assert told == [said("Send it", {"way": "post", "days": [1, 2]}), *[said("a button", None)] * 3]


@pytest.mark.req("LIC-16.61")
async def test_a_button_of_a_closed_conversation_says_what_stood_on_it_and_not_what_the_next_one_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUMMY_SECRET", "between us")
    async with opened(tmp_path) as (runtime, client):
        await says(runtime, client, "m1", "ways")
        (first,) = await runtime.sessions.list(ACME, SYSTEM)
        await runtime.sessions.get(ACME, first.id, Operator("ops")).close()
        mailroom = Mailroom(runtime, ACME, dummy(runtime), Messages(runtime.settings))
        for id, pressed in (
            ("b1", pressed_as("o1", 1, first.id)),
            ("b2", "p:o1/1"),
            ("b3", pressed_as("o1", 2, first.id)),
        ):
            await mailroom.take(Inbound("c1", Customer("dummy:ann"), "a button", id, address=b"c1", pressed=pressed))
            await runtime.idle()
        await says(runtime, client, "m2", "ways")
        second = (await runtime.sessions.list(ACME, SYSTEM))[0]
        assert second.id != first.id
        of_both = [("b4", pressed_as("o4", 2, second.id)), ("b5", pressed_as("o1", 1, first.id)), ("b6", "p:o4/1")]
        for id, pressed in of_both:
            await mailroom.take(Inbound("c1", Customer("dummy:ann"), "a button", id, address=b"c1", pressed=pressed))
            await runtime.idle()
        post = said("Send it", {"way": "post", "days": [1, 2]})
        shop, nothing = said("Fetch it", {"way": "shop"}), said("a button", None)
        told = [msgspec.json.decode(each["text"]) for each in dummy(runtime).sent if each["text"].startswith("[")]
        assert told == [post, post, shop, shop, post, nothing]


@pytest.mark.req("GRE-63.30")
async def test_what_a_platform_shows_with_less_stands_with_the_delivery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUMMY_SECRET", "between us")
    async with opened(tmp_path) as (runtime, client):
        await says(runtime, client, "m1", "ways")
        await says(runtime, client, "m2", "hello")
    async with opened(tmp_path) as (runtime, _):
        (session,) = await runtime.sessions.list(ACME, SYSTEM)
        detail = await runtime.sessions.get(ACME, session.id, Operator("ops")).detail()
        card, words = (each.delivery for each in detail.transcript if each.role == "agent")
        assert card is not None
        assert words is not None
        assert (card.warnings, words.warnings) == (("adaptive_card_downsampled",), ())
        assert card.summary == "delivered, shown with less (adaptive_card_downsampled)"
        assert words.summary == "delivered"
        settled = [each for each in await runtime.records.page(ACME, SYSTEM) if each.type == "delivery_settled"]
        assert [sorted(each.sizes) for each in settled] == [["warnings"], []]
