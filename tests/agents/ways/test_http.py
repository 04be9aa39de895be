"""A real provider's client over a real socket: what answers it has enough for a while, breaks, or is away."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from lichen.agents.models.model import resolve
from lichen.agents.ways.ways import Ways
from lichen.core.ports.model import Connection, Delta, ModelMessage, ModelRequest
from tests.agents.ways.remote import ACME, Keys

Answer = tuple[int, str, str]
"""Status, a header, and the body."""

ASKED = ModelRequest("Be brief.", (ModelMessage("user", "Hello."),))
_REPLY = {
    "id": "c-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
}
_PIECE = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o"}
_STREAM = {**_PIECE, "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hi."}, "finish_reason": None}]}
_END: dict[str, Any] = {**_PIECE, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
OK: Answer = (200, "content-type: application/json", json.dumps(_REPLY))
BUSY: Answer = (429, "x-nothing: 1", '{"error": {"message": "Too many requests."}}')
ASKS: Answer = (429, "retry-after: 1", '{"error": {"message": "Too many requests."}}')
BROKEN: Answer = (500, "x-nothing: 1", '{"error": {"message": "Sorry."}}')
SSE = "content-type: text/event-stream"
CUT: Answer = (200, SSE, f"data: {json.dumps(_STREAM)}\n\ndata: {{")
STREAMED: Answer = (200, SSE, f"data: {json.dumps(_STREAM)}\n\ndata: {json.dumps(_END)}\n\ndata: [DONE]\n\n")


@asynccontextmanager
async def serving(answers: Sequence[Answer]) -> AsyncGenerator[tuple[str, list[float]]]:
    """The address of a server that gives these answers in order, and when it was asked."""
    left, asked_s = list(answers), list[float]()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        found = re.search(rb"content-length: (\d+)", asked, re.IGNORECASE)
        await reader.readexactly(int(found[1]) if found else 0)
        asked_s.append(asyncio.get_running_loop().time())
        status, header, body = left.pop(0)
        length = len(body) + (1_000 if body.endswith("{") else 0)  # what is cut off never comes
        writer.write(
            f"HTTP/1.1 {status} X\r\n{header}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n".encode()
        )
        writer.write(body.encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", asked_s


def around() -> Ways:
    clock = asyncio.get_running_loop().time
    return Ways(lambda: round(clock() * 1e6), lambda: 0.1)


def keys(url: str) -> Keys:
    return Keys(Connection(key="not-a-key", base_url=url, identity="key-1"))


@pytest.mark.req("GOA-65.3")
@pytest.mark.parametrize(("refusal", "least_s"), [(BUSY, 0.0), (BROKEN, 0.0), (ASKS, 1.0)])
async def test_a_server_that_has_enough_is_asked_again_when_it_says_or_after_a_moment(
    refusal: Answer, least_s: float
) -> None:
    async with serving([refusal, OK]) as (url, asked_s):
        model = around().reach(resolve("openai-chat:gpt-4o"), keys(url), ACME)
        reply = await model.generate(ASKED)
        assert (reply.text, reply.tries, len(asked_s)) == ("Hi.", 2, 2)
        assert (reply.usage.input_tokens, reply.usage.output_tokens) == (9, 2)
        assert least_s + 0.04 <= asked_s[1] - asked_s[0] < least_s + 2.0


@pytest.mark.req("GOA-65.9")
async def test_a_stream_that_is_cut_is_begun_again_and_who_looks_on_is_told() -> None:
    async with serving([CUT, STREAMED]) as (url, asked_s):
        model, seen = around().reach(resolve("openai-chat:gpt-4o"), keys(url), ACME), list[Delta]()
        reply = await model.generate(ASKED, seen.append)
        assert (reply.text, reply.tries, len(asked_s)) == ("Hi.", 2, 2)
        assert [piece for piece in seen if piece.text or piece.kind == "again"] == [
            Delta("Hi."),
            Delta("", "again"),
            Delta("Hi."),
        ]
        assert reply.is_estimate  # nobody said what the first one cost
