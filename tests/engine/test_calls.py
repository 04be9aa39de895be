"""Calls: at once, in order, refused, tried again, and what becomes of one that broke off."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from lichen.core.deciders import events as e
from lichen.core.ports.call import CallMeta, NotDone, Retry
from lichen.core.ports.plan import Plan, PlanInput
from lichen.core.ports.policy import NO_FACTS, Check, Facts, Verdict
from lichen.core.words.scope import SYSTEM
from lichen.testing.clock import SimulatedClock
from lichen.tools.workers.placement import StillRunning
from tests.engine.conftest import MakeWorld
from tests.engine.world import OPS, SCOPE, Does, FakeTool, Script, agent, call, calls, outcomes, refuses, sleeps


def finished(controls: list[e.Control]) -> list[tuple[str, str]]:
    return [(c.call, c.outcome) for c in controls if isinstance(c, e.CallFinished)]


@pytest.mark.req("GOA-17.1")
async def test_five_slow_tools_take_the_time_of_one(make_world: MakeWorld, clock: SimulatedClock) -> None:
    slow = FakeTool("shop.slow", does=sleeps(10))
    world = await make_world(agent("shop.bot", [calls(*["shop.slow"] * 5), outcomes], [slow]))
    run = await world.start()
    await clock.advance(10)
    assert await world.answer(run) == "ok ok ok ok ok"


@pytest.mark.req("GOA-18.1")
async def test_results_reach_the_log_as_they_come_and_the_planner_in_call_order(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    tools = [FakeTool("shop.slow", does=sleeps(9)), FakeTool("shop.quick", does=sleeps(1))]
    script = Script([calls("shop.slow", "shop.quick"), outcomes])
    world = await make_world(agent("shop.bot", script, tools))
    run = await world.start()
    await clock.advance(10)
    assert finished(world.controls(run)) == [("c2", "ok"), ("c1", "ok")]
    assert [result.data for result in script.seen[1].results] == [b'{"slept":9}', b'{"slept":1}']


@pytest.mark.req("GOA-18.2")
async def test_a_planner_that_wants_each_result_is_asked_as_they_come(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    def wait(input: PlanInput) -> Plan:
        return calls("shop.quick", resume="each") if input.run.step == 1 else Plan(answer="enough")

    tools = [FakeTool("shop.slow", does=sleeps(9)), FakeTool("shop.quick", does=sleeps(1))]
    script = Script([calls("shop.slow", "shop.quick", resume="each"), wait])
    world = await make_world(agent("shop.bot", script, tools))
    run = await world.start()
    await clock.advance(1.5)
    assert [r.tool for r in script.seen[1].results] == ["shop.quick"]
    await clock.advance(20)
    assert await world.answer(run) == "enough"
    assert len(world.ended(run)) == 3


@pytest.mark.req("GOA-22.1")
@pytest.mark.parametrize("effects", ["none", "idempotent"])
async def test_a_timeout_fails_just_that_call(make_world: MakeWorld, clock: SimulatedClock, effects: str) -> None:
    slow = FakeTool("shop.slow", effects, does=sleeps(100), timeout_s=5)  # type: ignore[arg-type]
    world = await make_world(
        agent("shop.bot", [calls("shop.slow", "shop.look"), outcomes], [slow, FakeTool("shop.look")])
    )
    run = await world.start()
    await clock.advance(5)
    assert await world.answer(run) == "timed_out ok"


async def test_a_refused_call_is_not_made_and_the_planner_hears_the_public_reason(make_world: MakeWorld) -> None:
    pay = FakeTool("shop.pay", "once")
    script = Script([calls("shop.pay"), outcomes])
    world = await make_world(agent("shop.bot", script, [pay]))
    world.gate.denied.add("shop.pay")
    assert await world.answer(await world.start()) == "denied"
    assert script.seen[1].results[0].reason == "Not here."
    assert pay.entered == []


async def test_a_call_goes_again_with_growing_pauses_until_its_attempts_are_spent(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    tool = FakeTool("shop.pay", "once", does=refuses(), retry=Retry(attempts=3, backoff_s=1))
    world = await make_world(agent("shop.bot", [calls("shop.pay"), outcomes], [tool]))
    run = await world.start()
    await clock.advance(0.99)
    assert len(tool.entered) == 1
    await clock.advance(0.05)
    assert len(tool.entered) == 2
    await clock.advance(1.9)
    assert len(tool.entered) == 2
    await clock.advance(0.2)
    assert len(tool.entered) == 3
    assert await world.answer(run) == "failed"
    assert {meta.idempotency_key for meta in tool.entered} == {f"{run}/c1"}


@pytest.mark.parametrize(("code", "retryable"), [("unlisted", True), ("busy", False)])
async def test_a_failure_that_may_not_be_tried_again_is_not(
    make_world: MakeWorld, clock: SimulatedClock, code: str, retryable: bool
) -> None:
    retry = Retry(attempts=3, on=("busy",))
    tool = FakeTool("shop.look", does=refuses(code, retryable=retryable), retry=retry)
    world = await make_world(agent("shop.bot", [calls("shop.look"), outcomes], [tool]))
    run = await world.start()
    await clock.advance(60)
    assert len(tool.entered) == 1
    assert await world.answer(run) == "failed"


@pytest.mark.req("GRE-42.6")
async def test_a_stranger_s_code_is_tried_again_by_name_after_its_pause_and_told_to_the_planner_alone(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    async def busy(meta: CallMeta) -> bytes:
        raise NotDone("busy", code="component_failed", foreign_code="RATE_LIMITED", pause_s=30)

    tool = FakeTool("shop.look", does=busy, retry=Retry(attempts=2, backoff_s=0.5, on=("RATE_LIMITED",)))
    script = Script([calls("shop.look"), outcomes])
    world = await make_world(agent("shop.bot", script, [tool]))
    run = await world.start()
    await clock.advance(29)
    assert len(tool.entered) == 1
    await clock.advance(2)
    assert len(tool.entered) == 2
    assert await world.answer(run) == "failed"
    (result,) = script.seen[1].results
    assert (result.code, result.foreign_code) == ("component_failed", "RATE_LIMITED")
    assert "RATE_LIMITED" not in repr(world.controls(run))


async def test_a_retry_survives_a_crash(make_world: MakeWorld, clock: SimulatedClock) -> None:
    tool = FakeTool("shop.pay", "once", does=refuses(times=1), retry=Retry(attempts=2, backoff_s=60))
    world = await make_world(agent("shop.bot", [calls("shop.pay"), outcomes], [tool]))
    run = await world.start()
    await world.reopen()
    await clock.advance(61)
    assert await world.answer(run) == "ok"


# -- in doubt ----------------------------------------------------------------------------------------------------


def breaks(tool: list[FakeTool], how: str, *, happens: bool) -> Does:
    """A tool that breaks off, before or after its effect."""

    async def does(meta: CallMeta) -> bytes:
        if happens:
            tool[0].happen(meta)
        if how == "raises":
            raise ValueError("connection lost")
        await asyncio.sleep(1_000)
        return b"{}"

    return does


def payer(how: str, *, happens: bool, has_probe: bool, attempts: int = 1) -> FakeTool:
    made: list[FakeTool] = []
    retry = Retry(attempts=attempts)
    tool = FakeTool(
        "shop.pay", "once", does=breaks(made, how, happens=happens), has_probe=has_probe, timeout_s=5, retry=retry
    )
    made.append(tool)
    return tool


@pytest.mark.req("LIC-6.1")
@pytest.mark.parametrize("how", ["raises", "hangs"])
@pytest.mark.parametrize(("happens", "answer"), [(True, "ok"), (False, "failed")])
async def test_a_probe_settles_an_effect_that_broke_off(
    make_world: MakeWorld, clock: SimulatedClock, how: str, happens: bool, answer: str
) -> None:
    tool = payer(how, happens=happens, has_probe=True)
    world = await make_world(agent("shop.bot", [calls("shop.pay"), outcomes], [tool]))
    run = await world.start()
    await clock.advance(6)
    assert await world.answer(run) == answer
    assert len(tool.entered) == 1
    assert sum(tool.effects.values()) == int(happens)


async def test_an_effect_that_certainly_did_not_happen_is_tried_again_as_retry_says(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    tool = payer("raises", happens=False, has_probe=True, attempts=3)
    world = await make_world(agent("shop.bot", [calls("shop.pay"), outcomes], [tool]))
    run = await world.start()
    await clock.advance(60)
    assert len(tool.entered) == 3
    assert await world.answer(run) == "failed"


@pytest.mark.req("LIC-6.2")
@pytest.mark.parametrize("how", ["raises", "hangs"])
async def test_without_a_probe_nobody_guesses_and_a_person_is_asked(
    make_world: MakeWorld, clock: SimulatedClock, how: str
) -> None:
    tool = payer(how, happens=True, has_probe=False)
    world = await make_world(agent("shop.bot", [calls("shop.pay"), outcomes], [tool]))
    run = await world.start()
    await clock.advance(1_000)
    (wait,) = world.waits.list(SCOPE, SYSTEM)
    assert (wait.kind, wait.operator["idempotency_key"]) == ("reconcile", f"{run}/c1")
    assert world.state(run).outcome == ""
    await world.reopen()
    await clock.advance(1_000)
    assert len(tool.entered) == 1
    assert len(world.waits.list(SCOPE, SYSTEM)) == 1


@pytest.mark.req("LIC-6.3")
@pytest.mark.parametrize(
    ("outcome", "answer", "executed"), [("happened", "ok", 1), ("did_not_happen", "failed", 1), ("try_again", "ok", 2)]
)
async def test_what_a_person_says_about_an_unknown_outcome_is_what_happens(
    make_world: MakeWorld, clock: SimulatedClock, outcome: str, answer: str, executed: int
) -> None:
    async def does(meta: CallMeta) -> bytes:
        if meta.attempt == 1:
            raise ValueError
        return b"{}"

    tool = FakeTool("shop.pay", "once", does=does)
    world = await make_world(agent("shop.bot", [calls("shop.pay"), outcomes], [tool]))
    run = await world.start()
    await world.reconcile(outcome)
    assert await world.answer(run) == answer
    assert len(tool.entered) == executed
    assert list(world.ended(run)) == ["c1"]


@pytest.mark.req("LIC-6.4")
async def test_the_customer_is_told_exactly_once_that_an_outcome_is_checked(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    async def does(meta: CallMeta) -> bytes:
        raise ValueError

    tool = FakeTool("shop.pay", "once", does=does)
    world = await make_world(agent("shop.bot", [calls("shop.pay"), outcomes], [tool]))
    session = await world.session()
    turn = await session.say("pay")
    assert (await turn.result()).outcome == "released"
    await world.reopen()
    await world.reconcile("try_again")
    await world.reconcile("happened")
    session = await world.session()
    said = world.said(world.sessions.get(SCOPE, turn.receipt.session, session.actor))
    assert len(said) == 2
    assert "A colleague is checking" in said[0]
    assert said[1] == "ok"


@pytest.mark.req("LIC-6.5")
async def test_while_an_outcome_is_unknown_the_same_call_is_denied_in_that_session_only(
    make_world: MakeWorld,
) -> None:
    async def does(meta: CallMeta) -> bytes:
        raise ValueError

    tool = FakeTool("shop.pay", "once", does=does)
    script = Script([lambda input: Plan(calls=(call("shop.pay", input.input[0].text),)), outcomes])
    world = await make_world(agent("shop.bot", script, [tool]))
    session, other = await world.session(), await world.session()
    await (await session.say('{"order":1}')).result()
    assert (await (await session.say('{"order":1}')).result()).text == "denied"
    assert (await (await session.say('{"order":2}')).result()).outcome == "released"
    assert (await (await other.say('{"order":1}')).result()).outcome == "released"
    assert len(tool.entered) == 3


@pytest.mark.req("LIC-7.1")
@pytest.mark.parametrize("by", ["timeout", "cancel"])
@pytest.mark.parametrize("has_probe", [True, False])
async def test_a_tool_that_goes_on_in_its_thread_is_never_called_a_second_time(
    make_world: MakeWorld, clock: SimulatedClock, by: str, has_probe: bool
) -> None:
    async def does(meta: CallMeta) -> bytes:
        try:
            await asyncio.sleep(1_000)
        except asyncio.CancelledError:
            raise StillRunning(asyncio.get_running_loop().create_future()) from None
        return b"{}"

    tool = FakeTool("shop.pay", "once", does=does, has_probe=has_probe, timeout_s=5, retry=Retry(attempts=5))
    world = await make_world(agent("shop.bot", [calls("shop.pay"), outcomes], [tool]))
    run = await world.start()
    if by == "cancel":
        await world.runs.cancel(SCOPE, run, OPS)
    await clock.advance(200)
    assert len(tool.entered) == 1
    assert [wait.kind for wait in world.waits.list(SCOPE, SYSTEM)] == ["reconcile"]


@pytest.mark.req("LIC-7.2")
async def test_an_executor_that_lets_go_too_late_leaves_the_outcome_unknown_until_it_answers(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    made: list[FakeTool] = []

    async def does(meta: CallMeta) -> bytes:
        try:
            await asyncio.sleep(1_000)
        except asyncio.CancelledError:
            await asyncio.sleep(60)
        made[0].happen(meta)
        return b"{}"

    made.append(FakeTool("shop.pay", "once", does=does, has_probe=True, timeout_s=500, retry=Retry(attempts=5)))
    world = await make_world(agent("shop.bot", [calls("shop.pay"), outcomes], made))
    run = await world.start()
    await world.runs.cancel(SCOPE, run, OPS)
    await clock.advance(10)
    assert [wait.kind for wait in world.waits.list(SCOPE, SYSTEM)] == ["reconcile"]
    await clock.advance(60)
    assert world.ended(run) == {"c1": "ok"}
    assert world.waits.list(SCOPE, SYSTEM) == ()
    assert made[0].effects.total() == 1


async def test_a_tool_that_says_not_done_when_cancelled_certainly_did_nothing(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    async def does(meta: CallMeta) -> bytes:
        try:
            await asyncio.sleep(1_000)
        except asyncio.CancelledError:
            raise NotDone("It had not begun.", code="not_started") from None
        return b"{}"

    tool = FakeTool("shop.pay", "once", does=does)
    world = await make_world(agent("shop.bot", [calls("shop.pay"), outcomes], [tool]))
    run = await world.start()
    await world.runs.cancel(SCOPE, run, OPS)
    await clock.advance(1)
    assert world.ended(run) == {"c1": "failed"}
    assert world.state(run).outcome == "cancelled"


@pytest.mark.req("LIC-7.3")
@pytest.mark.parametrize(
    ("effects", "happens", "executed", "answer"),
    [("none", True, 2, "ok"), ("idempotent", True, 2, "ok"), ("once", True, 1, "ok"), ("once", False, 2, "ok")],
)
async def test_what_a_crash_cut_off_is_done_again_only_where_that_is_safe(
    make_world: MakeWorld, clock: SimulatedClock, effects: str, happens: bool, executed: int, answer: str
) -> None:
    made: list[FakeTool] = []

    async def does(meta: CallMeta) -> bytes:
        if happens:
            made[0].happen(meta)
        if len(made[0].entered) == 1:
            await asyncio.sleep(1_000)
        return b"{}"

    made.append(FakeTool("shop.pay", effects, does=does, has_probe=True))  # type: ignore[arg-type]
    world = await make_world(agent("shop.bot", [calls("shop.pay"), outcomes], made))
    run = await world.start()
    await world.reopen()
    assert await world.answer(run) == answer
    assert len(made[0].entered) == executed
    assert {meta.idempotency_key for meta in made[0].entered} == {f"{run}/c1"}


@pytest.mark.req("LIC-13.1")
@pytest.mark.parametrize("what", ["run", "shop.bot", "shop.pay"])
async def test_a_kill_switch_is_read_at_the_last_moment(make_world: MakeWorld, what: str) -> None:
    """It was off when the call was decided, and is on when it would be made."""
    pay = FakeTool("shop.pay", "once")
    world = await make_world(agent("shop.bot", [calls("shop.pay"), outcomes], [pay]))
    decide = world.gate.decide

    def stop_afterwards(asked: Check, facts: Facts = NO_FACTS) -> Verdict:
        verdict = decide(asked, facts)
        if asked.tool is not None:
            world.gate.stopped.add(str(asked.run) if what == "run" else what)
        return verdict

    world.gate.decide = stop_afterwards  # type: ignore[method-assign]
    run = await world.start()
    assert pay.entered == []
    assert world.ended(run) == {"c1": "denied"}


async def test_a_result_is_redacted_before_it_is_recorded(make_world: MakeWorld) -> None:
    async def does(meta: CallMeta) -> bytes:
        return b'{"name":"Ada","card":"4111"}'

    script = Script([calls("shop.look"), outcomes])
    world = await make_world(agent("shop.bot", script, [FakeTool("shop.look", does=does)]))
    decide = world.gate.decide

    def redact(asked: Check, facts: Facts = NO_FACTS) -> Verdict:
        return msgspec.structs.replace(decide(asked, facts), redact=("card",))

    world.gate.decide = redact  # type: ignore[method-assign]
    await world.start()
    assert msgspec.json.decode(script.seen[1].results[0].data) == {"name": "Ada", "card": "[redacted]"}


@pytest.mark.req("SYM-86.10")
async def test_a_planner_that_wants_each_result_may_wait_for_the_next_and_stop_what_is_left(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    times = {"shop.first": 1, "shop.second": 2, "shop.last": 25}
    tools = [FakeTool(name, does=sleeps(seconds)) for name, seconds in times.items()]
    script = Script([calls(*times, resume="each"), Plan(resume="each"), Plan(answer="Enough.", stops=True)])
    world = await make_world(agent("shop.bot", script, tools))
    run = await world.start()
    await clock.advance(3)
    assert await world.answer(run) == "Enough."
    assert [[result.tool for result in seen.results] for seen in script.seen] == [[], ["shop.first"], ["shop.second"]]
    assert finished(world.controls(run)) == [("c1", "ok"), ("c2", "ok"), ("c3", "cancelled")]


@pytest.mark.req("SYM-86.10")
@pytest.mark.parametrize("plan", [Plan(resume="each"), Plan(stops=True, resume="each")])
async def test_a_plan_that_waits_for_nothing_or_stops_without_an_answer_is_no_plan(
    make_world: MakeWorld, clock: SimulatedClock, plan: Plan
) -> None:
    world = await make_world(agent("shop.bot", [plan]))
    run = await world.start()
    await clock.advance(60)
    failed = [c.error for c in world.controls(run) if isinstance(c, e.Planned)]
    assert set(failed) <= {"plan_empty", "plan_contradicts_itself"}
    assert failed
