"""A tool that needs an answer before it goes on: the run waits for whoever it is for, over restarts, and the call is
decided and made again with what they said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from lichen.core.deciders import events as e
from lichen.core.ports.call import CallMeta, GivenAnswer, NeedsAnswer
from lichen.core.ports.plan import Plan, PlanInput, WaitRequest
from lichen.core.words.errors import Invalid
from lichen.core.words.scope import SYSTEM
from lichen.engine.intake.runs import cancel
from lichen.runtime.views.wait import WaitView
from lichen.testing.clock import SimulatedClock
from tests.engine.conftest import MakeWorld
from tests.engine.world import CUSTOMER, OPS, SCOPE, FakeTool, World, agent, call

LEND = Plan(calls=(call("books.lend", '{"title":"Dune"}'),))
DAYS: Mapping[str, Any] = {"type": "object", "properties": {"days": {"type": "integer"}}, "required": ["days"]}
SURE: Mapping[str, Any] = {"type": "object", "properties": {"sure": {"type": "boolean"}}, "required": ["sure"]}
PLACE: Mapping[str, Any] = {
    "type": "object",
    "properties": {"town": {"type": "string", "title": "Town"}, "zip": {"type": "string", "pattern": "^[0-9]{4}$"}},
    "required": ["town", "zip"],
}


def told(input: PlanInput) -> Plan:
    """What came of the calls, as the answer."""
    return Plan(answer=" ".join(f"{r.outcome} {r.code or r.data.decode()}" for r in input.results))


class Asker(FakeTool):
    """Asks once, keeping a state, and then does it; what it was told is its result."""

    def __init__(
        self, schema: Mapping[str, Any] = DAYS, *, effects: Any = "once", origin: Any = "records", **asks: Any
    ) -> None:
        super().__init__("books.lend", effects, origin=origin)
        self.asks: dict[str, Any]
        self.schema, self.asks = schema, {"state": b"opaque", **asks}

    async def execute(self, args: Any, meta: CallMeta) -> bytes:
        self.entered.append(meta)
        if meta.answer is None:
            raise NeedsAnswer("For how long?", self.schema, **self.asks)
        self.happen(meta)
        return msgspec.json.encode({"said": msgspec.Raw(meta.answer.data), "outcome": meta.answer.outcome})


class Insatiable(FakeTool):
    async def execute(self, args: Any, meta: CallMeta) -> bytes:
        raise NeedsAnswer("And now?", DAYS)


async def lending(make_world: MakeWorld, tool: FakeTool | None = None) -> World:
    return await make_world(agent("shop.bot", [LEND, told], [tool or Asker()]))


def only(world: World) -> WaitView:
    (wait,) = world.waits.list(SCOPE, SYSTEM, kinds=("clarification",))
    return wait


@pytest.mark.req("SYM-56.7")
async def test_the_customer_is_asked_in_the_chat_and_the_call_is_made_again_with_what_they_said(
    make_world: MakeWorld,
) -> None:
    asker = Asker()
    world = await lending(make_world, asker)
    session = await world.session()
    asked = await (await session.say("lend me Dune")).result()
    assert (asked.text, asked.outcome, asker.effects.total()) == ("For how long?", "asked", 0)
    assert (await (await session.say("fourteen")).result()).outcome == "asked"
    answered = await (await session.say("14")).result()
    assert answered.text == 'ok {"said":{"days":14},"outcome":"answered"}'
    assert [meta.answer for meta in asker.entered] == [None, GivenAnswer("answered", b'{"days":14}', b"opaque")]
    assert asker.effects.total() == 1


@pytest.mark.req("SYM-56.7")
async def test_a_question_outlives_the_process_and_policy_is_asked_again_after_the_answer(
    make_world: MakeWorld,
) -> None:
    asker = Asker()
    world = await lending(make_world, asker)
    run = await world.start()
    await world.reopen()
    with pytest.raises(Invalid, match="answer_unexpected"):
        await world.waits.answer(SCOPE, only(world).id, "answered", CUSTOMER, body={"result": {"days": "x"}})
    await world.waits.answer(SCOPE, only(world).id, "answered", CUSTOMER, body={"result": {"days": 3, "more": 1}})
    await world.clock.settle()
    assert await world.answer(run) == 'ok {"said":{"days":3},"outcome":"answered"}'
    refused = await world.start("again")
    world.gate.denied.add("books.lend")
    await world.waits.answer(SCOPE, only(world).id, "answered", CUSTOMER, body={"result": {"days": 3}})
    await world.clock.settle()
    assert (await world.answer(refused)).startswith("denied")
    assert asker.effects.total() == 1


@pytest.mark.req("SYM-56.7")
async def test_whoever_is_asked_may_decline_or_say_nothing_and_the_tool_is_told(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    world = await lending(make_world)
    session = await world.session()
    await (await session.say("lend me Dune")).result()
    declined = await (await session.say("no thanks")).result()
    assert declined.text == 'ok {"said":{},"outcome":"declined"}'
    run = await world.start()
    await clock.advance(86_401)
    assert await world.answer(run) == 'ok {"said":{},"outcome":"expired"}'
    other = await world.start("other")
    await world.waits.answer(SCOPE, only(world).id, "declined", OPS, body={})
    await world.clock.settle()
    assert await world.answer(other) == 'ok {"said":{},"outcome":"declined"}'


@pytest.mark.req("SYM-56.7")
@pytest.mark.parametrize(
    ("schema", "words", "said"),
    [
        (SURE, "nein", '{"sure":false}'),
        (SURE, "yes, please", '{"sure":true}'),
        (PLACE, "Town: Wien\nzip: 1020", '{"town":"Wien","zip":"1020"}'),
        ({**DAYS, "properties": {"days": {"type": "number"}}}, "2.5", '{"days":2.5}'),
        ({**DAYS, "properties": {"days": {"enum": ["Short", "Long"]}}}, "long", '{"days":"Long"}'),
    ],
)
async def test_a_form_is_filled_in_with_words(
    make_world: MakeWorld, schema: Mapping[str, Any], words: str, said: str
) -> None:
    world = await lending(make_world, Asker(schema))
    session = await world.session()
    await (await session.say("lend me Dune")).result()
    answered = await (await session.say(words)).result()
    assert answered.text == f'ok {{"said":{said},"outcome":"answered"}}'


@pytest.mark.req("SYM-56.8")
async def test_what_somebody_else_asks_is_put_as_theirs(make_world: MakeWorld) -> None:
    world = await lending(make_world, Asker(asker="library"))
    session = await world.session(language="de")
    asked = await (await session.say("Dune")).result()
    assert "library" in asked.text
    assert asked.text.endswith("For how long?")
    assert asked.text != "For how long?"
    silent = await lending(make_world, Asker(asker="library"))
    await silent.start()
    assert only(silent).operator["asker"] == "library"


@pytest.mark.req("SYM-56.8")
@pytest.mark.parametrize(("origin", "sources"), [("third_party", ("third_party:books.lend",)), ("records", ())])
async def test_a_question_is_labelled_as_what_its_tool_says(
    make_world: MakeWorld, origin: Any, sources: tuple[str, ...]
) -> None:
    world = await lending(make_world, Asker(asker="library", origin=origin))
    session = await world.session()
    asked = await (await session.say("Dune")).result()
    assert world.state(asked.run).label.sources == sources
    sent = [check for check in world.gate.checked if check.action == "message.send"][-1]
    assert sent.label.sources == sources


@pytest.mark.req("SYM-56.7")
async def test_a_question_that_nobody_can_answer_or_that_does_not_end_ends_the_call(make_world: MakeWorld) -> None:
    for schema in ({"type": "string"}, {"type": "object", "properties": {"x": {"type": "strin"}}}):
        world = await lending(make_world, Asker(schema))
        assert await world.answer(await world.start()) == "failed question_invalid"
    world = await lending(make_world, Asker(state=b"x" * 70_000))
    assert await world.answer(await world.start()) == "failed question_invalid"
    world = await lending(make_world, Insatiable("books.lend", "none"))
    run = await world.start()
    while not world.state(run).outcome:
        await world.waits.answer(SCOPE, only(world).id, "answered", CUSTOMER, body={"result": {"days": 1}})
        await world.clock.settle()
    assert await world.answer(run) == "failed questions_endless"


@pytest.mark.req("SYM-56.9")
@pytest.mark.parametrize("goes_on", [False, True])
async def test_a_run_that_is_cancelled_while_somebody_is_asked_ends_and_what_went_on_is_in_doubt(
    make_world: MakeWorld, goes_on: bool
) -> None:
    world = await lending(make_world, Asker(goes_on=goes_on))
    run = await world.start()
    await cancel(world.request(), run)
    await world.clock.settle()
    if not goes_on:
        assert world.state(run).outcome == "cancelled"
        return
    assert not world.state(run).outcome
    (wait,) = world.waits.list(SCOPE, OPS, kinds=("reconcile",))
    assert wait.operator["tool"] == "books.lend"
    await world.reconcile("did_not_happen")
    assert world.state(run).outcome == "cancelled"


@pytest.mark.req("SYM-56.9")
async def test_what_goes_on_and_is_refused_or_stopped_after_the_answer_is_in_doubt(make_world: MakeWorld) -> None:
    world = await lending(make_world, Asker(goes_on=True))
    run = await world.start()
    world.gate.denied.add("books.lend")
    await world.waits.answer(SCOPE, only(world).id, "answered", CUSTOMER, body={"result": {"days": 3}})
    await world.clock.settle()
    assert not world.state(run).outcome
    assert len(world.waits.list(SCOPE, OPS, kinds=("reconcile",))) == 1


@pytest.mark.req("SYM-56.7")
async def test_a_question_of_a_planner_is_not_declined(make_world: MakeWorld) -> None:
    world = await make_world(agent("shop.bot", [Plan(waits=(WaitRequest("clarification", "Which?"),)), told]))
    session = await world.session()
    await (await session.say("go")).result()
    with pytest.raises(Invalid, match="answer_invalid"):
        await world.waits.answer(SCOPE, only(world).id, "declined", CUSTOMER, body={})


@pytest.mark.req("SYM-56.7")
async def test_the_question_is_written_down_before_the_wait(make_world: MakeWorld) -> None:
    world = await lending(make_world)
    run = await world.start()
    kinds = [control.type for control in world.controls(run)][-3:]
    assert kinds == ["call_started", "call_progressed", "wait_opened"]
    progressed = [c for c in world.controls(run) if isinstance(c, e.CallProgressed)]
    assert [(c.what, c.code) for c in progressed] == [("asked", "")]
