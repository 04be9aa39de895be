"""Answers that have a type over the API: asked for with a schema, followed as they come, or failed with a code."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lichen import Agent
from lichen.agents import LLMPlanner
from lichen.core.ports.model import Delta, Deltas, ModelReply, ModelRequest
from lichen.core.words.errors import NotFound
from lichen.core.words.ids import RunId
from lichen.core.words.scope import Actor, Customer
from lichen.runtime.runtime import Runtime
from lichen.serve.app import make_app
from lichen.serve.http.auth import Caller
from tests.serve.asgi import Answer, Door
from tests.serve.console import ACME, OPS

REFUND = {
    "title": "Refund",
    "type": "object",
    "properties": {"order_id": {"type": "string"}, "amount": {"type": "integer", "minimum": 1}},
    "required": ["order_id", "amount"],
    "additionalProperties": False,
}
GOOD = ('{"order_id":"10', '42","am', 'ount":8000}')
CUSTOMER = Customer("customer-7")


class Says:
    """Says its pieces once it is let, a reply for each request, with a breath after each piece."""

    name = "scripted:says"

    def __init__(self) -> None:
        self.replies: list[tuple[Any, ...]] = []
        self.asked, self.go_on = asyncio.Event(), asyncio.Event()

    async def generate(self, request: ModelRequest, deltas: Deltas | None = None) -> ModelReply:
        self.asked.set()
        await self.go_on.wait()
        pieces = self.replies.pop(0)
        for piece in pieces:
            if deltas is not None:
                deltas(piece if isinstance(piece, Delta) else Delta(piece))
            for _ in range(20):
                await asyncio.sleep(0)
        return ModelReply("".join(piece for piece in pieces if isinstance(piece, str)))


@pytest.fixture
def model() -> Says:
    return Says()


@pytest.fixture
async def refunds(tmp_path: Path, model: Says) -> AsyncIterator[Runtime]:
    async with Runtime.open(tmp_path, agents=[Agent("shop.refunds", planner=LLMPlanner(model))]) as runtime:
        yield runtime


def door_of(runtime: Runtime, actor: Actor) -> Door:
    return Door(make_app(runtime, identify=lambda request: Caller(ACME, actor)))


def events(answer: Answer) -> list[tuple[str, Any]]:
    blocks = [block.split("\n") for block in answer.body.decode().split("\n\n") if block.startswith("event:")]
    return [(event[len("event: ") :], json.loads(data[len("data: ") :])) for event, data in blocks]


async def followed(door: Door, model: Says, run: str) -> list[tuple[str, Any]]:
    """What a reader of the run's partials is told, who reads before the model says anything."""
    await model.asked.wait()
    following = asyncio.ensure_future(door.get(f"runs/{run}/partials"))
    for _ in range(50):
        await asyncio.sleep(0)
    model.go_on.set()
    return events(await following)


@pytest.mark.req("GOA-61.12")
async def test_an_answer_is_asked_for_with_a_schema_and_followed_as_it_comes(refunds: Runtime, model: Says) -> None:
    model.replies = [GOOD]
    door = door_of(refunds, CUSTOMER)
    asked = {"agent": "shop.refunds", "text": "Refund?", "answers": REFUND}
    run = (await door.post("runs", asked)).data["id"]
    told = await followed(door, model, run)
    assert told[:-1] == [
        ("partial", {"order_id": "10"}),
        ("partial", {"order_id": "1042"}),
        ("partial", {"order_id": "1042", "amount": 8000}),
    ]
    event, outcome = told[-1]
    assert (event, outcome["status"], outcome["value"], outcome["code"]) == (
        "end",
        "completed",
        {"order_id": "1042", "amount": 8000},
        "",
    )
    assert (await door.get(f"runs/{run}/result")).data == outcome
    assert events(await door.get(f"runs/{run}/partials"))[0] == ("partial", outcome["value"])


@pytest.mark.req("GOA-61.12")
async def test_what_is_tried_again_begins_anew_and_a_failure_ends_with_its_code(refunds: Runtime, model: Says) -> None:
    model.replies = [('{"order_id":"9', Delta("", "again"), '{"order_id":"77"}'), ("No.",)]
    door = door_of(refunds, CUSTOMER)
    run = (await door.post("runs", {"agent": "shop.refunds", "text": "Refund?", "answers": REFUND})).data["id"]
    told = await followed(door, model, run)
    assert told[:-1] == [("partial", {"order_id": "9"}), ("partial", {"order_id": "77"})]
    assert (told[-1][0], told[-1][1]["status"], told[-1][1]["code"], told[-1][1]["value"]) == (
        "end",
        "failed",
        "answer_invalid",
        None,
    )


@pytest.mark.req("GOA-61.12")
async def test_a_message_is_asked_with_a_schema_and_its_run_followed(refunds: Runtime, model: Says) -> None:
    model.replies = [GOOD]
    door = door_of(refunds, CUSTOMER)
    session = (await door.post("sessions", {"agent": "shop.refunds"})).data["id"]
    asked = {"text": "Refund?", "answers": REFUND}
    assert (await door.post(f"sessions/{session}/messages", asked, key="one")).data["disposition"] == "queued"
    await model.asked.wait()
    [run] = refunds.runs.list(ACME, OPS)
    told = await followed(door, model, run.id)
    assert told[0] == ("partial", {"order_id": "10"})
    assert told[-1][1]["value"] == {"order_id": "1042", "amount": 8000}
    other = await door.post(f"sessions/{session}/messages", {"text": "Refund?"}, key="one")
    assert (other.status, other.code) == (409, "key_reused")


@pytest.mark.req("GOA-61.13")
async def test_nobody_follows_the_answer_of_somebody_else(refunds: Runtime, model: Says) -> None:
    model.replies = [GOOD]
    run = (
        await door_of(refunds, CUSTOMER).post("runs", {"agent": "shop.refunds", "text": "?", "answers": REFUND})
    ).data
    with pytest.raises(NotFound):
        refunds.runs.partials(ACME, RunId(run["id"]), Customer("customer-8"))
    answer = await door_of(refunds, Customer("customer-8")).get(f"runs/{run['id']}/partials")
    assert (answer.status, answer.code) == (404, "run_unknown")
    model.go_on.set()


@pytest.mark.req("GOA-61.12")
async def test_an_answer_in_words_has_no_partials(refunds: Runtime, model: Says) -> None:
    model.replies = [('{"looks": "like one"}',)]
    door = door_of(refunds, CUSTOMER)
    run = (await door.post("runs", {"agent": "shop.refunds", "text": "?"})).data["id"]
    told = await followed(door, model, run)
    assert [event for event, _ in told] == ["end"]
