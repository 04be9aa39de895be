"""A browser as a site sees it: it keeps cookies, follows nothing by itself, and sends what browsers send."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
from starlette.applications import Starlette

from lichen.core.words.scope import ActorKind
from lichen.runtime.runtime import Runtime

ORIGIN = "http://lichen.test"


@asynccontextmanager
async def browser(site: Starlette, origin: str = ORIGIN) -> AsyncGenerator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=site, raise_app_exceptions=False, client=("192.0.2.7", 4711))
    async with httpx.AsyncClient(transport=transport, base_url=origin) as client:
        yield client


def issue(runtime: Runtime, tenant: str = "acme", *, kind: ActorKind = "operator", actor: str = "ops") -> str:
    """A key of a tenant."""
    return runtime.keyring.api_keys.issue(tenant, "dev", actor_kind=kind, actor_id=actor, roles=("operator",))


async def enter(client: httpx.AsyncClient, key: str) -> httpx.Response:
    return await client.post("/login", data={"key": key})
