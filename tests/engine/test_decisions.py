"""A decision counts in the tick in which it is made: whenever time passes before the effect, policy is asked again."""

from __future__ import annotations

import asyncio

import pytest

from lichen.core.deciders import events as e
from lichen.core.ports.call import Retry
from lichen.core.words.errors import Conflict
from lichen.core.words.ids import CallId, StreamId, child_run, run_stream
from lichen.core.words.scope import SYSTEM
from lichen.engine.act import Act
from lichen.engine.acts.check import check
from lichen.engine.acts.child import cancel_child
from lichen.engine.acts.execute import execute
from lichen.engine.acts.settle import settle
from lichen.engine.intake.runs import start
from lichen.log.log import Log
from lichen.testing.clock import SimulatedClock
from tests.engine.conftest import MakeWorld
from tests.engine.world import OPS, SCOPE, FakeTool, World, agent, calls, outcomes, refuses, sleeps

CALL = CallId("c1")


@pytest.mark.req("LIC-12.42")
async def test_a_retry_is_decided_by_the_policy_of_its_own_moment(make_world: MakeWorld, clock: SimulatedClock) -> None:
    pay = FakeTool("shop.pay", "once", does=refuses(times=1), retry=Retry(attempts=2, backoff_s=60))
    world = await make_world(agent("shop.bot", [calls("shop.pay"), outcomes], [pay]))
    run = await world.start()
    world.gate.denied.add("shop.pay")
    await clock.advance(61)
    assert await world.answer(run) == "denied"
    assert len(pay.entered) == 1


