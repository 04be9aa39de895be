"""A small model for what it can do, a large one for the rest."""

from __future__ import annotations

from typing import Any

import pytest

from lichen.agents.ways.confidence import evident, stated
from lichen.agents.ways.router import Route, Router
from lichen.core.ports.call import ToolSpec
from lichen.core.ports.model import Delta, ModelCall, ModelError, ModelMessage, ModelReply, ModelRequest
from lichen.core.words.errors import Denied, Invalid
from lichen.core.words.ids import ToolName
from tests.agents.ways.handle import Handle
from tests.agents.ways.remote import Line, Remote, away

LOOKUP = ToolSpec(
    ToolName("orders.lookup"),
    "Looks up an order.",
    "none",
    {"type": "object", "properties": {"order": {"type": "string"}}, "required": ["order"]},
    {},
)


def asked(text: str = "Where is my order?", **changes: Any) -> ModelRequest:
    return ModelRequest("Help.", (ModelMessage("user", text),), (LOOKUP,), **changes)


def sizes(small: Line = "Small.", large: Line = "Large.") -> tuple[Remote, Remote]:
    return Remote([small], name="far:small"), Remote([large], name="far:large")


def calling(tool: str, args: bytes) -> ModelReply:
    return ModelReply("", (ModelCall("1", ToolName(tool), args),))


@pytest.mark.req("SYM-87.1")
@pytest.mark.parametrize(
    ("route", "text", "size"),
    [
        (Route("large", words=("invoice",)), "About my INVOICE, please", "large"),
        (Route("large", words=("invoice",)), "About my invoices", "small"),
        (Route("large", pattern=r"\b\d{4,}\b"), "order 12345", "large"),
        (Route("large", pattern=r"\b\d{4,}\b"), "order 12", "small"),
        (Route("large", chars_min=10), "0123456789", "large"),
        (Route("large", chars_min=10), "012345678", "small"),
        (Route("large", tools=("orders.lookup",)), "x", "large"),
        (Route("large", tools=("other.tool",)), "x", "small"),
        (Route("large", words=("a",), pattern="b"), "a", "small"),
        (Route("large", words=("a",), pattern="b"), "a b", "large"),
        (Route("large"), "", "large"),
    ],
)
async def test_a_rule_decides_which_model_is_asked(route: Route, text: str, size: str) -> None:
    handle = Handle()
    await handle(Router(*sizes(), routes=[route]), asked(text))
    assert handle.names == [f"far:{size}"]


@pytest.mark.req("SYM-87.1")
async def test_of_several_rules_the_first_that_fits_decides_and_only_the_newest_message_counts() -> None:
    routes = [Route("small", words=("hello",)), Route("large", words=("refund",))]
    router = Router(*sizes(), routes=routes)
    assert router.first(asked("Hello, a refund!")) == "small"
    assert router.first(asked("A refund!")) == "large"
    earlier = ModelRequest("", (ModelMessage("user", "A refund!"), ModelMessage("user", "Thanks.")))
    assert router.first(earlier) == "small"


@pytest.mark.req("SYM-87.2")
async def test_a_reply_of_low_confidence_is_dropped_unseen_and_the_large_model_is_asked() -> None:
    handle, seen = Handle(), list[Delta]()
    router = Router(*sizes(), confidence=lambda request, reply: 0.84)
    reply = await handle(router, asked(), seen.append)
    assert (reply.text, handle.names) == ("Large.", ["far:small", "far:large"])
    assert seen == [Delta("Large.")]


@pytest.mark.req("SYM-87.2")
async def test_a_reply_of_enough_confidence_stands() -> None:
    handle, seen = Handle(), list[Delta]()
    router = Router(*sizes(), confidence=lambda request, reply: 0.85)
    reply = await handle(router, asked(), seen.append)
    assert (reply.text, handle.names, seen) == ("Small.", ["far:small"], [Delta("Small.")])


