"""Runs of many steps in one turn: they stay in their window, whole, and what was done first is still known."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lichen import Agent, Limits, Runtime, tool
from lichen.agents import Compress, LLMPlanner, ScriptedModel
from lichen.agents.llm.window import tokens_in
from lichen.core.ports.model import ModelCall, ModelReply, ModelRequest
from lichen.core.words.ids import RunId, ToolName, run_stream
from lichen.testing.models import transcript_faults
from tests.runtime.world import CUSTOMER, OPS, SCOPE

CALLS = 60
PAGE = "word " * 400  # about 670 tokens
ROOM = 6_000


@tool(name="web.fetch", effects="none", runs="loop", origin="third_party")
async def fetch(page: int) -> str:
    """Reads a page."""
    return f"page {page}: {PAGE}"


@tool(name="orders.note", effects="once", runs="loop")
async def note(page: int) -> str:
    """Notes a page down."""
    return "noted"


def calling(page: int) -> ModelReply:
    """A reply that thought, says something and calls two tools at once."""
    args = msgspec.json.encode({"page": page})
    calls = tuple(ModelCall(f"x{page}-{i}", ToolName("web.fetch"), args) for i in range(2))
    return ModelReply("", calls, thinking="hm", blocks=b"thought %d" % page)


def scripted() -> tuple[ScriptedModel, ScriptedModel]:
    model = ScriptedModel([*(calling(page) for page in range(CALLS)), "Read them all."], name="scripted:large")
    return model, ScriptedModel([f"summary {i}" for i in range(CALLS)], name="scripted:small")


def reader(model: ScriptedModel, **more: Any) -> Agent:
    limits = Limits(calls=4 * CALLS, tokens=10_000_000)
    return Agent("shop.reader", planner=LLMPlanner(model, **more), tools=[fetch, note], limits=limits)


async def read_all(home: Path, agent: Agent) -> tuple[str, RunId, Any]:
    async with Runtime.open(home, agents=[agent]) as runtime:
        session = await runtime.sessions.open(SCOPE, CUSTOMER)
        reply = await (await session.say("Read the pages.")).result()
        log = runtime.engine.journal(SCOPE).log
        records = [(r.control, log.contents_of(r), r.label) for r in log.records(run_stream(reply.run))]
        return reply.text, reply.run, records


def faults(requests: list[ModelRequest]) -> list[str]:
    return [fault for request in requests for fault in transcript_faults(request.messages)]


@pytest.mark.req("GOA-57.6")
async def test_a_run_of_sixty_steps_has_its_first_ones_summed_up_and_stays_in_its_window(tmp_path: Path) -> None:
    model, small = scripted()
    compress = Compress(small, after_tokens=ROOM, keep_steps=2)
    answer, _, records = await read_all(tmp_path, reader(model, compress=compress))
    assert answer == "Read them all."
    assert faults(model.requests) == []
    assert all(m.blocks for request in model.requests for m in request.messages if m.calls), "what was thought is kept"
    most = max(tokens_in(request.messages) for request in model.requests)
    assert most < ROOM * 1.5
    made = [(control, contents, label) for control, contents, label in records if "done" in contents]
    assert 5 < len(made) == len(small.requests) < CALLS / 2
    assert all(not control.has_summary for control, _, _ in made), "it is none of the conversation"
    assert all("third_party:web.fetch" in label.sources for _, _, label in made)
    last = [message.text for message in model.requests[-1].messages if message.role == "system"]
    counted = f"Calls in these steps: web.fetch ok {2 * _covered(made)} times."
    assert last == [f"[Your first steps, summed up] summary {len(made) - 1}\n{counted}"]
    assert f"Summary of the steps before: summary {len(made) - 2}" in small.requests[-1].messages[0].text
    assert {call.id for m in model.requests[-1].messages for call in m.calls} == {
        message.result_of for message in model.requests[-1].messages if message.role == "tool"
    }


def _covered(made: list[Any]) -> int:
    """How many of a run's plans that called something the last summary covers."""
    covered = msgspec.json.decode(made[-1][1]["done"])["steps"]
    return covered - (len(made) - 1)


