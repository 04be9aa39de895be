"""Approvals, questions, pauses and cancels: who may say what, when, and what follows."""

from __future__ import annotations

from collections import Counter

import pytest

from lichen.core.deciders import events as e
from lichen.core.ports.plan import Plan, PlanInput, WaitRequest
from lichen.core.words.errors import Conflict, Denied, Expired, Invalid, NotFound
from lichen.core.words.ids import WaitId
from lichen.core.words.limits import Limits
from lichen.core.words.scope import SYSTEM, Actor, Customer, Operator, Scope
from lichen.engine.intake.runs import cancel, start
from lichen.engine.intake.waits import answer
from lichen.runtime.views.wait import WaitView
from lichen.testing.clock import SimulatedClock
from lichen.testing.simulation import until
from tests.engine.conftest import MakeWorld
from tests.engine.world import CUSTOMER, OPS, SCOPE, FakeTool, Script, World, agent, call, calls, outcomes, sleeps


async def held(make_world: MakeWorld) -> tuple[World, FakeTool]:
    """A world in which payments wait for approval."""
    pay = FakeTool("shop.pay", "once")
    plan = Plan(calls=(call("shop.pay", '{"amount":80}'),))
    world = await make_world(agent("shop.bot", [plan, outcomes], [pay]))
    world.gate.held.add("shop.pay")
    return world, pay


def only(world: World) -> WaitView:
    (wait,) = world.waits.list(SCOPE, SYSTEM)
    return wait


@pytest.mark.req("LIC-12.1")
async def test_nothing_happens_before_the_approval_and_exactly_that_call_after_it(make_world: MakeWorld) -> None:
    world, pay = await held(make_world)
    run = await world.start()
    assert pay.entered == []
    assert only(world).operator["arguments"] == {"amount": 80}
    await world.approve()
    assert await world.answer(run) == "ok"
    assert pay.effects.total() == 1
    assert world.waits.list(SCOPE, SYSTEM) == ()


@pytest.mark.req("LIC-12.2")
async def test_policy_is_asked_again_after_the_approval(make_world: MakeWorld) -> None:
    world, pay = await held(make_world)
    run = await world.start()
    world.gate.denied.add("shop.pay")
    await world.approve()
    assert await world.answer(run) == "denied"
    assert pay.entered == []


async def test_a_denied_approval_ends_the_call_and_the_agent_answers(make_world: MakeWorld) -> None:
    world, pay = await held(make_world)
    run = await world.start()
    await world.waits.deny(SCOPE, only(world).id, OPS, note="no")
    await world.clock.settle()
    assert await world.answer(run) == "denied"
    assert pay.entered == []


@pytest.mark.req("LIC-12.3")
async def test_an_approval_expires_and_cannot_be_given_any_more(make_world: MakeWorld, clock: SimulatedClock) -> None:
    world, pay = await held(make_world)
    run = await world.start()
    wait = only(world)
    await clock.advance(3_600.1)
    assert await world.answer(run) == "denied"
    with pytest.raises(Conflict, match="wait_closed"):
        await world.waits.approve(SCOPE, wait.id, OPS)
    assert pay.entered == []


async def test_an_answer_at_the_very_moment_of_expiry_is_too_late(make_world: MakeWorld, clock: SimulatedClock) -> None:
    """The wheel has not turned yet, and still the time is over."""
    world, _ = await held(make_world)
    world.gate.expires_s = 60.0
    run = await start(world.request(), world.agent, "go")
    await until(lambda: world.state(run).waits)
    wait = world.state(run).waits[WaitId("w1")]
    clock._now_s = 60.0  # pyright: ignore[reportPrivateUsage] - nobody who sleeps is woken
    with pytest.raises(Expired):
        await answer(world.request(OPS), run, wait.id, "approved", digest=wait.digest)


@pytest.mark.req("LIC-12.4")
async def test_the_second_of_two_answers_is_told_that_it_came_second(make_world: MakeWorld) -> None:
    world, pay = await held(make_world)
    await world.start()
    wait = only(world)
    await world.waits.approve(SCOPE, wait.id, OPS)
    with pytest.raises(Conflict, match="wait_closed"):
        await world.waits.deny(SCOPE, wait.id, OPS)
    await world.clock.settle()
    assert pay.effects.total() == 1


