"""What a turn and a step cost, counted: records, appends, seals and commits. No clock is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from lichen.core.words.ids import MessageId
from lichen.engine.intake.runs import start
from lichen.log.keys.keyring import Keyring
from lichen.log.log import Log
from tests.engine.conftest import MakeWorld
from tests.engine.world import FakeTool, Script, World, agent, calls, outcomes


class Cost(NamedTuple):
    """How many of each."""

    records: int
    facts: int
    appends: int
    seals: int
    commits: int


class Counter:
    """Counts from the moment it is made."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self._world = world
        self._count = {"append": 0, "seal": 0}
        monkeypatch.setattr(Log, "append", self._counting("append", Log.append))
        monkeypatch.setattr(Log, "append_now", self._counting("append", Log.append_now))
        monkeypatch.setattr(Keyring, "seal", self._counting("seal", Keyring.seal))
        self._before = (world.log.last_seq, world.volume.commits)

    def _counting(self, name: str, inner: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **more: Any) -> Any:
            self._count[name] += 1
            return inner(*args, **more)

        return counted

    def cost(self) -> Cost:
        log, (seq, commits) = self._world.log, self._before
        facts = len(log.read(seq, 10_000))
        records, commits = log.last_seq - seq, self._world.volume.commits - commits
        return Cost(records, facts, self._count["append"], self._count["seal"], commits)


def world_of(effects: Any, steps: int = 1) -> tuple[Any, ...]:
    tool = FakeTool("shop.look", effects)
    return (agent("shop.bot", Script([*[calls("shop.look")] * steps, outcomes], pure=False), [tool]),)


@pytest.mark.req("LIC-2.46")
@pytest.mark.parametrize(("effects", "most"), [("none", Cost(3, 13, 6, 8, 2)), ("once", Cost(6, 14, 6, 8, 3))])
async def test_a_turn_costs_no_more_than_it_did(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, effects: str, most: Cost
) -> None:
    world = await make_world(*world_of(effects))
    session = await world.session()
    await world.clock.settle()
    counter = Counter(world, monkeypatch)
    turn = await session.say("Where is it?")
    await turn.result()
    await session.delivered(MessageId("o1"))
    cost = counter.cost()
    assert all(is_so <= may_be for is_so, may_be in zip(cost, most, strict=True)), cost


@pytest.mark.req("LIC-2.46")
async def test_a_step_costs_no_more_than_it_did(make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    steps, most = 10, Cost(22, 54, 23, 27, 11)
    world = await make_world(*world_of("once", steps))
    counter = Counter(world, monkeypatch)
    run = await start(world.request(), world.agent, "go")
    await world.clock.settle()
    assert await world.answer(run)
    cost = counter.cost()
    assert all(is_so <= may_be for is_so, may_be in zip(cost, most, strict=True)), cost
