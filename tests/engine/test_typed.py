"""Answers that have a type, whatever planner gives them: checked, recorded beside the words, handed to the parent."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from pydantic import BaseModel

from lichen.core.deciders import events as e
from lichen.core.ports.plan import Plan, PlanInput
from lichen.core.speech.saying import Saying
from lichen.core.words.ids import RunId, run_stream
from lichen.testing.clock import SimulatedClock
from lichen.tools.arguments.answer import TypedAnswer
from tests.engine.conftest import MakeWorld
from tests.engine.world import Script, World, agent


class Refund(BaseModel):
    amount: int


KIND = TypedAnswer(Refund)


def typed(plans: list[Any], **more: Any) -> Any:
    return msgspec.structs.replace(agent("shop.bot", plans, **more), answers=KIND)


def values(world: World, run: RunId) -> dict[str, bytes | None]:
    """The value in each record of the run that may hold one."""
    found: dict[str, bytes | None] = {}
    for event in world.log.events(run_stream(run)):
        if isinstance(event.control, (e.Planned, e.RunFinished)):
            found[event.control.type] = world.log.contents(run_stream(run), event.n).get("value")
    return found


@pytest.mark.req("GOA-61.6")
async def test_the_value_is_recorded_canonically_beside_the_words(make_world: MakeWorld) -> None:
    world = await make_world(typed([Plan(answer=Saying("8 EUR."), value=b'{ "amount": 8 }')]))
    run = await world.start()
    assert await world.answer(run) == "8 EUR."
    assert values(world, run) == {"planned": b'{"amount":8}', "run_finished": b'{"amount":8}'}


@pytest.mark.req("GOA-61.6")
async def test_words_that_are_the_value_will_do(make_world: MakeWorld) -> None:
    world = await make_world(typed([Plan(answer='{"amount": 8}')]))
    run = await world.start()
    assert values(world, run)["run_finished"] == b'{"amount":8}'


@pytest.mark.req("GOA-61.7")
@pytest.mark.parametrize(
    "plan", [Plan(answer="8 EUR."), Plan(answer="x", value=b'{"amount":"8"}'), Plan(answer="x", value=b"{")]
)
async def test_an_answer_that_is_not_of_the_type_never_counts(
    make_world: MakeWorld, clock: SimulatedClock, plan: Plan
) -> None:
    world = await make_world(typed([plan]))
    run = await world.start()
    await clock.advance(10)
    assert (world.state(run).outcome, world.state(run).failure) == ("failed", "answer_invalid")
    assert not any(values(world, run).values())


async def test_a_planner_is_told_the_type_and_a_value_without_one_is_a_contradiction(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    script = Script([Plan(answer='{"amount":1}')])
    world = await make_world(msgspec.structs.replace(agent("shop.bot", script), answers=KIND))
    await world.start()
    assert [input.answer_type for input in script.seen] == [KIND]
    other = await make_world(agent("shop.bot", [Plan(answer="x", value=b"1")]))
    run = await other.start()
    await clock.advance(10)
    assert other.state(run).failure == "plan_contradicts_itself"


async def test_a_run_without_a_type_is_told_of_none(make_world: MakeWorld) -> None:
    seen: list[PlanInput] = []

    def hello(input: PlanInput) -> Plan:
        seen.append(input)
        return Plan(answer="hello")

    world = await make_world(agent("shop.bot", [hello]))
    run = await world.start()
    assert seen[0].answer_type is None
    assert not any(values(world, run).values())
