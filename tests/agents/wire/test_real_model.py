"""Once for real: a small model behind its own OpenAI-compatible server, offline."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator

import msgspec
import pytest

from lichen.agents.models.model import resolve
from lichen.agents.providers.remote import Held, RemoteModel
from lichen.core.ports.model import Connection, Delta, Deltas, ModelMessage, ModelReply, ModelRequest
from lichen.testing.model_conformance import AMOUNT, of_kind
from lichen.testing.model_conformance import LOOKUP as LONG_LOOKUP
from tests.agents.wire.smollm import running

PATIENCE_S = 120.0
NUMBER = {"type": "object", "properties": {"order_id": {"type": "string", "maxLength": 6}}, "required": ["order_id"]}
LOOKUP = msgspec.structs.replace(LONG_LOOKUP, input_schema=NUMBER)


@pytest.fixture(scope="session")
def smollm() -> Generator[str]:
    with running() as url:
        yield url


class Small:
    """The model, over its server."""

    def __init__(self, url: str, held: Held) -> None:
        model = resolve("openai-compatible:smollm2")
        assert isinstance(model, RemoteModel)
        self._model, self._held = model, held
        self._connection = Connection(base_url=url, options={"tools": "schema"}, timeout_s=PATIENCE_S)

    async def ask(self, request: ModelRequest, deltas: Deltas | None = None) -> ModelReply:
        return await self._model.asked(self._connection, self._held, request, deltas)


@pytest.fixture
async def small(smollm: str) -> AsyncGenerator[Small]:
    held = Held()
    yield Small(smollm, held)
    await held.close()


def asking(said: str, **changes: object) -> ModelRequest:
    request = ModelRequest("", (ModelMessage("user", said),), max_tokens=24, temperature=0.0)
    return msgspec.structs.replace(request, **changes)


@pytest.mark.req("GOA-62.16")
async def test_a_real_model_answers(small: Small) -> None:
    reply = await small.ask(asking("What is the capital of France?"))
    assert reply.text.strip()
    assert reply.usage.input_tokens > 5
    assert 0 < reply.usage.output_tokens <= 24


@pytest.mark.req("GOA-62.16")
async def test_a_real_model_answers_piece_by_piece(small: Small) -> None:
    deltas: list[Delta] = []
    reply = await small.ask(asking("What is the capital of France?"), deltas.append)
    assert len(deltas) > 3
    assert of_kind(deltas, "text") == reply.text
    assert reply.first_us > 0
    assert reply.usage.output_tokens > 0


@pytest.mark.req("GOA-63.2")
async def test_a_real_model_is_held_to_a_schema(small: Small) -> None:
    reply = await small.ask(asking("How much is the refund of 80 euros?", output_schema=AMOUNT))
    assert isinstance(msgspec.json.decode(reply.text)["amount"], int)


@pytest.mark.req("GOA-63.3")
async def test_a_real_model_calls_a_tool_by_choosing_it_within_a_schema(small: Small) -> None:
    request = asking("Look up order 1042.", tools=(LOOKUP,), tool_choice="required", max_tokens=64)
    reply = await small.ask(request)
    (call,) = reply.calls
    assert call.tool == "orders.lookup"
    assert isinstance(msgspec.json.decode(call.args)["order_id"], str)
    assert (reply.text, reply.finish) == ("", "calls")


@pytest.mark.req("GOA-63.3")
async def test_a_real_model_may_answer_instead_of_calling_a_tool(small: Small) -> None:
    deltas: list[Delta] = []
    reply = await small.ask(
        asking("Is the sky blue?", tools=(LOOKUP,), output_schema={"type": "boolean"}), deltas.append
    )
    assert bool(reply.text) is not bool(reply.calls)
    assert of_kind(deltas, "text") == reply.text
