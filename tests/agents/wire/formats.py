"""Servers that take a schema where their provider's documentation says, and refuse what that says they refuse.

Sources: https://platform.openai.com/docs/guides/structured-outputs#supported-schemas (OpenAI, and Azure beside it),
https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html,
https://docs.claude.com/en/docs/build-with-claude/structured-outputs#json-schema-limitations,
https://ai.google.dev/gemini-api/docs/structured-output#json-schema-support, and Ollama's llm/server.go, which answers
500 to a schema that it can make no grammar of.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple, cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.agents.wire import bedrock

DEPTH_MAX: Final = 10
Schema = dict[str, Any]


class Wire(NamedTuple):
    """A provider: where a schema stands in a request, what it refuses, how it says so, and how it answers."""

    name: str
    path: str
    schema_of: Callable[[Any], Schema | None]
    refuses: frozenset[str]
    no: Callable[[], Response]
    yes: Callable[[str, bool], Response]
    options: Mapping[str, str] = MappingProxyType({})


class Server:
    """A server that answers with `said`, one text after the other and the last one for ever."""

    def __init__(self, wire: Wire, *said: str) -> None:
        self.wire = wire
        self.bodies: list[Any] = []
        self.refused = 0
        self._said = list(said)

    def app(self) -> Starlette:
        """The server."""
        return Starlette(routes=[Route("/{rest:path}", self._answer, methods=["POST"])])

    def schemas(self) -> list[Schema | None]:
        """The schema of each request, None where it was told in words."""
        return [self.wire.schema_of(body) for body in self.bodies]

    async def _answer(self, request: Request) -> Response:
        body = json.loads(await request.body())
        self.bodies.append(body)
        schema = self.wire.schema_of(body)
        if schema is not None and self.wire.refuses & set(kinds_in(schema)):
            self.refused += 1
            return self.wire.no()
        said = self._said.pop(0) if len(self._said) > 1 else self._said[0]
        return self.wire.yes(said, bool(body.get("stream")))


def kinds_in(schema: Schema) -> Iterator[str]:
    """What a schema has of what some provider refuses."""
    yield from _kinds(schema, schema, ())


def _kinds(node: Any, root: Schema, above: tuple[int, ...]) -> Iterator[str]:
    if len(above) > DEPTH_MAX:
        yield "deep"
        return
    if isinstance(node, list):
        for each in cast("list[Any]", node):
            yield from _kinds(each, root, above)
    if not isinstance(node, dict):
        return
    fields = cast("Schema", node)
    yield from (word for word in ("oneOf", "patternProperties", "minimum", "pattern") if word in fields)
    if fields.get("additionalProperties", False) is not False:
        yield "additionalProperties"
    reference = fields.get("$ref")
    if isinstance(reference, str):
        yield "$ref"
        at: Any = root
        for step in [each for each in reference.removeprefix("#").split("/") if each]:
            at = at[step]
        if id(at) in above or at is root:
            yield "recursive"
        else:
            yield from _kinds(at, root, (*above, id(at)))
    for name, each in fields.items():
        if name not in ("$defs", "$ref"):
            yield from _kinds(each, root, (*above, id(fields)) if name == "properties" else above)


def _at(body: Any, *path: str) -> Any:
    at = body
    for step in path:
        at = cast("Schema", at).get(step) if isinstance(at, dict) else None
    return at


def _responses_schema(body: Any) -> Schema | None:
    return _at(body, "text", "format", "schema")


def _claude_schema(body: Any) -> Schema | None:
    return _at(body, "output_config", "format", "schema")


def _gemini_schema(body: Any) -> Schema | None:
    return _at(body, "generationConfig", "responseJsonSchema")


def _chat(text: str, streams: bool) -> Response:
    said = {"role": "assistant", "content": text}
    choice = {"index": 0, "delta" if streams else "message": said, "finish_reason": "stop"}
    usage = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
    head = {"id": "c-1", "object": f"chat.completion{'.chunk' if streams else ''}", "created": 1, "model": "m"}
    body = {**head, "choices": [choice], "usage": usage}
    if not streams:
        return JSONResponse(body)
    return Response(f"data: {json.dumps(body)}\n\ndata: [DONE]\n\n", media_type="text/event-stream")


def _responses(text: str, streams: bool) -> Response:
    part = {"type": "output_text", "text": text, "annotations": list[Any]()}
    item = {"type": "message", "id": "m-1", "status": "completed", "role": "assistant", "content": [part]}
    usage = {"input_tokens": 5, "output_tokens": 3, "total_tokens": 8}
    details = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    head = {"id": "r-1", "object": "response", "created_at": 1, "status": "completed", "model": "gpt-5"}
    more = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": list[Any]()}
    return JSONResponse({**head, **more, "output": [item], "usage": {**usage, **details}})


def _claude(text: str, streams: bool) -> Response:
    usage = {"input_tokens": 5, "output_tokens": 3}
    content = [{"type": "text", "text": text}]
    head = {"id": "x", "type": "message", "role": "assistant", "model": "m", "stop_sequence": None}
    return JSONResponse({**head, "content": content, "stop_reason": "end_turn", "usage": usage})


def _gemini(text: str, streams: bool) -> Response:
    content = {"role": "model", "parts": [{"text": text}]}
    usage = {"promptTokenCount": 5, "candidatesTokenCount": 3, "totalTokenCount": 8}
    return JSONResponse({"candidates": [{"content": content, "finishReason": "STOP"}], "usageMetadata": usage})


def _converse(text: str, streams: bool) -> Response:
    return bedrock.streamed([{"text": text}])


def _openai_no() -> Response:
    message = "Invalid schema for response_format 'answer': In context=(), 'oneOf' is not permitted."
    error = {"message": message, "type": "invalid_request_error", "param": "response_format", "code": None}
    return JSONResponse({"error": error}, 400)


def _claude_no() -> Response:
    error = {"type": "invalid_request_error", "message": "output_config.format.schema: Invalid schema"}
    return JSONResponse({"type": "error", "error": error}, 400)


def _gemini_no() -> Response:
    error = {"code": 400, "message": "* GenerateContentRequest.generation_config", "status": "INVALID_ARGUMENT"}
    return JSONResponse({"error": error}, 400)


def _bedrock_no() -> Response:
    said = {"message": "output_config.format.schema: Invalid schema"}
    return JSONResponse(said, 400, {"x-amzn-errortype": "ValidationException"})


def _ollama_no() -> Response:
    error = {"message": "invalid JSON schema in format", "type": "api_error", "param": None, "code": None}
    return JSONResponse({"error": error}, 500)


def _bedrock_schema(body: Any) -> Schema | None:
    found = _at(body, "outputConfig", "textFormat", "structure", "jsonSchema", "schema")
    return None if found is None else json.loads(found)


def _chat_schema(body: Any) -> Schema | None:
    return _at(body, "response_format", "json_schema", "schema")


_OPENAI: Final = frozenset({"oneOf", "patternProperties", "additionalProperties", "deep"})
_CLAUDE: Final = frozenset({"oneOf", "patternProperties", "additionalProperties", "recursive", "minimum", "pattern"})
CLAUDE_ON_BEDROCK: Final = "bedrock:us.anthropic.claude-haiku-4-5-20251001-v1:0"
REGION: Final = {"region": "us-east-1"}

ENFORCING: Final = (
    Wire("openai:gpt-5", "/v1", _responses_schema, _OPENAI, _openai_no, _responses),
    Wire("openai-chat:gpt-4o", "/v1", _chat_schema, _OPENAI, _openai_no, _chat),
    Wire("azure:gpt-4o", "", _chat_schema, _OPENAI, _openai_no, _chat),
    Wire("ollama:qwen3", "/v1", _chat_schema, frozenset({"$ref", "pattern", "oneOf", "deep"}), _ollama_no, _chat),
    Wire("openai-compatible:qwen3", "/v1", _chat_schema, frozenset({"$ref", "patternProperties"}), _ollama_no, _chat),
    Wire(
        "anthropic:claude-haiku-4-5", "", _claude_schema, _CLAUDE, _claude_no,
        _claude,
    ),
    Wire(
        "google:gemini-2.5-flash", "", _gemini_schema,
        frozenset({"recursive", "patternProperties", "deep"}), _gemini_no, _gemini,
    ),
    Wire(
        CLAUDE_ON_BEDROCK, "", _bedrock_schema, _CLAUDE, _bedrock_no,
        _converse, REGION,
    ),
)  # fmt: skip
IN_WORDS: Final = (
    Wire("mistral:mistral-large-latest", "", _chat_schema, frozenset(), _openai_no, _chat),
    Wire(
        "bedrock:us.amazon.nova-lite-v1:0", "", _bedrock_schema, frozenset(), _bedrock_no,
        _converse, REGION,
    ),
)  # fmt: skip