@pytest.mark.req("GOA-57.6")
async def test_a_run_whose_steps_are_dropped_by_rule_stays_in_its_window_and_is_whole(tmp_path: Path) -> None:
    model, _ = scripted()
    answer, _, _ = await read_all(tmp_path, reader(model, history_tokens=ROOM))
    assert answer == "Read them all."
    assert faults(model.requests) == []
    assert max(tokens_in(request.messages) for request in model.requests) <= ROOM + 50
    assert "earlier steps of yours are left out here" in model.requests[-1].messages[1].text


@pytest.mark.req("GOA-57.7")
async def test_what_was_summed_up_is_not_summed_up_again_after_a_restart(tmp_path: Path) -> None:
    asks = '@id("ask") @approval("operator") permit (principal, action == Action::"orders.note", resource);'
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "own.cedar").write_text(asks)
    noting = ModelReply("", (ModelCall("n", ToolName("orders.note"), b'{"page":1}'),))
    model = ScriptedModel([*(calling(page) for page in range(8)), noting, "Noted."])
    small = ScriptedModel(["summary 0"])
    held = reader(model, compress=Compress(small, after_steps=6, keep_steps=2))

    def opened() -> Runtime:
        return Runtime.open(tmp_path / "data", agents=[held], policies=tmp_path / "policies")

    async with opened() as runtime:
        session = await runtime.sessions.open(SCOPE, CUSTOMER)
        assert (await (await session.say("Read the pages.")).result()).outcome == "released"
    assert len(small.requests) == 1
    async with opened() as runtime:
        [wait] = runtime.waits.list(SCOPE, OPS)
        await runtime.waits.approve(SCOPE, wait.id, OPS)
        assert await runtime.runs.result(SCOPE, RunId(wait.run), OPS) == "Noted."
    assert len(small.requests) == 1
    assert model.requests[-1].messages[1].text.startswith("[Your first steps, summed up] summary 0")
    assert faults(model.requests) == []


@pytest.mark.req("GOA-57.7")
async def test_a_following_run_does_not_read_what_was_summed_up_of_another_runs_steps(tmp_path: Path) -> None:
    model = ScriptedModel([*(calling(page) for page in range(5)), "Read.", "Hello again."])
    small = ScriptedModel(["summary 0", "summary 1"])
    agent = reader(model, compress=Compress(small, after_steps=3, keep_steps=1))
    async with Runtime.open(tmp_path, agents=[agent]) as runtime:
        session = await runtime.sessions.open(SCOPE, CUSTOMER)
        await (await session.say("Read the pages.")).result()
        await (await session.say("Hi")).result()
    assert len(small.requests) >= 1
    assert all("summary" not in message.text for message in model.requests[-1].messages)


PNG = b"\x89PNG\r\n\x1a\n"


def picture(name: str) -> dict[str, Any]:
    data = base64.b64encode(PNG + name.encode()).decode()
    return {"attachments": [{"contentType": "image/png", "contentUrl": f"data:image/png;base64,{data}"}]}


@pytest.mark.req("GOA-57.9")
async def test_a_picture_is_told_once_and_again_in_the_next_turn_where_that_is_declared(tmp_path: Path) -> None:
    model = ScriptedModel(["A cup.", "It was a cup.", "Gone."])
    agent = Agent("shop.eyes", planner=LLMPlanner(model, history_media=1))
    async with Runtime.open(tmp_path, agents=[agent]) as runtime:
        session = await runtime.sessions.open(SCOPE, CUSTOMER)
        for text, data in (("What is it?", picture("a cup")), ("And what was it?", None)):
            await (await session.say(text, data=data)).result()
    seen = [[(m.text, [each.data for each in m.media]) for m in r.messages if m.role == "user"] for r in model.requests]
    first = ("What is it?", [PNG + b"a cup"])
    assert seen == [[first], [first, ("And what was it?", [])]]
