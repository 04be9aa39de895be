"""How many requests a model is sent for a turn, and with which tools, whatever else its calls bring about."""

from __future__ import annotations

import pytest

from lichen.agents.llm.llm import LLMPlanner
from lichen.agents.models.model import ScriptedModel
from lichen.core.ports.model import ModelCall, ModelReply
from lichen.core.words.ids import ToolName
from lichen.core.words.limits import Limits
from tests.engine.conftest import MakeWorld
from tests.engine.test_roles import having
from tests.engine.world import FakeTool, agent


def calling(*tools: str, text: str = "") -> ModelReply:
    return ModelReply(text, tuple(ModelCall(f"call_{i}", ToolName(tool), b"{}") for i, tool in enumerate(tools)))


@pytest.mark.req("GOA-31.4")
async def test_a_model_that_keeps_books_beside_its_work_and_its_answer_is_asked_no_oftener(
    make_world: MakeWorld,
) -> None:
    note, look = having("books.note", effects="once", role="bookkeeping"), FakeTool("shop.look")
    model = ScriptedModel([calling("shop.look", "books.note"), calling("books.note", text="It is on its way.")])
    world = await make_world(agent("shop.bot", LLMPlanner(model), [look, note], Limits(calls=1)))
    run = await world.start()
    assert await world.answer(run) == "It is on its way."
    assert (len(note.entered), len(look.entered), world.state(run).calls_used) == (2, 1, 1)
    assert len(model.requests) == 2


@pytest.mark.req("GOA-33.4")
async def test_the_request_after_tools_that_are_to_be_answered_after_offers_none(make_world: MakeWorld) -> None:
    model = ScriptedModel([calling("shop.look"), "It is on its way."])
    bot = agent("shop.bot", LLMPlanner(model, answer_after=["shop.look"]), [FakeTool("shop.look"), FakeTool("shop.b")])
    world = await make_world(bot)
    assert await world.answer(await world.start()) == "It is on its way."
    assert [[tool.name for tool in request.tools] for request in model.requests] == [["shop.look", "shop.b"], []]
