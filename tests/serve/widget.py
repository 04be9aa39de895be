"""Two tenants with a web chat over an agent that repeats what it is told, and a client that speaks Direct Line."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute

from lichen import Agent
from lichen.core.ports.plan import Plan, PlanInput
from lichen.runtime import Runtime
from lichen.runtime.project.hosting import specs_of
from lichen.runtime.project.policies import Starter
from lichen.runtime.project.project import Project
from lichen.serve.http.messages import Messages
from lichen.serve.http.state import Site, of_app
from lichen.serve.webchat import Chats, Shortcut, webchat_routes
from lichen.settings import Settings, Tenant, WebChat
from lichen.settings.routes import Route

PREFIX = "/v1/messaging/webchat/acme"
LINE = f"{PREFIX}/v3/directline"
DEADLINE_S = 20.0


class Echo:
    """Answers with what was said."""

    pure = True
    digest = "echo"

    async def plan(self, input: PlanInput) -> Plan:
        return Plan(answer=f"echo: {input.input[-1].text}")


class Clock:
    """Real time, moved on by `ahead_s`."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> int:
        return time.time_ns() // 1000 + int(self.ahead_s * 1e6)


def project_in(home: Path, **webchat: Any) -> Project:
    chat = WebChat(title="Acme", **webchat)
    tenants = {
        "acme": Tenant(webchat=chat, routes=(Route("webchat", agent="shop.echo"),)),
        "globex": Tenant(webchat=chat, agent="shop.echo"),
        "silent": Tenant(agent="shop.echo"),
    }
    return Project(Settings(home, home / "data", tenants), (Agent("shop.echo", planner=Echo()),))


def runtime_of(project: Project, clock: Clock | None = None) -> Runtime:
    return Runtime(
        project.settings.home,
        project.agents,
        Starter(specs_of(project.agents)),
        scopes=project.settings.scopes,
        project=project,
        clock=clock or Clock(),
    )


def app_of(runtime: Runtime, *more: BaseRoute) -> Starlette:
    chats = Chats(runtime, Messages(runtime.settings))
    return Site(short=Shortcut(chats)).of(Starlette(routes=[*webchat_routes(chats), *more]))


class Client:
    """A page of somebody's, at an address, over ASGI; after `open` it has a conversation."""

    def __init__(self, app: Starlette, *, address: str = "192.0.2.1", line: str = LINE) -> None:
        self.line = line
        self.token = self.conversation = self.url = ""
        transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 1))
        self._http = httpx.AsyncClient(transport=transport, base_url="http://chat.test")

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """A request below Direct Line's base, or at a path that begins with a slash."""
        url = path if path.startswith("/") else f"{self.line}/{path}"
        if self.token and "authorization" not in headers:
            headers["authorization"] = f"Bearer {self.token}"
        content = body if isinstance(body, bytes) or body is None else httpx.Request("POST", url, json=body).content
        found = await self._http.request(method, url, content=content, headers=headers)
        if path == "conversations" and found.is_success:
            self.token = found.json()["token"]  # it says which language was wanted
        return found

    async def generate(self, user: str = "ann", **headers: str) -> httpx.Response:
        found = await self.send("POST", "tokens/generate", {"user": {"id": user}} if user else None, **headers)
        if found.status_code == 200:
            self.token, self.conversation = found.json()["token"], found.json()["conversationId"]
        return found

    async def open(self, user: str = "ann") -> Client:
        assert (await self.generate(user)).status_code == 200
        opened = await self.send("POST", "conversations")
        assert opened.status_code == 201, opened.text
        self.token, self.url = opened.json()["token"], opened.json()["streamUrl"]
        return self

    @property
    def path(self) -> str:
        return f"conversations/{self.conversation}"

    async def post(self, activity: Any, **headers: str) -> httpx.Response:
        return await self.send("POST", f"{self.path}/activities", activity, **headers)

    async def say(self, text: str, **fields: Any) -> str:
        """Says something; returns the id it is acknowledged under."""
        found = await self.post({"type": "message", "from": {"id": "ann"}, "text": text, **fields})
        assert found.status_code == 200, found.text
        return found.json()["id"]

    async def get(self, watermark: Any = None) -> dict[str, Any]:
        query = "" if watermark is None else f"?watermark={watermark}"
        found = await self.send("GET", f"{self.path}/activities{query}")
        assert found.status_code == 200, found.text
        return found.json()

    async def heard(self, count: int) -> list[dict[str, Any]]:
        """Polls until there are so many activities."""
        found: list[dict[str, Any]] = []
        watermark = "0"
        async with asyncio.timeout(DEADLINE_S):
            while len(found) < count:
                page = await self.get(watermark)
                found += page["activities"]
                watermark = page["watermark"]
                await asyncio.sleep(0)
        return found


def texts(activities: list[dict[str, Any]]) -> list[str]:
    return [activity["text"] for activity in activities]


def code(response: httpx.Response) -> tuple[int, str]:
    """Status and code of an error, which has every field that is promised."""
    error = response.json()["error"]
    assert set(error) == {"code", "kind", "message", "next_step", "place"}
    return response.status_code, error["code"]


@asynccontextmanager
async def served(app: Starlette) -> AsyncGenerator[str]:
    """The application on a free loopback port; yields `host:port`."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, lifespan="off", ws="websockets-sansio", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    task = asyncio.ensure_future(server.serve(sockets=[listener]))
    try:
        async with asyncio.timeout(DEADLINE_S):
            while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.005)
        host, port = listener.getsockname()
        yield f"{host}:{port}"
    finally:
        of_app(app).drain()
        server.should_exit = True
        await task
        listener.close()
