"""Agents as tools: a call is a run of its own, which lives within its parent's limits and ends with it."""

from __future__ import annotations

import pytest

from lichen.core.deciders import events as e
from lichen.core.ports.call import CallMeta, Retry
from lichen.core.ports.model import Deltas, ModelReply, ModelRequest
from lichen.core.ports.plan import CallRequest, Plan, PlanInput
from lichen.core.words.ids import CallId, RunId, ToolName, child_run
from lichen.core.words.limits import Limits, Usage
from lichen.core.words.scope import SYSTEM
from lichen.testing.clock import SimulatedClock
from tests.engine.conftest import MakeWorld
from tests.engine.world import OPS, SCOPE, FakeTool, Script, agent, calls, outcomes, sleeps

HELPER = FakeTool("shop.helper", "child", agent="shop.helper", timeout_s=10_000)


def answer(input: PlanInput) -> Plan:
    return Plan(answer=input.results[0].data.decode() or input.results[0].code)


def code(input: PlanInput) -> Plan:
    return Plan(answer=input.results[0].code)


def child_of(run: RunId) -> RunId:
    return child_run(run, "c1")  # type: ignore[arg-type]


@pytest.mark.req("GOA-11.1")
async def test_an_agent_that_is_called_is_a_run_with_its_own_log_and_a_link_to_its_parent(
    make_world: MakeWorld,
) -> None:
    parent = agent("shop.bot", [calls("shop.helper"), answer], [HELPER])
    world = await make_world(parent, agent("shop.helper", [Plan(answer="done")]))
    run = await world.start()
    assert await world.answer(run) == '{"answer":"done"}'
    child = world.state(child_of(run))
    assert child.parent is not None
    assert (child.parent.run, child.depth, child.outcome) == (run, 1, "completed")


