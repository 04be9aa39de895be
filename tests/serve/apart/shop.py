"""A shop whose customers write by two dummies of two tenants, and whose agent answers everybody with the same words."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from lichen.channels.bus.connection import Bus
from lichen.channels.dummy.channel import DummyChannel
from lichen.channels.platform.signing import hmac_hex
from lichen.core.words.scope import Scope
from lichen.runtime.channels.channels import Channels
from lichen.runtime.project.loading import load
from lichen.runtime.runtime import Runtime
from lichen.serve.apart.processes import World, as_gateway, bus_of, check_ways, parts_of
from lichen.serve.apart.runner import BusRunner

PROJECT = """
[lichen]
agents = ["clerk.toml"]
home = "data"

[bus]
kind = "nats"

[tenants.acme]
development = ["dev"]
agent = "shop.clerk"

[tenants.acme.dummy]
secret = "env:ACME_SIGNS"

[tenants.globex]
development = ["dev"]
agent = "shop.clerk"

[tenants.globex.dummy]
secret = "env:GLOBEX_SIGNS"
team = "sales"
"""
CLERK = """
name = "shop.clerk"

[rules]
greeting = "Welcome."
fallback = "We read it."
intents = [{ name = "thanks", phrases = ["thanks"], answer = "Gladly." }]
"""
ANSWER = "We read it."
SIGNS = {"acme": "between us", "globex": "between others"}
PATIENCE_S = 30.0


def laid(folder: Path, project: str = PROJECT) -> Path:
    """The `lichen.toml` of the shop in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "clerk.toml").write_text(CLERK)
    (folder / "lichen.toml").write_text(project)
    return folder / "lichen.toml"


def environ(url: str) -> dict[str, str]:
    """What every process finds in its environment."""
    return {**os.environ, "NATS_URL": url, "ACME_SIGNS": SIGNS["acme"], "GLOBEX_SIGNS": SIGNS["globex"]}


def world(url: str) -> World:
    """What a process apart has."""
    ids = itertools.count(1)
    return World(environ(url), lambda: time.time_ns() // 1000, lambda: f"id-{next(ids)}")


def posted(text: str, *, id: str, conversation: str = "c-1", tenant: str = "acme") -> dict[str, Any]:
    """A message to the dummy of a tenant, as httpx posts it."""
    said = {"id": id, "sender": f"u-{conversation}", "text": text, "conversation": conversation}
    return signed(json.dumps(said).encode(), tenant)


def signed(body: bytes, tenant: str = "acme") -> dict[str, Any]:
    """A request of the dummy's platform, as httpx posts it."""
    sent = str(int(time.time()))
    headers = {"dummy-time": sent, "dummy-signature": hmac_hex(SIGNS[tenant], sent.encode(), b".", body)}
    return {"url": f"/v1/messaging/ingress/dummy/{tenant}", "content": body, "headers": headers}


@asynccontextmanager
async def gateway(file: Path, url: str) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of a gateway that answers."""
    end, port = asyncio.Event(), asyncio.get_running_loop().create_future()
    life = asyncio.ensure_future(
        as_gateway(file, world(url), host="127.0.0.1", port=0, opened=port.set_result, end=end)
    )
    await asyncio.wait((life, port), return_when=asyncio.FIRST_COMPLETED)
    if life.done():
        life.result()
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port.result()}", timeout=30) as client:
            yield client
    finally:
        end.set()
        await life


async def connected(client: httpx.AsyncClient) -> None:
    """Returns once a gateway can take something."""
    await until(lambda: asyncio.ensure_future(_ready(client)))


async def _ready(client: httpx.AsyncClient) -> bool:
    return (await client.get("/readyz")).status_code == 200


@asynccontextmanager
async def runner(file: Path, url: str) -> AsyncGenerator[Runtime]:
    """A runtime that takes from the bus and sends over it."""
    project = load(file, environ=environ(url))
    bus = bus_of(project.settings, environ(url))
    listener = BusRunner(bus)
    check_ways(project.channels)
    project.channels.send_over(listener.outlet(project.channels))
    async with Runtime.of(project) as runtime:
        await listener.start(runtime)
        try:
            yield runtime
        finally:
            listener.drain()
            await listener.stop()


class Sent:
    """An egress at work, and what its dummies were sent."""

    def __init__(self, channels: Channels, bus: Bus) -> None:
        self._channels, self.bus = channels, bus

    def of(self, tenant: str) -> list[dict[str, Any]]:
        """What a tenant's customers see."""
        _, channel = self._channels.get("dummy", tenant)
        assert isinstance(channel, DummyChannel)
        return list(channel.sent)

    def dummy(self, tenant: str) -> DummyChannel:
        """The channel itself."""
        _, channel = self._channels.get("dummy", tenant)
        assert isinstance(channel, DummyChannel)
        return channel


@asynccontextmanager
async def egress(file: Path, url: str) -> AsyncGenerator[Sent]:
    """An egress that sends."""
    from lichen.serve.apart.egress import Egress

    async with parts_of(file, world(url)) as parts:
        made = Egress(parts.bus, parts.channels)
        running = asyncio.ensure_future(made.run())
        try:
            yield Sent(parts.channels, parts.bus)
        finally:
            made.drain()
            await running


async def until(holds: Callable[[], Any]) -> None:
    """Returns once something holds. Fails where it does not for long."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        found = holds()
        if await found if isinstance(found, asyncio.Future) else found:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never came to be")


SCOPE = Scope("acme", "dev")
