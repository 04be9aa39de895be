"""The demo shop on two channels, a post and a kiosk, whose platforms do with messages what a test says."""

from __future__ import annotations

import json
import shutil
import time
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from lichen import Runtime, Scope
from lichen.channels.dummy.channel import DummyChannel
from lichen.channels.platform.signing import hmac_hex
from lichen.engine.ports import Delivery, Outbound, Traits
from lichen.runtime.project.loading import load
from lichen.serve.site import make_site

DEMO = Path(__file__).parents[2] / "demo"
CARD = {
    "type": "AdaptiveCard",
    "version": "1.5",
    "body": [
        {"type": "TextBlock", "text": "Your order <b>1042</b>", "size": "Large", "weight": "Bolder"},
        {"type": "FactSet", "facts": [{"title": "Total", "value": "48 EUR"}]},
        {"type": "Image", "url": "https://shop.example/1042.png", "altText": "A blue lamp"},
        {"type": "Input.Text", "id": "why", "label": "Why do you send it back?"},
    ],
    "actions": [
        {"type": "Action.Submit", "title": "Keep it", "data": {"keep": True}},
        {"type": "Action.OpenUrl", "title": "Terms", "url": "https://shop.example/terms"},
        {"type": "Action.OpenUrl", "title": "Trap", "url": "javascript:alert(1)"},
    ],
}
DESK = f"""
import json
from lichen import Agent, Saying
from lichen.core.ports.plan import Plan, WaitRequest

CARD = json.loads({json.dumps(CARD)!r})
SIZES = {{"type": "object", "required": ["size"], "properties": {{"size": {{"enum": ["Small", "Large"]}}}}}}


class Clerk:
    pure, digest = True, "clerk"

    async def plan(self, step):
        if step.answers:
            return Plan(answer="Noted.")
        text = step.input[-1].text
        if text == "card":
            return Plan(answer=Saying("Your order 1042, 48 EUR", CARD))
        if text == "size":
            return Plan(waits=(WaitRequest("clarification", "Which size?", answer_schema=SIZES),))
        return Plan(answer=f"You said: {{text}}")


desk = Agent("shop.desk", planner=Clerk())
"""
TABLES = """
[tenants.acme.post]
kind = "dummy"
secret = "env:POST_SECRET"

[tenants.acme.kiosk]
kind = "dummy"
secret = "env:POST_SECRET"

[tenants.acme.fax]
kind = "dummy"
secret = "secret:fax-secret"

[[tenants.acme.routes]]
channel = "kiosk"
agent = "shop.desk"

[[tenants.acme.routes]]
channel = "post"
flow = "shop.welcome"
"""


class Scripted(DummyChannel):
    """A platform that has each message come to what is next on its list; delivered where that is empty."""

    ends: deque[Delivery | Exception]

    @property
    def traits(self) -> Traits:
        return Traits("doubles", "hold")

    async def send(self, scope: Scope, message: Outbound) -> Delivery:
        await super().send(scope, message)
        end = self.ends.popleft() if self.ends else Delivery("delivered")
        if isinstance(end, Exception):
            raise end
        return end


class Platforms:
    """Speaks for customers, and decides how messages to them end."""

    def __init__(self, runtime: Runtime, client: httpx.AsyncClient) -> None:
        self.runtime, self.client, self._ids = runtime, client, 0
        for name in ("post", "kiosk"):
            self.of(name)

    def of(self, name: str) -> Scripted:
        assert self.runtime.project is not None
        channel = self.runtime.project.channels.get(name, "acme")[1]
        if not isinstance(channel, Scripted):
            channel.__class__ = Scripted
            channel.ends = deque()  # type: ignore[attr-defined]
        assert isinstance(channel, Scripted)
        return channel

    async def say(self, name: str, text: str, *, who: str = "bea", value: dict[str, Any] | None = None) -> None:
        """A customer says this; returns once nothing more happens by itself."""
        self._ids += 1
        body = {"id": f"m{self._ids}", "sender": who, "text": text, "conversation": f"with-{who}", "value": value}
        await self.post(name, json.dumps(body).encode())
        await self.runtime.idle()
        await self.runtime.log(Scope("acme", "dev")).durable()

    async def post(self, name: str, data: bytes) -> None:
        """What a platform brings, signed."""
        sent = str(int(time.time()))
        signed = {"dummy-time": sent, "dummy-signature": hmac_hex("s3", sent.encode(), b".", data)}
        answer = await self.client.post(f"/v1/messaging/ingress/{name}/acme", content=data, headers=signed)
        assert answer.status_code == 200, answer.text


@asynccontextmanager
async def platforms(folder: Path) -> AsyncGenerator[Platforms]:
    """Needs the variable POST_SECRET to be `s3`."""
    root = folder / "shop"
    shutil.copytree(DEMO, root, ignore=shutil.ignore_patterns("__pycache__", ".lichen"))
    (root / "desk.py").write_text(DESK)
    file = root / "lichen.toml"
    said = file.read_text().replace('"shop.py:support"', '"shop.py:support", "desk.py:desk"')
    file.write_text(said.replace("[tenants.globex]", f"{TABLES}\n[tenants.globex]"))
    async with Runtime.of(load(file, environ={"LICHEN_HOME": str(folder / "home")})) as runtime:
        transport = httpx.ASGITransport(make_site(runtime), client=("203.0.113.7", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            yield Platforms(runtime, client)
