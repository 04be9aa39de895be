"""What is sent of a schema to each provider: where it enforces one, and in words where it does not, or will not."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from pydantic import BaseModel

from lichen import Agent, Customer, Runtime, Scope
from lichen.agents import LLMPlanner
from lichen.agents.providers.remote import Held, RemoteModel
from lichen.core.ports.model import Connection, Model, ModelError, ModelReply, ModelRequest
from lichen.testing.model_conformance import KEY, asked
from tests.agents.wire.formats import ENFORCING, IN_WORDS, REGION, Schema, Server, Wire
from tests.agents.wire.relay import serving

ANSWER: Final = '{"amount":8000}'
PLAIN: Final[Schema] = {
    "type": "object",
    "properties": {"amount": {"type": "integer"}},
    "required": ["amount"],
    "additionalProperties": False,
}


def beside(schema: Schema, **more: Any) -> Schema:
    """An amount, and beside it a part of this schema."""
    return {
        "type": "object",
        "properties": {"amount": {"type": "integer"}, "part": schema},
        "required": ["amount"],
        **more,
    }


def deep(levels: int) -> Schema:
    schema: Schema = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"in": schema}}
    return schema


SCHEMAS: Final[dict[str, Schema]] = {
    "$ref": beside({"$ref": "#/$defs/part"}, **{"$defs": {"part": {"type": "string"}}}),
    "recursive": beside({"$ref": "#"}),
    "recursive below": beside(
        {"$ref": "#/$defs/tree"},
        **{"$defs": {"tree": {"type": "object", "properties": {"left": {"$ref": "#/$defs/tree"}}}}},
    ),
    "oneOf": beside({"oneOf": [{"type": "string"}, {"type": "integer"}]}),
    "patternProperties": beside({"type": "object", "patternProperties": {"^x-": {"type": "string"}}}),
    "additionalProperties": beside({"type": "object", "additionalProperties": {"type": "integer"}}),
    "deep": beside(deep(40)),
    "bounds": beside({"type": "string", "pattern": "^[a-z]+$", "maxLength": 9}),
    "anything": beside({}),
}


@asynccontextmanager
async def asking(server: Server) -> AsyncGenerator[Model]:
    provider, _, name = server.wire.name.partition(":")
    held = Held()
    key = f"AKIAEXAMPLE:{KEY}" if provider == "bedrock" else KEY

    class Over:
        def __init__(self) -> None:
            self.name = server.wire.name

        async def generate(self, request: ModelRequest, deltas: Any = None) -> ModelReply:
            return await RemoteModel(provider, name).asked(connection, held, request, deltas)

    with serving(server.app()) as url:
        connection = Connection(key, url + server.wire.path, options=dict(server.wire.options), timeout_s=20.0)
        try:
            yield Over()
        finally:
            await held.close()


def words(body: Any) -> str:
    return msgspec.json.encode(body).decode().replace("\\", "")


@pytest.mark.req("GOA-63.5")
@pytest.mark.parametrize("wire", ENFORCING, ids=lambda wire: wire.name)
async def test_a_schema_that_a_provider_takes_stands_where_it_enforces_it_and_nowhere_else(wire: Wire) -> None:
    server = Server(wire, ANSWER)
    async with asking(server) as model:
        assert (await model.generate(asked("Give me JSON.", output_schema=PLAIN))).text == ANSWER
    (schema,) = server.schemas()
    assert schema is not None
    assert schema["properties"]["amount"]["type"] == "integer"
    assert words(server.bodies[0]).count('"amount"') == json.dumps(schema).count('"amount"')


@pytest.mark.req("GOA-63.5")
@pytest.mark.parametrize("kind", SCHEMAS)
@pytest.mark.parametrize("wire", ENFORCING, ids=lambda wire: wire.name)
async def test_no_kind_of_schema_fails_a_request_and_what_is_refused_is_told_in_words_from_then_on(
    wire: Wire, kind: str
) -> None:
    server, request = Server(wire, ANSWER), asked("Give me JSON.", output_schema=SCHEMAS[kind])
    async with asking(server) as model:
        assert [(await model.generate(request)).text for _ in range(2)] == [ANSWER] * 2
    schemas = server.schemas()
    assert len(schemas) == 2 + server.refused
    if server.refused:
        assert [schema is None for schema in schemas] == [False, True, True]
    else:
        assert len({schema is None for schema in schemas}) == 1
    for body, schema in zip(server.bodies, schemas, strict=True):
        assert schema is not None or '"amount"' in words(body)


@pytest.mark.req("GOA-63.5")
@pytest.mark.parametrize("wire", ENFORCING, ids=lambda wire: wire.name)
async def test_each_provider_enforces_some_of_them_and_is_told_others_in_words(wire: Wire) -> None:
    ways = set[bool]()
    for schema in SCHEMAS.values():
        server = Server(wire, ANSWER)
        async with asking(server) as model:
            await model.generate(asked("Give me JSON.", output_schema=schema))
        ways.add(server.schemas()[-1] is None)
    assert ways == {True, False}


@pytest.mark.req("GOA-63.6")
@pytest.mark.parametrize(
    ("part", "is_open"),
    [
        ({"type": "object"}, True),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, True),
        ({"type": "object", "properties": {"in": {"type": "string"}}}, False),
    ],
)
async def test_an_object_that_may_have_any_fields_is_not_closed_for_anthropic(part: Schema, is_open: bool) -> None:
    server = Server(next(each for each in ENFORCING if each.name.startswith("anthropic")), ANSWER)
    async with asking(server) as model:
        await model.generate(asked("Give me JSON.", output_schema={**PLAIN, "properties": {"part": part}}))
    assert [schema is None for schema in server.schemas()] == [is_open]


@pytest.mark.req("GOA-63.6")
@pytest.mark.parametrize("name", ["ollama:qwen3", "openai-compatible:qwen3"])
async def test_a_server_that_fails_for_another_reason_is_not_taken_to_refuse_the_schema(name: str) -> None:
    from starlette.responses import JSONResponse

    wire = next(each for each in ENFORCING if each.name == name)
    broken = wire._replace(
        refuses=frozenset({"oneOf"}), no=lambda: JSONResponse({"error": {"message": "out of memory"}}, 500)
    )
    server = Server(broken, ANSWER)
    async with asking(server) as model:
        with pytest.raises(ModelError) as caught:
            await model.generate(asked("Give me JSON.", output_schema=SCHEMAS["oneOf"]))
    assert caught.value.code == "model_unavailable"
    assert len(server.bodies) == 1


class Refund(BaseModel):
    """What is paid back."""

    amount: int


@pytest.mark.req("GOA-63.5")
@pytest.mark.parametrize("wire", IN_WORDS, ids=lambda wire: wire.name)
async def test_an_agent_whose_provider_enforces_nothing_is_told_in_words_and_corrected_once(
    wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(wire, '{"amount":"a lot"}', ANSWER)
    agent = Agent("shop.support", planner=LLMPlanner(wire.name), answers=Refund)
    with serving(server.app()) as url:
        monkeypatch.setenv("MISTRAL_API_KEY", KEY)
        monkeypatch.setenv("MISTRAL_BASE_URL", url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY)
        monkeypatch.setenv("AWS_DEFAULT_REGION", REGION["region"])
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", url)
        async with Runtime.open(tmp_path, agents=[agent]) as runtime:
            session = await runtime.sessions.open(Scope("acme", "dev"), Customer("customer-7"))
            reply = await (await session.say("Pay it back.")).result()
    assert reply.value == Refund(amount=8000)
    assert server.schemas() == [None, None]
    assert all('"amount"' in words(body) for body in server.bodies)
    assert "a lot" in words(server.bodies[1])
    assert "a lot" not in words(server.bodies[0])
