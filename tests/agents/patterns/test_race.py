"""A race: the first answer counts, and the others are stopped."""

from __future__ import annotations

import asyncio

import pytest

from lichen import Agent, Plan, PlanInput, tool
from lichen.agents import patterns
from lichen.core.ports.plan import CallRequest
from lichen.testing.worlds import world
from tests.agents.patterns.members import CUSTOMER, ended, fails, member


class Slow:
    """Answers after so many seconds."""

    pure = False

    def __init__(self, seconds: float, answer: str | None) -> None:
        self._seconds, self._answer = seconds, answer
        self.digest = f"slow {seconds}"
        self.is_stopped = False

    async def plan(self, input: PlanInput) -> Plan:
        try:
            await asyncio.sleep(self._seconds)
        except asyncio.CancelledError:
            self.is_stopped = True
            raise
        return Plan(answer=self._answer) if self._answer is not None else Plan(failure="broken")


def runner(name: str, seconds: float, answer: str | None = "") -> tuple[Agent, Slow]:
    planner = Slow(seconds, name if answer == "" else answer)
    return Agent(f"team.{name}", planner=planner), planner


@pytest.mark.req("SYM-86.3")
async def test_the_first_that_answers_wins_and_the_others_are_stopped() -> None:
    agents = [runner("tortoise", 50.0), runner("hare", 5.0), runner("snail", 500.0)]
    race = patterns.race("team.race", [agent for agent, _ in agents])
    async with world(agents=[race]) as team:
        run = await team.start(race.name, "Go.")
        await team.clock.advance(6.0)
        assert (await ended(team, run)).text == "hare"
        assert [planner.is_stopped for _, planner in agents] == [True, False, True]
        ends = {record.control["outcome"] for record in team.records() if record.type == "run_finished"}
        assert ends == {"completed", "cancelled"}


@pytest.mark.req("SYM-86.3")
async def test_one_that_fails_does_not_win() -> None:
    agents = [runner("broken", 1.0, None)[0], runner("slow", 5.0)[0], runner("worse", 2.0, None)[0]]
    race = patterns.race("team.race", agents)
    async with world(agents=[race]) as team:
        run = await team.start(race.name, "Go.")
        await team.clock.advance(6.0)
        assert (await ended(team, run)).text == "slow"


@pytest.mark.req("SYM-86.3")
async def test_a_race_that_all_lose_fails() -> None:
    race = patterns.race("team.race", [member("a", fails)[0], runner("b", 3.0, None)[0]])
    async with world(agents=[race]) as team:
        run = await team.start(race.name, "Go.")
        await team.clock.advance(4.0)
        assert (await ended(team, run)).code == "race_failed"


@pytest.mark.req("SYM-86.3")
async def test_a_race_in_which_somebody_has_acted_already_stops_them_before_they_act_again() -> None:
    done = list[str]()

    @tool(name="shop.book", effects="once")
    async def book(place: str) -> str:
        """Books."""
        done.append(place)
        return "booked"

    class Booker:
        pure = False
        digest = "booker"

        async def plan(self, input: PlanInput) -> Plan:
            if input.reason == "start":
                return Plan(calls=(CallRequest(book.spec.name, b'{"place":"one"}'),))
            await asyncio.sleep(100.0)
            return Plan(calls=(CallRequest(book.spec.name, b'{"place":"two"}'),))

    booker = Agent("team.booker", planner=Booker(), tools=[book])
    race = patterns.race("team.race", [booker, runner("hare", 5.0)[0]])
    async with world(agents=[race]) as team:
        run = await team.start(race.name, "Go.", by=CUSTOMER)
        await team.settle()
        await team.approve()
        await team.clock.advance(200.0)
        assert (await ended(team, run)).text == "hare"
        assert done == ["one"]
