"""Clients of the official SDK at `/mcp` of the demo shop, each with a key, of both protocols."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final, Literal

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from lichen.core.words.scope import ActorKind
from lichen.runtime.runtime import Runtime
from lichen.serve.listen.tcp import listening
from lichen.serve.site import make_site

Mode = Literal["legacy", "2026-07-28"]
MODES: Final[tuple[Mode, ...]] = ("legacy", "2026-07-28")
ACCEPT: Final = {"accept": "application/json, text/event-stream"}
INITIALIZE: Final[dict[str, Any]] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}
SMALL: Final = "I want a refund of 20 EUR for order 1042."
LARGE: Final = "I want a refund of 80 EUR for order 1042."


@asynccontextmanager
async def served(runtime: Runtime) -> AsyncGenerator[str]:
    """The address of `/mcp` while the site is served."""
    async with listening(make_site(runtime), "127.0.0.1", 0) as port:
        yield f"http://127.0.0.1:{port}/mcp"


def key(runtime: Runtime, actor: str, kind: ActorKind = "customer", *, tenant: str = "acme") -> str:
    roles = ("operator",) if kind == "operator" else ()
    return runtime.keyring.api_keys.issue(tenant, "dev", actor_kind=kind, actor_id=actor, roles=roles)


@asynccontextmanager
async def client(url: str, key: str, mode: Mode = "legacy", **options: Any) -> AsyncGenerator[Client]:
    """A client of the SDK with this key."""
    headers = {"authorization": f"Bearer {key}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30.0) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode, **options) as found,
    ):
        yield found


def text_of(result: Any) -> str:
    """The words of a result."""
    return "\n".join(block.text for block in result.content)
