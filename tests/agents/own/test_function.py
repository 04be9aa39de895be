"""A plain async function as an agent: run again for every plan, told again what it was told."""

from __future__ import annotations

import asyncio
from itertools import count
from pathlib import Path

import pytest

from lichen import Limits, ModelError, tool
from lichen.agents import CallFailed, Chat, Unanswered, agent_function
from lichen.core.ports.model import ModelRequest
from lichen.core.words.errors import Invalid
from lichen.core.words.scope import Operator
from lichen.testing.worlds import World, world
from tests.agents.own.shop import ALLOWED, ASKED, FORBIDDEN, Till, last, policies, scripted, tools_of, upper

NAME = "shop.support"


def count_of(shop: World, kind: str) -> int:
    return sum(record.type == kind for record in shop.records())


@pytest.mark.req("LIC-19.2")
async def test_a_function_asks_a_model_calls_tools_and_answers(tmp_path: Path) -> None:
    till = Till()
    lookup, refund = tools_of(till)

    def told(request: ModelRequest) -> str:
        return f"Refunded after: {last(request)}"

    model = scripted("1042", told)

    @agent_function(NAME, tools=[lookup, refund], model=model)
    async def support(chat: Chat) -> str:
        order = (await chat.model(f"Which order? {chat.text}")).text
        found = await chat.call(lookup, order_id=order)
        done = await chat.call("shop.refund", order_id=order, amount=10)
        return (await chat.model(f"{found['status']} {done['receipt']}")).text

    async with world(agents=[support], policies=policies(tmp_path, ALLOWED)) as shop:
        talk = await shop.talk("customer-7")
        assert (await talk.say("My order 1042 is late.")).text == "Refunded after: late r-1042-10"
    assert till.did == [("lookup", "1042"), ("refund", ("1042", 10))]
    assert [last(request) for request in model.requests] == ["Which order? My order 1042 is late.", "late r-1042-10"]


@pytest.mark.req("LIC-19.3")
async def test_calls_that_are_asked_for_at_once_are_one_plan() -> None:
    till = Till()
    lookup, _ = tools_of(till)

    @agent_function(NAME, tools=[lookup])
    async def support(chat: Chat) -> str:
        found = await asyncio.gather(*(chat.call(lookup, order_id=str(i)) for i in range(5)))
        again = await chat.call(lookup, order_id="9")
        return " ".join([each["order_id"] for each in found] + [again["order_id"]])

    async with world(agents=[support]) as shop:
        talk = await shop.talk("customer-7")
        assert (await talk.say("All?")).text == "0 1 2 3 4 9"
        assert [call.tool for call in shop.calls()] == ["shop.lookup"] * 6
        assert count_of(shop, "planned") == 3


@pytest.mark.req("LIC-19.4")
async def test_each_reply_of_a_model_is_in_the_log_before_the_next_is_asked_for() -> None:
    model = scripted("a", "b", "c")

    @agent_function(NAME, model=model)
    async def support(chat: Chat) -> str:
        return "".join([(await chat.model(word)).text for word in ("one", "two", "three")])

    async with world(agents=[support]) as shop:
        talk = await shop.talk("customer-7")
        assert (await talk.say("Go.")).text == "abc"
        assert count_of(shop, "planned") == 4 - 1  # the third reply and the answer are one
    assert len(model.requests) == 3


@pytest.mark.req("LIC-19.4")
async def test_models_that_are_asked_at_once_reply_in_one_plan() -> None:
    model = scripted(upper, upper, upper)

    @agent_function(NAME, model=model)
    async def support(chat: Chat) -> str:
        replies = await asyncio.gather(*(chat.model(word) for word in ("a", "b", "c")))
        return "".join(reply.text for reply in replies)

    async with world(agents=[support]) as shop:
        talk = await shop.talk("customer-7")
        assert (await talk.say("Go.")).text == "ABC"
        assert count_of(shop, "planned") == 1


