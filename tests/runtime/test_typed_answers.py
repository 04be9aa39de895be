"""Answers that have a type, from the outside: a runtime, a restart, a child, one question, and what is shown."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from pydantic import BaseModel, Field, field_validator

from lichen import Agent, Delta, ModelReply, ModelRequest, Runtime, tool
from lichen.agents import LLMPlanner, ScriptedModel
from lichen.core.deciders.events import MessageQueued
from lichen.core.ports.model import Deltas, ModelCall
from lichen.core.ports.plan import Plan, PlanInput
from lichen.core.words.errors import Conflict, Invalid
from lichen.core.words.ids import RunId, ToolName, session_stream
from lichen.runtime.operations.talk.turn import Reply
from lichen.testing.models import scripted_planner
from tests.runtime.world import CUSTOMER, OPS, SCOPE


class Refund(BaseModel):
    order_id: str
    amount: Annotated[int, Field(gt=0)]


GOOD = '{"order_id":"1042","amount":8000}'
REFUND = Refund(order_id="1042", amount=8000)


def refunds(*replies: Any, **given: Any) -> Agent:
    return Agent("shop.refunds", planner=LLMPlanner(ScriptedModel(replies)), **given)


async def asked(runtime: Runtime, **given: Any) -> Reply:
    session = await runtime.sessions.open(SCOPE, CUSTOMER)
    turn = await (session.ask("Refund 1042.", **given) if given else session.say("Refund 1042."))
    return await turn.result()


@pytest.mark.req("GOA-61.8")
async def test_a_turns_result_has_the_typed_value(tmp_path: Path) -> None:
    async with Runtime.open(tmp_path, agents=[refunds(GOOD, answers=Refund)]) as runtime:
        reply = await asked(runtime)
        assert (reply.value, reply.outcome) == (REFUND, "answered")
        detail = runtime.runs.show(SCOPE, reply.run, OPS)
        assert detail.value == detail.story.value == REFUND.model_dump()
        assert runtime.runs.outcome(SCOPE, reply.run, OPS).value == REFUND.model_dump()


@pytest.mark.req("GOA-61.8")
async def test_a_run_without_a_session_gives_its_value_too_also_after_a_restart(tmp_path: Path) -> None:
    async with Runtime.open(tmp_path, agents=[refunds(GOOD, answers=Refund)]) as runtime:
        run = await runtime.runs.start(SCOPE, "shop.refunds", "Refund 1042.", OPS)
        assert (await runtime.runs.answer(SCOPE, run, OPS)).value == REFUND
    async with Runtime.open(tmp_path, agents=[refunds(answers=Refund)]) as runtime:
        assert (await runtime.runs.answer(SCOPE, run, OPS)).value == REFUND


@pytest.mark.req("GOA-61.4")
async def test_a_run_that_cannot_give_its_type_fails_and_has_no_value(tmp_path: Path) -> None:
    async with Runtime.open(tmp_path, agents=[refunds("No.", "No!", answers=Refund)]) as runtime:
        reply = await asked(runtime)
        assert (reply.outcome, reply.value) == ("failed", None)
        detail = runtime.runs.show(SCOPE, reply.run, OPS)
        assert (detail.code, detail.value) == ("answer_invalid", None)


# -- one question ------------------------------------------------------------------------------------------------


@pytest.mark.req("GOA-61.9")
@pytest.mark.parametrize(
    ("answers", "said", "value"), [(Refund, GOOD, REFUND), (list[int], '{"answer":[1,2]}', [1, 2])]
)
async def test_one_question_may_ask_for_a_type(tmp_path: Path, answers: Any, said: str, value: Any) -> None:
    model = ScriptedModel([said, "You are welcome."])
    agent = Agent("shop.support", planner=LLMPlanner(model))
    async with Runtime.open(tmp_path, agents=[agent]) as runtime:
        session = await runtime.sessions.open(SCOPE, CUSTOMER)
        assert (await (await session.ask("Refund?", answers=answers)).result()).value == value
        assert (await (await session.say("Thanks.")).result()).value is None
        first, second = model.requests
        assert (first.output_schema is not None, second.output_schema) == (True, None)


@pytest.mark.req("GOA-61.9")
async def test_what_was_asked_for_survives_a_restart(tmp_path: Path) -> None:
    class Down:
        name = "down:"

        async def generate(self, request: ModelRequest, deltas: Deltas | None = None) -> ModelReply:
            await asyncio.Event().wait()
            raise AssertionError

    def agent(model: Any) -> Agent:
        return Agent("shop.support", planner=_Same(LLMPlanner(model)))

    async with Runtime.open(tmp_path, agents=[agent(Down())]) as runtime:
        session = await runtime.sessions.open(SCOPE, CUSTOMER)
        turn = await session.ask("Refund?", answers=Refund, key="one")
        await turn.run()
    async with Runtime.open(tmp_path, agents=[agent(ScriptedModel([GOOD]))]) as runtime:
        again = runtime.sessions.get(SCOPE, session.id, CUSTOMER)
        turn = await again.ask("Refund?", answers=Refund, key="one")
        assert turn.receipt.is_repeated
        assert (await turn.result()).value == REFUND
        with pytest.raises(Conflict) as caught:
            await again.ask("Refund?", answers=int, key="one")
        assert caught.value.code == "key_reused"


class _Same:
    """A planner whose digest does not depend on its model."""

    pure, digest = False, "same"

    def __init__(self, planner: LLMPlanner) -> None:
        self._planner = planner

    async def plan(self, input: PlanInput) -> Plan:
        return await self._planner.plan(input)


class Checked(BaseModel):
    amount: int

    @field_validator("amount")
    @classmethod
    def even(cls, amount: int) -> int:
        if amount % 2:
            raise ValueError("odd")
        return amount


async def test_a_value_that_fits_the_schema_and_not_the_type_is_told_to_whoever_asked(tmp_path: Path) -> None:
    agent = Agent("a.b", planner=LLMPlanner(ScriptedModel(['{"amount":3}'])))
    async with Runtime.open(tmp_path, agents=[agent]) as runtime:
        with pytest.raises(Invalid) as caught:
            await asked(runtime, answers=Checked)
        assert (caught.value.code, caught.value.place) == ("answer_invalid", "/amount")


async def test_a_run_may_be_started_for_a_type(tmp_path: Path) -> None:
    async with Runtime.open(tmp_path, agents=[Agent("a.b", planner=LLMPlanner(ScriptedModel([GOOD])))]) as runtime:
        run = await runtime.runs.start(SCOPE, "a.b", "Refund?", OPS, answers=Refund)
        assert (await runtime.runs.answer(SCOPE, run, OPS, answers=Refund)).value == REFUND
        assert (await runtime.runs.answer(SCOPE, run, OPS)).value == REFUND.model_dump()


# -- children ----------------------------------------------------------------------------------------------------


@pytest.mark.req("GOA-61.10")
async def test_a_childs_typed_answer_is_the_result_of_the_call_and_its_schema_the_results(tmp_path: Path) -> None:
    child = refunds(GOOD, answers=Refund)
    tool = child.as_tool(description="Refunds.", name="refunds.make")
    assert tool.spec.output_schema["properties"].keys() == {"order_id", "amount"}
    call = ModelReply("", (ModelCall("c", ToolName("refunds.make"), b'{"message":"Refund 1042."}'),))
    model = ScriptedModel([call, "Done."])
    async with Runtime.open(tmp_path, agents=[Agent("shop.desk", planner=LLMPlanner(model), tools=[tool])]) as runtime:
        assert (await asked(runtime)).text == "Done."
        assert msgspec.json.decode(model.requests[1].messages[-1].text) == REFUND.model_dump()


# -- while it comes ----------------------------------------------------------------------------------------------


class Slow:
    """Says the value word by word, each once it was seen."""

    name = "slow:"

    def __init__(self, *pieces: str) -> None:
        self._pieces = pieces
        self.may_go_on = asyncio.Event()

    async def generate(self, request: ModelRequest, deltas: Deltas | None = None) -> ModelReply:
        assert deltas is not None
        for piece in self._pieces:
            deltas(Delta(piece))
            await self.may_go_on.wait()
            self.may_go_on.clear()
        return ModelReply("".join(self._pieces), model=self.name)


@pytest.mark.req("GOA-61.11")
@pytest.mark.parametrize("is_boxed", [False, True])
async def test_what_there_is_of_a_value_is_shown_as_it_comes_and_the_last_is_all_of_it(
    tmp_path: Path, is_boxed: bool
) -> None:
    before, after = ('{"answer":[', "]}") if is_boxed else ("", "")
    model = Slow(f'{before}{{"order_id":"10', '42","amo', f'unt":8000}}{after}')
    answers: Any = list[Refund] if is_boxed else Refund
    agent = Agent("shop.refunds", planner=LLMPlanner(model), answers=answers)
    async with Runtime.open(tmp_path, agents=[agent]) as runtime:
        session = await runtime.sessions.open(SCOPE, CUSTOMER)
        turn = await session.say("Refund 1042.")
        seen: list[Any] = []
        async for partial in turn.partials():
            seen.append(partial[0] if is_boxed else partial)
            model.may_go_on.set()
        assert seen == [{"order_id": "10"}, {"order_id": "1042"}, {"order_id": "1042", "amount": 8000}]
        value = (await turn.result()).value
        assert value == ([REFUND] if is_boxed else REFUND)


@pytest.mark.req("GOA-61.11")
async def test_an_answer_that_was_not_streamed_is_one_partial_and_one_without_a_type_is_none(tmp_path: Path) -> None:
    plain = Agent("a.b", planner=scripted_planner([Plan(answer="hello")]))
    typed = Agent("a.c", planner=scripted_planner([Plan(answer="x", value=b'{"amount":1}')]), answers=dict[str, int])
    async with Runtime.open(tmp_path, agents=[plain, typed]) as runtime:
        for agent, parts in (("a.b", []), ("a.c", [{"amount": 1}])):
            session = await runtime.sessions.open(SCOPE, CUSTOMER, agent=agent)
            turn = await session.say("go")
            assert [part async for part in turn.partials()] == parts


# -- said in a sentence ------------------------------------------------------------------------------------------

SAY = {"en": "I have refunded {amount|money} EUR for order {order_id}.", "de": "{amount|money} EUR erstattet."}


@pytest.mark.req("GOA-61.15")
async def test_a_customer_reads_the_sentence_and_whoever_asked_has_the_value(tmp_path: Path) -> None:
    agent = refunds(GOOD, answers=Refund, say=SAY)
    async with Runtime.open(tmp_path, agents=[agent]) as runtime:
        reply = await asked(runtime)
        assert (reply.text, reply.value) == ("I have refunded 80.00 EUR for order 1042.", REFUND)
        detail = runtime.runs.show(SCOPE, reply.run, OPS)
        assert (detail.answer, detail.value) == (reply.text, REFUND.model_dump())
        assert await told_customer(runtime, reply.run) == [reply.text]


async def told_customer(runtime: Runtime, run: RunId) -> list[str]:
    """Every message that went to the session of a run."""
    log = runtime.log(SCOPE)
    session = runtime.runs.show(SCOPE, run, OPS).session
    assert session is not None
    stream = session_stream(session)
    queued = [event for event in log.events(stream) if isinstance(event.control, MessageQueued)]
    return [log.contents(stream, event.n)["text"].decode() for event in queued]


@pytest.mark.req("GOA-61.15")
async def test_a_value_that_was_asked_for_and_a_run_without_a_session_have_no_sentence(tmp_path: Path) -> None:
    agent = refunds('{"answer":7}', GOOD, answers=Refund, say=SAY)
    async with Runtime.open(tmp_path, agents=[agent]) as runtime:
        other = await asked(runtime, answers=int)
        assert (other.text, other.value) == ("7", 7)
        run = await runtime.runs.start(SCOPE, "shop.refunds", "Refund 1042.", OPS)
        assert msgspec.json.decode((await runtime.runs.answer(SCOPE, run, OPS)).text) == REFUND.model_dump()


@pytest.mark.req("GOA-61.15")
async def test_the_result_of_a_call_that_ends_the_run_is_said_as_well(tmp_path: Path) -> None:
    @tool(name="refunds.done", effects="none", role="terminal")
    async def done(order_id: str) -> Refund:
        """Ends it."""
        return Refund(order_id=order_id, amount=8000)

    call = ModelReply("", (ModelCall("c", ToolName("refunds.done"), b'{"order_id":"1042"}'),))
    async with Runtime.open(tmp_path, agents=[refunds(call, answers=Refund, say=SAY, tools=[done])]) as runtime:
        reply = await asked(runtime)
        assert (reply.text, reply.value) == ("I have refunded 80.00 EUR for order 1042.", REFUND)


@pytest.mark.req("GOA-61.16")
def test_a_sentence_is_of_a_typed_answer_and_names_its_fields() -> None:
    for given, why in (({"say": "{order_id}"}, "without a type"), ({"answers": Refund, "say": "{nr}"}, "no field")):
        with pytest.raises(Invalid, match=why) as caught:
            refunds(**given)
        assert (caught.value.code, caught.value.place) == ("agent_invalid", "/say")


def test_a_sentence_is_part_of_what_an_agent_is() -> None:
    plain, said = refunds(answers=Refund), refunds(answers=Refund, say=SAY)
    assert plain.digest == refunds(answers=Refund, say="").digest != said.digest


class Pure:
    """A planner that can be asked again."""

    pure, digest = True, "pure"

    async def plan(self, input: PlanInput) -> Plan:
        return Plan(answer=GOOD)


@pytest.mark.req("GOA-61.15")
async def test_a_replayed_run_says_the_same(tmp_path: Path) -> None:
    agent = Agent("shop.refunds", planner=Pure(), answers=Refund, say=SAY)
    async with Runtime.open(tmp_path, agents=[agent]) as runtime:
        reply = await asked(runtime)
        assert (await runtime.runs.replay(SCOPE, reply.run, OPS)).same is True


@pytest.mark.req("GOA-61.17")
async def test_while_a_value_comes_no_chat_shows_it_and_its_partials_do(tmp_path: Path) -> None:
    model = Slow('{"order_id":"10', '42","amo', 'unt":8000}')
    agent = Agent("shop.refunds", planner=LLMPlanner(model), answers=Refund, say=SAY)
    async with Runtime.open(tmp_path, agents=[agent]) as runtime:
        session = await runtime.sessions.open(SCOPE, CUSTOMER)
        turn = await session.say("Refund 1042.")
        looking = session.conversation.partials(turn.receipt.n + 1)
        shown, parts = [await anext(looking)], list[Any]()
        async for partial in turn.partials():
            parts.append(partial)
            model.may_go_on.set()
        shown.extend([partial async for partial in looking])
        assert parts == [{"order_id": "10"}, {"order_id": "1042"}, {"order_id": "1042", "amount": 8000}]
        assert {partial.text for partial in shown} == {""}
