"""A real provider over a real socket that has enough for a while."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import httpx
import pytest

from lichen.agents.ways.ways import Ways
from lichen.core.ports.model import Connections, Deltas, Model, ModelError, ModelReply, ModelRequest
from lichen.core.words.scope import Scope
from tests.agents.ways.remote import ACME, ASKED, Keys

OK = (200, "")
BUSY = (429, "")
ASKS = (429, "retry-after: 1\r\n")


@asynccontextmanager
async def serving(answers: Sequence[tuple[int, str]]) -> AsyncGenerator[tuple[str, list[float]]]:
    """The address of a server that gives these answers in order, and when it was asked."""
    left, asked_s = list(answers), list[float]()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked_s.append(asyncio.get_running_loop().time())
        status, headers = left.pop(0)
        writer.write(f"HTTP/1.1 {status} X\r\n{headers}content-length: 2\r\nconnection: close\r\n\r\nHi".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked_s


class Http:
    """Whatever is behind an address, as a model."""

    name = "http:one"

    def __init__(self, url: str) -> None:
        self._url = url

    def over(self, connections: Connections, scope: Scope) -> Model:
        return self

    async def generate(self, request: ModelRequest, deltas: Deltas | None = None) -> ModelReply:
        async with httpx.AsyncClient(trust_env=False) as client:
            response = await client.get(self._url)
        if response.status_code == 429:
            asked = response.headers.get("retry-after")
            after_s = float(asked) if asked else None
            raise ModelError("Too many requests.", code="model_rate_limited", retry_after_s=after_s)
        return ModelReply(response.text, model=self.name)


@pytest.mark.req("GOA-65.3")
@pytest.mark.parametrize(("refusal", "least_s"), [(BUSY, 0.0), (ASKS, 1.0)])
async def test_a_server_that_has_enough_is_asked_again_when_it_says_or_after_a_moment(
    refusal: tuple[int, str], least_s: float
) -> None:
    async with serving([refusal, OK]) as (url, asked_s):
        clock = asyncio.get_running_loop().time
        around = Ways(lambda: round(clock() * 1e6), lambda: 0.1)
        reply = await around.reach(Http(url), Keys(), ACME).generate(ASKED)
        assert (reply.text, reply.tries) == ("Hi", 2)
        assert least_s + 0.04 <= asked_s[1] - asked_s[0] < least_s + 1.0