@pytest.mark.req("LIC-19.5")
async def test_nothing_is_asked_or_called_again_after_a_restart_in_the_middle(tmp_path: Path) -> None:
    till = Till()
    lookup, refund = tools_of(till)
    model = scripted("1042", "Done.")

    @agent_function(NAME, tools=[lookup, refund], model=model)
    async def support(chat: Chat) -> str:
        order = (await chat.model("Which?")).text
        await chat.call(lookup, order_id=order)
        await chat.call(refund, order_id=order, amount=10)
        return (await chat.model("Say it.")).text

    async with world(agents=[support], policies=policies(tmp_path, ASKED)) as shop:
        talk = await shop.talk("customer-7")
        await talk.say("Refund it.")
        assert till.did == [("lookup", "1042")]
        await shop.restart()
        await shop.approve()
        assert (await talk.reply()).text == "Done."
    assert till.did == [("lookup", "1042"), ("refund", ("1042", 10))]
    assert len(model.requests) == 2


@pytest.mark.req("LIC-19.6")
async def test_another_call_than_recorded_ends_the_run_and_operators_see_both_sides() -> None:
    till = Till()
    lookup, _ = tools_of(till)
    times = count()

    @agent_function(NAME, tools=[lookup])
    async def support(chat: Chat) -> str:
        await chat.call(lookup, order_id=f"order{next(times)}")
        return "never"

    async with world(agents=[support]) as shop:
        talk = await shop.talk("customer-7")
        reply = await talk.say("Go.")
        assert (reply.outcome, len(till.did)) == ("failed", 1)
        assert reply.run is not None
        found = shop.runtime.runs.show(shop.scope, reply.run, Operator("ops", ("operator",)))
        text = repr(found)
        assert "replay_diverged" in text
        assert "Step 1: a call of shop.lookup was recorded, and now the code asks for a call of shop.lookup" in text
        assert "a call of shop.lookup instead. Other arguments: order_id.\\n" in text
        assert 'recorded: shop.lookup({"order_id":"order0"})' in text
        assert 'asked for: shop.lookup({"order_id":"order1"})' in text
        assert "order0" not in reply.text


@pytest.mark.req("LIC-19.6")
async def test_another_request_to_a_model_than_recorded_is_not_asked_and_its_difference_named() -> None:
    till = Till()
    lookup, _ = tools_of(till)
    model = scripted("fine", "never")
    times = count()

    @agent_function(NAME, tools=[lookup], model=model)
    async def support(chat: Chat) -> str:
        await chat.model("the same", system=f"It is now {next(times)}.")
        await chat.call(lookup, order_id="1")
        return "never"

    async with world(agents=[support]) as shop:
        reply = await (await shop.talk("customer-7")).say("Go.")
        assert reply.outcome == "failed"
        assert reply.run is not None
        text = repr(shop.runtime.runs.show(shop.scope, reply.run, Operator("ops", ("operator",))))
        assert "different: system" in text
    assert len(model.requests) == 1


@pytest.mark.req("LIC-19.6")
async def test_a_function_that_ends_before_what_is_recorded_has_diverged() -> None:
    till = Till()
    lookup, _ = tools_of(till)
    times = count()

    @agent_function(NAME, tools=[lookup])
    async def support(chat: Chat) -> str:
        if next(times) == 0:
            await chat.call(lookup, order_id="1")
        return "early"

    async with world(agents=[support]) as shop:
        reply = await (await shop.talk("customer-7")).say("Go.")
        assert reply.outcome == "failed"
        assert "replay_diverged" in shop.explain(reply.run) if reply.run else False


@pytest.mark.req("LIC-19.7")
async def test_time_chance_and_ids_are_told_again_as_they_were() -> None:
    seen: list[tuple[object, ...]] = []

    @tool(name="shop.wait", effects="none")
    async def lookup(order_id: str) -> str:
        await asyncio.sleep(5)
        return order_id

    @agent_function(NAME, tools=[lookup])
    async def support(chat: Chat) -> str:
        first = (chat.now(), chat.random.random(), chat.uuid())
        await chat.call(lookup, order_id="1")
        seen.append((*first, chat.now(), chat.random.choice("abcdef"), chat.uuid()))
        await chat.call(lookup, order_id="2")
        return "done"

    async with world(agents=[support]) as shop:
        talk = await shop.talk("customer-7")
        assert (await talk.say("Go.")).text == "done"
        assert len(seen) == 2
        assert seen[0] == seen[1]
        assert len(set(seen[0])) == 6
        await talk.say("Again.")
        assert seen[2] != seen[0]