@pytest.mark.req("LIC-12.5")
async def test_an_approval_of_something_else_than_what_is_asked_is_refused(make_world: MakeWorld) -> None:
    world, pay = await held(make_world)
    await world.start()
    with pytest.raises(Conflict, match="digest_differs"):
        await world.waits.approve(SCOPE, only(world).id, OPS, digest="00" * 16)
    assert pay.entered == []


@pytest.mark.req("LIC-12.6")
@pytest.mark.parametrize("who", [CUSTOMER, Customer("customer-7", ("operator",))])
async def test_a_customer_may_not_approve_whatever_role_they_have(make_world: MakeWorld, who: Actor) -> None:
    world, pay = await held(make_world)
    await world.start()
    with pytest.raises(Denied, match="role_missing"):
        await world.waits.approve(SCOPE, only(world).id, who)
    assert pay.entered == []


async def test_an_operator_may_not_approve_what_he_himself_started(make_world: MakeWorld) -> None:
    world, pay = await held(make_world)
    await start(world.request(OPS), world.agent, "go")
    await world.clock.settle()
    with pytest.raises(Denied, match="may_not_answer"):
        await world.waits.approve(SCOPE, only(world).id, OPS)
    await world.waits.approve(SCOPE, only(world).id, Operator("other", ("operator",)))
    await world.clock.settle()
    assert pay.effects.total() == 1


@pytest.mark.req("LIC-12.7")
async def test_an_open_approval_survives_a_crash_and_costs_no_task(make_world: MakeWorld) -> None:
    world, pay = await held(make_world)
    run = await world.start()
    await world.reopen()
    assert (world.taken_over, world.engine.driven) == (0, 0)
    await world.approve()
    assert await world.answer(run) == "ok"
    assert pay.effects.total() == 1


async def test_a_wait_is_answered_with_what_its_kind_allows(make_world: MakeWorld) -> None:
    world, _ = await held(make_world)
    await world.start()
    with pytest.raises(Invalid, match="answer_invalid"):
        await world.waits.answer(SCOPE, only(world).id, "happened", OPS, body={})


async def test_a_wait_of_another_scope_or_of_nobody_does_not_exist(make_world: MakeWorld) -> None:
    world, _ = await held(make_world)
    await world.start()
    id = only(world).id
    for scope, wait in ((Scope("globex", "dev"), id), (SCOPE, id[:-1] + "9")):
        with pytest.raises(NotFound, match="wait_unknown"):
            await world.waits.approve(scope, wait, OPS)


# -- questions ---------------------------------------------------------------------------------------------------


ASK = Plan(waits=(WaitRequest("clarification", "Which order?", expires_s=600),))


def repeats(input: PlanInput) -> Plan:
    return Plan(answer=" ".join(f"{a.outcome} {a.body.decode()}" for a in input.answers))


@pytest.mark.req("GOA-39.1")
async def test_a_question_reaches_the_customer_and_the_next_message_answers_it(make_world: MakeWorld) -> None:
    world = await make_world(agent("shop.bot", [ASK, repeats]))
    session = await world.session()
    asked = await (await session.say("refund")).result()
    assert (asked.text, asked.outcome) == ("Which order?", "asked")
    turn = await session.say("1042")
    assert turn.disposition == "answered"
    assert (await turn.run()) == asked.run
    assert (await turn.result()).text == 'answered {"text":"1042"}'


@pytest.mark.req("GOA-39.2")
async def test_a_question_that_was_asked_before_a_crash_is_answered_after_it(make_world: MakeWorld) -> None:
    world = await make_world(agent("shop.bot", [ASK, repeats]))
    session = await world.session(key="s")
    await (await session.say("refund")).result()
    await world.reopen()
    session = await world.session(key="s")
    assert (await (await session.say("1042")).result()).text == 'answered {"text":"1042"}'


