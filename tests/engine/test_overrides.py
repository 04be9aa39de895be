"""What holds for one run beside its agent, and what follows when a call lacks arguments."""

from __future__ import annotations

import msgspec
import pytest

from lichen.core.deciders import events as e
from lichen.core.ports.call import Arguments, InvalidArguments, Issue
from lichen.core.ports.overrides import Overrides, Tagged
from lichen.core.ports.plan import Plan, PlanInput
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import RunId
from lichen.core.words.limits import Limits
from lichen.engine.intake.runs import start
from tests.engine.conftest import MakeWorld
from tests.engine.world import FakeTool, Script, World, agent, call, calls, outcomes


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
    "overrides",
    [
        Overrides(tools=("shop.gone",)),
        Overrides(tagged=(Tagged(any_of=("nothing",)),)),
        Overrides(calls=0),
        Overrides(time_s=0.0),
        Overrides(tagged=(Tagged(),) * 17),
    ],
)
async def test_overrides_that_leave_nothing_start_nothing(make_world: MakeWorld, overrides: Overrides) -> None:
    world = await shop(make_world, Script([Plan(answer="ok")]))
    with pytest.raises(Invalid) as caught:
        await began(world, overrides)
    assert caught.value.code == "overrides_invalid"


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
