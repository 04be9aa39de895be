"""What was asked of models, and what it cost, as console, API and command line show it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lichen import Agent, tool
from lichen.agents import LLMPlanner
from lichen.agents.models.model import ScriptedModel
from lichen.core.ports.model import ModelCall, ModelError, ModelReply
from lichen.core.words.ids import RunId, ToolName
from lichen.core.words.limits import Usage
from lichen.core.words.scope import Customer
from lichen.runtime.runtime import Runtime
from lichen.serve.app import make_app
from lichen.serve.http.auth import by_key
from tests.serve.asgi import Door
from tests.serve.browser import issue
from tests.serve.console import ACME, OPS, said, signed_in

PRICED = Usage(1_000, 50, 600, 4_200, 100)


@tool(name="orders.lookup", effects="none")
async def lookup(order_id: str) -> dict[str, str]:
    """Looks up one order."""
    return {"order_id": order_id, "status": "on its way"}


@pytest.fixture
async def asking(tmp_path: Path) -> AsyncIterator[Runtime]:
    call = ModelCall("a1", ToolName("orders.lookup"), b'{"order_id":"1042"}')
    first = ScriptedModel(
        [ModelReply("", (call,), usage=PRICED, first_us=900, tries=2), ModelError("Busy.", code="model_overloaded")],
        name="corner:large",
    )
    second = ScriptedModel(["It is <b>on its way</b>."], name="scripted:small")
    agent = Agent("shop.support", planner=LLMPlanner([first, second], instructions="Be kind."), tools=[lookup])
    async with Runtime.open(tmp_path, agents=[agent]) as runtime:
        yield runtime


async def asked(runtime: Runtime) -> RunId:
    """A run that asked a model, then the same one, which failed, and then another."""
    await said(runtime, "Where is 1042?")
    await runtime.log(ACME).durable()
    return RunId(runtime.runs.list(ACME, OPS)[0].id)


def door(runtime: Runtime) -> Door:
    return Door(make_app(runtime, identify=by_key(runtime)), {"authorization": f"Bearer {issue(runtime)}"})


@pytest.mark.req("LIC-24.16")
async def test_each_request_to_a_model_is_seen_with_its_prompt_its_reply_and_what_it_took(asking: Runtime) -> None:
    run = await asked(asking)
    first, failed, fallback = asking.runs.show(ACME, run, OPS).models
    assert (first.place, first.model, first.outcome) == ("0/1/0", "corner:large", "ok")
    assert (first.tries, first.first_us) == (2, 900)
    assert (first.input_tokens, first.output_tokens, first.cached, first.cache_writes) == (1_000, 50, 600, 100)
    assert (first.micro_usd, first.is_unpriced, first.is_estimate, first.is_fallback) == (4_200, False, False, False)
    assert first.prompt is not None
    assert first.prompt.system == "Be kind."
    assert [message.text for message in first.prompt.messages][-1:] == ["Where is 1042?"]
    assert first.reply is not None
    assert (first.reply.is_plan, first.reply.calls[0].tool) == (True, "orders.lookup")
    assert first.reply.calls[0].args == '{"order_id":"1042"}'
    assert (failed.outcome, failed.is_fallback, failed.reply) == ("model_overloaded", False, None)
    assert (fallback.outcome, fallback.model, fallback.is_fallback) == ("ok", "scripted:small", True)
    assert fallback.reply is not None
    assert fallback.reply.text == "It is <b>on its way</b>."


@pytest.mark.req("LIC-24.16")
async def test_the_page_of_a_run_and_its_twin_show_the_requests(asking: Runtime) -> None:
    run = await asked(asking)
    async with signed_in(asking) as client:
        twin = (await client.get(f"/console/runs/{run}.json")).json()["models"]
        page = (await client.get(f"/console/runs/{run}")).text
    assert twin == (await door(asking).get(f"runs/{run}")).data["models"]
    assert [each["model"] for each in twin] == ["corner:large", "corner:large", "scripted:small"]
    assert "Requests to models" in page
    assert "0.0042 USD" in page
    assert "fallback" in page
    assert "&lt;b&gt;on its way" in page
    assert "<b>on its way" not in page


@pytest.mark.req("LIC-24.17")
async def test_costs_are_summed_by_day_agent_and_model_and_drawn(asking: Runtime) -> None:
    await asked(asking)
    async with signed_in(asking) as client:
        book: dict[str, Any] = (await client.get("/console/costs.json")).json()
        page = (await client.get("/console/costs")).text
    assert book == (await door(asking).get("costs?days=14")).data
    large, small = book["rows"]
    assert (large["agent"], large["model"]) == ("shop.support", "corner:large")
    assert (large["requests"], large["failed"]) == (2, 1)
    assert (large["micro_usd"], large["input_tokens"], large["cached"]) == (4_200, 1_000, 600)
    assert (small["model"], small["requests"], small["micro_usd"]) == ("scripted:small", 1, 0)
    assert (book["requests"], book["micro_usd"], book["estimated_micro_usd"]) == (3, 4_200, 0)
    assert '<svg class="costs"' in page
    assert "corner:large: 0.0042 USD" in page


@pytest.mark.req("LIC-24.17")
async def test_where_no_model_was_asked_the_page_says_so(asking: Runtime) -> None:
    async with signed_in(asking) as client:
        page = (await client.get("/console/costs")).text
    assert "No model was asked." in page
    assert "<svg class=" not in page


@pytest.mark.req("LIC-24.16")
async def test_what_was_sent_to_a_model_is_erased_with_its_subject(asking: Runtime) -> None:
    run = await asked(asking)
    await asking.people.erase(ACME, Customer("customer-7"), OPS)
    models = asking.runs.show(ACME, run, OPS).models
    assert [(each.prompt, each.reply) for each in models] == [(None, None)] * 3
    assert models[0].micro_usd == 4_200
