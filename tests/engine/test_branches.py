"""A flow that branches, as a run: what its branches do, wait for and ask, and power cuts in between."""

from __future__ import annotations

import json

import pytest

from lichen.core.deciders import events as e
from lichen.flows.walk.planner import FlowPlanner
from lichen.testing.clock import SimulatedClock
from tests.engine.conftest import MakeWorld
from tests.engine.world import OPS, SCOPE, FakeTool, agent, sleeps
from tests.flows.walking import flow

REFUNDS = flow(
    """
all: {flow.each: {items: [3, 1, 2], do: pay, at_once: 2}, routing: [{to: fan}]}
pay: {shop.pay: {n: "{{item}}"}, routing: [{to: look}]}
look: {shop.look: {n: "{{item}}"}}
fan: {flow.parallel: {branches: [allow, name]}, routing: [{to: tell}]}
allow: {approval.call: {text: All of it?}}
name: {session.wait: {prompt: Your name?}}
tell: {text: "{{node.fan.branches.name.text}}: {{node.all.results[0].slept}} {{node.all.results[2].slept}}"}
"""
)


@pytest.mark.req("GRE-24.10")
@pytest.mark.parametrize("cut_s", [0.0, 0.5, 1.0, 1.5, 2.5, 3.0])
async def test_a_power_cut_between_branches_loses_none_of_them_and_does_nothing_twice(
    make_world: MakeWorld, clock: SimulatedClock, cut_s: float
) -> None:
    pay, look = FakeTool("shop.pay", "once", has_probe=True), FakeTool("shop.look", does=sleeps(1))
    world = await make_world(agent("shop.flow", FlowPlanner(REFUNDS), [pay, look]))
    session = await world.session(key="s")
    turn = await session.say("refund")
    run = await turn.run()
    await clock.advance(cut_s)
    await world.reopen()
    await clock.advance(10)
    assert sorted(pay.effects.values()) == [1, 1, 1]
    (wait,) = world.waits.list(SCOPE, OPS, kinds=("approval",))
    await world.reopen()
    await world.waits.approve(SCOPE, wait.id, OPS)
    session = await world.session(key="s")
    assert (await session.say("Ada")).disposition == "answered"
    assert await world.answer(run) == "Ada: 1 1"


@pytest.mark.req("GRE-24.10")
async def test_a_branch_that_is_left_ends_what_it_began_and_its_question_is_withdrawn(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    first = flow(
        """
fan: {flow.parallel: {branches: [slow, quick, ask], join: any}, routing: [{to: again}]}
slow: {shop.slow: {}}
quick: {shop.quick: {}}
ask: {session.wait: {prompt: Which?}}
again: {shop.quick: {}, routing: [{to: tell}]}
tell: {text: "{{node.again.slept}}"}
"""
    )
    tools = [FakeTool("shop.slow", "once", does=sleeps(9)), FakeTool("shop.quick", does=sleeps(1))]
    world = await make_world(agent("shop.flow", FlowPlanner(first), tools))
    session = await world.session()
    turn = await session.say("go")
    run = await turn.run()
    await clock.advance(1.5)
    closed = [(c.wait, c.outcome) for c in world.controls(run) if isinstance(c, e.WaitClosed)]
    assert closed == [("w1", "cancelled")]
    await clock.advance(20)
    ended = [(c.call, c.outcome) for c in world.controls(run) if isinstance(c, e.CallFinished)]
    assert ended == [("c2", "ok"), ("c3", "ok"), ("c1", "ok")]
    assert json.loads(await world.answer(run)) == 1


@pytest.mark.req("GRE-21.5")
@pytest.mark.parametrize("cut_s", [None, 5.0, 10.0])
async def test_a_question_behind_another_branchs_question_is_timed_out_when_its_time_is_over(
    make_world: MakeWorld, clock: SimulatedClock, cut_s: float | None
) -> None:
    late = FakeTool("shop.late", "once", has_probe=True)
    held = flow(
        """
fan: {flow.parallel: {branches: [name, quick]}, routing: [{to: tell}]}
name: {session.wait: {prompt: Your name?}}
quick: {flow.parallel: {branches: [size]}, timeout: 10, routing: [{status: timeout, to: late}]}
size: {session.wait: {prompt: Your size?}}
late: {shop.late: {}}
tell: {text: "{{node.fan.results[0].text}}"}
"""
    )
    world = await make_world(agent("shop.flow", FlowPlanner(held), [late]))
    session = await world.session(key="s")
    turn = await session.say("go")
    run = await turn.run()
    if cut_s is not None:
        await clock.advance(cut_s)
        await world.reopen()
    await clock.advance(11)
    assert sorted(late.effects.values()) == [1], "the branch went on while the other still asks"
    session = await world.session(key="s")
    await session.say("Ada")
    assert await world.answer(run) == "Ada"
