"""What providers are sent for what is asked, and what their own ways of saying no are taken for."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lichen.core.ports.model import Delta, ModelCall, ModelError, ModelMessage, ModelReply, ModelRequest
from lichen.core.words.ids import ToolName
from lichen.testing.model_conformance import AMOUNT, GREET, KEY, LOOKUP, Reached, Reaching, asked
from tests.agents.wire.relay import Relay, serving
from tests.agents.wire.test_providers import reaching_by

PLACES = {
    "openai:gpt-5": "/v1",
    "openai-chat:gpt-4o": "/v1",
    "anthropic:claude-haiku-4-5": "",
    "google:gemini-2.5-flash": "",
}
OTHER = msgspec.structs.replace(LOOKUP, name=ToolName("orders.cancel"))


def over(relay: Relay, name: str) -> Reaching:
    return reaching_by(relay, name, PLACES[name])


async def sent(relay: Relay, name: str, request: ModelRequest) -> Any:
    """The body that the provider got."""
    async with over(relay, name)() as (model, bodies):
        await model.generate(request)
        return msgspec.json.decode(bodies[-1])


def found(body: Any, path: str) -> Any:
    """What stands at a path, None where nothing does."""
    at: Any = body
    for step in path.split("."):
        key: Any = int(step) if step.isdigit() else step
        try:
            at = at[key]
        except (KeyError, TypeError):
            return None
    return at


@pytest.mark.req("GOA-62.17")
@pytest.mark.parametrize(
    ("name", "path", "required", "one", "none"),
    [
        ("openai:gpt-5", "tool_choice", "required", {"type": "function", "name": "orders__lookup"}, "none"),
        (
            "openai-chat:gpt-4o",
            "tool_choice",
            "required",
            {"type": "function", "function": {"name": "orders__lookup"}},
            "none",
        ),
        (
            "anthropic:claude-haiku-4-5",
            "tool_choice",
            {"type": "any"},
            {"type": "tool", "name": "orders__lookup"},
            {"type": "none"},
        ),
        (
            "google:gemini-2.5-flash",
            "toolConfig.functionCallingConfig",
            {"mode": "ANY"},
            {"mode": "ANY", "allowedFunctionNames": ["orders__lookup"]},
            {"mode": "NONE"},
        ),
    ],
)
async def test_a_tool_may_be_required_named_or_forbidden(
    aimock: Relay, name: str, path: str, required: Any, one: Any, none: Any
) -> None:
    for choice, expected in (("required", required), (LOOKUP.name, one), ("none", none)):
        body = await sent(aimock, name, asked(GREET, tools=(LOOKUP, OTHER), tool_choice=choice))
        chosen = found(body, path)
        if isinstance(expected, dict):
            assert expected.items() <= chosen.items()
        else:
            assert chosen == expected


@pytest.mark.req("GOA-62.17")
@pytest.mark.parametrize(
    ("name", "most", "warmth", "effort"),
    [
        ("openai:gpt-5", "max_output_tokens", None, ("reasoning.effort", "medium")),
        ("openai-chat:gpt-4o", "max_completion_tokens", "temperature", None),
        ("anthropic:claude-haiku-4-5", "max_tokens", "temperature", ("thinking.type", "enabled")),
        (
            "google:gemini-2.5-flash",
            "generationConfig.maxOutputTokens",
            "generationConfig.temperature",
            ("generationConfig.thinkingConfig.include_thoughts", True),
        ),
    ],
)
async def test_bounds_warmth_and_effort_are_told(
    aimock: Relay, name: str, most: str, warmth: str | None, effort: tuple[str, Any] | None
) -> None:
    body = await sent(aimock, name, asked(GREET, max_tokens=9_000, temperature=0.25 if warmth else None))
    assert found(body, most) == 9_000
    if warmth is not None:
        assert found(body, warmth) == 0.25
    if effort is not None:
        path, value = effort
        assert found(body, path) in (None, "disabled")
        thoughtful = await sent(aimock, name, asked(GREET, max_tokens=40_000, thinking="medium"))
        assert found(thoughtful, path) == value


@pytest.mark.req("GOA-62.17")
@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("openai:gpt-5", "parallel_tool_calls", False),
        ("openai-chat:gpt-4o", "parallel_tool_calls", False),
        ("anthropic:claude-haiku-4-5", "tool_choice.disable_parallel_tool_use", True),
    ],
)
async def test_one_call_at_a_time_is_asked_for_where_a_provider_knows_it(
    aimock: Relay, name: str, path: str, value: bool
) -> None:
    body = await sent(aimock, name, asked(GREET, tools=(LOOKUP,), parallel=False))
    assert found(body, path) is value
    usual = await sent(aimock, name, asked(GREET, tools=(LOOKUP,)))
    assert found(usual, path) is not value


@pytest.mark.req("GOA-62.31")
@pytest.mark.parametrize(("most", "budget"), [(1_024, None), (1_500, 1_024), (4_096, 2_048), (40_000, 10_000)])
async def test_a_model_that_thinks_by_tokens_keeps_some_for_its_answer(
    aimock: Relay, most: int, budget: int | None
) -> None:
    body = await sent(aimock, "anthropic:claude-haiku-4-5", asked(GREET, max_tokens=most, thinking="medium"))
    assert found(body, "thinking.budget_tokens") == budget


@pytest.mark.req("GOA-63.1")
@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("openai:gpt-5", "text.format.schema"),
        ("openai-chat:gpt-4o", "response_format.json_schema.schema"),
        ("anthropic:claude-haiku-4-5", "output_config.format.schema"),
        ("google:gemini-2.5-flash", "generationConfig.responseJsonSchema"),
    ],
)
async def test_a_schema_stands_where_the_provider_enforces_it(aimock: Relay, name: str, path: str) -> None:
    body = await sent(aimock, name, asked("Give me JSON.", output_schema=AMOUNT, output_name="refund"))
    assert found(body, path)["properties"]["amount"]["type"].lower() == "integer"
    if name.startswith("openai"):
        assert b'"strict":true' in msgspec.json.encode(body)


@pytest.mark.req("GOA-62.18")
async def test_openai_keeps_nothing_and_gives_back_what_it_thought_sealed(aimock: Relay) -> None:
    body = await sent(aimock, "openai:gpt-5", asked(GREET, thinking="low"))
    assert body["store"] is False
    assert "reasoning.encrypted_content" in body["include"]


@pytest.mark.req("GOA-62.19")
@pytest.mark.parametrize("marks", [(), (1,)])
async def test_what_the_next_request_begins_with_is_marked_for_the_providers_cache(
    aimock: Relay, marks: tuple[int, ...]
) -> None:
    messages = [ModelMessage("user", "One."), ModelMessage("user", "Two."), ModelMessage("user", GREET)]
    kept = tuple(msgspec.structs.replace(each, is_kept=n in marks) for n, each in enumerate(messages))
    request = ModelRequest("Be kind.", kept, tools=(LOOKUP,), keep=True)
    body = await sent(aimock, "anthropic:claude-haiku-4-5", request)
    assert "cache_control" in body["tools"][-1]
    assert "cache_control" in body["system"][-1]
    marked = [block["text"] for block in found(body, "messages.0.content") if "cache_control" in block]
    assert marked == (["Two."] if marks else [])
    assert ("cache_control" in body) is not bool(marks)
    plain = await sent(aimock, "anthropic:claude-haiku-4-5", msgspec.structs.replace(request, keep=False))
    assert b"cache_control" not in msgspec.json.encode(plain)


@pytest.mark.req("GOA-62.6")
@pytest.mark.parametrize("name", PLACES)
async def test_calls_that_another_model_made_are_told_as_calls(aimock: Relay, name: str) -> None:
    messages = (
        ModelMessage("user", "Which?"),
        ModelMessage("assistant", "", (ModelCall("run-1/c1", LOOKUP.name, b'{"order_id":"7"}'),)),
        ModelMessage("tool", '{"seen":7}', result_of="run-1/c1"),
        ModelMessage("system", "Note: be brief."),
        ModelMessage("user", GREET),
    )
    body = await sent(aimock, name, ModelRequest("Be kind.", messages, tools=(LOOKUP,)))
    text = msgspec.json.encode(body).decode()
    assert "run-1/c1" not in text
    assert text.index("order_id") < text.index("be brief") if name.startswith("openai") else "be brief" in text
    assert "orders__lookup" in text


# -- how providers say no in their own words -----------------------------------------------------------------------


class Canned(NamedTuple):
    """A reply of a provider, word for word."""

    name: str
    body: dict[str, Any]
    code: str
    status: int = 200


def _chat(message: dict[str, Any], finish: str = "stop") -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": None, **message}, "finish_reason": finish}
    return {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}


def _claude(stop: str) -> dict[str, Any]:
    usage = {"input_tokens": 5, "output_tokens": 1}
    said: list[Any] = []
    return {"id": "x", "type": "message", "role": "assistant", "model": "m", "content": said, "stop_reason": stop,
            "stop_sequence": None, "usage": usage}  # fmt: skip


def _error(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


SAID = [
    Canned("openai-chat:gpt-4o", _chat({"refusal": "I will not."}), "model_refused"),
    Canned("openai-chat:gpt-4o", _chat({"content": ""}, "content_filter"), "model_refused"),
    Canned("anthropic:claude-haiku-4-5", _claude("refusal"), "model_refused"),
    Canned(
        "google:gemini-2.5-flash",
        {"candidates": [{"content": {"role": "model", "parts": []}, "finishReason": "SAFETY"}]},
        "model_refused",
    ),
    Canned(
        "openai-chat:gpt-4o",
        _error("too long", code="context_length_exceeded", type="invalid_request_error"),
        "model_context_too_long",
        400,
    ),
    Canned(
        "anthropic:claude-haiku-4-5",
        {"type": "error", **_error("prompt is too long: 210000 tokens > 200000 maximum", type="invalid_request_error")},
        "model_context_too_long",
        400,
    ),
    Canned(
        "google:gemini-2.5-flash",
        _error(
            "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576).",
            code=400,
            status="INVALID_ARGUMENT",
        ),
        "model_context_too_long",
        400,
    ),
    Canned("openai-chat:gpt-4o", _error("no credit", code="insufficient_quota"), "model_auth", 429),
    Canned(
        "anthropic:claude-haiku-4-5",
        {"type": "error", **_error("Overloaded", type="overloaded_error")},
        "model_overloaded",
        529,
    ),
    Canned("google:gemini-2.5-flash", _error("bad key", code=403, status="PERMISSION_DENIED"), "model_auth", 403),
]


@asynccontextmanager
async def saying(canned: Canned) -> AsyncGenerator[Reached]:
    """A provider that says this to whatever it is asked."""

    async def answer(request: Request) -> Response:
        return JSONResponse(canned.body, canned.status)

    app = Starlette(routes=[Route("/{rest:path}", answer, methods=["POST"])])
    with serving(app) as url, Relay(url).serving() as relay:
        async with over(relay, canned.name)() as reached:
            yield reached


@pytest.mark.req("GOA-62.20")
@pytest.mark.parametrize("canned", SAID, ids=[f"{n}-{each.name}-{each.code}" for n, each in enumerate(SAID)])
async def test_a_no_in_a_providers_own_words_is_of_a_known_kind(canned: Canned) -> None:
    async with saying(canned) as (model, _):
        with pytest.raises(ModelError) as caught:
            await model.generate(asked(GREET))
    assert caught.value.code == canned.code
    assert KEY not in str(caught.value)


@pytest.mark.req("GOA-64.1")
@pytest.mark.parametrize(
    ("name", "written", "body"),
    [
        (
            "anthropic:claude-haiku-4-5",
            7,
            {
                **_claude("end_turn"),
                "content": [{"type": "text", "text": "Yes."}],
                "usage": {
                    "input_tokens": 3,
                    "output_tokens": 2,
                    "cache_read_input_tokens": 40,
                    "cache_creation_input_tokens": 7,
                },
            },
        ),
        (
            "openai-chat:gpt-4o",
            0,
            {
                **_chat({"content": "Yes."}),
                "usage": {
                    "prompt_tokens": 50,
                    "completion_tokens": 2,
                    "total_tokens": 52,
                    "prompt_tokens_details": {"cached_tokens": 40},
                },
            },
        ),
    ],
)
async def test_tokens_read_from_and_written_to_a_cache_are_part_of_the_input(
    name: str, written: int, body: dict[str, Any]
) -> None:
    async with saying(Canned(name, body, "")) as (model, _):
        reply: ModelReply = await model.generate(asked(GREET))
    usage = reply.usage
    assert (usage.input_tokens, usage.output_tokens, usage.cached_tokens) == (50, 2, 40)
    assert usage.cache_write_tokens == written


SEALED = "c2VhbGVkLTAxMjM0NTY3ODk="
SEALING = [
    Canned(
        "openai:gpt-5",
        {
            "id": "resp_1",
            "object": "response",
            "created_at": 1,
            "model": "gpt-5",
            "status": "completed",
            "output": [
                {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": SEALED},
                {
                    "id": "fc_1",
                    "type": "function_call",
                    "call_id": "call_1",
                    "name": "orders__lookup",
                    "arguments": '{"order_id": "7"}',
                    "status": "completed",
                },
            ],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
        },
        "",
    ),
    Canned(
        "google:gemini-2.5-flash",
        {
            "candidates": [
                {
                    "content": {
                        "role": "model",
                        "parts": [
                            {
                                "functionCall": {"name": "orders__lookup", "args": {"order_id": "7"}},
                                "thoughtSignature": SEALED,
                            }
                        ],
                    },
                    "finishReason": "STOP",
                }
            ]
        },
        "",
    ),
    Canned(
        "anthropic:claude-haiku-4-5",
        {
            **_claude("tool_use"),
            "content": [
                {"type": "thinking", "thinking": "Seven.", "signature": SEALED},
                {"type": "redacted_thinking", "data": SEALED[::-1]},
                {"type": "tool_use", "id": "toolu_1", "name": "orders__lookup", "input": {"order_id": "7"}},
            ],
        },
        "",
    ),
]


@pytest.mark.req("GOA-62.8")
@pytest.mark.parametrize("canned", SEALING, ids=[each.name for each in SEALING])
async def test_what_a_provider_sealed_goes_back_as_it_came_with_the_call_it_led_to(canned: Canned) -> None:
    question = ModelMessage("user", GREET)
    async with saying(canned) as (model, sent):
        request = ModelRequest("", (question,), tools=(LOOKUP,), thinking="low", max_tokens=40_000)
        first = await model.generate(request)
        called = ModelCall("c1", first.calls[0].tool, first.calls[0].args)
        messages = (
            question,
            ModelMessage("assistant", first.text, (called,), blocks=first.blocks),
            ModelMessage("tool", '{"seen":7}', result_of="c1"),
        )
        await model.generate(msgspec.structs.replace(request, messages=messages))
        assert SEALED.encode() in sent[-1]
        if canned.name.startswith("anthropic"):
            assert SEALED[::-1].encode() in sent[-1]
        bare = tuple(msgspec.structs.replace(each, blocks=b"") for each in messages)
        await model.generate(msgspec.structs.replace(request, messages=bare))
        assert SEALED.encode() not in sent[-1]


@pytest.mark.req("GOA-63.4")
@pytest.mark.parametrize("streams", [False, True])
async def test_a_schema_that_a_provider_refuses_is_told_in_words_from_then_on(streams: bool) -> None:
    bodies: list[Any] = []

    async def answer(request: Request) -> Response:
        body = await request.json()
        bodies.append(body)
        if found(body, "response_format.type") == "json_schema":
            said = {"message": "Invalid schema for response_format 'answer'.", "type": "invalid_request_error"}
            return JSONResponse({"error": said}, status_code=400)
        message = {"role": "assistant", "content": '{"amount":8000}'}
        if not body.get("stream"):
            return JSONResponse(
                _completion({"index": 0, "message": message, "finish_reason": "stop"}, "chat.completion")
            )
        piece = _completion({"index": 0, "delta": message, "finish_reason": "stop"}, "chat.completion.chunk")
        return Response(
            f"data: {msgspec.json.encode(piece).decode()}\n\ndata: [DONE]\n\n", media_type="text/event-stream"
        )

    app = Starlette(routes=[Route("/v1/chat/completions", answer, methods=["POST"])])
    with serving(app) as url, Relay(url).serving() as relay:
        async with over(relay, "openai-chat:gpt-4o")() as (model, _):
            recursive = {"type": "object", "properties": {"amount": {"type": "integer"}, "part": {"$ref": "#"}}}
            request = asked("Give me JSON.", output_schema=recursive)
            pieces: list[Delta] = []
            take = pieces.append if streams else None
            assert [(await model.generate(request, take)).text for _ in range(2)] == ['{"amount":8000}'] * 2
    formats = [found(body, "response_format.type") for body in bodies]
    assert formats == ["json_schema", "json_object", "json_object"]
    assert all("amount" in msgspec.json.encode(body["messages"]).decode() for body in bodies[1:])


def _completion(choice: dict[str, Any], kind: str) -> dict[str, Any]:
    usage = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
    return {"id": "c-1", "object": kind, "created": 1, "model": "gpt-4o", "choices": [choice], "usage": usage}