@pytest.mark.req("SYM-87.2")
@pytest.mark.parametrize(
    ("reply", "sure"),
    [
        (ModelReply("Yes."), 1.0),
        (ModelReply(" "), 0.0),
        (ModelReply("Yes", finish="length"), 0.0),
        (ModelReply("No.", finish="refused"), 0.0),
        (calling("orders.lookup", b'{"order":"1"}'), 1.0),
        (calling("orders.lookup", b'{"order":1}'), 0.0),
        (calling("orders.lookup", b"{}"), 0.0),
        (calling("orders.lookup", b"{"), 0.0),
        (calling("orders.delete", b"{}"), 0.0),
    ],
)
def test_what_is_evident_of_a_reply_is_whether_it_can_be_used(reply: ModelReply, sure: float) -> None:
    assert evident(asked(), reply) == sure


@pytest.mark.req("SYM-87.2")
def test_a_reply_that_does_not_fit_the_schema_asked_for_cannot_be_used() -> None:
    request = asked(output_schema={"type": "object", "required": ["a"]})
    assert evident(request, ModelReply('{"a":1}')) == 1.0
    assert evident(request, ModelReply('{"b":1}')) == 0.0
    assert evident(request, ModelReply("a")) == 0.0


@pytest.mark.req("SYM-87.3")
@pytest.mark.parametrize(
    ("text", "said", "sure"),
    [
        ("Yes.\nconfidence: 0.9", "Yes.", 0.9),
        ("Yes.\n\n**Confidence:** 1\n", "Yes.", 1.0),
        ("confidence: .5", "", 0.5),
        ("Yes.", "Yes.", None),
        ("confidence: 0.9\nNo.", "confidence: 0.9\nNo.", None),
        ("My confidence: 0.9", "My confidence: 0.9", None),
    ],
)
def test_how_sure_a_model_says_it_is_is_read_and_taken_out(text: str, said: str, sure: float | None) -> None:
    reply, found = stated(ModelReply(text))
    assert (reply.text, found) == (said, sure)


@pytest.mark.req("SYM-87.3")
@pytest.mark.parametrize(
    ("text", "answer"),
    [("Yes.\nconfidence: 0.9", "Yes."), ("Yes.\nconfidence: 0.3", "Large."), ("Yes.", "Large.")],
)
async def test_a_small_model_that_is_asked_how_sure_it_is_is_believed(text: str, answer: str) -> None:
    handle = Handle()
    reply = await handle(Router(*sizes(text), is_asked=True), asked())
    assert reply.text == answer
    assert "confidence: N" in handle.asked[0][1].system
    assert all("confidence" not in request.system for _, request in handle.asked[1:])


@pytest.mark.req("SYM-87.4")
async def test_the_large_model_is_asked_where_the_small_one_fails_or_is_forbidden() -> None:
    for small, forbidden in ((away(), ""), ("Small.", "far:small")):
        handle = Handle(forbidden={forbidden})
        assert (await handle(Router(*sizes(small)), asked())).text == "Large."
    with pytest.raises(Denied):
        await Handle(forbidden={"far:large"})(Router(*sizes(), confidence=lambda request, reply: 0.0), asked())
    with pytest.raises(ModelError, match="long"):
        await Handle()(Router(*sizes(ModelError("Too long.", code="model_context_too_long"))), asked())


def test_what_a_router_goes_by_is_part_of_its_name() -> None:
    names = {
        Router(*sizes()).name,
        Router(*sizes(), threshold=0.5).name,
        Router(*sizes(), is_asked=True).name,
        Router(*sizes(), routes=[Route("large")]).name,
    }
    assert len(names) == 4


def test_a_pattern_that_could_run_away_and_a_threshold_beyond_one_are_refused() -> None:
    with pytest.raises(Invalid) as failure:
        Router(*sizes(), routes=[Route("small"), Route("large", pattern="(a+)+$")])
    assert failure.value.place == "/routes/1/pattern"
    with pytest.raises(Invalid):
        Router(*sizes(), threshold=1.1)