async def test_a_question_nobody_answers_expires_and_the_planner_is_told(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    world = await make_world(agent("shop.bot", [ASK, repeats]))
    session = await world.session()
    asked = await (await session.say("refund")).result()
    await clock.advance(601)
    assert (await world.answer(asked.run)).startswith("expired")
    assert (await session.say("1042")).disposition == "queued"


async def test_a_timer_wakes_its_run_even_when_it_came_due_while_nobody_was_there(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    nap = Plan(waits=(WaitRequest("timer", may_answer=(), expires_s=60),))
    world = await make_world(agent("shop.bot", [nap, outcomes]))
    run = await world.start()
    await world.crash()
    await clock.advance(100)
    await world.open()
    await clock.advance(0.1)
    assert await world.answer(run) == "expired"


# -- several at once ---------------------------------------------------------------------------------------------


TWO = Plan(
    waits=(WaitRequest("external", may_answer=("operator",)), WaitRequest("clarification", "Which order?")),
    resume="each",
)


@pytest.mark.req("GRE-24.1")
async def test_a_plan_may_wait_for_whatever_is_over_next_and_knows_it_by_the_id_it_would_get(
    make_world: MakeWorld,
) -> None:
    script = Script([TWO, Plan(resume="each"), lambda input: Plan(answer=input.answers[0].wait)])
    world = await make_world(agent("shop.bot", script))
    session = await world.session()
    turn = await session.say("refund")
    assert (await turn.result()).outcome == "asked"
    await session.say("1042")
    (wait,) = world.waits.list(SCOPE, OPS, kinds=("external",))
    await world.waits.answer(SCOPE, wait.id, "answered", OPS, body={"text": "yes"})
    assert await world.answer(await turn.run()) == "w1"
    assert [(seen.calls_made, seen.waits_made) for seen in script.seen] == [(0, 0), (0, 2), (0, 2)]
    assert [[each.wait for each in seen.answers] for seen in script.seen] == [[], ["w2"], ["w1"]]


@pytest.mark.req("GRE-24.2")
async def test_a_question_that_its_planner_withdraws_takes_no_message_any_more(make_world: MakeWorld) -> None:
    less = Plan(withdraws=(WaitId("w2"), WaitId("w2"), WaitId("w9")), resume="each")
    script = Script([TWO, less, Plan(calls=(call("shop.look"),)), Plan(answer="Done."), Plan(answer="Another order?")])
    world = await make_world(agent("shop.bot", script, [FakeTool("shop.look")]))
    session = await world.session()
    turn = await session.say("refund")
    assert (await turn.result()).outcome == "asked"
    (wait,) = world.waits.list(SCOPE, OPS, kinds=("external",))
    await world.waits.answer(SCOPE, wait.id, "answered", OPS, body={"text": "yes"})
    run = await turn.run()
    assert await world.answer(run) == "Done."
    closed = [(c.wait, c.outcome) for c in world.controls(run) if isinstance(c, e.WaitClosed)]
    assert closed == [("w1", "answered"), ("w2", "cancelled")]
    assert [(c.wait, c.outcome) for c in world.session_controls(session) if isinstance(c, e.WaitClosed)] == closed[1:]
    assert (await session.say("1042")).disposition == "queued"


# -- pause -------------------------------------------------------------------------------------------------------


@pytest.mark.req("GOA-42.1")
async def test_a_paused_run_lets_its_tools_end_and_starts_nothing_new(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    slow = FakeTool("shop.slow", "idempotent", does=sleeps(5))
    world = await make_world(agent("shop.bot", [calls("shop.slow"), calls("shop.slow"), outcomes], [slow]))
    run = await world.start()
    await world.runs.pause(SCOPE, run, OPS)
    await clock.advance(100)
    assert world.ended(run) == {"c1": "ok"}
    assert len(slow.entered) == 1
    await world.runs.resume(SCOPE, run, OPS)
    await clock.advance(6)
    assert await world.answer(run) == "ok"


@pytest.mark.req("SYM-20.1")
async def test_a_preempted_run_lets_its_tools_end_leaves_memory_and_goes_on_later(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    slow = FakeTool("shop.slow", "idempotent", does=sleeps(5))
    world = await make_world(agent("shop.bot", [calls("shop.slow"), calls("shop.slow"), outcomes], [slow]))
    run = await world.start()
    await world.runs.preempt(SCOPE, run, SYSTEM)
    await clock.advance(100)
    assert world.ended(run) == {"c1": "ok"}
    assert world.engine.driven == 0
    await world.runs.resume(SCOPE, run, OPS)
    await clock.advance(6)
    assert await world.answer(run) == "ok"


@pytest.mark.req("GOA-42.2")
async def test_a_pause_burns_no_budget_and_survives_a_crash(make_world: MakeWorld, clock: SimulatedClock) -> None:
    slow = FakeTool("shop.slow", "idempotent", does=sleeps(5))
    world = await make_world(
        agent("shop.bot", [calls("shop.slow"), calls("shop.slow"), outcomes], [slow], Limits(time_s=20))
    )
    run = await world.start()
    await clock.advance(2)
    await world.runs.pause(SCOPE, run, OPS)
    await clock.advance(1_000)
    await world.reopen()
    await clock.advance(1_000)
    assert world.state(run).limit == ""
    await world.runs.resume(SCOPE, run, OPS)
    deadline_us = world.state(run).timers["deadline"]
    assert deadline_us - clock.now_us() == pytest.approx(18e6, abs=1e4)
    await clock.advance(6)
    assert await world.answer(run) == "ok"


@pytest.mark.req("GOA-42.3")
async def test_pauses_and_resumptions_are_balanced(make_world: MakeWorld, clock: SimulatedClock) -> None:
    world = await make_world(
        agent("shop.bot", [calls("shop.slow"), outcomes], [FakeTool("shop.slow", "idempotent", does=sleeps(5))])
    )
    run = await world.start()
    await world.runs.pause(SCOPE, run, OPS)
    with pytest.raises(Conflict, match="run_halted"):
        await world.runs.pause(SCOPE, run, OPS)
    await world.runs.resume(SCOPE, run, OPS)
    with pytest.raises(Conflict, match="run_not_paused"):
        await world.runs.resume(SCOPE, run, OPS)
    await clock.advance(6)
    count = Counter(type(control) for control in world.controls(run))
    assert count[e.WaitOpened] == count[e.WaitClosed] == 1


async def test_a_paused_run_can_be_cancelled(make_world: MakeWorld, clock: SimulatedClock) -> None:
    world = await make_world(
        agent("shop.bot", [calls("shop.slow"), outcomes], [FakeTool("shop.slow", "idempotent", does=sleeps(5))])
    )
    run = await world.start()
    await world.runs.pause(SCOPE, run, OPS)
    await world.runs.cancel(SCOPE, run, OPS)
    await clock.advance(1)
    assert world.state(run).outcome == "cancelled"


# -- cancel ------------------------------------------------------------------------------------------------------


@pytest.mark.req("GOA-45.1")
async def test_a_cancel_stops_the_tools_and_records_its_reason(make_world: MakeWorld, clock: SimulatedClock) -> None:
    slow = FakeTool("shop.slow", does=sleeps(1_000), timeout_s=1_000)
    world = await make_world(agent("shop.bot", [calls("shop.slow", "shop.slow"), outcomes], [slow]))
    run = await world.start()
    await cancel(world.request(OPS), run, code="customer_left")
    await clock.advance(0.1)
    assert world.ended(run) == {"c1": "cancelled", "c2": "cancelled"}
    shown = world.runs.show(SCOPE, run, SYSTEM)
    assert (shown.status, shown.code) == ("cancelled", "customer_left")
    assert await world.answer(run) == "This request was stopped."


@pytest.mark.req("GOA-45.2")
async def test_cancelling_twice_or_too_late_is_no_error_and_changes_nothing(make_world: MakeWorld) -> None:
    world = await make_world(agent("shop.bot", [calls("shop.slow"), outcomes], [FakeTool("shop.slow", does=sleeps(5))]))
    run = await world.start()
    await world.runs.cancel(SCOPE, run, OPS)
    await world.clock.settle()
    records = len(world.controls(run))
    await world.runs.cancel(SCOPE, run, OPS)
    assert len(world.controls(run)) == records


async def test_a_cancelled_run_withdraws_its_approval(make_world: MakeWorld) -> None:
    world, pay = await held(make_world)
    run = await world.start()
    wait = only(world)
    await world.runs.cancel(SCOPE, run, OPS)
    await world.clock.settle()
    assert world.state(run).outcome == "cancelled"
    with pytest.raises(Conflict, match="wait_closed"):
        await world.waits.approve(SCOPE, wait.id, OPS)
    assert pay.entered == []


async def test_a_planner_that_thinks_while_its_run_is_cancelled_is_stopped(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    script = Script([Plan(answer="too late")], pure=False, slow_s=50)
    world = await make_world(agent("shop.bot", script))
    run = await world.start()
    await world.runs.cancel(SCOPE, run, OPS)
    await clock.advance(100)
    assert await world.answer(run) == "This request was stopped."