@pytest.mark.req("LIC-12.42")
async def test_a_call_that_certainly_did_not_happen_is_decided_again_after_a_crash(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    pay = FakeTool("shop.pay", "once", does=sleeps(50), has_probe=True)
    world = await make_world(agent("shop.bot", [calls("shop.pay"), outcomes], [pay]))
    run = await world.start()
    await world.crash()
    world.gate.denied.add("shop.pay")
    await world.open()
    await clock.advance(60)
    assert await world.answer(run) == "denied"
    assert len(pay.entered) == 1


@pytest.mark.req("LIC-12.42")
@pytest.mark.parametrize("effects", ["none", "idempotent"])
async def test_whoever_takes_a_run_over_decides_its_calls_again(
    make_world: MakeWorld, clock: SimulatedClock, effects: str
) -> None:
    look = FakeTool("shop.look", effects, does=sleeps(50))  # type: ignore[arg-type]
    world = await make_world(agent("shop.bot", [calls("shop.look"), outcomes], [look]))
    run = await world.start()
    await world.crash()
    world.gate.denied.add("shop.look")
    await world.open()
    await clock.advance(60)
    assert await world.answer(run) == "denied"
    assert len(look.entered) == 1


@pytest.mark.req("LIC-12.42")
async def test_what_was_allowed_before_a_pause_is_decided_again_after_it(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    look = FakeTool("shop.look", does=sleeps(50))
    world = await make_world(agent("shop.bot", [calls("shop.look"), outcomes], [look]))
    run = await world.start()
    await world.runs.pause(SCOPE, run, OPS)
    await clock.advance(3)
    world.gate.denied.add("shop.look")
    await world.runs.resume(SCOPE, run, OPS)
    await clock.advance(60)
    assert await world.answer(run) == "denied"
    assert len(look.entered) == 1


@pytest.mark.req("LIC-12.43")
@pytest.mark.parametrize("effects", ["none", "once"])
async def test_a_decision_that_waited_for_the_process_itself_is_made_again(
    make_world: MakeWorld, clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch, effects: str
) -> None:
    """The disk is behind, so what is owed waits for room between the decision and the effect."""
    look = FakeTool("shop.look", effects)  # type: ignore[arg-type]
    world = await make_world(agent("shop.bot", [calls("shop.look"), outcomes], [look]))
    has_room, room = asyncio.Event(), Log.room

    def is_behind(log: Log) -> bool:
        return bool(world.gate.checked) and world.gate.checked[-1].call == CALL and not has_room.is_set()

    async def behind(log: Log) -> None:
        if is_behind(log):
            await has_room.wait()
        await room(log)

    monkeypatch.setattr(Log, "room", behind)
    monkeypatch.setattr(Log, "has_room", property(lambda log: not is_behind(log)))
    run = await world.start()
    assert world.state(run).calls[CALL].phase == "ready"
    world.gate.denied.add("shop.look")
    await clock.advance(2)
    has_room.set()
    await clock.settle()
    assert await world.answer(run) == "denied"
    assert look.entered == []
    waited = [c.what for c in world.controls(run) if isinstance(c, e.CallProgressed)]
    assert waited == ["waited"]


@pytest.mark.req("LIC-12.43")
async def test_an_effect_that_waited_long_for_the_disk_is_decided_again(
    make_world: MakeWorld, clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    pay = FakeTool("shop.pay", "once")
    world = await make_world(agent("shop.bot", [calls("shop.pay"), outcomes], [pay]))
    durable = world.log.durable_stream

    async def slow(*streams: StreamId) -> None:
        await asyncio.sleep(5)
        await durable(*streams)

    monkeypatch.setattr(world.log, "durable_stream", slow)
    starting = asyncio.ensure_future(start(world.request(OPS), world.agent, "go"))
    await clock.settle()
    world.gate.denied.add("shop.pay")
    await clock.advance(6)
    monkeypatch.undo()
    assert await world.answer(await starting) == "denied"
    assert pay.entered == []


@pytest.mark.req("LIC-12.44")
async def test_work_that_was_overtaken_while_it_waited_for_its_turn_does_nothing(make_world: MakeWorld) -> None:
    world = await make_world(agent("shop.bot", [calls("shop.look"), outcomes], [FakeTool("shop.look")]))
    run = await world.start()
    records = len(world.controls(run))
    act = Act.on(world.engine.services, world.journal, run)
    await check(act, CALL)
    await execute(act, CALL)
    await settle(act, CALL, let_go=True)
    cancel_child(act, CALL)
    assert len(world.controls(run)) == records


# -- what reaches a run reaches the runs it started ---------------------------------------------------------------

HELPER = FakeTool("shop.helper", "child", agent="shop.helper")


async def family(make_world: MakeWorld, *tools: FakeTool) -> World:
    """A world in which the agent asks another that calls these tools one after the other."""
    parent = agent("shop.bot", [calls("shop.helper"), outcomes], [HELPER])
    steps = [calls(tool.spec.name) for tool in tools]
    return await make_world(parent, agent("shop.helper", [*steps, outcomes], tools))


@pytest.mark.req("GOA-42.4")
async def test_a_pause_reaches_the_runs_that_a_run_started_and_a_resumption_too(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    slow, pay = FakeTool("shop.slow", does=sleeps(5)), FakeTool("shop.pay", "once")
    world = await family(make_world, slow, pay)
    run = await world.start()
    child = child_run(run, CALL)
    await world.runs.pause(SCOPE, run, OPS)
    await clock.advance(1_000)
    assert pay.entered == []
    with pytest.raises(Conflict, match="parent_paused"):
        await world.runs.resume(SCOPE, child, OPS)
    await world.runs.resume(SCOPE, run, OPS)
    await clock.advance(10)
    assert await world.answer(run) == "ok"
    assert pay.effects.total() == 1


@pytest.mark.req("GOA-42.4")
async def test_a_pause_and_its_reach_are_one_append_and_survive_a_crash(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    pay = FakeTool("shop.pay", "once")
    world = await family(make_world, FakeTool("shop.slow", does=sleeps(5)), pay)
    run = await world.start()
    await world.runs.pause(SCOPE, run, OPS)
    await world.reopen()
    await clock.advance(100)
    assert pay.entered == []
    halts = [
        record.seq
        for stream in (run_stream(run), run_stream(child_run(run, CALL)))
        for record in world.log.records(stream)
        if isinstance(record.control, e.WaitOpened) and record.control.kind == "pause"
    ]
    assert halts[1] - halts[0] == 2  # and between them that the child waits


@pytest.mark.req("GOA-46.1")
@pytest.mark.parametrize("is_in_child", [False, True])
async def test_the_end_of_a_session_ends_what_it_held_and_an_approval_after_it_pays_nothing(
    make_world: MakeWorld, is_in_child: bool
) -> None:
    pay = FakeTool("shop.pay", "once")
    if is_in_child:
        world = await family(make_world, pay)
    else:
        world = await make_world(agent("shop.bot", [calls("shop.pay"), outcomes], [pay]))
    world.gate.held.add("shop.pay")
    session = await world.session()
    released = await (await session.say("refund")).result()
    (wait,) = world.waits.list(SCOPE, SYSTEM)
    await session.close()
    with pytest.raises(Conflict, match="wait_closed"):
        await world.waits.approve(SCOPE, wait.id, OPS)
    await world.clock.settle()
    assert world.state(released.run).outcome == "cancelled"
    assert pay.entered == []
    assert world.engine.driven == 0