@pytest.mark.req("LIC-19.8")
async def test_what_policy_denies_is_raised_with_its_code_and_may_be_answered(tmp_path: Path) -> None:
    till = Till()
    _, refund = tools_of(till)

    @agent_function(NAME, tools=[refund])
    async def support(chat: Chat) -> str:
        try:
            await chat.call(refund, order_id="1", amount=10)
        except CallFailed as failed:
            return f"It was {failed.outcome}."
        return "never"

    async with world(agents=[support], policies=policies(tmp_path, FORBIDDEN)) as shop:
        assert (await (await shop.talk("customer-7")).say("Go.")).text == "It was denied."
    assert till.did == []


@pytest.mark.req("LIC-19.8")
async def test_what_a_model_refuses_is_raised_again_and_not_asked_again() -> None:
    till = Till()
    lookup, _ = tools_of(till)
    model = scripted(ModelError("No.", code="model_refused"), "Then this.")

    @agent_function(NAME, tools=[lookup], model=model)
    async def support(chat: Chat) -> str:
        try:
            text = (await chat.model("Harm?")).text
        except ModelError as error:
            text = error.code
        await chat.call(lookup, order_id="1")
        return f"{text}: {(await chat.model('Other?')).text}"

    async with world(agents=[support]) as shop:
        assert (await (await shop.talk("customer-7")).say("Go.")).text == "model_refused: Then this."


@pytest.mark.req("LIC-19.9")
async def test_a_model_that_is_busy_fails_the_plan_and_only_it_is_asked_again() -> None:
    model = scripted("one", ModelError("Busy.", code="model_overloaded"), "two")

    @agent_function(NAME, model=model)
    async def support(chat: Chat) -> str:
        return (await chat.model("first")).text + (await chat.model("second")).text

    async with world(agents=[support]) as shop:
        assert (await (await shop.talk("customer-7")).say("Go.")).text == "onetwo"
    assert [last(request) for request in model.requests] == ["first", "second", "second"]


@pytest.mark.req("LIC-19.9")
async def test_a_function_that_fails_asks_no_model_again() -> None:
    model = scripted("one", "two")

    @agent_function(NAME, model=model)
    async def support(chat: Chat) -> str:
        await chat.model("first")
        raise RuntimeError("a mistake of the author's")

    async with world(agents=[support]) as shop:
        reply = await (await shop.talk("customer-7")).say("Go.")
        assert reply.outcome == "failed"
    assert len(model.requests) == 1


@pytest.mark.req("LIC-19.10")
async def test_a_question_waits_for_the_customer_and_what_is_said_meanwhile_is_said_once() -> None:
    till = Till()
    lookup, _ = tools_of(till)

    @agent_function(NAME, tools=[lookup])
    async def support(chat: Chat) -> str:
        chat.say("One moment.")
        order = await chat.ask("Which order?")
        found = await chat.call(lookup, order_id=order)
        return f"{found['order_id']} is {found['status']}."

    async with world(agents=[support]) as shop:
        talk = await shop.talk("customer-7")
        assert (await talk.say("Where is it?")).text == "Which order?"
        await shop.restart()
        assert (await talk.say("1042")).text == "1042 is late."
        assert talk.heard == ["One moment.", "Which order?", "1042 is late."]


@pytest.mark.req("LIC-19.10")
async def test_a_question_that_nobody_answers_in_time_is_raised() -> None:
    @agent_function(NAME)
    async def support(chat: Chat) -> str:
        try:
            return await chat.ask("Which order?", expires_s=60)
        except Unanswered:
            chat.say("Never mind.")
            return "Bye."

    async with world(agents=[support]) as shop:
        talk = await shop.talk("customer-7")
        await talk.say("Hm.")
        await shop.clock.advance(61)
        assert (await talk.reply()).text == "Bye."
        assert talk.heard == ["Which order?", "Never mind.", "Bye."]


