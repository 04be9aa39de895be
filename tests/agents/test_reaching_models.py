"""What a run asks a model with: its own connection, and what a provider wants back with the next request."""

from __future__ import annotations

import pytest

from lichen import Agent, Model, ModelReply, ModelRequest, Plan, PlanInput, Scope, tool
from lichen.agents.llm.llm import LLMPlanner
from lichen.core.ports.model import Connections, Deltas
from lichen.core.ports.plan import CallRequest
from lichen.core.words.ids import ToolName
from lichen.testing.worlds import world


@tool(effects="none")
async def look() -> str:
    """Looks."""
    return "seen"


class Keeper:
    """Looks once, keeps what no table of ours knows beside the plan, and answers with it."""

    pure = False
    digest = "keeper"

    async def plan(self, input: PlanInput) -> Plan:
        steps = (await input.history()).steps
        if not steps:
            return Plan(calls=(CallRequest(ToolName(look.spec.name), b"{}"),), blocks=b"\x00opaque")
        return Plan(answer=repr(steps[0].blocks))


@pytest.mark.req("GOA-62.1")
async def test_what_a_provider_wants_back_is_kept_with_the_plan_and_handed_back_unchanged() -> None:
    async with world(agents=[Agent("shop.keeper", planner=Keeper(), tools=[look])]) as shop:
        talk = await shop.talk("customer-7")
        assert (await talk.say("Look.")).text == repr(b"\x00opaque")


class Remote:
    """A model that says over whose connection it was asked."""

    name = "remote:"

    def __init__(self, reached: str = "") -> None:
        self._reached = reached

    def over(self, connections: Connections, scope: Scope) -> Model:
        return Remote(f"{scope.tenant}/{scope.env}")

    async def generate(self, request: ModelRequest, deltas: Deltas | None = None) -> ModelReply:
        return ModelReply(self._reached, model=self.name)


@pytest.mark.req("GOA-62.2")
async def test_a_model_is_reached_on_behalf_of_the_scope_of_its_run() -> None:
    agent = Agent("shop.remote", planner=LLMPlanner(Remote()))
    async with world(agents=[agent], scope=Scope("acme", "dev")) as shop:
        talk = await shop.talk("customer-7")
        assert (await talk.say("Who?")).text == "acme/dev"
