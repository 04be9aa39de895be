"""What holds for one run beside its agent, and what follows when a call lacks arguments."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from lichen.core.deciders import events as e
from lichen.core.ports.call import Arguments, InvalidArguments, Issue
from lichen.core.ports.overrides import NO_TOOL, Overrides, Tagged, both
from lichen.core.ports.plan import Plan, PlanInput, WaitRequest
from lichen.core.words.errors import Conflict, Invalid
from lichen.core.words.ids import CallId, RunId, child_run
from lichen.core.words.limits import Limits
from lichen.core.words.scope import SYSTEM
from lichen.engine.intake.runs import start
from tests.engine.conftest import MakeWorld
from tests.engine.world import SCOPE, FakeTool, Script, World, agent, call, calls, outcomes, sleeps


def tagged(name: str, *tags: str) -> FakeTool:
    tool = FakeTool(name)
    tool.spec = msgspec.structs.replace(tool.spec, tags=tags)
    return tool


READ, PAY, MAIL = tagged("shop.read", "read"), tagged("shop.pay", "money", "write"), tagged("shop.mail", "write")


async def shop(make_world: MakeWorld, script: Script) -> World:
    return await make_world(agent("shop.bot", script, [READ, PAY, MAIL], Limits(calls=9, time_s=60)))


async def began(world: World, overrides: Overrides) -> RunId:
    run = await start(world.request(), world.agent, "go", overrides=overrides)
    await world.clock.settle()
    return run


@pytest.mark.req("GOA-29.1")
@pytest.mark.parametrize(
    ("overrides", "seen"),
    [
        (Overrides(), ["shop.read", "shop.pay", "shop.mail"]),
        (Overrides(tools=("shop.pay",)), ["shop.pay"]),
        (Overrides(tagged=(Tagged(any_of=("write", "read")),)), ["shop.read", "shop.pay", "shop.mail"]),
        (Overrides(tagged=(Tagged(any_of=("write",)), Tagged(none_of=("money",)))), ["shop.mail"]),
        (Overrides(tools=("shop.pay", "shop.read"), tagged=(Tagged(none_of=("write",)),)), ["shop.read"]),
    ],
)
async def test_one_run_sees_and_may_call_only_the_tools_that_it_was_left(
    make_world: MakeWorld, overrides: Overrides, seen: list[str]
) -> None:
    script = Script([calls("shop.read", "shop.pay", "shop.mail"), outcomes])
    world = await shop(make_world, script)
    run = await began(world, overrides)
    assert [spec.name for spec in script.seen[0].tools] == seen
    ended = {result.tool: result.code for result in script.seen[1].results if result.outcome == "ok"}
    assert list(ended) == seen
    refused = [result for result in script.seen[1].results if result.outcome != "ok"]
    assert {result.code for result in refused} <= {"tool_unavailable"}
    assert len(refused) == 3 - len(seen)
    await world.reopen()
    assert world.state(run).outcome == "completed"


@pytest.mark.req("GOA-29.2")
async def test_limits_of_one_run_are_narrower_never_wider_and_no_others(make_world: MakeWorld) -> None:
    script = Script([calls("shop.read"), calls("shop.read"), Plan(answer="ok")])
    world = await shop(make_world, script)
    run = await began(world, Overrides(calls=1, time_s=500.0, failures=1, tokens=10, grace_s=2.0, fan_out=3))
    limits = world.state(run).limits
    assert (limits.calls, limits.time_s, limits.failures, limits.tokens, limits.grace_s) == (1, 60, 1, 10, 2.0)
    assert await world.answer(run) == "limit calls"
    other = await world.start()
    assert await world.answer(other) == "ok"


@pytest.mark.req("GOA-29.3")
@pytest.mark.parametrize(
    ("overrides", "place"),
    [
        (Overrides(tools=("shop.read", "shop.gone")), "/tools/1"),
        (Overrides(tagged=(Tagged(any_of=("nothing",)),)), "/tagged"),
        (Overrides(tools=("shop.read",), tagged=(Tagged(any_of=("money",)),)), "/tagged"),
        (Overrides(calls=0), "/calls"),
        (Overrides(time_s=0.0), "/time_s"),
        (Overrides(grace_s=-1.0), "/grace_s"),
        (Overrides(cost_usd=0.0), "/cost_usd"),
        (Overrides(call_s=0.0), "/call_s"),
        (Overrides(plan_s=float("nan")), "/plan_s"),
        (Overrides(tagged=(Tagged(any_of=("write",)), Tagged())), "/tagged/1"),
        (Overrides(tagged=(Tagged(any_of=("write",)),) * 17), "/tagged"),
    ],
)
async def test_overrides_that_leave_nothing_start_nothing(
    make_world: MakeWorld, overrides: Overrides, place: str
) -> None:
    world = await shop(make_world, Script([Plan(answer="ok")]))
    with pytest.raises(Invalid) as caught:
        await began(world, overrides)
    assert (caught.value.code, caught.value.place) == ("overrides_invalid", place)
    session = await world.session()
    with pytest.raises(Invalid) as caught:
        await session.ask("go", overrides=overrides)
    assert (caught.value.code, caught.value.place) == ("overrides_invalid", place)
    assert world.runs.list(SCOPE, SYSTEM) == ()


@pytest.mark.req("GOA-29.4")
async def test_a_message_may_hold_its_turn_to_less_and_no_other_turn_is(make_world: MakeWorld) -> None:
    script = Script([calls("shop.read", "shop.pay"), outcomes, calls("shop.read", "shop.pay"), outcomes])
    world = await shop(make_world, script)
    session = await world.session(key="s")
    asked = await session.ask("go", overrides=Overrides(tools=("shop.read",), calls=3), key="one")
    await world.clock.settle()
    run = await asked.run()
    assert world.state(run).limits.calls == 3
    assert world.said(session) == ["ok failed"]
    assert (await session.ask("go", overrides=Overrides(tools=("shop.read",), calls=3), key="one")).receipt.is_repeated
    with pytest.raises(Conflict) as caught:
        await session.ask("go", overrides=Overrides(tools=("shop.pay",)), key="one")
    assert caught.value.code == "key_reused"
    await session.say("again")
    await world.clock.settle()
    assert world.said(session) == ["ok failed", "ok ok"]


@pytest.mark.req("GOA-29.4")
async def test_what_answers_a_run_held_to_the_same_goes_to_it_and_nothing_else_does(make_world: MakeWorld) -> None:
    asks = Plan(waits=(WaitRequest("clarification", "Which?"),))
    world = await shop(make_world, Script([asks, Plan(answer="ok")]))
    session, less = await world.session(), Overrides(calls=2)
    await session.ask("go", overrides=less)
    await world.clock.settle()
    with pytest.raises(Conflict) as caught:
        await session.ask("the first", overrides=Overrides(calls=1))
    assert caught.value.code == "session_busy"
    assert (await session.ask("the first", overrides=less)).disposition == "answered"


@pytest.mark.req("GOA-29.5")
async def test_runs_that_a_run_starts_are_held_to_its_clauses_and_times_also_after_a_crash(
    make_world: MakeWorld,
) -> None:
    slow = tagged("shop.slow", "read")
    slow._does = sleeps(50)  # pyright: ignore[reportPrivateUsage]
    helper = agent("shop.helper", Script([calls("shop.slow", "shop.pay"), outcomes]), [slow, PAY])
    ask = FakeTool("shop.helper", "child", agent="shop.helper", timeout_s=100)
    ask.spec = msgspec.structs.replace(ask.spec, tags=("read",))
    world = await make_world(agent("shop.bot", Script([calls("shop.helper"), outcomes]), [ask]), helper)
    run = await began(world, Overrides(tagged=(Tagged(none_of=("money",)),), call_s=20))
    await world.reopen()
    await world.clock.advance(25)
    child = world.state(child_run(run, CallId("c1")))
    assert (child.only, world.ended(child.id)) == (("shop.slow",), {"c1": "timed_out", "c2": "failed"})


@pytest.mark.req("GOA-29.5")
async def test_a_child_that_has_no_tool_left_has_none(make_world: MakeWorld) -> None:
    script = Script([calls("shop.pay"), outcomes])
    ask = FakeTool("shop.helper", "child", agent="shop.helper", timeout_s=100)
    world = await make_world(
        agent("shop.bot", [calls("shop.helper"), outcomes], [ask]), agent("shop.helper", script, [PAY])
    )
    await began(world, Overrides(tagged=(Tagged(none_of=("money",)),)))
    assert (script.seen[0].tools, [result.code for result in script.seen[1].results]) == ((), ["tool_unavailable"])


@pytest.mark.req("GOA-29.6")
async def test_each_call_and_each_plan_of_a_run_may_be_left_less_time(make_world: MakeWorld) -> None:
    slow = FakeTool("shop.slow", does=sleeps(20), timeout_s=100)

    world = await make_world(agent("shop.bot", Script([calls("shop.slow"), outcomes]), [slow]))
    run = await began(world, Overrides(call_s=5))
    await world.clock.advance(6)
    assert world.ended(run) == {"c1": "timed_out"}
    assert slow.entered[0].timeout_s == 5
    thinker = await make_world(agent("shop.thinker", Thinks()))
    held = await start(thinker.request(), thinker.agent, "go", overrides=Overrides(plan_s=5))
    free = await start(thinker.request(), thinker.agent, "go", overrides=Overrides(plan_s=30))
    await thinker.clock.advance(60)
    errors = [control.error for control in thinker.controls(held) if isinstance(control, e.Planned)]
    assert errors == ["plan_timed_out"] * 3
    assert (thinker.state(held).outcome, await thinker.answer(free)) == ("failed", "thought")


class Thinks:
    """A planner that takes its time."""

    pure, digest = False, "thinks"

    async def plan(self, input: PlanInput) -> Plan:
        await asyncio.sleep(20)
        return Plan(answer="thought")


@pytest.mark.req("GOA-29.7")
async def test_views_of_a_run_say_what_it_is_held_to(make_world: MakeWorld) -> None:
    world = await shop(make_world, Script([Plan(answer="ok")]))
    run = await began(world, Overrides(tagged=(Tagged(("read", "write"), ("money",)),), calls=3, time_s=2.5))
    shown = world.runs.show(SCOPE, run, SYSTEM)
    assert shown.held == (
        "only shop.read, shop.mail",
        "tools tagged read or write",
        "no tool tagged money",
        "calls at most 3",
        "time_s at most 2.5",
    )
    assert shown.records[0].contents is not None
    assert shown.records[0].contents["overrides"] == {
        "tagged": [{"any_of": ["read", "write"], "none_of": ["money"]}],
        "calls": 3,
        "time_s": 2.5,
    }
    assert world.runs.show(SCOPE, await world.start(), SYSTEM).held == ()


def test_what_holds_where_several_do_is_the_narrower_of_each() -> None:
    one = Overrides(("a.b", "c.d"), (Tagged(("read",)),), calls=3, call_s=5.0)
    other = Overrides(("c.d",), (Tagged((), ("write",)),), calls=4, time_s=9.0)
    assert both((one, other)) == Overrides(
        ("c.d",), (Tagged(("read",)), Tagged((), ("write",))), calls=3, time_s=9.0, call_s=5.0
    )
    assert both((one, Overrides(("x.y",)))).tools == (NO_TOOL,), "none in common is none, not all"
    assert both(()) == Overrides()


# -- missing arguments -------------------------------------------------------------------------------------------


class Needy(FakeTool):
    """Needs an order number."""

    def __init__(self) -> None:
        super().__init__("shop.look")
        order = {"type": "string", "description": "The number of your order."}
        self.spec = msgspec.structs.replace(
            self.spec, input_schema={"type": "object", "properties": {"order_id": order}, "required": ["order_id"]}
        )

    def decode(self, args: bytes) -> Arguments:
        if "order_id" not in msgspec.json.decode(args):
            raise InvalidArguments((Issue("/order_id", "missing_field", "is required."),))
        return super().decode(args)


def given(input: PlanInput) -> Plan:
    """Calls again with what the customer said; else tells how it went."""
    if input.answers:
        said = msgspec.json.decode(input.answers[0].body)["text"]
        return Plan(calls=(call("shop.look", msgspec.json.encode({"order_id": said}).decode()),))
    return Plan(answer=f"{input.reason} {' '.join(result.code or result.outcome for result in input.results)}")


async def conversation(make_world: MakeWorld, on_missing: str) -> tuple[World, list[str], Script]:
    script = Script([calls("shop.look"), given, given])
    bot = msgspec.structs.replace(agent("shop.bot", script, [Needy()]), on_missing=on_missing)
    world = await make_world(bot)
    session = await world.session()
    await session.say("where is it?")
    await world.clock.settle()
    asked = world.said(session)
    if asked == ["The number of your order?"]:
        await session.say("1042")
        await world.clock.settle()
    return world, world.said(session), script


@pytest.mark.req("GOA-25.1")
async def test_by_default_the_planner_is_told_what_is_missing(make_world: MakeWorld) -> None:
    _, said, script = await conversation(make_world, "resume")
    assert said == ["resume arguments_invalid"]
    assert script.seen[1].results[0].issues[0].constraint == "missing_field"


@pytest.mark.req("GOA-25.2")
async def test_the_customer_is_asked_for_what_is_missing_and_the_planner_told_what_they_said(
    make_world: MakeWorld,
) -> None:
    world, said, script = await conversation(make_world, "ask")
    assert said == ["The number of your order?", "resume ok"]
    assert [len(input.answers) for input in script.seen] == [0, 1, 0]
    assert script.seen[1].results[0].code == "arguments_invalid"
    assert sum(isinstance(c, e.WaitOpened) for c in world.controls(RunId(script.seen[0].run.run))) == 1


@pytest.mark.req("GOA-25.2")
async def test_without_a_customer_the_planner_is_told_instead(make_world: MakeWorld) -> None:
    bot = agent("shop.bot", Script([calls("shop.look"), given]), [Needy()])
    world = await make_world(msgspec.structs.replace(bot, on_missing="ask"))
    assert await world.answer(await world.start()) == "resume arguments_invalid"


@pytest.mark.req("GOA-25.3")
async def test_or_the_run_ends_with_what_it_has(make_world: MakeWorld) -> None:
    _, said, script = await conversation(make_world, "finalize")
    assert said == ["limit failures"]
    assert (script.seen[1].reason, script.seen[1].results[0].code) == ("finalize", "arguments_invalid")
