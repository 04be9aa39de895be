"""What a wait expects of its answer: choices in a chat, results from outside, and that anything else leaves it open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from lichen.core.deciders import events as e
from lichen.core.ports.plan import Awaited, Plan, PlanInput, WaitRequest
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import session_stream
from lichen.core.words.scope import SYSTEM, Service
from lichen.core.words.wait import WaitKind
from lichen.engine.answers.expected import SUGGESTIONS_MAX
from lichen.engine.intake.waits import answer
from lichen.runtime.operations.talk.session import Session
from lichen.runtime.operations.waits import WaitView
from tests.engine.conftest import MakeWorld
from tests.engine.world import CUSTOMER, OPS, SCOPE, World, agent

ROBOT = Service("robot")
SIZES = ("Small", "Extra Large")
ORDER: Mapping[str, Any] = {
    "type": "object",
    "required": ["order"],
    "properties": {"order": {"type": "string", "pattern": "^[0-9]+$"}},
    "additionalProperties": False,
}


def asks(schema: Mapping[str, Any], text: str = "Which size?", kind: WaitKind = "clarification") -> Plan:
    return Plan(waits=(WaitRequest(kind, text, expires_s=600, answer_schema=schema),))


def waits_for(schema: Mapping[str, Any], *awaits: Awaited) -> Plan:
    wait = WaitRequest("external", may_answer=("service", "operator"), answer_schema=schema, awaits=awaits)
    return Plan(waits=(wait,))


def repeats(input: PlanInput) -> Plan:
    return Plan(answer=" ".join(answer.body.decode() for answer in input.answers))


def only(world: World) -> WaitView:
    (wait,) = world.waits.list(SCOPE, SYSTEM, kinds=("external", "clarification"))
    return wait


async def bring(world: World, body: dict[str, Any]) -> None:
    await world.waits.answer(SCOPE, only(world).id, "answered", ROBOT, body=body)
    await world.clock.settle()


async def is_refused(world: World, body: dict[str, Any]) -> str | None:
    """The place of what was not expected in an answer that left nothing behind."""
    wait = only(world)
    records = len(world.controls(wait.run))
    with pytest.raises(Invalid) as refused:
        await bring(world, body)
    assert refused.value.code == "answer_unexpected"
    assert "answer_schema" in refused.value.next_step
    assert len(world.controls(wait.run)) == records
    assert only(world) == wait
    return refused.value.place


def buttons(world: World, session: Session) -> list[list[str]]:
    """What each question of the session offers to press."""
    stream = session_stream(session.id)
    queued = [event for event in world.log.events(stream) if isinstance(event.control, e.MessageQueued)]
    return [
        msgspec.json.decode(world.log.contents(stream, event.n).get("suggestions", b"[]"))
        for event in queued
        if isinstance(event.control, e.MessageQueued) and event.control.kind == "question"
    ]


# -- plans -------------------------------------------------------------------------------------------------------


@pytest.mark.req("GOA-41.1")
@pytest.mark.parametrize(
    "plan",
    [
        asks({"type": "strin"}),
        asks({"$ref": "#"}),
        asks({"pattern": "(a+)+$"}),
        asks({"const": "x" * 70_000}),
        asks({"type": "string"}, kind="confirmation"),
        asks({"type": "string"}, kind="approval"),
        asks({"type": "string"}, kind="handover"),
        waits_for({"items": {"type": "strin"}}),
        waits_for({}, Awaited("c1", result_schema={"type": "strin"})),
        waits_for({}, Awaited("c1"), Awaited("c1")),
        waits_for({}, Awaited("")),
        waits_for({}, *(Awaited(f"c{i}") for i in range(65))),
        Plan(waits=(WaitRequest("clarification", "Which?", awaits=(Awaited("c1"),)),)),
    ],
)
async def test_a_plan_that_expects_what_cannot_be_checked_fails(make_world: MakeWorld, plan: Plan) -> None:
    world = await make_world(agent("shop.bot", [plan]))
    session = await world.session()
    turn = await session.say("go")
    await world.clock.advance(60)
    state = world.state(await turn.run())
    assert (state.outcome, state.failure) == ("failed", "answer_schema_invalid")
    assert not any(isinstance(control, e.WaitOpened) for control in world.controls(state.id))


# -- results from outside ----------------------------------------------------------------------------------------


@pytest.mark.req("GOA-41.3")
async def test_a_result_that_does_not_fit_is_refused_with_its_place_and_the_wait_stays_open(
    make_world: MakeWorld,
) -> None:
    world = await make_world(agent("shop.bot", [waits_for(ORDER), repeats]))
    run = await world.start()
    assert only(world).answer_schema == ORDER
    assert await is_refused(world, {"result": {"order": 1042}}) == "/result/order"
    assert await is_refused(world, {"result": {"order": "1042", "text": "x"}}) == "/result/text"
    assert await is_refused(world, {"result": {}}) == "/result/order"
    assert await is_refused(world, {"text": "1042"}) == "/result"
    await world.reopen()
    assert await is_refused(world, {"result": []}) == "/result"
    await bring(world, {"result": {"order": "1042"}})
    assert await world.answer(run) == '{"result":{"order":"1042"}}'


TWO = (Awaited("c1", {"tool": "orders.lookup"}, ORDER), Awaited("c2"))

WRONG_RESULTS: list[tuple[dict[str, Any], str]] = [
    ({}, "/result/results"),
    ({"results": {"c1": {}}}, "/result/results"),
    ({"results": []}, "/result/results"),
    ({"results": [{"id": "c2", "result": 1}]}, "/result/results"),
    ({"results": [{"id": "c2", "result": 1}, {"id": "c3", "result": 1}]}, "/result/results/1/id"),
    ({"results": [{"id": "c2", "result": 1}, {"id": "c2", "result": 1}]}, "/result/results/1/id"),
    ({"results": [{"id": "c2", "result": 1}, {"result": 1}]}, "/result/results/1/id"),
    ({"results": ["c1", "c2"]}, "/result/results/0/id"),
    ({"results": [{"id": "c1"}]}, "/result/results/0"),
    ({"results": [{"id": "c2", "result": 1, "error": {}}]}, "/result/results/0"),
    ({"results": [{"id": "c2", "result": 1, "more": 1}]}, "/result/results/0"),
    ({"results": [{"id": "c2", "error": "gone"}]}, "/result/results/0/error"),
    ({"results": [{"id": "c1", "result": {"order": "x"}}]}, "/result/results/0/result/order"),
]


@pytest.mark.req("GOA-41.4")
@pytest.mark.parametrize(("result", "place"), WRONG_RESULTS)
async def test_results_are_of_the_awaited_ids_each_once(
    make_world: MakeWorld, result: dict[str, Any], place: str
) -> None:
    world = await make_world(agent("shop.bot", [waits_for({}, *TWO), repeats]))
    run = await world.start()
    assert only(world).awaits == TWO
    assert await is_refused(world, {"result": result}) == place
    brought = [{"id": "c2", "error": {"code": "gone"}}, {"id": "c1", "result": {"order": "1042"}}]
    await bring(world, {"result": {"results": brought}})
    assert msgspec.json.decode(await world.answer(run)) == {"result": {"results": brought}}


@pytest.mark.req("GOA-41.4")
async def test_what_is_awaited_is_part_of_what_an_answer_is_bound_to(make_world: MakeWorld) -> None:
    plans = [waits_for({}, Awaited("c1")), waits_for({}, Awaited("c2")), repeats]
    world = await make_world(agent("shop.bot", plans))
    await world.start()
    first = only(world).digest
    await bring(world, {"result": {"results": [{"id": "c1", "result": 1}]}})
    assert only(world).digest != first


async def test_a_wait_about_somebody_who_was_erased_expects_nothing(make_world: MakeWorld) -> None:
    world = await make_world(agent("shop.bot", [waits_for(ORDER), repeats]))
    run = await world.start()
    await world.log.erase(world.log.name(CUSTOMER), "erasure-1", by="ops")
    wait = only(world)
    assert (wait.answer_schema, wait.awaits) == ({}, ())
    await answer(world.request(ROBOT), run, wait.wait, "answered", digest=bytes.fromhex(wait.digest), body={})
    assert wait.wait not in world.state(run).waits


# -- answers to questions ----------------------------------------------------------------------------------------


@pytest.mark.req("GOA-40.2")
async def test_what_is_brought_to_a_question_is_checked_as_its_words_or_as_its_form(make_world: MakeWorld) -> None:
    world = await make_world(agent("shop.bot", [asks({"enum": list(SIZES)}), asks(ORDER), repeats]))
    session = await world.session()
    asked = await (await session.say("a shirt")).result()

    async def answered(body: dict[str, Any]) -> None:
        await world.waits.answer(SCOPE, only(world).id, "answered", CUSTOMER, body=body)
        await world.clock.settle()

    async def place(body: dict[str, Any]) -> str | None:
        with pytest.raises(Invalid, match="answer_unexpected") as refused:
            await answered(body)
        return refused.value.place

    assert await place({"text": "small"}) == "/text"
    assert await place({"result": {"text": "small"}}) == "/result/text"
    await answered({"result": {"text": "Small"}})
    assert await place({"order": 1042}) == "/order"
    assert await place({"result": {"order": 1042}}) == "/result/order"
    await answered({"result": {"order": "1042"}})
    assert await world.answer(asked.run) == '{"order":"1042"}'


@pytest.mark.req("GOA-40.1")
@pytest.mark.parametrize("text", ["Extra Large", "extra large", " EXTRALARGE. ", '"extra  large"!'])
async def test_a_choice_is_known_by_its_letters_and_told_as_it_was_offered(make_world: MakeWorld, text: str) -> None:
    world = await make_world(agent("shop.bot", [asks({"enum": list(SIZES)}), repeats]))
    session = await world.session()
    await (await session.say("a shirt")).result()
    assert buttons(world, session) == [list(SIZES)]
    assert (await (await session.say(text)).result()).text == '{"text":"Extra Large"}'


@pytest.mark.req("GOA-40.1")
@pytest.mark.parametrize("text", ["medium", "Small or Extra Large", "smal", "!", "Small2"])
async def test_words_that_are_no_choice_are_no_answer_and_the_question_comes_again(
    make_world: MakeWorld, text: str
) -> None:
    world = await make_world(agent("shop.bot", [asks({"enum": list(SIZES)}), repeats]))
    session = await world.session(key="s")
    asked = await (await session.say("a shirt")).result()
    again = await (await session.say(text)).result()
    assert (again.text, again.outcome) == ("Which size?", "asked")
    assert world.said(session, "question") == ["Which size?"] * 2
    assert buttons(world, session) == [list(SIZES)] * 2
    assert not any(isinstance(control, e.WaitClosed) for control in world.controls(asked.run))
    await world.reopen()
    session = await world.session(key="s")
    answered = await (await session.say("small")).result()
    assert (answered.run, answered.text) == (asked.run, '{"text":"Small"}')


@pytest.mark.req("GOA-40.1")
async def test_to_a_question_that_was_asked_in_other_words_the_customer_hears_that_it_was_no_answer(
    make_world: MakeWorld,
) -> None:
    silent = msgspec.structs.replace(asks({"enum": list(SIZES)}, ""), says=("Small or extra large?",))
    world = await make_world(agent("shop.bot", [silent, repeats]))
    session = await world.session(language="de")
    await session.say("a shirt")
    await world.clock.settle()
    await session.say("medium")
    await world.clock.settle()
    assert world.said(session, "question") == ["Sorry, I cannot take that as the answer. Please try again."]
    assert (await (await session.say("small")).result()).text == '{"text":"Small"}'


@pytest.mark.req("GOA-40.3")
@pytest.mark.parametrize(
    ("schema", "text", "data", "body"),
    [
        ({"type": "integer", "minimum": 1}, " 12. ", None, {"text": " 12. ", "result": 12}),
        ({"type": "number"}, "-1.5", None, {"text": "-1.5", "result": -1.5}),
        (
            {"type": "array", "items": {"enum": ["red", "Blue"]}, "uniqueItems": True},
            "Red, blue",
            None,
            {"text": "Red, blue", "result": ["red", "Blue"]},
        ),
        (ORDER, "sent", {"order": "1042"}, {"order": "1042", "text": "sent"}),
        (ORDER, "sent", {"value": {"order": "7"}, "metadata": {}}, {"order": "7", "value": {"order": "7"}}),
    ],
    ids=["integer", "number", "several", "form", "card"],
)
async def test_what_else_is_expected_is_read_from_the_words_or_the_form_that_came_with_them(
    make_world: MakeWorld, schema: Mapping[str, Any], text: str, data: Any, body: dict[str, Any]
) -> None:
    world = await make_world(agent("shop.bot", [asks(schema), repeats]))
    session = await world.session()
    await (await session.say("go")).result()
    for wrong in ("", "x", "0x12", "red, green", "red, red"):
        refused = await (await session.say(wrong or "?", data={"order": wrong})).result()
        assert (refused.text, refused.outcome) == ("Which size?", "asked")
    told = msgspec.json.decode((await (await session.say(text, data=data)).result()).text)
    assert {name: told.get(name) for name in body} == body


@pytest.mark.req("LIC-10.34")
async def test_a_number_that_could_be_two_is_asked_about_with_both_as_buttons(make_world: MakeWorld) -> None:
    world = await make_world(agent("shop.bot", [asks({"type": "number"}), repeats]))
    session = await world.session(language="en")
    await (await session.say("go")).result()
    refused = await (await session.say("1.234")).result()
    assert (refused.text, refused.outcome) == ("Do you mean 1234 or 1.2340?", "asked")
    assert buttons(world, session)[-1] == ["1234", "1.2340"]
    told = msgspec.json.decode((await (await session.say("1,234")).result()).text)
    assert told == {"text": "1,234", "result": 1234}


@pytest.mark.req("GOA-40.3")
async def test_a_customer_who_is_waited_for_brings_a_result_in_words(make_world: MakeWorld) -> None:
    wait = asks({"enum": list(SIZES)}, kind="external")
    world = await make_world(agent("shop.bot", [wait, repeats]))
    session = await world.session()
    await (await session.say("go")).result()
    assert (await (await session.say("medium")).result()).outcome == "asked"
    told = (await (await session.say("SMALL")).result()).text
    assert msgspec.json.decode(told) == {"text": "SMALL", "result": "Small"}


@pytest.mark.req("GOA-40.1")
async def test_choices_are_offered_as_buttons_only_when_they_are_few(make_world: MakeWorld) -> None:
    many = [f"size {i}" for i in range(SUGGESTIONS_MAX + 1)]
    world = await make_world(agent("shop.bot", [asks({"enum": many}), repeats]))
    session = await world.session()
    await (await session.say("a shirt")).result()
    assert buttons(world, session) == [[]]
    assert (await (await session.say("Size 8")).result()).text == '{"text":"size 8"}'


async def test_an_operator_who_answers_for_somebody_is_held_to_the_same(make_world: MakeWorld) -> None:
    world = await make_world(agent("shop.bot", [waits_for(ORDER), repeats]))
    await world.start()
    wait = only(world)
    with pytest.raises(Invalid, match="answer_unexpected"):
        await world.waits.answer(SCOPE, wait.id, "answered", OPS, body={"result": {}})
    assert only(world) == wait
