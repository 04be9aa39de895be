"""Members of patterns that answer at once, as a function of what they are told, and count how often they are asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from lichen import Agent
from lichen.core.ports.plan import Plan, PlanInput
from lichen.core.words import faults
from lichen.core.words.ids import RunId
from lichen.core.words.scope import Actor
from lichen.testing.worlds import World

STRIDE = 7  # of the points at which a process may die every so many are tried; 1 tries all of them
CUSTOMER = Actor("customer", "customer-7")
Says = Callable[[str], str | Plan]


class Member:
    """A planner that answers what `says` makes of the words it was asked with. `asked` keeps these."""

    pure = False

    def __init__(self, says: Says, digest: str) -> None:
        self._says, self.digest = says, digest
        self.asked: list[str] = []

    async def plan(self, input: PlanInput) -> Plan:
        text = "\n".join(message.text for message in input.input)
        self.asked.append(text)
        said = self._says(text)
        return Plan(answer=said) if isinstance(said, str) else said


def member(name: str, says: Says | Sequence[str]) -> tuple[Agent, list[str]]:
    """An agent that answers what a function makes of its question, or these texts in order; and what it was asked."""
    if not callable(says):
        left = list(says)
        says = lambda text: left.pop(0)  # noqa: E731 - the shortest way to say it
    planner = Member(says, name)
    return Agent(f"team.{name}", planner=planner, description=f"Does {name}."), planner.asked


def fails(text: str) -> Plan:
    return Plan(failure="broken")


class Ended(NamedTuple):
    """How a run ended: its answer, or the code of why there is none."""

    text: str | None
    code: str


async def ended(team: World, run: RunId) -> Ended:
    """How this run ends."""
    outcome = await team.result(run)
    finished = next(record for record in team.records(run) if record.type == "run_finished")
    return Ended(outcome.answer, str(finished.control.get("code", "")))


async def died(team: World, *, at: int) -> bool:
    """Lets a second pass, in which the process dies at the point number `at`, and starts it again. False if there was
    no such point: it is only started again."""
    points = 0

    def hit(name: str) -> None:
        nonlocal points
        points += 1
        if points == at + 1:
            team.cut()

    faults.install(hit)
    try:
        await team.clock.advance(1.0)
    finally:
        faults.install(None)
    await team.restart()
    return points > at
