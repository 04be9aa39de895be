"""A provider of models in a process of its own: it streams what the script says, and remembers each request.

`python -m tests.crash.streamed.provider` prints its port. What is asked under `/NAME/v1` is remembered under NAME, and
`/NAME/seen` tells it. Each reply says that as many tokens came from a cache as its request has a number under its name,
so that a bill names what it is for. The first reply at the step `CUT` breaks off.

Source: https://platform.openai.com/docs/api-reference/responses-streaming, .../chat/streaming
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from tests.crash.streamed.script import CUT, Said, cashier, clerk

READ, WROTE = 20, 5  # tokens of each request and reply
PIECE_CHARS = 12
_SEEN: dict[str, list[dict[str, Any]]] = defaultdict(list)


class CutOff(Exception):
    """The line goes dead here."""


def app() -> Starlette:
    """The server."""
    return Starlette(
        routes=[
            Route("/{name}/v1/responses", _responses, methods=["POST"]),
            Route("/{name}/v1/chat/completions", _completions, methods=["POST"]),
            Route("/{name}/seen", _seen),
        ]
    )


async def _seen(request: Request) -> JSONResponse:
    return JSONResponse(_SEEN[request.path_params["name"]])


async def _responses(request: Request) -> Any:
    asked = json.loads(await request.body())
    said = clerk(asked)
    number, is_cut = _noted(request, said, streams=asked.get("stream"))
    assert asked.get("stream"), "the clerk's replies are shown while they come"
    return StreamingResponse(_sent(events(said, number), is_cut=is_cut), media_type="text/event-stream")


async def _completions(request: Request) -> Any:
    asked = json.loads(await request.body())
    said = cashier(asked)
    number, is_cut = _noted(request, said, streams=asked.get("stream"))
    if not asked.get("stream"):
        return JSONResponse(_whole(said, number))
    return StreamingResponse(_sent(chunks(said, number), is_cut=is_cut), media_type="text/event-stream")


def _noted(request: Request, said: Said, *, streams: bool) -> tuple[int, bool]:
    """The number of this request, from 1, and whether its reply breaks off."""
    seen = _SEEN[request.path_params["name"]]
    is_cut = said.step == CUT and all(each["step"] != CUT for each in seen)
    seen.append({"number": len(seen) + 1, "step": said.step, "streams": bool(streams), "is_cut": is_cut})
    return len(seen), is_cut


async def _sent(lines: Iterator[str], *, is_cut: bool) -> AsyncGenerator[str]:
    """The lines of a stream, each on its way before the next; one that is cut ends after its first piece of words."""
    for i, line in enumerate(lines):
        yield line
        await asyncio.sleep(0)
        if is_cut and i == 4:
            raise CutOff


def _pieces(text: str) -> Iterator[str]:
    return (text[i : i + PIECE_CHARS] for i in range(0, len(text), PIECE_CHARS))


# -- the Responses API -------------------------------------------------------------------------------------------


def events(said: Said, number: int) -> Iterator[str]:
    """The reply as events, as OpenAI streams it."""
    output: list[dict[str, Any]] = []
    for i, (kind, fields) in enumerate(_event_fields(said, number, output)):
        yield f"event: {kind}\ndata: {json.dumps({'type': kind, 'sequence_number': i, **fields})}\n\n"


def _event_fields(said: Said, number: int, output: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    head = {"id": f"resp_{number}", "object": "response", "created_at": 1_790_000_000, "model": "gpt-5"}
    opened: dict[str, Any] = {**head, "status": "in_progress", "output": [], "usage": None, "parallel_tool_calls": True}
    yield "response.created", {"response": opened}
    yield "response.in_progress", {"response": opened}
    if said.text:
        yield from _message_events(said.text, number, output)
    for call in said.calls:
        yield from _call_events(call.tool, json.dumps(call.args), number, output)
    usage = {
        "input_tokens": READ,
        "input_tokens_details": {"cached_tokens": number},
        "output_tokens": WROTE,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": READ + WROTE,
    }
    yield "response.completed", {"response": {**opened, "status": "completed", "output": output, "usage": usage}}


def _message_events(text: str, number: int, output: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    item = {"id": f"msg_{number}", "type": "message", "role": "assistant"}
    place = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    empty: dict[str, Any] = {"type": "output_text", "text": "", "annotations": []}
    yield "response.output_item.added", {"output_index": 0, "item": {**item, "status": "in_progress", "content": []}}
    yield "response.content_part.added", {**place, "part": empty}
    for piece in _pieces(text):
        yield "response.output_text.delta", {**place, "delta": piece, "logprobs": []}
    yield "response.output_text.done", {**place, "text": text, "logprobs": []}
    yield "response.content_part.done", {**place, "part": {**empty, "text": text}}
    done: dict[str, Any] = {**item, "status": "completed", "content": [{**empty, "text": text}]}
    output.append(done)
    yield "response.output_item.done", {"output_index": 0, "item": done}


def _call_events(
    tool: str, args: str, number: int, output: list[dict[str, Any]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    index = len(output)
    item = {"id": f"fc_{number}_{index}", "type": "function_call", "call_id": f"call_{number}_{index}", "name": tool}
    place = {"item_id": item["id"], "output_index": index}
    begun = {**item, "status": "in_progress", "arguments": ""}
    yield "response.output_item.added", {"output_index": index, "item": begun}
    for piece in _pieces(args):
        yield "response.function_call_arguments.delta", {**place, "delta": piece}
    yield "response.function_call_arguments.done", {**place, "arguments": args, "name": tool}
    done = {**item, "status": "completed", "arguments": args}
    output.append(done)
    yield "response.output_item.done", {"output_index": index, "item": done}


# -- the Chat Completions API ------------------------------------------------------------------------------------


def chunks(said: Said, number: int) -> Iterator[str]:
    """The reply as chunks, as OpenAI streams it."""
    head = {"id": f"chatcmpl-{number}", "object": "chat.completion.chunk", "created": 1_790_000_000, "model": "gpt-4.1"}
    for delta in _deltas(said, number):
        choice = {"index": 0, "delta": delta, "finish_reason": None}
        yield f"data: {json.dumps({**head, 'choices': [choice], 'usage': None})}\n\n"
    ended: dict[str, Any] = {"index": 0, "delta": {}, "finish_reason": _finish(said)}
    yield f"data: {json.dumps({**head, 'choices': [ended], 'usage': None})}\n\n"
    yield f"data: {json.dumps({**head, 'choices': [], 'usage': _usage(number)})}\n\n"
    yield "data: [DONE]\n\n"


def _deltas(said: Said, number: int) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": ""}
    for piece in _pieces(said.text):
        yield {"content": piece}
    for i, call in enumerate(said.calls):
        named = {"index": i, "id": f"call_{number}_{i}", "type": "function"}
        yield {"tool_calls": [{**named, "function": {"name": call.tool, "arguments": ""}}]}
        for piece in _pieces(json.dumps(call.args)):
            yield {"tool_calls": [{"index": i, "function": {"arguments": piece}}]}


def _whole(said: Said, number: int) -> dict[str, Any]:
    message = {"role": "assistant", "content": said.text}
    choice = {"index": 0, "message": message, "finish_reason": _finish(said)}
    head = {"id": f"chatcmpl-{number}", "object": "chat.completion", "created": 1_790_000_000, "model": "gpt-4.1"}
    return {**head, "choices": [choice], "usage": _usage(number)}


def _finish(said: Said) -> str:
    return "tool_calls" if said.calls else "stop"


def _usage(number: int) -> dict[str, Any]:
    kept = {"prompt_tokens_details": {"cached_tokens": number}}
    return {"prompt_tokens": READ, "completion_tokens": WROTE, "total_tokens": READ + WROTE, **kept}


async def serve() -> None:
    """Serves until the process is ended."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app(), lifespan="off", log_config=None, access_log=False)
    print(listener.getsockname()[1], flush=True)
    await uvicorn.Server(config).serve(sockets=[listener])


if __name__ == "__main__":
    asyncio.run(serve())
