"""A tool that does as it is told, and an agent that calls what its message names and says how that ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from lichen import Agent, NotDone, Plan, PlanInput
from lichen.core.ports.call import Tool
from lichen.core.ports.plan import CallRequest
from lichen.core.words.ids import ToolName
from lichen.testing.worlds import World


class Calls:
    """Makes the calls that a message names, all at once, and answers with their codes, or how they ended."""

    pure = False
    digest = "calls"

    async def plan(self, input: PlanInput) -> Plan:
        if not input.results:
            said = input.input[-1].text
            return Plan(calls=tuple(CallRequest(ToolName(name), b"{}") for name in said.split()))
        return Plan(answer=" ".join(each.code or each.outcome for each in input.results))


class Moods:
    """What a tool does, call by call; the last of it for ever."""

    def __init__(self, *moods: str) -> None:
        self.left = list(moods)
        self.called = 0

    def act(self) -> Callable[[], Awaitable[str]]:
        """The function: it works, refuses, breaks, or hangs."""

        async def act() -> str:
            self.called += 1
            return await self._act(self.left.pop(0) if len(self.left) > 1 else self.left[0])

        return act

    async def _act(self, mood: str) -> str:
        match mood:
            case "works":
                return "fine"
            case "hangs" | "slow":
                await asyncio.sleep(1_000.0 if mood == "hangs" else 2.0)
                return "late"
            case "breaks":
                raise ValueError("it broke")
            case code:
                raise NotDone("Not so.", code=code)


def caller(tools: Sequence[Tool], name: str = "shop.caller") -> Agent:
    """The agent."""
    return Agent(name, planner=Calls(), tools=list(tools))


async def asked(shop: World, names: str, *, person: str = "customer-7") -> str:
    """What a new conversation answers that names these tools."""
    talk = await shop.talk(person)
    return (await talk.say(names)).text
