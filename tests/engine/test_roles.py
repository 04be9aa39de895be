"""Calls beside an answer, calls that end a run, and what planners, people and models are told of calls."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from lichen.core.deciders import events as e
from lichen.core.ports.call import Artifact, ArtifactSpec, CallMeta, Issue, NotDone, Produced
from lichen.core.ports.plan import Plan
from lichen.core.words.ids import CallId, child_run, run_stream, session_stream
from lichen.core.words.limits import Limits
from lichen.tools.arguments.answer import SchemaAnswer
from tests.engine.conftest import MakeWorld
from tests.engine.world import CUSTOMER, SCOPE, SYSTEM, FakeTool, Script, agent, call, calls, outcomes, refuses, sleeps


def having(name: str, *, does: Any = None, effects: Any = "none", **said: Any) -> FakeTool:
    """A tool with more in its contract."""
    tool = FakeTool(name, effects, does=does, cost=0 if said.get("role", "work") != "work" else 1)
    tool.spec = msgspec.structs.replace(tool.spec, **said)
    return tool


async def says(meta: CallMeta) -> bytes:
    return b'"done: 7"'


# -- bookkeeping -------------------------------------------------------------------------------------------------


def beside(*tools: str, answer: str = "noted") -> Plan:
    return Plan(calls=tuple(call(tool) for tool in tools), answer=answer)


@pytest.mark.req("GOA-31.1")
async def test_a_plan_answers_and_keeps_books_at_once_without_another_plan_or_any_of_the_budget(
    make_world: MakeWorld,
) -> None:
    note = having("books.note", effects="once", role="bookkeeping")
    script = Script([beside("books.note", "books.note")], pure=False)
    world = await make_world(agent("shop.bot", script, [note], Limits(calls=1)))
    run = await world.start()
    assert await world.answer(run) == "noted"
    assert (len(note.entered), len(script.seen), world.state(run).calls_used) == (2, 1, 0)


@pytest.mark.req("GOA-31.2")
async def test_bookkeeping_that_fails_takes_the_answer_back_and_the_planner_is_asked_again(
    make_world: MakeWorld,
) -> None:
    note = having("books.note", does=refuses("full", retryable=False), role="bookkeeping")
    script = Script([beside("books.note"), outcomes])
    world = await make_world(agent("shop.bot", script, [note]))
    run = await world.start()
    assert await world.answer(run) == "failed"
    assert [result.code for result in script.seen[1].results] == ["full"]


@pytest.mark.req("GOA-31.2")
async def test_a_crash_between_an_answer_and_its_books_loses_neither(make_world: MakeWorld) -> None:
    note = having("books.note", effects="idempotent", role="bookkeeping", does=sleeps(5))
    script = Script([beside("books.note")])
    world = await make_world(agent("shop.bot", script, [note]))
    session = await world.session(key="s")
    await session.say("go")
    await world.clock.settle()
    assert world.said(session) == []
    await world.reopen()
    await world.clock.advance(6)
    assert world.said(await world.session(key="s")) == ["noted"]
    assert ([meta.attempt for meta in note.entered], len(script.seen)) == ([1, 2], 1)


@pytest.mark.req("GOA-31.1")
async def test_work_beside_an_answer_is_a_contradiction(make_world: MakeWorld) -> None:
    world = await make_world(agent("shop.bot", Script([beside("shop.look")]), [FakeTool("shop.look")]))
    run = await world.start()
    await world.clock.advance(10)
    errors = [c.error for c in world.controls(run) if isinstance(c, e.Planned)]
    assert errors == ["plan_contradicts_itself"] * 3


# -- terminal ----------------------------------------------------------------------------------------------------


@pytest.mark.req("GOA-32.1")
@pytest.mark.parametrize(
    ("result", "hint", "answer"),
    [
        (b'"done: 7"', "", "done: 7"),
        (b'{"amount": 700}', "", '{"amount": 700}'),
        (b'{"amount": 700}', "Refunded {result.amount|money}.", "Refunded 7.00."),
    ],
)
async def test_the_success_of_a_terminal_tool_ends_the_run_with_its_result(
    make_world: MakeWorld, result: bytes, hint: str, answer: str
) -> None:
    async def does(meta: CallMeta) -> bytes:
        return result

    close = having("case.close", does=does, effects="once", role="terminal", result_hint=hint)
    script = Script([calls("shop.look"), calls("case.close")])
    world = await make_world(agent("shop.bot", script, [FakeTool("shop.look"), close]))
    run = await world.start()
    assert await world.answer(run) == answer
    assert (len(script.seen), world.state(run).outcome) == (2, "completed")


@pytest.mark.req("GOA-32.3")
async def test_the_result_of_a_terminal_tool_is_the_value_of_the_run(make_world: MakeWorld) -> None:
    async def does(meta: CallMeta) -> bytes:
        return b'{"amount": 700}'

    close = having("case.close", does=does, role="terminal", result_hint="Refunded {result.amount|money}.")
    world = await make_world(agent("shop.bot", Script([calls("case.close")] * 2), [close]))
    run = await world.start()
    assert (await world.runs.answer(SCOPE, run, CUSTOMER)).value == {"amount": 700}
    turn = await (await world.session()).say("close it")
    await world.clock.settle()
    assert (await turn.result()).value == {"amount": 700}


@pytest.mark.req("GOA-32.3")
@pytest.mark.parametrize(("amount", "ends"), [(700, ("completed", "")), (-1, ("failed", "answer_invalid"))])
async def test_a_result_that_is_not_of_the_type_of_its_run_does_not_count(
    make_world: MakeWorld, amount: int, ends: tuple[str, str]
) -> None:
    async def does(meta: CallMeta) -> bytes:
        return b'{"amount": %d}' % amount

    wanted = SchemaAnswer({"type": "object", "properties": {"amount": {"type": "integer", "minimum": 0}}})
    close = having("case.close", does=does, role="terminal")
    bot = msgspec.structs.replace(agent("shop.bot", Script([calls("case.close")]), [close]), answers=wanted)
    ask = FakeTool("shop.bot", "child", agent="shop.bot", timeout_s=100)
    world = await make_world(agent("shop.lead", [calls("shop.bot"), outcomes], [ask]), bot)
    child = child_run(await world.start(), CallId("c1"))
    outcome = world.runs.outcome(SCOPE, child, CUSTOMER)
    assert (outcome.status, outcome.code) == ends
    assert outcome.value == ({"amount": amount} if amount > 0 else None)
    await world.reopen()
    assert world.runs.outcome(SCOPE, child, CUSTOMER) == outcome


@pytest.mark.req("GOA-32.1")
async def test_a_terminal_tool_that_fails_is_a_result_like_any_other(make_world: MakeWorld) -> None:
    close = having("case.close", does=refuses("still_open", retryable=False), role="terminal")
    world = await make_world(agent("shop.bot", [calls("case.close"), outcomes], [close]))
    assert await world.answer(await world.start()) == "failed"


@pytest.mark.req("GOA-32.2")
async def test_a_terminal_call_among_others_is_refused_and_the_others_are_made(make_world: MakeWorld) -> None:
    close, look = having("case.close", does=says, role="terminal"), FakeTool("shop.look")
    script = Script([calls("shop.look", "case.close"), outcomes])
    world = await make_world(agent("shop.bot", script, [look, close]))
    assert await world.answer(await world.start()) == "ok failed"
    assert (len(look.entered), len(close.entered)) == (1, 0)
    assert script.seen[1].results[1].code == "terminal_not_alone"


# -- what is told ------------------------------------------------------------------------------------------------


@pytest.mark.req("GOA-26.2")
async def test_a_planner_is_told_what_failed_why_what_it_sent_and_what_would_fit(make_world: MakeWorld) -> None:
    issue = Issue("/order_id", "invalid_range", "is not an order of this customer.")

    async def unknown(meta: CallMeta) -> bytes:
        raise NotDone("No such order.", code="order_unknown", retryable=False, issues=[issue])

    look = having("shop.look", does=unknown, example={"order_id": "1042"})
    other = having("shop.other", does=refuses("closed", retryable=False))
    plan = Plan(calls=(call("shop.look", '{"order_id":"7"}'), call("shop.look", '{"wrong":1}'), call("shop.other")))
    script = Script([plan, Plan(answer="ok")])
    world = await make_world(agent("shop.bot", script, [look, other]))
    await world.start()
    first, second, third = script.seen[1].results
    assert (first.kind, first.recovery, first.issues) == ("domain_rejection", "correct_call", (issue,))
    assert (first.args, first.example, first.reason) == (b'{"order_id":"7"}', b'{"order_id":"1042"}', "No such order.")
    assert (second.kind, second.recovery, second.args) == ("invalid_call", "correct_call", b'{"wrong":1}')
    assert second.example == b'{"order_id":"1042"}'
    assert (third.kind, third.recovery, third.example) == ("domain_rejection", "replan", b"")


@pytest.mark.req("GOA-35.1")
async def test_a_good_result_comes_with_the_reminder_of_its_tool_and_no_other_does(make_world: MakeWorld) -> None:
    look = having("shop.look", reminder="Prices are in cents.")
    bad = having("shop.bad", does=refuses(retryable=False), reminder="Never told.")
    script = Script([calls("shop.look", "shop.bad"), Plan(answer="ok")])
    await (await make_world(agent("shop.bot", script, [look, bad]))).start()
    assert [result.reminder for result in script.seen[1].results] == ["Prices are in cents.", ""]


@pytest.mark.req("GOA-37.2")
async def test_hints_stand_with_the_call_and_its_end_and_are_sealed(make_world: MakeWorld) -> None:
    look = having("shop.look", call_hint="Looking up {order_id}", result_hint="Order {order_id}: {result.ok}")
    world = await make_world(
        agent("shop.bot", [Plan(calls=(call("shop.look", '{"order_id":"7"}'),)), Plan(answer="ok")], [look])
    )
    run = await world.start()
    stream = run_stream(run)
    parts = {
        part: data for event in world.log.events(stream) for part, data in world.log.contents(stream, event.n).items()
    }
    assert (parts["c1/hint"], parts["hint"]) == (b"Looking up 7", b"Order 7: yes")
    told = world.runs.show(SCOPE, run, SYSTEM).story.calls[0]
    assert (told.hint, told.result_hint) == ("Looking up 7", "Order 7: yes")


@pytest.mark.req("GOA-36.2")
async def test_people_are_shown_artifacts_and_no_planner_is(make_world: MakeWorld) -> None:
    table = Artifact("table", "timeline", {"rows": [1, 2], "iban": "DE02"})

    async def does(meta: CallMeta) -> Any:
        return Produced(b'{"ok":true,"iban":"DE02"}', msgspec.json.encode([table]))

    script = Script([calls("shop.look"), Plan(answer="ok")])
    world = await make_world(agent("shop.bot", script, [having("shop.look", does=does)]))
    world.gate.redacted["shop.look"] = ("iban",)
    run = await world.start()
    history = await script.seen[1].history()
    assert b"rows" not in msgspec.json.encode((script.seen[1].results, history.steps))
    shown = world.runs.show(SCOPE, run, SYSTEM).story.calls[0]
    assert shown.artifacts == (Artifact("table", "timeline", {"rows": [1, 2], "iban": "[redacted]"}),)
    assert shown.result == {"ok": True, "iban": "[redacted]"}


async def _told(
    make_world: MakeWorld, *, origin: Any = "records", denied: bool = False
) -> tuple[Any, dict[str, bytes]]:
    """How the answer of a run is told, whose tool gave things for each audience."""
    made = [Artifact("log", "internal", 1), Artifact("table", "timeline", [2]), Artifact("proof", "evidence", 3)]

    async def does(meta: CallMeta) -> Any:
        return Produced(b"1", msgspec.json.encode(made))

    kinds = {each.kind: ArtifactSpec(audience=each.audience) for each in made}
    look = having("shop.look", does=does, artifacts=kinds, origin=origin)
    world = await make_world(agent("shop.bot", [calls("shop.look"), Plan(answer="It is here.")], [look]))
    if denied:
        world.gate.denied.add("api")
    session = await world.session(key="s")
    await session.say("go")
    await world.clock.settle()
    stream = session_stream(session.id)
    n = max(event.n for event in world.log.events(stream) if isinstance(event.control, e.MessageQueued))
    return world.log.event(stream, n).control, dict(world.log.contents(stream, n))


@pytest.mark.req("GOA-36.4")
async def test_an_answer_refers_to_what_our_own_tools_gave_for_the_timeline_and_to_nothing_else(
    make_world: MakeWorld,
) -> None:
    control, contents = await _told(make_world)
    ((_, i, kind),) = msgspec.json.decode(contents["artifacts"])
    assert (contents["text"], kind, i) == (b"It is here.", "table", 1)
    assert control.kind == "answer"
    _, strangers = await _told(make_world, origin="third_party")
    assert (strangers["text"], "artifacts" in strangers) == (b"It is here.", False)


@pytest.mark.req("GOA-36.4")
async def test_an_answer_that_policy_keeps_back_brings_nothing_beside_it(make_world: MakeWorld) -> None:
    _, contents = await _told(make_world, denied=True)
    assert contents == {"text": b"Not here."}
