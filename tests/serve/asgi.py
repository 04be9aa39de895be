"""Requests to an ASGI application without a network."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from starlette.types import ASGIApp, Message


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def data(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of an error; it has every field that is promised, and nothing else."""
        error = self.data["error"]
        assert set(error) == {"code", "kind", "message", "next_step", "place"}
        assert error["message"]
        assert error["next_step"]
        return error["code"]


class Door:
    """Speaks to an application as somebody."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str] | None = None) -> None:
        self.app = app
        self.headers = {"content-type": "application/json", **(headers or {})}

    def of(self, tenant: str | None = "acme", name: str | None = None, **headers: str) -> Door:
        named = {"lichen-tenant": tenant, "lichen-as": name}
        return Door(self.app, {**{k: v for k, v in named.items() if v is not None}, **headers})

    async def get(self, path: str) -> Answer:
        return await self.send("GET", path, b"")

    async def post(self, path: str, body: Any = None, *, key: str | None = None) -> Answer:
        data = b"" if body is None else json.dumps(body).encode()
        return await self.send("POST", path, data, {"idempotency-key": key} if key else {})

    async def delete(self, path: str) -> Answer:
        return await self.send("DELETE", path, b"")

    async def send(self, method: str, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        target, _, query = f"/api/v1/{path}".partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": target,
            "raw_path": target.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(k.lower().encode(), v.encode()) for k, v in {**self.headers, **(headers or {})}.items()],
            "server": ("test", 80),
            "client": None,
        }
        return await _exchange(self.app, scope, body)


async def _exchange(app: ASGIApp, scope: dict[str, Any], body: bytes) -> Answer:
    sent: list[Message] = []
    requests = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if not requests:
            await asyncio.Event().wait()  # whoever asked stays until the answer is there
        return requests.pop()

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start = sent[0]
    data = b"".join(message.get("body", b"") for message in sent[1:])
    return Answer(start["status"], {k.decode(): v.decode() for k, v in start["headers"]}, data)