@pytest.mark.req("GOA-12.1")
async def test_a_parent_lists_its_open_children_and_a_list_of_runs_names_the_parent(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    parent = agent("shop.bot", [calls("shop.helper"), answer], [HELPER])
    helper = agent("shop.helper", [calls("shop.slow"), outcomes], [FakeTool("shop.slow", does=sleeps(5))])
    world = await make_world(parent, helper)
    run = await world.start()
    assert world.runs.explain(SCOPE, run, SYSTEM).children == (child_of(run),)
    assert {row.id: row.parent for row in world.runs.list(SCOPE, SYSTEM)} == {run: None, child_of(run): run}
    await clock.advance(6)
    assert await world.answer(run) == '{"answer":"ok"}'


@pytest.mark.req("GOA-45.3")
async def test_a_cancel_stops_children_and_their_tools(make_world: MakeWorld, clock: SimulatedClock) -> None:
    parent = agent("shop.bot", [calls("shop.helper"), answer], [HELPER])
    slow = FakeTool("shop.slow", does=sleeps(1_000), timeout_s=1_000)
    world = await make_world(parent, agent("shop.helper", [calls("shop.slow"), outcomes], [slow]))
    run = await world.start()
    await world.runs.cancel(SCOPE, run, OPS)
    await clock.advance(1)
    assert world.state(run).outcome == world.state(child_of(run)).outcome == "cancelled"
    assert world.state(child_of(run)).cancel == "parent_stopped"
    assert world.ended(child_of(run)) == {"c1": "cancelled"}


@pytest.mark.req("GOA-11.2")
async def test_runs_nest_only_as_deep_as_the_limit(make_world: MakeWorld) -> None:
    again = FakeTool("shop.bot", "child", agent="shop.bot", timeout_s=10_000)
    world = await make_world(agent("shop.bot", [calls("shop.bot"), answer], [again], Limits(depth=2)))
    run = await world.start()
    rows = world.runs.list(SCOPE, SYSTEM)
    assert sorted(row.id.count(".") for row in rows) == [0, 1, 2]
    assert "limit_depth" in await world.answer(run)


@pytest.mark.req("GOA-11.3")
async def test_what_a_child_may_call_is_taken_from_its_parents_calls(make_world: MakeWorld) -> None:
    def more(input: PlanInput) -> Plan:
        return calls(*["shop.look"] * 4)

    parent = agent("shop.bot", [calls("shop.helper"), more], [HELPER, FakeTool("shop.look")], Limits(calls=6))
    helper = agent(
        "shop.helper", [calls("shop.look", "shop.look"), outcomes], [FakeTool("shop.look")], Limits(calls=20)
    )
    world = await make_world(parent, helper)
    run = await world.start()
    assert world.state(child_of(run)).limits.calls == 5
    assert world.state(run).calls_used == 3
    assert await world.answer(run) == "limit calls"


async def test_a_child_that_waits_keeps_its_parent_waiting_and_both_survive_a_crash(make_world: MakeWorld) -> None:
    pay = FakeTool("shop.pay", "once")
    parent = agent("shop.bot", [calls("shop.helper"), answer], [HELPER])
    world = await make_world(parent, agent("shop.helper", [calls("shop.pay"), outcomes], [pay]))
    world.gate.held.add("shop.pay")
    session = await world.session()
    released = await (await session.say("go")).result()
    assert released.outcome == "released"
    await world.reopen()
    assert world.engine.driven == 0
    await world.approve()
    assert await world.answer(released.run) == '{"answer":"ok"}'
    assert pay.effects.total() == 1


async def test_a_child_that_fails_fails_the_call_and_not_the_parent(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    parent = agent("shop.bot", [calls("shop.helper"), outcomes], [HELPER])
    world = await make_world(parent, agent("shop.helper", Script([Plan()])))
    run = await world.start()
    await clock.advance(10)
    assert await world.answer(run) == "failed"
    assert world.state(run).outcome == "completed"


async def test_a_child_in_flight_at_a_crash_goes_on_and_is_not_started_twice(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    parent = agent("shop.bot", [calls("shop.helper"), answer], [HELPER])
    helper = agent("shop.helper", [calls("shop.slow"), outcomes], [FakeTool("shop.slow", does=sleeps(5))])
    world = await make_world(parent, helper)
    run = await world.start()
    await world.reopen()
    await clock.advance(6)
    assert await world.answer(run) == '{"answer":"ok"}'
    assert len(world.runs.list(SCOPE, SYSTEM)) == 2


async def test_a_parent_out_of_time_stops_its_child_and_answers(make_world: MakeWorld, clock: SimulatedClock) -> None:
    parent = agent("shop.bot", [calls("shop.helper"), answer], [HELPER], Limits(time_s=60))
    slow = FakeTool("shop.slow", does=sleeps(10_000), timeout_s=10_000)
    world = await make_world(parent, agent("shop.helper", [calls("shop.slow"), outcomes], [slow]))
    run = await world.start()
    await clock.advance(75)
    assert await world.answer(run) == "limit time"
    assert world.state(child_of(run)).outcome == "cancelled"


# -- what children share -----------------------------------------------------------------------------------------


def helpers(count: int) -> Plan:
    """A plan that asks so many helpers at once."""
    return calls(*["shop.helper"] * count)


@pytest.mark.req("GOA-11.4")
async def test_children_of_one_plan_share_what_their_parent_has_left(make_world: MakeWorld) -> None:
    parent = agent("shop.bot", [helpers(3), outcomes], [HELPER])
    helper = agent("shop.helper", [calls("shop.look"), outcomes], [FakeTool("shop.look")])
    world = await make_world(parent, helper)
    run = await world.start()
    assert await world.answer(run) == "ok ok ok"
    lent = [world.state(child_run(run, CallId(f"c{i}"))).limits for i in (1, 2, 3)]
    assert [limits.calls for limits in lent] == [9, 10, 10]
    assert sum(limits.tokens for limits in lent) == Limits().tokens
    assert world.state(run).calls_used == 6


@pytest.mark.req("GOA-11.4")
async def test_children_one_after_the_other_each_get_all_that_is_left(make_world: MakeWorld) -> None:
    parent = agent("shop.bot", [helpers(1), helpers(1), outcomes], [HELPER])
    helper = agent("shop.helper", [calls("shop.look"), outcomes], [FakeTool("shop.look")])
    world = await make_world(parent, helper)
    run = await world.start()
    assert await world.answer(run) == "ok"
    assert [world.state(child_run(run, CallId(f"c{i}"))).limits.calls for i in (1, 2)] == [31, 29]


@pytest.mark.req("GOA-11.5")
async def test_what_children_use_of_the_tokens_counts_against_their_parents_limit(make_world: MakeWorld) -> None:
    parent = agent("shop.bot", [helpers(1), helpers(1), outcomes], [HELPER], Limits(tokens=100))
    world = await make_world(parent, agent("shop.helper", Bills(60), [FakeTool("shop.look")]))
    run = await world.start()
    assert world.state(child_of(run)).limits.tokens == 100
    assert world.state(child_run(run, CallId("c2"))).limits.tokens == 40
    assert (world.state(run).usage.tokens, world.state(run).tokens_used) == (0, 120)
    assert await world.answer(run) == "ok"


class Bills:
    """A planner that asks a model once, which costs so many tokens, and answers."""

    pure = False
    digest = "bills"

    def __init__(self, tokens: int) -> None:
        self._model = Priced(tokens)

    async def plan(self, input: PlanInput) -> Plan:
        reply = await input.model(self._model, ModelRequest("", ()))
        return Plan(answer=reply.text)


class Priced:
    """A model that answers at once."""

    name = "test:priced"

    def __init__(self, tokens: int) -> None:
        self._usage = Usage(output_tokens=tokens)

    async def generate(self, request: ModelRequest, deltas: Deltas | None = None) -> ModelReply:
        return ModelReply("done", usage=self._usage)


# -- their time and their retries --------------------------------------------------------------------------------

ON_TIME = CallRequest(ToolName("shop.helper"), b"{}", timeout_s=5)
AGAIN = CallRequest(ToolName("shop.helper"), b"{}", timeout_s=5, retry=Retry(attempts=2, backoff_s=1))


def is_second(meta: CallMeta) -> bool:
    return meta.run.endswith("-2")


@pytest.mark.req("GOA-22.2")
async def test_a_child_over_the_time_of_its_call_is_stopped_and_the_call_timed_out(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    slow = FakeTool("shop.slow", does=sleeps(100), timeout_s=1_000)
    parent = agent("shop.bot", [Plan(calls=(ON_TIME,)), answer], [HELPER])
    world = await make_world(parent, agent("shop.helper", [calls("shop.slow"), outcomes], [slow]))
    run = await world.start()
    await clock.advance(4.9)
    assert world.ended(run) == {}
    await clock.advance(0.2)
    assert world.ended(run) == {"c1": "timed_out"}
    assert (await world.answer(run), world.state(child_of(run)).cancel) == ("timeout", "timeout")
    assert world.state(run).calls_used == 2


@pytest.mark.req("GOA-22.3")
async def test_the_time_of_a_child_survives_a_crash(make_world: MakeWorld, clock: SimulatedClock) -> None:
    slow = FakeTool("shop.slow", does=sleeps(100), timeout_s=1_000)
    parent = agent("shop.bot", [Plan(calls=(ON_TIME,)), answer], [HELPER])
    world = await make_world(parent, agent("shop.helper", [calls("shop.slow"), outcomes], [slow]))
    run = await world.start()
    await clock.advance(3)
    await world.reopen()
    await clock.advance(2.1)
    assert await world.answer(run) == "timeout"


@pytest.mark.req("GOA-22.2")
async def test_a_call_over_its_time_does_not_wait_for_what_its_child_has_to_settle(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    pay = FakeTool("shop.pay", "once", does=sleeps(100), timeout_s=1_000)
    parent = agent("shop.bot", [Plan(calls=(AGAIN,)), answer], [HELPER])
    world = await make_world(parent, agent("shop.helper", [calls("shop.pay"), outcomes], [pay]))
    run = await world.start()
    await clock.advance(5.1)
    assert await world.answer(run) == "timeout"
    assert len(world.waits.list(SCOPE, SYSTEM, kinds=("reconcile",))) == 1
    assert world.state(run).has_acted


@pytest.mark.req("GRE-17.4")
async def test_a_child_that_ran_out_of_time_is_tried_again_as_a_new_run(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    async def does(meta: CallMeta) -> bytes:
        return b"{}" if is_second(meta) else await sleeps(100)(meta)

    slow = FakeTool("shop.slow", does=does, timeout_s=1_000)
    parent = agent("shop.bot", [Plan(calls=(AGAIN,)), answer], [HELPER])
    world = await make_world(parent, agent("shop.helper", [calls("shop.slow"), outcomes], [slow]))
    run = await world.start()
    await clock.advance(5.1)
    assert (world.ended(run), world.state(child_of(run)).outcome) == ({}, "cancelled")
    await world.reopen()
    await clock.advance(1.1)
    assert await world.answer(run) == '{"answer":"ok"}'
    second = world.state(child_run(run, CallId("c1"), 2))
    assert (second.outcome, second.parent and second.parent.call) == ("completed", "c1")
    assert world.state(run).calls_used == 3


@pytest.mark.req("GRE-17.4")
async def test_a_child_that_fails_is_tried_no_more_than_its_call_says(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    parent = agent("shop.bot", [Plan(calls=(AGAIN,)), code], [HELPER])
    world = await make_world(parent, agent("shop.helper", [Plan(failure="broken")]))
    run = await world.start()
    await clock.advance(10)
    assert await world.answer(run) == "broken"
    assert len(world.runs.list(SCOPE, SYSTEM)) == 3


@pytest.mark.req("GRE-17.5")
async def test_a_child_that_did_what_may_not_be_repeated_is_not_tried_again(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    pay = FakeTool("shop.pay", "once")
    parent = agent("shop.bot", [Plan(calls=(AGAIN,)), code], [HELPER])
    world = await make_world(parent, agent("shop.helper", [calls("shop.pay"), Plan(failure="broken")], [pay]))
    run = await world.start()
    await clock.advance(10)
    assert await world.answer(run) == "broken"
    assert pay.effects.total() == 1


@pytest.mark.req("GOA-22.9")
async def test_an_agent_tools_own_time_holds_where_its_plan_says_nothing(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    brief = FakeTool("shop.helper", "child", agent="shop.helper", timeout_s=20)
    slow = FakeTool("shop.slow", does=sleeps(100), timeout_s=1_000)
    parent = agent("shop.bot", [calls("shop.helper"), outcomes], [brief])
    world = await make_world(parent, agent("shop.helper", [calls("shop.slow"), outcomes], [slow]))
    run = await world.start()
    await clock.advance(20.1)
    assert await world.answer(run) == "timed_out"


# -- while a child waits -----------------------------------------------------------------------------------------


@pytest.mark.req("GOA-21.4")
async def test_the_time_of_a_caller_stands_still_while_its_child_waits_for_a_person(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    parent = agent("shop.bot", [Plan(calls=(ON_TIME,)), answer], [HELPER], Limits(time_s=60))
    world = await make_world(parent, agent("shop.helper", [calls("shop.pay"), outcomes], [FakeTool("shop.pay")]))
    world.gate.held.add("shop.pay")
    run = await world.start()
    await clock.advance(1_500)
    await world.reopen()
    await clock.advance(1_500)
    assert (world.state(run).limit, world.state(run).timers) == ("", {})
    await world.approve()
    assert await world.answer(run) == '{"answer":"ok"}'
    progress = [c.what for c in world.controls(run) if isinstance(c, e.CallProgressed)]
    assert progress == ["waiting", "resumed"]


@pytest.mark.req("GOA-21.4")
async def test_the_time_of_everybody_above_goes_on_where_it_stopped(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    middle_tool = FakeTool("shop.middle", "child", agent="shop.middle", timeout_s=10_000)
    slow = FakeTool("shop.slow", does=sleeps(1_000), timeout_s=1_000)
    top = agent("shop.bot", [calls("shop.middle"), answer], [middle_tool], Limits(time_s=60))
    middle = agent("shop.middle", [calls("shop.helper"), answer], [HELPER])
    bottom = agent("shop.helper", [calls("shop.pay"), calls("shop.slow"), outcomes], [FakeTool("shop.pay"), slow])
    world = await make_world(top, middle, bottom)
    world.gate.held.add("shop.pay")
    run = await world.start()
    assert world.state(run).stands_still
    await clock.advance(3_000)
    await world.approve()
    assert not world.state(run).stands_still
    await clock.advance(59)
    assert world.state(run).limit == ""
    await clock.advance(2)
    assert world.state(run).limit == "time"


@pytest.mark.req("GOA-21.4")
async def test_a_child_that_ends_while_it_waits_lets_the_time_of_its_caller_go_on(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    slow = FakeTool("shop.slow", does=sleeps(1_000), timeout_s=1_000)
    parent = agent("shop.bot", [calls("shop.helper"), calls("shop.slow")], [HELPER, slow], Limits(time_s=60))
    world = await make_world(parent, agent("shop.helper", [calls("shop.pay"), outcomes], [FakeTool("shop.pay")]))
    world.gate.held.add("shop.pay")
    run = await world.start()
    await clock.advance(500)
    await world.runs.cancel(SCOPE, child_of(run), OPS)
    await clock.advance(1)
    assert set(world.state(run).timers) == {"deadline"}
    await clock.advance(60)
    assert await world.answer(run) == "limit time"
