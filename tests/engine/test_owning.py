"""A process that may have lost its logs to another one does nothing to the world, and believes little of what was."""

from __future__ import annotations

import pytest

from lichen.core.words.scope import SYSTEM
from lichen.testing.clock import SimulatedClock
from tests.engine.conftest import MakeWorld
from tests.engine.test_calls import payer
from tests.engine.test_sessions import echo
from tests.engine.world import SCOPE, FakeTool, Post, agent, calls, outcomes


class Owned:
    """Whether the logs are ours, and nobody acts for them who had them before: as the test says."""

    def __init__(self) -> None:
        self.ours = self.alone = True

    def is_ours(self) -> bool:
        return self.ours

    def is_alone(self) -> bool:
        return self.alone


@pytest.mark.req("LIC-26.15")
@pytest.mark.parametrize("effects", ["once", "idempotent"])
async def test_a_call_with_effects_begins_only_while_no_other_process_can_be_acting(
    make_world: MakeWorld, clock: SimulatedClock, effects: str
) -> None:
    owned, tool = Owned(), FakeTool("shop.pay", effects)  # type: ignore[arg-type]
    world = await make_world(agent("shop.bot", [calls("shop.pay"), outcomes], [tool]), owning=owned)
    owned.ours = False
    run = await world.start()
    await clock.advance(5)
    assert tool.entered == []
    owned.ours = True
    await clock.advance(1)
    assert await world.answer(run) == "ok"
    assert len(tool.entered) == 1


@pytest.mark.req("LIC-26.15")
async def test_a_call_that_waited_for_its_owner_is_not_made_once_its_tool_was_stopped(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    owned, tool = Owned(), FakeTool("shop.pay", "once")
    world = await make_world(agent("shop.bot", [calls("shop.pay"), outcomes], [tool]), owning=owned)
    owned.ours = False
    run = await world.start()
    world.gate.stopped.add("shop.pay")
    owned.ours = True
    await clock.advance(1)
    assert (await world.answer(run), tool.entered) == ("denied", [])


@pytest.mark.req("LIC-26.15")
async def test_a_message_leaves_only_while_no_other_process_can_be_acting(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    owned, channel = Owned(), Post()
    world = await make_world(agent("shop.bot", [echo]), owning=owned, channels={"post": channel})
    session = await world.session(channel="post", delivery="push")
    owned.ours = False
    await session.say("hello")
    await clock.advance(5)
    assert channel.received == []
    owned.ours = True
    await clock.advance(1)
    assert len(channel.received) == 1


@pytest.mark.req("LIC-26.16")
@pytest.mark.parametrize(("alone", "waits"), [(True, []), (False, ["reconcile"])])
async def test_that_a_call_of_a_process_before_did_not_happen_is_believed_only_if_that_is_gone(
    make_world: MakeWorld, clock: SimulatedClock, alone: bool, waits: list[str]
) -> None:
    owned, tool = Owned(), payer("hangs", happens=False, has_probe=True)
    world = await make_world(agent("shop.bot", [calls("shop.pay"), outcomes], [tool]), owning=owned)
    await world.start()
    owned.alone = alone
    await world.reopen()
    assert [wait.kind for wait in world.waits.list(SCOPE, SYSTEM)] == waits
    assert len(tool.entered) == (2 if alone else 1)


@pytest.mark.req("LIC-26.16")
async def test_that_a_call_of_a_process_before_happened_is_believed_whoever_lives(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    owned, tool = Owned(), payer("hangs", happens=True, has_probe=True)
    world = await make_world(agent("shop.bot", [calls("shop.pay"), outcomes], [tool]), owning=owned)
    run = await world.start()
    owned.alone = False
    await world.reopen()
    assert (await world.answer(run), len(tool.entered)) == ("ok", 1)