@pytest.mark.req("LIC-19.11")
async def test_the_conversation_before_is_the_same_however_often_the_function_is_run() -> None:
    till = Till()
    lookup, _ = tools_of(till)
    seen: list[list[str]] = []

    @agent_function(NAME, tools=[lookup])
    async def support(chat: Chat) -> str:
        seen.append([message.text for message in chat.earlier])
        await chat.call(lookup, order_id="1")
        return f"heard {chat.text}"

    async with world(agents=[support]) as shop:
        talk = await shop.talk("customer-7")
        await talk.say("one")
        await talk.say("two")
    assert seen == [[], [], ["one", "heard one"], ["one", "heard one"]]


@pytest.mark.req("LIC-19.12")
async def test_a_run_that_is_cancelled_stops_the_function_where_it_is() -> None:
    stopped: list[str] = []

    @agent_function(NAME)
    async def support(chat: Chat) -> str:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append("stopped")
        return "never"

    async with world(agents=[support]) as shop:
        talk = await shop.talk("customer-7")
        await talk.send("Go.")
        await shop.settle()
        run = shop.runs()[0]
        await shop.runtime.runs.cancel(shop.scope, run, Operator("ops", ("operator",)))
        assert (await talk.reply()).outcome == "cancelled"
    assert stopped == ["stopped"]


@pytest.mark.req("LIC-19.13")
async def test_a_run_over_its_limit_answers_with_what_the_function_makes_of_it() -> None:
    till = Till()
    lookup, _ = tools_of(till)

    @agent_function(NAME, tools=[lookup], limits=Limits(calls=2))
    async def support(chat: Chat) -> str:
        done = 0
        try:
            while True:
                await chat.call(lookup, order_id=str(done))
                done += 1
        except CallFailed as failed:
            return f"{done} done, then {failed.code}."

    async with world(agents=[support]) as shop:
        assert (await (await shop.talk("customer-7")).say("Go.")).text == "2 done, then limit_calls."


@pytest.mark.req("LIC-19.13")
async def test_a_run_over_its_limit_asks_the_model_for_the_answer_without_tools() -> None:
    till = Till()
    lookup, _ = tools_of(till)
    model = scripted("That is all I know.")

    @agent_function(NAME, tools=[lookup], model=model, limits=Limits(calls=1))
    async def support(chat: Chat) -> str:
        for i in range(9):
            try:
                await chat.call(lookup, order_id=str(i))
            except CallFailed:
                return (await chat.model("What now?", tools=[lookup])).text
        return "never"

    async with world(agents=[support]) as shop:
        assert (await (await shop.talk("customer-7")).say("Go.")).text == "That is all I know."
    assert [request.tools for request in model.requests] == [()]
    assert "limit" in last(model.requests[0])


@pytest.mark.req("LIC-19.14")
def test_what_is_no_async_function_is_refused_where_it_is_written() -> None:
    with pytest.raises(Invalid, match="no async function"):
        agent_function(NAME)(lambda chat: chat)  # type: ignore[arg-type, return-value]


@pytest.mark.req("LIC-19.14")
def test_agents_of_another_source_version_or_model_are_told_apart() -> None:
    async def one(chat: Chat) -> str:
        return "1"

    async def two(chat: Chat) -> str:
        return "2"

    made = [agent_function(NAME)(one), agent_function(NAME)(two), agent_function(NAME, version="2")(one)]
    made.append(agent_function(NAME, model="echo:")(one))
    assert len({agent.digest for agent in made}) == 4
    assert agent_function(NAME)(one).digest == made[0].digest


@pytest.mark.req("LIC-19.38")
@pytest.mark.parametrize(("text", "outcome"), [("", "failed"), ("One moment.", "answered")])
async def test_a_function_that_returns_nothing_has_failed_unless_it_said_something(text: str, outcome: str) -> None:
    @agent_function(NAME)
    async def support(chat: Chat) -> None:
        if text:
            chat.say(text)

    async with world(agents=[support]) as shop:
        reply = await (await shop.talk("customer-7")).say("Go.")
        assert reply.outcome == outcome
        assert reply.run is not None
        found = shop.runtime.runs.show(shop.scope, reply.run, Operator("ops", ("operator",)))
        assert ("answer_missing" in repr(found)) == (outcome == "failed")
