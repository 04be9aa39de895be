"""What is owed is in flight and nothing else, looked at once per turn of the loop, whatever one stream does."""

from __future__ import annotations

import asyncio
import logging

import pytest

from lichen.core.deciders import events as e
from lichen.core.ports.plan import Message, Plan, PlanInput
from lichen.core.ports.policy import Evidence
from lichen.core.words.errors import Unavailable
from lichen.core.words.ids import AgentName, RunId, run_stream
from lichen.core.words.limits import Limits
from lichen.engine.acts.turn import acting, start_draft
from lichen.engine.brief import evidence
from lichen.engine.intake.runs import start
from lichen.engine.pace.fair import ALONE, Turns
from lichen.engine.reconciler import BEGUN_MAX, LOOKS_MAX
from lichen.log.volume import VolumeOptions
from lichen.testing.clock import SimulatedClock
from lichen.testing.simulation import until
from tests.engine.conftest import MakeWorld
from tests.engine.world import CUSTOMER, OPS, SCOPE, FakeTool, Script, World, agent, call, calls, outcomes, sleeps


def begin(world: World, *agents: str, limits: Limits | None = None) -> list[RunId]:
    """Appends the beginning of a run of each agent, in one append and in this turn of the loop."""
    runs = [RunId(f"run-{i}") for i in range(len(agents))]
    named = zip(runs, (AgentName(name) for name in agents), strict=True)
    world.journal.append({run_stream(run): (_started(name, limits or Limits()),) for run, name in named})
    return runs


def _started(agent: AgentName, limits: Limits) -> e.Draft:
    started = e.RunStarted(agent, "customer_1", limits)
    return start_draft(started, [Message("customer", "go")], acting(agent, CUSTOMER))


@pytest.mark.req("LIC-34.4")
async def test_idle_waits_for_the_first_look_at_what_has_moved(make_world: MakeWorld) -> None:
    world = await make_world(agent("shop.bot", [calls("shop.look"), outcomes], [FakeTool("shop.look")]))
    await world.engine.idle()
    (run,) = begin(world, "shop.bot")
    await world.engine.idle()
    assert world.state(run).outcome == "completed"


@pytest.mark.req("LIC-34.4")
async def test_idle_waits_for_what_a_crash_left_owing(make_world: MakeWorld) -> None:
    pay = FakeTool("shop.pay", "once", has_probe=True)  # its start is durable, and what came before it
    world = await make_world(agent("shop.bot", [calls("shop.pay"), outcomes], [pay]))
    run = RunId(await start(world.request(), world.agent, "go"))
    await world.crash()
    await world.open(settles=False)
    assert world.taken_over == 1
    await world.engine.idle()
    assert world.state(run).outcome == "completed"


class Broken(Script):
    """A planner that the engine cannot even look at."""

    @property
    def pure(self) -> bool:  # type: ignore[override]
        raise ValueError("nobody may look")

    @pure.setter
    def pure(self, value: bool) -> None:
        pass


@pytest.mark.req("LIC-34.5")
async def test_an_error_of_the_engine_at_one_stream_stops_no_other(
    make_world: MakeWorld, caplog: pytest.LogCaptureFixture
) -> None:
    fine, broken = agent("shop.bot", [Plan(answer="done")]), agent("shop.broken", Broken([Plan(answer="never")]))
    world = await make_world(fine, broken)
    with caplog.at_level(logging.ERROR):
        first, second, third = begin(world, "shop.broken", "shop.bot", "shop.broken")
        await world.engine.idle()
    assert world.state(second).outcome == "completed"
    assert [world.state(run).outcome for run in (first, third)] == ["", ""]
    assert sum("ValueError" in record.getMessage() for record in caplog.records) == 2
    assert world.engine.driven == 0


@pytest.mark.req("LIC-34.6")
async def test_of_one_stream_only_so_much_begins_in_one_turn_of_the_loop(make_world: MakeWorld) -> None:
    many = Plan(calls=tuple(call("shop.look") for _ in range(400)))
    limits = Limits(calls=1_000, fan_out=1_000)
    world = await make_world(agent("shop.bot", [many, outcomes], [FakeTool("shop.look")]))
    (run,) = begin(world, "shop.bot", limits=limits)
    before, most = 0, 0
    while not world.state(run).outcome:
        await asyncio.sleep(0)
        most, before = max(most, len(world.gate.checked) - before), len(world.gate.checked)
    assert before == 400
    assert BEGUN_MAX <= most <= BEGUN_MAX * LOOKS_MAX < 400


