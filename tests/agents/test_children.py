"""Agents as tools: what starts a child run, and what does not."""

from __future__ import annotations

from typing import Any

import pytest

from lichen import Agent, Plan, PlanInput
from lichen.agents.llm.llm import LLMPlanner
from lichen.agents.llm.prompts import Prompt
from lichen.agents.models.model import EchoModel
from lichen.core.ports.call import Tool
from lichen.core.ports.plan import CallRequest
from lichen.core.words.ids import ToolName
from lichen.testing.worlds import world

LEAF = Agent("team.leaf", planner=LLMPlanner(EchoModel()))


class Asking:
    """Calls the agent with these arguments, and says how that ended."""

    pure = True

    def __init__(self, args: bytes) -> None:
        self._args = args
        self.digest = args.hex()

    async def plan(self, input: PlanInput) -> Plan:
        if input.reason == "start":
            return Plan(calls=(CallRequest(ToolName(LEAF.name), self._args),))
        (result,) = input.results
        issues = ",".join(issue.field for issue in result.issues)
        return Plan(answer=result.data.decode() or f"{result.outcome} {result.code} {issues} {result.run}")


async def asked(tool: Tool, args: bytes) -> tuple[str | None, int]:
    """What became of a call of the tool, and how many runs there are."""
    top = Agent("team.top", planner=Asking(args), tools=[tool])
    async with world(agents=[top]) as team:
        outcome = await team.result(await team.start(top.name, "Go."))
        return outcome.answer, len(team.runs())


@pytest.mark.req("GOA-14.1")
async def test_arguments_that_are_wrong_are_told_with_their_places_and_no_run_is_started() -> None:
    answer, runs = await asked(LEAF.as_tool(), b'{"message": 7}')
    assert (answer, runs) == ("failed arguments_invalid /message None", 1)


@pytest.mark.req("GOA-14.2")
async def test_a_function_may_refuse_what_it_will_not_word_and_no_run_is_started() -> None:
    def build(args: Any) -> str:
        if "secret" in args["message"]:
            raise ValueError("Not that.")
        return {"Hello": "Good day."}[args["message"]]

    tool = LEAF.as_tool(build=build)
    assert await asked(tool, b'{"message": "Hello"}') == ('{"answer":"Good day."}', 2)
    assert await asked(tool, b'{"message": "a secret"}') == ("failed brief_refused  None", 1)
    assert await asked(tool, b'{"message": "unknown"}') == ("failed brief_failed  None", 1)


@pytest.mark.req("GOA-13.1")
async def test_a_prompt_is_filled_in_with_the_facts_of_the_callers_run() -> None:
    tool = LEAF.as_tool(prompt=Prompt("{agent} of {tenant} asks:"), template="never", text="never")
    answer, _ = await asked(tool, b'{"message": "Hello"}')
    assert answer == '{"answer":"team.top of acme asks:\\n\\n{\\"message\\":\\"Hello\\"}"}'
