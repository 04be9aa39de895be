"""The first that answers: the others are stopped."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from lichen.agents import document
from lichen.agents.agent import Agent
from lichen.agents.patterns.team import LIMITS, answer_of, check_members, distinct, member_tool
from lichen.core.ports.plan import CallRequest, Plan, PlanInput, PlannerKind
from lichen.core.speech.wording import cut_off
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import ToolName
from lichen.core.words.limits import Limits


class RacePlanner:
    """Calls all members, and answers with the first answer there is. Its state is how many may still give one."""

    kind: PlannerKind = "own"
    pure: bool = True  # what it does follows from what it is told

    def __init__(self, members: Sequence[Agent]) -> None:
        self._tools = tuple(ToolName(member.name) for member in members)
        self.digest = document.digest("race/1", self._tools)

    async def plan(self, input: PlanInput) -> Plan:
        """All calls; then nothing as long as others may win; then the answer of the first, or that all have failed."""
        if input.reason == "start":
            args = msgspec.json.encode({"message": "\n".join(message.text for message in input.input) or "-"})
            calls = tuple(CallRequest(tool, args) for tool in self._tools)
            return Plan(calls=calls, resume="each", state=_state(len(calls)))
        won = next((result for result in input.results if result.outcome == "ok"), None)
        if won is not None:
            return Plan(answer=answer_of(msgspec.json.decode(won.data or b"null")), stops=True)
        left = msgspec.json.decode(input.state, type=int) - len(input.results)
        if input.reason == "finalize":
            return Plan(answer=cut_off(input.run.language))
        return Plan(resume="each", state=_state(left)) if left > 0 else Plan(failure="race_failed")


def race(name: str, members: Sequence[Agent], *, limits: Limits | None = None, description: str = "") -> Agent:
    """An agent that asks all members at once what it is told, answers as the first of them that answers, and stops the
    others. One that fails does not win. It fails (`race_failed`) when all do. Raises Invalid (`agent_invalid`).
    """
    check_members(name, *members)
    each = distinct(members)
    if len(each) < 2 or len(each) != len(members):
        raise Invalid("A race has at least two members, each once.", code="agent_invalid", place=name)
    tools = [member_tool(member) for member in each]
    return Agent(name, planner=RacePlanner(each), tools=tools, limits=limits or LIMITS, description=description)


def _state(left: int) -> bytes:
    return msgspec.json.encode(left)