@pytest.mark.req("LIC-34.14")
@pytest.mark.parametrize("pure", [True, False])
async def test_a_chain_of_work_that_waits_for_nothing_is_done_in_one_turn_of_the_loop(
    make_world: MakeWorld, pure: bool
) -> None:
    look = FakeTool("shop.look")
    world = await make_world(agent("shop.bot", Script([calls("shop.look"), outcomes], pure=pure), [look]))
    await world.engine.idle()
    (run,) = begin(world, "shop.bot")
    await asyncio.sleep(0)
    assert world.state(run).outcome == "completed"


@pytest.mark.req("LIC-34.14")
async def test_work_that_goes_on_in_the_turn_it_began_in_stops_where_it_waits(make_world: MakeWorld) -> None:
    slow = FakeTool("shop.slow", does=sleeps(1))
    world = await make_world(agent("shop.bot", [calls("shop.slow"), outcomes], [slow]))
    await world.engine.idle()
    (run,) = begin(world, "shop.bot")
    await asyncio.sleep(0)
    assert len(slow.entered) == 1
    assert world.state(run).calls
    await world.clock.advance(1)
    assert world.state(run).outcome == "completed"


@pytest.mark.req("LIC-34.6")
async def test_in_one_turn_of_the_loop_only_so_many_pieces_are_done() -> None:
    turns, done = Turns(), [0]

    def piece() -> bool:
        done[0] += 1
        return True

    for _ in range(3 * ALONE):
        turns.begin("acme", piece)
    assert done == [ALONE]
    for expected in (2 * ALONE, 3 * ALONE):
        await asyncio.sleep(0)
        assert done == [expected]


async def test_a_piece_with_nothing_to_do_takes_no_turn() -> None:
    turns, done = Turns(), list[int]()

    def piece(number: int) -> bool:
        done.append(number)
        return number >= 2 * ALONE

    for number in range(3 * ALONE):
        turns.begin("acme", lambda number=number: piece(number))
    await asyncio.sleep(0)
    assert len(done) == 3 * ALONE


