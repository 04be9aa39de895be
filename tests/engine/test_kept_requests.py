"""What models were sent and replied stands sealed beside the plan: once, bounded, and gone with its subject's key."""

from __future__ import annotations

import msgspec
import pytest

from lichen.agents import LLMPlanner
from lichen.agents.models.model import ScriptedModel
from lichen.core.deciders import events as e
from lichen.core.ports.model import ModelCall, ModelMessage, ModelReply, ModelRequest
from lichen.core.ports.plan import Plan, PlanInput
from lichen.core.ports.sent import TEXT_CHARS_MAX, Replied, Sent
from lichen.core.words.ids import RunId, ToolName, run_stream
from lichen.engine.asks.keeping import KEPT_CHARS_MAX
from tests.engine.conftest import MakeWorld
from tests.engine.world import FakeTool, World, agent

LOOK = ModelReply("", (ModelCall("a1", ToolName("shop.look"), b'{"id":1}'),))


def kept(world: World, run: RunId, part: str) -> list[bytes]:
    """The contents of this name, of every plan of the run in order."""
    stream = run_stream(run)
    plans = [event.n for event in world.log.events(stream) if isinstance(event.control, e.Planned)]
    found = [world.log.contents(stream, n) for n in plans]
    return [contents[name] for contents in found for name in contents if name.startswith(f"{part}/")]


def sent(world: World, run: RunId) -> list[Sent]:
    return [msgspec.json.decode(each, type=Sent) for each in kept(world, run, "asked")]


@pytest.mark.req("LIC-24.10")
async def test_each_request_is_kept_once_and_only_with_what_the_one_before_had_not(make_world: MakeWorld) -> None:
    model = ScriptedModel([LOOK, LOOK, "Done."])
    world = await make_world(agent("shop.bot", LLMPlanner(model, instructions="Be kind."), [FakeTool("shop.look")]))
    run = await world.start("Where is it?")
    first, second, third = sent(world, run)
    assert (first.after, first.system, first.tools) == ("", "Be kind.", ("shop.look",))
    assert [message.text for message in first.messages][-1:] == ["Where is it?"]
    assert (second.after, second.same, second.system, second.tools) == ("0/1/0", len(first.messages), None, None)
    assert [message.role for message in second.messages] == ["assistant", "tool"]
    assert second.messages[0].calls[0].args == '{"id":1}'
    assert (third.after, third.same) == ("1/1/0", len(first.messages) + 2)
    assert kept(world, run, "replied") == []


@pytest.mark.req("LIC-24.10")
async def test_a_conversation_of_many_steps_keeps_each_message_once(make_world: MakeWorld) -> None:
    steps = 12
    model = ScriptedModel([LOOK] * steps + ["Done."])
    world = await make_world(agent("shop.bot", LLMPlanner(model), [FakeTool("shop.look")]))
    run = await world.start("Where is it?")
    messages = sum(len(request.messages) for request in sent(world, run))
    assert messages == len(model.requests[-1].messages)


async def test_after_a_restart_a_request_is_kept_whole_again(make_world: MakeWorld) -> None:
    model = ScriptedModel([LOOK, "Done."])
    world = await make_world(agent("shop.bot", LLMPlanner(model), [FakeTool("shop.look")]))
    world.gate.held.add("shop.look")
    run = await world.start("Where is it?")
    await world.log.durable()
    await world.reopen()
    await world.approve()
    first, second = sent(world, run)
    assert (second.after, second.same) == ("", 0)
    assert second.messages[: len(first.messages)] == first.messages


class TwoReplies:
    """Asks twice and uses the second reply."""

    pure = False
    digest = "two"

    def __init__(self, model: ScriptedModel, text: str = "Well?") -> None:
        self._model, self._text = model, text

    async def plan(self, input: PlanInput) -> Plan:
        request = ModelRequest("", (ModelMessage("user", self._text),))
        await input.model(self._model, request)
        return Plan(answer=(await input.model(self._model, request)).text)


@pytest.mark.req("LIC-24.11")
async def test_only_a_reply_that_did_not_become_the_plan_is_kept_beside_it(make_world: MakeWorld) -> None:
    world = await make_world(agent("shop.bot", TwoReplies(ScriptedModel(["A guess.", "The answer."]))))
    run = await world.start()
    replies = [msgspec.json.decode(each, type=Replied).text for each in kept(world, run, "replied")]
    assert replies == ["A guess."]


@pytest.mark.req("LIC-24.11")
async def test_of_an_attempt_that_gave_no_plan_every_reply_is_kept(make_world: MakeWorld) -> None:
    model = ScriptedModel(["A guess."])  # and no second one: the attempt fails
    world = await make_world(agent("shop.bot", TwoReplies(model)))
    run = await world.start()
    assert world.state(run).failure == "script_exhausted"
    assert [msgspec.json.decode(each, type=Replied).text for each in kept(world, run, "replied")] == ["A guess."]
    assert len(sent(world, run)) == 2


@pytest.mark.req("LIC-24.12")
async def test_what_is_kept_of_a_request_is_bounded_and_says_what_it_left_out(make_world: MakeWorld) -> None:
    long = "x" * (TEXT_CHARS_MAX + 5)
    requests = KEPT_CHARS_MAX // TEXT_CHARS_MAX + 2

    class Talks:
        pure = False
        digest = "talks"

        async def plan(self, input: PlanInput) -> Plan:
            for i in range(requests):
                messages = (ModelMessage("user", f"{i}{long}"),)
                await input.model(model, ModelRequest("", messages))
            return Plan(answer="x")

    model = ScriptedModel(["ok"] * requests)
    world = await make_world(agent("shop.bot", Talks()))
    run = await world.start()
    found = sent(world, run)
    assert found[0].messages[0].cut == 6
    assert found[-1].left_out == 1
    assert sum(len(message.text) for request in found for message in request.messages) <= KEPT_CHARS_MAX


@pytest.mark.req("LIC-24.13")
async def test_a_project_may_keep_no_requests(make_world: MakeWorld) -> None:
    planner = LLMPlanner(ScriptedModel(["Done."]))
    world = await make_world(agent("shop.bot", planner), keeps_requests=False)
    assert kept(world, await world.start(), "asked") == []
