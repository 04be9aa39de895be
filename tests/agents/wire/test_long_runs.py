"""What providers are sent of a long run whose first steps are summed up, or left out: no half of a pair, ever."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec
import pytest

from lichen.agents.llm.compress import done_so_far
from lichen.agents.llm.transcript import conversation
from lichen.agents.llm.window import windowed
from lichen.core.ports.call import Outcome
from lichen.core.ports.model import ModelError, ModelRequest
from lichen.core.ports.plan import CallRequest, CallResult, History, Message, Step, Summary
from lichen.core.words.ids import CallId
from lichen.testing.model_conformance import KEY, LOOKUP
from lichen.testing.models import plan_input
from tests.agents.wire.relay import Relay
from tests.agents.wire.test_providers import reaching_by
from tests.agents.wire.test_shapes import PLACES

STEPS = 60
OTHERS = {
    "mistral:mistral-large-latest": (KEY,),
    "bedrock:us.anthropic.claude-haiku-4-5-20251001-v1:0": (f"AKIAEXAMPLE:{KEY}",),
    "bedrock:us.amazon.nova-lite-v1:0": (f"AKIAEXAMPLE:{KEY}",),
}
REGION = {"region": "us-east-1"}  # which only Bedrock looks at


def step(number: int) -> Step:
    """A step of two calls, of which the second failed, and a word beside them."""
    args = msgspec.json.encode({"order_id": str(number)})
    ends: tuple[Outcome, Outcome] = ("ok", "failed")
    results = tuple(
        CallResult(CallId(f"c{2 * number + i}"), LOOKUP.name, args, ends[i], b'"' + b"x" * 300 + b'"') for i in range(2)
    )
    return Step((f"Step {number}.",), tuple(CallRequest(LOOKUP.name, args) for _ in results), results)


def asked(*, summed: bool) -> ModelRequest:
    done = Summary("They were looked up.", 0, 50) if summed else None
    history = History(steps=tuple(step(i) for i in range(STEPS)), done=done)
    whole = conversation(history, (Message("customer", "Look all of them up."),), plan_input(reason="resume"))
    fitting = windowed(whole._replace(done=done_so_far(done)), turns=9, tokens=1_200)
    assert 1 < len(fitting.steps) < 10
    return ModelRequest("Help.", fitting.messages, (LOOKUP,))


def pairs(name: str, body: Any) -> tuple[list[Any], list[Any]]:
    """The calls and the results in a body, in order; of a wire format without ids, how many in which message. Anthropic
    takes results only at the head of the message right after the calls."""
    if name.startswith(("openai-chat", "mistral")):
        messages = body["messages"]
        return (
            [call["id"] for m in messages for call in m.get("tool_calls") or ()],
            [m["tool_call_id"] for m in messages if m["role"] == "tool"],
        )
    if name.startswith("openai"):
        return tuple([i["call_id"] for i in body["input"] if i.get("type") == kind] for kind in _ITEMS)  # type: ignore[return-value]
    if name.startswith("anthropic"):
        found: tuple[list[Any], list[Any]] = ([], [])
        for at, message in enumerate(body["messages"]):
            blocks: list[Any] = message["content"] if isinstance(message["content"], list) else []
            used = [block["id"] for block in blocks if block["type"] == "tool_use"]
            given = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
            assert given == [block.get("tool_use_id") for block in blocks[: len(given)]]
            found[0].extend((at, id) for id in used)
            found[1].extend((at - 1, id) for id in given)
        return found
    if name.startswith("bedrock"):
        return _converse(body)
    contents = body["contents"]
    return tuple(
        [at - back for at, each in enumerate(contents) for part in each["parts"] if kind in part]
        for kind, back in (("functionCall", 0), ("functionResponse", 1))
    )  # type: ignore[return-value]


def _converse(body: Any) -> tuple[list[Any], list[Any]]:
    """Bedrock takes results only in the message right after the calls, before anything else there."""
    found: tuple[list[Any], list[Any]] = ([], [])
    for at, message in enumerate(body["messages"]):
        given = [block["toolResult"]["toolUseId"] for block in message["content"] if "toolResult" in block]
        assert all("toolResult" in block for block in message["content"][: len(given)])
        found[0].extend((at, block["toolUse"]["toolUseId"]) for block in message["content"] if "toolUse" in block)
        found[1].extend((at - 1, id) for id in given)
    return found


_ITEMS = ("function_call", "function_call_output")


@pytest.mark.req("GOA-57.8")
@pytest.mark.parametrize("summed", [True, False], ids=["summed-up", "left-out"])
@pytest.mark.parametrize("name", [*PLACES, *OTHERS])
async def test_of_a_long_run_no_provider_is_sent_a_call_without_its_result(
    aimock: Relay, mistral_api: Relay, bedrock_api: Relay, name: str, summed: bool
) -> None:
    request = asked(summed=summed)
    relay = {"bedrock": bedrock_api, "mistral": mistral_api}.get(name.partition(":")[0], aimock)
    async with reaching_by(relay, name, PLACES.get(name, ""), *OTHERS.get(name, (KEY,)), **REGION)() as (model, bodies):
        with suppress(ModelError):  # aimock has no answer to it; what it was sent is all that counts
            await model.generate(request)
        body = msgspec.json.decode(bodies[0])
    calls, results = pairs(name, body)
    assert calls == results
    assert len(calls) == sum(len(message.calls) for message in request.messages) >= 4
    told = msgspec.json.encode(body)
    assert (b"Your first steps, summed up" in told) is summed
    assert b"left out here" in told
