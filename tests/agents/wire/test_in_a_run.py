"""A provider's model in a run: through gate and log, over its real client, with tools and what it thought."""

from __future__ import annotations

from pathlib import Path

import pytest

from lichen import Agent, Customer, Runtime, Scope, tool
from lichen.agents import LLMPlanner
from lichen.core.words.scope import SYSTEM
from lichen.testing.model_conformance import DECIDED, INPUT_TOKENS, KEY, LOOK, LOOKED, OUTPUT_TOKENS, THINK, THOUGHT
from tests.agents.wire.relay import Relay

ACME = Scope("acme", "dev")
TOKENS = INPUT_TOKENS + OUTPUT_TOKENS  # of each request


@tool(name="orders.lookup", effects="none")
async def lookup(order_id: str) -> dict[str, str]:
    """Looks up an order."""
    return {"order_id": order_id, "status": "on its way"}


@pytest.mark.req("GOA-62.32")
@pytest.mark.parametrize(
    ("name", "prefix", "path"),
    [
        ("anthropic:claude-haiku-4-5", "ANTHROPIC", ""),
        ("openai:gpt-5", "OPENAI", "/v1"),
        ("ollama:qwen3", "OLLAMA", "/v1"),
    ],
)
async def test_a_run_calls_tools_as_its_model_says_and_tells_it_what_they_said_and_what_it_thought(
    aimock: Relay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, prefix: str, path: str
) -> None:
    place = f"run-{prefix}"
    monkeypatch.setenv(f"{prefix}_API_KEY", KEY)
    monkeypatch.setenv(f"{prefix}_BASE_URL", f"{aimock.url}/{place}/none{path}")
    agent = Agent("shop.support", planner=LLMPlanner(name, thinking="low", max_tokens=4_096), tools=[lookup])
    async with Runtime.open(tmp_path, agents=[agent]) as runtime:  # in real time: a network is not simulated
        session = await runtime.sessions.open(ACME, Customer("customer-7"))
        assert (await (await session.say(LOOK)).result()).text == LOOKED
    first, second = aimock.sent[place]
    assert b"on its way" not in first
    assert all(order in second for order in (b"1042", b"1043"))
    assert second.count(b"on its way") == 2
    if name != "openai:gpt-5":  # which gives back what was sealed, and aimock seals nothing as it does
        assert THOUGHT.encode() in second


@pytest.mark.req("GOA-62.32")
@pytest.mark.parametrize(
    "name", ["mistral:mistral-large-latest", "bedrock:us.anthropic.claude-haiku-4-5-20251001-v1:0"]
)
async def test_a_run_over_several_steps_is_told_what_it_called_and_billed_as_its_provider_counts(
    mistral_api: Relay, bedrock_api: Relay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    place, is_mistral = f"run-{name.partition(':')[0]}", name.startswith("mistral")
    monkeypatch.setenv("MISTRAL_API_KEY", KEY)
    monkeypatch.setenv("MISTRAL_BASE_URL", f"{mistral_api.url}/{place}/none")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", f"{bedrock_api.url}/{place}/none")
    relay = mistral_api if is_mistral else bedrock_api
    agent = Agent("shop.support", planner=LLMPlanner(name, thinking="low", max_tokens=4_096), tools=[lookup])
    async with Runtime.open(tmp_path, agents=[agent]) as runtime:
        session = await runtime.sessions.open(ACME, Customer("customer-7"))
        assert (await (await session.say(LOOK)).result()).text == LOOKED
        assert (await (await session.say(THINK)).result()).text == DECIDED
        assert (await (await session.say(LOOK)).result()).text == LOOKED
        runs = [runtime.runs.show(ACME, row.id, SYSTEM) for row in runtime.runs.list(ACME, SYSTEM)]
    bodies = relay.sent[place]
    assert len(bodies) == 5  # two of each turn that looks, one of the one that thinks
    assert [body.count(b"on its way") for body in bodies] == [0, 2, 0, 0, 2]  # of this turn, none of an earlier one
    if not is_mistral:  # this one of Mistral's does not think when it is asked to
        assert all(b"thinking" in body for body in bodies)
    assert sorted(run.tokens for run in runs) == [TOKENS, 2 * TOKENS, 2 * TOKENS]