@pytest.mark.req("LIC-34.7")
async def test_what_is_no_longer_owed_is_cancelled_and_begins_no_second_time(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    slow = FakeTool("shop.slow", does=sleeps(100))
    world = await make_world(agent("shop.bot", [calls("shop.slow"), outcomes], [slow]))
    run = await world.start()
    assert world.engine.driven == 1
    await world.runs.cancel(SCOPE, run, OPS)
    await clock.settle()
    assert world.state(run).outcome == "cancelled"
    assert len(slow.entered) == 1
    assert world.engine.driven == 0


@pytest.mark.req("LIC-34.8")
async def test_who_owes_nothing_leaves_memory_but_for_sessions_that_rest(make_world: MakeWorld) -> None:
    world = await make_world(agent("shop.bot", [calls("shop.look"), outcomes], [FakeTool("shop.look")]))
    for _ in range(3):
        await world.start()
    assert world.journal.seats == 0
    session = await world.session()
    await (await session.say("hello")).result()
    await world.clock.settle()
    assert world.journal.seats == 1
    assert world.streams_in_memory("run") == 0


@pytest.mark.req("LIC-34.9")
async def test_without_room_in_the_log_streams_wait_and_go_on_when_there_is_some(make_world: MakeWorld) -> None:
    planned: list[str] = []

    def plan(input: PlanInput) -> Plan:
        planned.append(input.run.run)
        return Plan(answer="done")

    bounds = VolumeOptions(queued_rows_max=4)
    world = await make_world(agent("shop.bot", Script([plan])), volume_options=bounds)
    runs = begin(world, *["shop.bot"] * 20)
    await until(lambda: not world.log.has_room)
    await world.engine.idle()
    assert all(world.state(run).outcome == "completed" for run in runs)
    assert sorted(planned) == sorted(runs)


# -- watching ----------------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-34.10")
async def test_a_watch_has_the_events_of_its_kinds_from_where_it_begins(make_world: MakeWorld) -> None:
    world = await make_world(agent("shop.bot", [calls("shop.look"), outcomes], [FakeTool("shop.look")]))
    (run,) = begin(world, "shop.bot")
    ended = world.journal.watch(run_stream(run), e.RunFinished)
    every = world.journal.watch(run_stream(run), from_n=0)
    assert isinstance((await ended.next()).control, e.RunFinished)
    heard = [(await every.next()).n for _ in range(world.state(run).n)]
    assert heard == list(range(world.state(run).n))


@pytest.mark.req("LIC-34.10")
async def test_two_who_wait_at_one_watch_both_go_on(make_world: MakeWorld) -> None:
    world = await make_world(agent("shop.bot", [Plan(answer="done")]))
    session = await world.session()
    turn = await session.say("hello")
    run, reply = await asyncio.gather(turn.run(), turn.result())
    assert reply.run == run


@pytest.mark.req("LIC-34.10")
async def test_a_watch_nobody_holds_is_forgotten_and_one_that_is_held_outlives_the_rest(make_world: MakeWorld) -> None:
    asks = Plan(calls=(call("shop.ask"),))
    world = await make_world(agent("shop.bot", [asks, outcomes], [FakeTool("shop.ask")]))
    world.gate.held.add("shop.ask")
    run = await world.start()
    assert world.journal.seats == 0
    watch = world.journal.watch(run_stream(run), e.RunFinished)
    await world.approve()
    assert world.journal.watched == world.journal.seats == 1
    assert isinstance((await watch.next()).control, e.RunFinished)
    del watch
    assert world.journal.watched == world.journal.seats == 0


@pytest.mark.req("LIC-34.11")
async def test_who_waits_when_the_volume_breaks_is_told(make_world: MakeWorld) -> None:
    slow = FakeTool("shop.slow", does=sleeps(100))
    world = await make_world(agent("shop.bot", [calls("shop.slow"), outcomes], [slow]))
    run = await world.start()
    waiting = asyncio.ensure_future(world.runs.result(SCOPE, run, CUSTOMER))
    await asyncio.sleep(0)
    world.engine.suspend()
    with pytest.raises(Unavailable):
        await waiting
    assert world.engine.driven == 0
    await world.engine.idle()


async def test_news_between_looking_and_waiting_are_not_missed(make_world: MakeWorld) -> None:
    world = await make_world(agent("shop.bot", [Plan(answer="done")]))
    session = await world.session()
    await (await session.say("hello")).result()
    (out,) = await session.pending()
    await session.delivered(out.id)
    news = asyncio.ensure_future(session.changed())
    await world.clock.settle()
    assert news.done()


@pytest.mark.req("LIC-34.17")
async def test_each_message_of_a_session_is_looked_through_once_for_what_its_customer_said(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts: list[str] = []
    inner = evidence.evidence_from_text

    def noted(source: str, text: str, **more: str) -> Evidence:
        texts.append(text)
        return inner(source, text, **more)

    monkeypatch.setattr(evidence, "evidence_from_text", noted)
    world = await make_world(agent("shop.bot", [calls("shop.pay"), outcomes], [FakeTool("shop.pay", "once")]))
    session = await world.session()
    for number in range(4):
        await (await session.say(f"number {number}")).result()
    assert texts.count("number 0") == 2  # as the run's own input, and once as an earlier message
    assert texts.count("number 1") == 2
    earlier = [check.evidence for check in world.gate.checked if check.evidence][-1]
    assert {each.values[0] for each in earlier} == {f"number {number}" for number in range(4)}


@pytest.mark.req("LIC-34.17")
async def test_nothing_is_kept_of_a_session_that_is_closed(make_world: MakeWorld) -> None:
    world = await make_world(agent("shop.bot", [calls("shop.pay"), outcomes], [FakeTool("shop.pay", "once")]))
    session = await world.session()
    await (await session.say("hello")).result()
    await world.clock.settle()
    assert world.journal.seats == 1
    await session.close()
    await world.clock.settle()
    assert world.journal.seats == 0
