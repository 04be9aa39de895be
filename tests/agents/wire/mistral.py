"""What Mistral's API says, as far as our scenes go. A call comes in one piece there, with its name and its arguments.

Source: https://docs.mistral.ai/api/#tag/chat, https://docs.mistral.ai/capabilities/function_calling/
"""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lichen.testing import model_conformance as scenes

_USAGE = {
    "prompt_tokens": scenes.INPUT_TOKENS,
    "completion_tokens": scenes.OUTPUT_TOKENS,
    "total_tokens": scenes.INPUT_TOKENS + scenes.OUTPUT_TOKENS,
}


def app() -> Starlette:
    """The server."""
    return Starlette(routes=[Route("/v1/chat/completions", _complete, methods=["POST"])])


async def _complete(request: Request) -> Response:
    asked = json.loads(await request.body())
    message = _message(asked["messages"])
    if not asked.get("stream"):
        choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": _finish(message)}
        return JSONResponse({**_head("chat.completion"), "choices": [choice], "usage": _USAGE})
    chunks = [*_pieces(message), {"delta": {"content": ""}, "finish_reason": _finish(message)}]
    lines = [{**_head("chat.completion.chunk"), "choices": [{"index": 0, **chunk}]} for chunk in chunks]
    lines[-1]["usage"] = _USAGE
    body = "".join(f"data: {json.dumps(line)}\n\n" for line in lines) + "data: [DONE]\n\n"
    return Response(body, media_type="text/event-stream")


def _head(kind: str) -> dict[str, Any]:
    return {"id": "cmpl-1", "object": kind, "created": 1_790_000_000, "model": "mistral-large-latest"}


def _finish(message: dict[str, Any]) -> str:
    return "tool_calls" if message.get("tool_calls") else "stop"


def _message(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """What the model says to the newest thing that a user said, or to the results of its calls."""
    if messages[-1]["role"] == "tool":
        called = [call["id"] for message in messages for call in message.get("tool_calls") or ()]
        results = [message["tool_call_id"] for message in messages if message["role"] == "tool"]
        assert called == results, "a result is of no call"
        return {"content": scenes.LOOKED}
    said = json.dumps([message for message in messages if message["role"] == "user"][-1]["content"])
    if scenes.LOOK in said:
        calls = [_call(n, order) for n, order in enumerate(("1042", "1043"))]
        return {"content": "Looking.", "tool_calls": calls}
    if scenes.THINK in said:
        thinking = {"type": "thinking", "thinking": [{"type": "text", "text": scenes.THOUGHT}]}
        return {"content": [thinking, {"type": "text", "text": scenes.DECIDED}]}
    return {"content": scenes.SHAPED if scenes.SHAPE in said else scenes.GREETING}


def _call(number: int, order: str) -> dict[str, Any]:
    function = {"name": "orders__lookup", "arguments": json.dumps({"order_id": order})}
    return {"id": f"Call0000{number}", "type": "function", "function": function, "index": number}


def _pieces(message: dict[str, Any]) -> Generator[dict[str, Any]]:
    yield {"delta": {"role": "assistant", "content": ""}, "finish_reason": None}
    content: Any = message["content"]
    parts: list[Any] = [content[:9], content[9:]] if isinstance(content, str) else content
    for part in parts:
        yield {"delta": {"content": [part] if isinstance(part, dict) else part}, "finish_reason": None}
    if message.get("tool_calls"):
        yield {"delta": {"content": "", "tool_calls": message["tool_calls"]}, "finish_reason": None}
