"""What is said of a run that failed: a reason, a code and a step, and no line of our own code."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest

import lichen
from lichen import Agent
from lichen.agents import LLMPlanner
from lichen.core.ports.plan import Plan, PlanInput, PlannerKind
from lichen.testing.worlds import world

OURS = str(Path(lichen.__file__).parent)
POLICY = """
permit (principal, action, resource);
@id("no-models") forbid (principal, action == Action::"model.invoke", resource);
"""


class Fails:
    """A planner whose failure comes out of our own code."""

    kind: PlannerKind = "own"
    pure: bool = False
    digest = "fails"

    def __init__(self, does: Callable[[PlanInput], Awaitable[Any]]) -> None:
        self._does = does

    async def plan(self, input: PlanInput) -> Plan:
        return cast("Plan", await self._does(input))


async def recalls(input: PlanInput) -> Any:
    await input.memory.events(of="person")


async def explained(agent: Agent, folder: Path) -> str:
    (folder / "policy.cedar").write_text(POLICY)
    async with world(agents=[agent], policies=folder) as shop:
        await (await shop.talk("customer-7")).say("Where?")
        return shop.explain(shop.runs()[0])


@pytest.mark.req("LIC-28.15")
@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (
            Agent("shop.model", planner=LLMPlanner("echo:")),
            ["model_denied", "let this agent use echo:", "`lichen policy why shop.model --model echo:`"],
        ),
        (Agent("shop.recalls", planner=Fails(recalls)), ["memory_denied", 'Agent(..., memory="person")']),
    ],
)
async def test_a_run_that_we_refused_says_why_and_not_where_in_our_code(
    agent: Agent, words: list[str], tmp_path: Path
) -> None:
    told = await explained(agent, tmp_path)
    assert all(word in told for word in words), told
    assert OURS not in told


@pytest.mark.req("LIC-28.15")
async def test_what_breaks_inside_of_us_is_told_with_the_last_line_of_the_project(tmp_path: Path) -> None:
    async def breaks(input: PlanInput) -> Any:
        await input.model(cast("Any", None), cast("Any", None))

    told = await explained(Agent("shop.breaks", planner=Fails(breaks)), tmp_path)
    assert OURS not in told
    assert f"{Path(__file__).name}:" in told
