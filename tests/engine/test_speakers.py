"""Who spoke is who spoke: their actor decides whose words they are, who endorses, and who may decide what they want."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from lichen.core.deciders import events as e
from lichen.core.ports.plan import Plan, WaitRequest
from lichen.core.words.errors import Denied
from lichen.core.words.ids import RunId, run_stream, session_stream
from lichen.core.words.scope import SYSTEM, Actor, Environment, Operator, Scope, Service
from lichen.engine.intake.runs import start
from lichen.runtime.operations.talk.session import Session
from tests.engine.conftest import MakeWorld
from tests.engine.world import CUSTOMER, OPS, SCOPE, FakeTool, Script, World, agent, call, calls, outcomes

OTHER = Operator("other", ("operator",))
ROBOT, APP = Service("robot"), Service("app", ("channel",))
PAY = Plan(calls=(call("shop.pay", '{"order":"1042"}'),))


async def shop(make_world: MakeWorld, *lines: Any) -> tuple[World, FakeTool, Script]:
    """An agent that pays, once an operator agrees."""
    pay, script = FakeTool("shop.pay", "once"), Script([*lines, PAY, outcomes])
    world = await make_world(agent("shop.bot", script, [pay]))
    world.gate.held.add("shop.pay")
    return world, pay, script


def as_(world: World, session: Session, actor: Actor) -> Session:
    """The same session as somebody else holds it."""
    return world.sessions.get(SCOPE, session.id, actor)


def endorsed(world: World) -> set[str]:
    """Who, as the gate was last told, said the order."""
    checks = [check for check in world.gate.checked if check.action == "shop.pay"]
    return {found.source for found in checks[-1].evidence if 1042 in found.values}


@pytest.mark.req("LIC-12.51")
@pytest.mark.parametrize(
    ("who", "role", "endorses"), [(OPS, "operator", False), (ROBOT, "service", False), (APP, "customer", True)]
)
async def test_words_are_those_of_whose_actor_sent_them(
    make_world: MakeWorld, who: Actor, role: str, endorses: bool
) -> None:
    world, _, script = await shop(make_world)
    session = await world.session()
    await (await as_(world, session, who).say("refund 1042")).run()
    await world.clock.settle()
    assert [message.role for message in script.seen[0].input] == [role]
    customer = world.log.name(CUSTOMER)
    assert endorsed(world) == ({f"customer:{customer}"} if endorses else set())
    record = next(r for r in world.log.records(session_stream(session.id)) if r.type == "message_received")
    assert record.actor == world.log.name(who)
    assert isinstance(record.control, e.MessageReceived)
    assert (record.control.role, record.control.by) == (role, customer if endorses else record.actor)


@pytest.mark.req("LIC-12.51")
async def test_an_operator_who_speaks_in_a_customers_session_may_not_approve_what_comes_of_it(
    make_world: MakeWorld,
) -> None:
    world, pay, _ = await shop(make_world)
    session = await world.session()
    await (await as_(world, session, OPS).say("refund 1042")).result()
    (wait,) = world.waits.list(SCOPE, SYSTEM)
    assert sorted(wait.operator["requesters"]) == sorted([world.log.name(CUSTOMER), world.log.name(OPS)])
    with pytest.raises(Denied, match="may_not_answer"):
        await world.waits.approve(SCOPE, wait.id, OPS)
    assert pay.entered == []
    await world.waits.approve(SCOPE, wait.id, OTHER)
    await world.clock.settle()
    assert pay.effects.total() == 1


@pytest.mark.req("LIC-12.51")
@pytest.mark.parametrize("how", ["joins", "answers", "child"])
async def test_everybody_who_spoke_on_the_way_is_a_requester(make_world: MakeWorld, how: str) -> None:
    pay = FakeTool("shop.pay", "once")
    ask = Plan(waits=(WaitRequest("external", "Which?", may_answer=("operator",)),))
    lines = [ask, PAY, outcomes] if how != "child" else [ask, calls("shop.helper"), outcomes]
    helper = FakeTool("shop.helper", "child", agent="shop.helper")
    world = await make_world(agent("shop.bot", lines, [pay, helper]), agent("shop.helper", [PAY, outcomes], [pay]))
    world.gate.held.add("shop.pay")
    session = await world.session(double_texting="merge")
    await (await session.say("refund")).result()
    await world.clock.settle()
    (open_wait,) = world.waits.list(SCOPE, SYSTEM, kinds=("external",))
    answering = OTHER if how == "joins" else OPS
    if how == "joins":
        run = RunId(open_wait.run)
        signal = e.Draft(e.Signal("input", "m9", by=world.log.name(OPS)))
        world.journal.append({run_stream(run): (signal,)})
    await world.waits.answer(SCOPE, open_wait.id, "answered", answering, body={"text": "1042"})
    await world.clock.settle()
    (wait,) = world.waits.list(SCOPE, SYSTEM)
    with pytest.raises(Denied, match="may_not_answer"):
        await world.waits.approve(SCOPE, wait.id, OPS)


@pytest.mark.req("LIC-12.51")
async def test_only_whom_a_question_is_put_to_answers_it_by_writing(make_world: MakeWorld) -> None:
    ask = Plan(waits=(WaitRequest("clarification", "Which order?"),))
    world, _, _ = await shop(make_world, ask)
    session = await world.session()
    await (await session.say("refund")).result()
    assert (await as_(world, session, OPS).say("1042")).disposition == "queued"
    assert (await session.say("1043")).disposition == "answered"


@pytest.mark.req("LIC-12.53")
@pytest.mark.parametrize("is_allowed", [True, False])
async def test_a_project_of_one_person_may_say_so_for_development_and_the_record_tells(
    make_world: MakeWorld, is_allowed: bool
) -> None:
    world, pay, _ = await shop(make_world)

    def lenient(scope: Scope) -> Environment:
        return Environment(is_development=is_allowed, self_approval=True)

    services: Any = world.engine.services
    world.engine.services = msgspec.structs.replace(services, environment=lenient)
    run = await start(world.request(OPS), world.agent, "refund 1042")
    await world.clock.settle()
    (wait,) = world.waits.list(SCOPE, SYSTEM)
    if not is_allowed:
        with pytest.raises(Denied, match="may_not_answer"):
            await world.waits.approve(SCOPE, wait.id, OPS)
        return
    await world.waits.approve(SCOPE, wait.id, OPS)
    await world.clock.settle()
    assert pay.effects.total() == 1
    assert [c.is_own for c in world.controls(run) if isinstance(c, e.WaitClosed)] == [True]
