from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from lichen.agents.llm.llm import LLMPlanner
from lichen.agents.models.model import ScriptedModel
from lichen.core.ports.model import Delta, ModelCall, ModelReply
from lichen.core.ports.plan import PlanInput
from lichen.core.words.ids import ToolName
from lichen.testing.models import plan_input
from lichen.tools.arguments.answer import TypedAnswer
from tests.agents.shop import spec

LOOKUP = spec("orders.lookup")


class Refund(BaseModel):
    order_id: str
    amount: Annotated[int, Field(gt=0)]


GOOD = '{"order_id": "1042", "amount": 8000}'
CANONICAL = b'{"amount":8000,"order_id":"1042"}'


def asked(answers: Any = Refund, **given: Any) -> PlanInput:
    kind = TypedAnswer(answers)
    return msgspec.structs.replace(plan_input("Refund it.", **given), answer_type=kind)


def scripted(*replies: Any, **given: Any) -> tuple[LLMPlanner, ScriptedModel]:
    model = ScriptedModel(replies)
    return LLMPlanner(model, **given), model


@pytest.mark.req("GOA-61.3")
async def test_a_model_is_given_the_schema_and_its_reply_is_the_value() -> None:
    planner, model = scripted(GOOD)
    plan = await planner.plan(asked())
    assert (plan.value, plan.answer) == (CANONICAL, CANONICAL.decode())
    [request] = model.requests
    assert request.output_schema == TypedAnswer(Refund).schema
    assert request.output_name == "Refund"


@pytest.mark.req("GOA-61.3")
@pytest.mark.parametrize(
    ("answers", "reply", "value"),
    [
        (int, '{"answer": 5}', b"5"),
        (Literal["yes", "no"], '{"answer": "no"}', b'"no"'),
        (list[int], "[1, 2]", b"[1,2]"),
    ],
)
async def test_a_value_that_is_no_object_is_asked_for_in_a_field(answers: Any, reply: str, value: bytes) -> None:
    planner, model = scripted(reply)
    assert (await planner.plan(asked(answers))).value == value
    schema = model.requests[0].output_schema
    assert schema is not None
    assert (schema["type"], schema["required"]) == ("object", ["answer"])


async def test_a_reply_between_fences_is_read() -> None:
    planner, _ = scripted(f"```json\n{GOOD}\n```")
    assert (await planner.plan(asked())).value == CANONICAL


@pytest.mark.req("GOA-61.4", "SYM-85.1")
async def test_a_wrong_value_is_corrected_once_with_its_issues_and_an_example() -> None:
    wrong = '{"order_id": 1042, "amount": 0}'
    planner, model = scripted(ModelReply(wrong, blocks=b"signed"), GOOD)
    plan = await planner.plan(asked(tools=[LOOKUP]))
    assert plan.value == CANONICAL
    first, second = model.requests
    assert second.messages[:-2] == first.messages
    said, told = second.messages[-2:]
    assert (said.role, said.text, said.blocks) == ("assistant", wrong, b"signed")
    assert (told.role, second.tool_choice) == ("user", "none")
    for part in ("/order_id must be a string", "/amount must be greater than 0", '{"order_id":"text","amount":1}'):
        assert part in told.text
    assert second.output_schema == first.output_schema


@pytest.mark.req("GOA-61.4", "SYM-85.1")
@pytest.mark.parametrize("second", ["no", '{"order_id": 7}', "", ModelReply("", (ModelCall("c", ToolName("x"), b""),))])
async def test_a_value_that_stays_wrong_is_a_failure_with_a_code_and_no_third_request(second: Any) -> None:
    planner, model = scripted("Certainly!", second, "never")
    plan = await planner.plan(asked())
    assert (plan.failure, plan.answer, plan.value) == ("answer_invalid", None, b"")
    assert plan.notes
    assert len(model.requests) == 2


@given(st.text(max_size=40).filter(str.strip), st.text(max_size=40))
async def test_whatever_a_model_says_there_is_a_value_of_the_type_or_the_failure(first: str, second: str) -> None:
    model = ScriptedModel([first, second])
    plan = await LLMPlanner(model).plan(asked(dict[str, int]))
    if plan.failure:
        assert plan.failure == "answer_invalid"
    else:
        assert msgspec.json.decode(plan.value, type=dict[str, int]) is not None
    assert len(model.requests) <= 2


async def test_calls_come_before_the_value_and_what_is_said_beside_them_is_not_for_the_customer() -> None:
    call = ModelCall("c", LOOKUP.name, b"{}")
    planner, _ = scripted(ModelReply('{"order_id"', (call,)))
    plan = await planner.plan(asked(tools=[LOOKUP]))
    assert ([each.tool for each in plan.calls], plan.says) == ([LOOKUP.name], ())


@pytest.mark.req("GOA-61.5")
async def test_at_a_limit_the_value_is_asked_for_without_tools() -> None:
    planner, model = scripted(GOOD, "no", "no")
    given: dict[str, Any] = {"reason": "finalize", "limit": "calls", "tools": [LOOKUP]}
    assert (await planner.plan(asked(**given))).value == CANONICAL
    assert model.requests[0].tools == ()
    assert (await planner.plan(asked(**given))).failure == "answer_invalid"


async def test_a_correction_is_not_streamed_behind_what_it_corrects() -> None:
    pieces: list[Delta] = []
    planner, _ = scripted("Certainly!", GOOD)
    await planner.plan(msgspec.structs.replace(asked(), deltas=pieces.append))
    assert "".join(piece.text for piece in pieces) == "Certainly!"
