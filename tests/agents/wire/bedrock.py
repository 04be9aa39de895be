"""What Bedrock's Converse API says, as far as our scenes go: JSON, or frames of an event stream.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html,
https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html (the frames)
"""

from __future__ import annotations

import json
import struct
from collections.abc import Generator
from typing import Any
from zlib import crc32

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lichen.testing import model_conformance as scenes

_USAGE = {
    "inputTokens": scenes.INPUT_TOKENS - scenes.CACHED_TOKENS,
    "outputTokens": scenes.OUTPUT_TOKENS,
    "totalTokens": scenes.INPUT_TOKENS + scenes.OUTPUT_TOKENS,
    "cacheReadInputTokens": scenes.CACHED_TOKENS,
    "cacheWriteInputTokens": 0,
}
Block = dict[str, Any]


def app() -> Starlette:
    """The server."""
    return Starlette(
        routes=[
            Route("/model/{model}/converse", _converse, methods=["POST"]),
            Route("/model/{model}/converse-stream", _converse_stream, methods=["POST"]),
        ]
    )


async def _converse(request: Request) -> Response:
    blocks = _blocks(json.loads(await request.body())["messages"])
    message = {"role": "assistant", "content": blocks}
    said = {"output": {"message": message}, "stopReason": _stop(blocks), "usage": _USAGE, "metrics": {"latencyMs": 1}}
    return JSONResponse(said)


async def _converse_stream(request: Request) -> Response:
    return streamed(_blocks(json.loads(await request.body())["messages"]))


def streamed(blocks: list[Block]) -> Response:
    """A reply of these blocks as frames."""
    frames = b"".join(_frame(kind, payload) for kind, payload in _events(blocks))
    return Response(frames, media_type="application/vnd.amazon.eventstream")


def _stop(blocks: list[Block]) -> str:
    return "tool_use" if any("toolUse" in block for block in blocks) else "end_turn"


def _blocks(messages: list[dict[str, Any]]) -> list[Block]:
    """What the model says to the newest thing that a user said, or to the results of its calls."""
    results = [block["toolResult"] for block in messages[-1]["content"] if "toolResult" in block]
    if results:
        called = [block["toolUse"]["toolUseId"] for block in messages[-2]["content"] if "toolUse" in block]
        assert called == [result["toolUseId"] for result in results], "a result is of no call"
        return [{"text": scenes.LOOKED}]
    said = " ".join(block.get("text", "") for block in messages[-1]["content"])
    if scenes.LOOK in said:
        return [{"text": "Looking."}, *(_call(n, order) for n, order in enumerate(("1042", "1043")))]
    if scenes.THINK in said:
        thought = {"reasoningText": {"text": scenes.THOUGHT, "signature": "signed-0123456789"}}
        return [{"reasoningContent": thought}, {"text": scenes.DECIDED}]
    return [{"text": scenes.SHAPED if scenes.SHAPE in said else scenes.GREETING}]


def _call(number: int, order: str) -> Block:
    return {"toolUse": {"toolUseId": f"tooluse_{number}", "name": "orders__lookup", "input": {"order_id": order}}}


def _events(blocks: list[Block]) -> Generator[tuple[str, dict[str, Any]]]:
    yield "messageStart", {"role": "assistant"}
    for index, block in enumerate(blocks):
        if "toolUse" in block:
            use = block["toolUse"]
            start = {"toolUse": {"toolUseId": use["toolUseId"], "name": use["name"]}}
            yield "contentBlockStart", {"contentBlockIndex": index, "start": start}
        for delta in _deltas(block):
            yield "contentBlockDelta", {"contentBlockIndex": index, "delta": delta}
        yield "contentBlockStop", {"contentBlockIndex": index}
    yield "messageStop", {"stopReason": _stop(blocks)}
    yield "metadata", {"usage": _USAGE, "metrics": {"latencyMs": 1}}


def _deltas(block: Block) -> list[Block]:
    if "toolUse" in block:
        args = json.dumps(block["toolUse"]["input"])
        return [{"toolUse": {"input": args[:9]}}, {"toolUse": {"input": args[9:]}}]
    if "reasoningContent" in block:
        thought = block["reasoningContent"]["reasoningText"]
        return [
            {"reasoningContent": {"text": thought["text"]}},
            {"reasoningContent": {"signature": thought["signature"]}},
        ]
    return [{"text": block["text"][:9]}, {"text": block["text"][9:]}]


def _frame(kind: str, payload: dict[str, Any]) -> bytes:
    """One message of an event stream: lengths, headers, payload, and a checksum of each."""
    named = ((":event-type", kind), (":content-type", "application/json"), (":message-type", "event"))
    heads = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack("!H", len(value)) + value.encode()
        for name, value in named
    )
    body = json.dumps(payload).encode()
    prelude = struct.pack("!II", 16 + len(heads) + len(body), len(heads))
    start = prelude + struct.pack("!I", crc32(prelude)) + heads + body
    return start + struct.pack("!I", crc32(start))
