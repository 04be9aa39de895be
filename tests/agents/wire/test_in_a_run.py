"""A provider's model in a run: through gate and log, over its real client, with tools and what it thought."""

from __future__ import annotations

from pathlib import Path

import pytest

from lichen import Agent, Customer, Runtime, Scope, tool
from lichen.agents import LLMPlanner
from lichen.testing.model_conformance import KEY, LOOK, LOOKED, THOUGHT
from tests.agents.wire.relay import Relay

ACME = Scope("acme", "dev")


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
