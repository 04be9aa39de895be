"""A run with the runs that it called: which, how they ended, and what they cost together."""

from __future__ import annotations

import msgspec
import pytest

from lichen import Agent, ModelReply, Plan, PlanInput
from lichen.agents.llm.llm import LLMPlanner
from lichen.agents.models.model import ScriptedModel
from lichen.core.ports.model import Finish, ModelCall
from lichen.core.ports.plan import CallRequest
from lichen.core.words.ids import ToolName
from lichen.core.words.limits import Usage
from lichen.core.words.scope import SYSTEM
from lichen.runtime.views.story import tree as trees
from lichen.testing.worlds import world


def costing(name: str, *replies: str | ModelCall, tokens: int, cost: int = 5) -> Agent:
    """An agent whose model gives these replies, each of which costs so much."""
    usage = Usage(tokens, 0, 0, cost)
    lines = [
        ModelReply("", (reply,), usage) if isinstance(reply, ModelCall) else ModelReply(reply, usage=usage)
        for reply in replies
    ]
    return Agent(name, planner=LLMPlanner(ScriptedModel(lines)))


def asks(name: str, child: Agent, tokens: int) -> Agent:
    """An agent that asks another one, and then answers."""
    call = ModelCall("1", ToolName(child.name), b'{"message":"Please."}')
    planner = costing(name, call, "Done.", tokens=tokens).planner
    return Agent(name, planner=planner, tools=[child.as_tool()])


@pytest.mark.req("GOA-12.2")
async def test_a_run_shows_all_runs_below_it_and_what_they_cost_together() -> None:
    leaf = costing("team.leaf", "Leaf.", tokens=100)
    top = asks("team.top", asks("team.middle", leaf, 10), 1)
    async with world(agents=[top]) as team:
        run = await team.start(top.name, "Go.")
        await team.result(run)
        tree = team.runtime.runs.show(team.scope, run, SYSTEM).tree
        (middle,) = tree.children
        (last,) = middle.children
        assert [tree.id, middle.id, last.id] == [run, f"{run}.c1", f"{run}.c1.c1"]
        assert [(each.agent, each.call, each.outcome) for each in (tree, middle, last)] == [
            ("team.top", "", "completed"),
            ("team.middle", "c1", "completed"),
            ("team.leaf", "c1", "completed"),
        ]
        assert [(each.tokens, each.all_tokens) for each in (tree, middle, last)] == [(2, 122), (20, 120), (100, 100)]
        assert [each.all_micro_usd for each in (tree, middle, last)] == [25, 15, 5]
        call = team.runtime.runs.show(team.scope, run, SYSTEM).story.calls[0]
        assert call.runs == (middle.id,)


@pytest.mark.req("GOA-12.2")
async def test_a_very_large_tree_says_how_much_of_it_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "BRANCHES_MAX", 3)
    leaf = Agent("team.leaf", planner=LLMPlanner(ScriptedModel(["."] * 4)))
    calls = tuple(CallRequest(ToolName(leaf.name), b'{"message":"x"}') for _ in range(4))

    class Many:
        pure = True
        digest = "many"

        async def plan(self, input: PlanInput) -> Plan:
            return Plan(calls=calls) if input.reason == "start" else Plan(answer="Done.")

    async with world(agents=[Agent("team.many", planner=Many(), tools=[leaf.as_tool()])]) as team:
        run = await team.start("team.many", "Go.")
        await team.result(run)
        tree = team.runtime.runs.show(team.scope, run, SYSTEM).tree
        assert (len(tree.children), tree.left_out) == (2, 2)


@pytest.mark.req("GOA-12.3")
async def test_a_planner_is_told_which_run_executed_its_call_also_when_it_looks_back() -> None:
    seen = list[object]()
    leaf = Agent("team.leaf", planner=LLMPlanner(ScriptedModel(["Leaf."])))

    class Asking:
        pure = False
        digest = "asking"

        async def plan(self, input: PlanInput) -> Plan:
            if input.reason == "start":
                return Plan(calls=(CallRequest(ToolName(leaf.name), b'{"message":"x"}'),))
            told = [result for step in (await input.history()).steps for result in step.results]
            seen.extend(result.run for result in (*input.results, *told))
            return Plan(answer=msgspec.json.decode(input.results[0].data)["answer"])

    async with world(agents=[Agent("team.asking", planner=Asking(), tools=[leaf.as_tool()])]) as team:
        run = await team.start("team.asking", "Go.")
        assert (await team.result(run)).answer == "Leaf."
        assert seen == [f"{run}.c1", f"{run}.c1"]


@pytest.mark.req("GOA-27.15")
@pytest.mark.parametrize(("finish", "is_cut"), [("length", True), ("end", False)])
async def test_the_story_of_a_run_says_that_its_answer_was_cut(finish: Finish, is_cut: bool) -> None:
    lines = [ModelReply("Your refund was ma", finish="length"), ModelReply("de and", finish=finish)]
    agent = Agent("shop.cut", planner=LLMPlanner(ScriptedModel(lines)))
    async with world(agents=[agent]) as here:
        run = await here.start("shop.cut", "Refund it.")
        await here.result(run)
        told = here.runtime.runs.show(here.scope, run, SYSTEM)
        assert told.story.answer == ("Your refund was made and…" if is_cut else "Your refund was made and")
        assert ("reply_cut" in told.story.summary) is is_cut
