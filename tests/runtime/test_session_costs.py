"""What a conversation cost: all of its runs, and the runs that those called, by model."""

from __future__ import annotations

import pytest

from lichen import Agent, ModelReply
from lichen.agents.llm.llm import LLMPlanner
from lichen.agents.models.model import ScriptedModel
from lichen.core.ports.model import ModelCall, ModelError
from lichen.core.words.ids import ToolName
from lichen.core.words.limits import Usage
from lichen.core.words.scope import SYSTEM, Customer
from lichen.runtime.views.models.costs import ModelCost
from lichen.testing.worlds import world
from lichen.testing.worlds.world import World


def costing(name: str, *lines: str | ModelCall | ModelError, tokens: int, cost: int) -> ScriptedModel:
    """A model of this name that says these lines, each for so many tokens and millionths of a dollar."""
    usage = Usage(tokens, 1, 0, cost)
    replies = [
        ModelReply("", (line,), usage)
        if isinstance(line, ModelCall)
        else line
        if isinstance(line, ModelError)
        else ModelReply(line, usage=usage)
        for line in lines
    ]
    return ScriptedModel(replies, name=name)


def team() -> Agent:
    """An agent that asks another one, whose first model fails without a word of what that cost."""
    gone = costing("corner:gone", ModelError("Too slow.", code="model_timed_out"), tokens=100, cost=50)
    large = costing("corner:large", "Yes.", tokens=100, cost=50)
    helper = Agent("team.helper", planner=LLMPlanner([gone, large]))
    call = ModelCall("1", ToolName("team.helper"), b'{"message":"Please."}')
    model = costing("corner:small", call, "Done.", "Again.", tokens=10, cost=5)
    return Agent("team.top", planner=LLMPlanner(model), tools=[helper.as_tool()])


async def talked(here: World) -> str:
    session = await here.runtime.sessions.open(here.scope, Customer("customer-7"), agent="team.top")
    for text in ("Go.", "And?"):
        await (await session.say(text)).result()
    await here.runtime.log(here.scope).durable()
    return session.id


@pytest.mark.req("LIC-24.22")
async def test_a_session_shows_what_all_of_its_runs_cost_by_model_and_what_is_an_estimate() -> None:
    async with world(agents=[team()]) as here:
        session = here.runtime.sessions.get(here.scope, await talked(here), SYSTEM)  # type: ignore[arg-type]
        cost = (await session.detail()).cost
        assert cost is not None
        large, small, gone = cost.models
        assert large == ModelCost("corner:large", 1, 0, 100, 1, 0, 50, 0, 0)
        assert small == ModelCost("corner:small", 3, 0, 30, 3, 0, 15, 0, 0)
        assert (gone.model, gone.requests, gone.failed, gone.unpriced) == ("corner:gone", 1, 1, 1)
        assert gone.output_tokens > 100, "it counts with what was reserved"
        lost = gone.input_tokens + gone.output_tokens
        assert (cost.requests, cost.tokens, cost.micro_usd) == (5, 33 + 101 + lost, 65)
        assert (cost.reserved_tokens, cost.budgets) == (0, ())
        runs = here.runtime.runs.list(here.scope, SYSTEM)
        trees = [here.runtime.runs.show(here.scope, run.id, SYSTEM).tree for run in runs if run.parent is None]
        assert sum(tree.all_tokens for tree in trees) == cost.tokens, "as the trees of its runs say"
        book = here.runtime.costs.show(here.scope, SYSTEM)
        assert {(each.agent, each.tokens) for each in book.agents} == {
            ("team.top", 33),
            ("team.helper", cost.tokens - 33),
        }
        assert sum(each.tokens for each in book.days) == book.tokens == cost.tokens


@pytest.mark.req("LIC-24.22")
async def test_customers_see_what_was_said_and_not_what_it_cost() -> None:
    async with world(agents=[team()]) as here:
        id = await talked(here)
        session = here.runtime.sessions.get(here.scope, id, Customer("customer-7"))  # type: ignore[arg-type]
        detail = await session.detail()
        assert detail.cost is None
        assert [said.text for said in detail.transcript if said.role == "agent"] == ["Done.", "Again."]
