"""What a customer sees of a message while a model still makes it."""

from __future__ import annotations

import asyncio

import pytest

from lichen.core.ports.model import Delta
from lichen.core.ports.plan import Plan, PlanInput
from lichen.core.words.ids import RunId, SessionId
from lichen.engine.pace.deltas import PARTIAL_CHARS_MAX, Deltas, Partial
from lichen.testing.clock import SimulatedClock
from tests.engine.conftest import MakeWorld
from tests.engine.world import SCOPE, World, agent


class Speaker:
    """A planner that speaks one word whenever it is let."""

    pure = False
    digest = "speaker"

    def __init__(self, *words: str) -> None:
        self.words = words
        self.may_go_on = asyncio.Event()

    async def plan(self, input: PlanInput) -> Plan:
        for word in self.words:
            if input.deltas is not None:
                input.deltas(Delta(word))
            await self.may_go_on.wait()
            self.may_go_on.clear()
        return Plan(answer="".join(self.words))


def spoken(world: World, session: SessionId) -> str | None:
    partial = world.engine.services.deltas.speaking(SCOPE, session)
    return None if partial is None else partial.text


@pytest.mark.req("GOA-50.3")
async def test_what_a_model_says_is_seen_as_it_comes_and_gone_when_the_message_is_there(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    speaker = Speaker("All ", "is ", "well.")
    world = await make_world(agent("shop.bot", speaker))
    session = await world.session()
    turn = await session.say("Well?")
    seen: list[str | None] = []
    for _ in speaker.words:
        await clock.settle()
        seen.append(spoken(world, session.id))
        speaker.may_go_on.set()
    assert (await turn.result()).text == "All is well."
    assert seen == ["All ", "All is ", "All is well."]
    assert spoken(world, session.id) is None


@pytest.mark.req("GOA-50.4")
async def test_nothing_is_seen_early_of_what_policy_may_keep_back(make_world: MakeWorld, clock: SimulatedClock) -> None:
    speaker = Speaker("secret")
    world = await make_world(agent("shop.bot", speaker))
    world.gate.denied.add("api")  # the session's channel
    session = await world.session()
    turn = await session.say("Well?")
    await clock.settle()
    assert spoken(world, session.id) is None
    speaker.may_go_on.set()
    assert (await turn.result()).text == "Not here."


@pytest.mark.req("GOA-50.4")
@pytest.mark.parametrize("looks", [0, 1, 3])
async def test_policy_is_asked_whether_a_text_may_be_seen_once_and_when_somebody_looks(
    make_world: MakeWorld, clock: SimulatedClock, looks: int
) -> None:
    speaker = Speaker("All is well.")
    world = await make_world(agent("shop.bot", speaker))
    session = await world.session()
    turn = await session.say("Well?")
    await clock.settle()
    seen = [spoken(world, session.id) for _ in range(looks)]
    asked = [check.action for check in world.gate.checked].count("message.send")
    speaker.may_go_on.set()
    assert (await turn.result()).text == "All is well."
    assert (seen, asked) == (["All is well."] * looks, min(looks, 1))


async def test_a_reader_is_woken_by_each_piece_and_by_the_end() -> None:
    deltas, session = Deltas(), SessionId("ses-1")
    partial = Partial(RunId("run-1"), 1, 1)
    add = deltas.begin(SCOPE, session, partial)
    for change in (lambda: add(Delta("a")), lambda: deltas.end(SCOPE, session, partial)):
        reader, left = deltas.changed(SCOPE, session), deltas.changed(SCOPE, session)
        left.cancel()
        change()
        await reader
    add(Delta("late"))
    assert deltas.speaking(SCOPE, session) is None


async def test_a_text_that_is_streamed_is_bounded_and_a_later_attempt_takes_its_place() -> None:
    deltas, session = Deltas(), SessionId("ses-1")
    first = Partial(RunId("run-1"), 1, 1)
    add = deltas.begin(SCOPE, session, first)
    for _ in range(3):
        add(Delta("x" * PARTIAL_CHARS_MAX))
    said = deltas.speaking(SCOPE, session)
    assert said is not None
    assert len(said.text) == PARTIAL_CHARS_MAX
    deltas.begin(SCOPE, session, Partial(RunId("run-1"), 1, 2))
    add(Delta("of the first attempt"))
    deltas.end(SCOPE, session, first)
    assert deltas.speaking(SCOPE, session) == Partial(RunId("run-1"), 1, 2)


@pytest.mark.req("GOA-65.9")
async def test_a_text_that_came_to_nothing_is_taken_back(make_world: MakeWorld, clock: SimulatedClock) -> None:
    async def speaks(input: PlanInput) -> Plan:
        assert input.deltas is not None
        for piece in (Delta("Wro"), Delta("", "again"), Delta("Right.")):
            input.deltas(piece)
            seen.append(spoken(world, session.id))
        return Plan(answer="Right.")

    seen: list[str | None] = []
    speaker = Speaker()
    speaker.plan = speaks
    world = await make_world(agent("shop.bot", speaker))
    session = await world.session()
    assert (await (await session.say("Well?")).result()).text == "Right."
    assert seen == ["Wro", "", "Right."]
