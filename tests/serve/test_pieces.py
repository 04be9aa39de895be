"""What a run's models say, think and call, piece by piece, for operators who follow it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from lichen import Agent
from lichen.core.ports.model import Delta, Deltas, ModelReply, ModelRequest
from lichen.core.ports.plan import Plan, PlanInput
from lichen.core.words.errors import Denied
from lichen.core.words.ids import CallId, RunId, ToolName
from lichen.core.words.scope import Customer
from lichen.engine.pace.pieces import WAITING_MAX, Follower, Piece, Progress
from lichen.runtime.operations.talk.pieces import PieceView, pieces
from lichen.runtime.runtime import Runtime
from lichen.serve.http.sse import HELLO, piece_frames
from tests.serve.console import ACME, OPS

SAID = (
    Delta("Let me look. ", "thinking"),
    Delta('{"id":', "args", 0, "orders.lookup"),
    Delta("Order "),
    Delta("1042."),
)


class Talks:
    """Says its pieces, each when it is let, and then answers."""

    name = "scripted:talks"

    def __init__(self) -> None:
        self.asked, self.go_on = asyncio.Event(), asyncio.Event()

    async def generate(self, request: ModelRequest, deltas: Deltas | None = None) -> ModelReply:
        self.asked.set()
        await self.go_on.wait()
        assert deltas is not None
        for piece in SAID:
            deltas(piece)
        return ModelReply("Order 1042.")


class Asks:
    pure = False
    digest = "asks"

    def __init__(self, model: Talks) -> None:
        self._model = model

    async def plan(self, input: PlanInput) -> Plan:
        return Plan(answer=(await input.model(self._model, ModelRequest("", ()), input.deltas)).text)


@pytest.fixture
def model() -> Talks:
    return Talks()


@pytest.fixture
async def talking(tmp_path: Path, model: Talks) -> AsyncIterator[Runtime]:
    async with Runtime.open(tmp_path, agents=[Agent("shop.support", planner=Asks(model))]) as runtime:
        yield runtime


async def begun(runtime: Runtime, model: Talks) -> RunId:
    """A run in a customer's session whose model was asked and says nothing yet."""
    session = await runtime.sessions.open(ACME, Customer("customer-7"), agent="shop.support")
    turn = await session.say("Where is it?")
    await model.asked.wait()
    return await turn.run()


@pytest.mark.req("GOA-16.1")
async def test_an_operator_follows_words_thinking_and_arguments_in_order_until_the_run_is_over(
    talking: Runtime, model: Talks
) -> None:
    run = await begun(talking, model)
    feed = talking.runs.pieces(ACME, run, OPS)
    following = asyncio.ensure_future(_all(feed))
    await asyncio.wait((following,), timeout=0)  # it has begun
    model.go_on.set()
    assert await following == [(piece.kind, piece.text, piece.tool) for piece in SAID]


async def _frames(frames: AsyncIterator[bytes]) -> list[str]:
    return [frame.decode() async for frame in frames]


async def _all(feed: AsyncIterator[PieceView]) -> list[tuple[str, str, str]]:
    return [(piece.kind, piece.text, piece.tool) async for piece in feed]


@pytest.mark.req("GOA-16.1")
async def test_the_stream_has_a_frame_for_each_piece_and_says_that_it_ended(talking: Runtime, model: Talks) -> None:
    run = await begun(talking, model)
    feed = talking.runs.pieces(ACME, run, OPS)
    frames = piece_frames(feed, closing=asyncio.Event(), holding=lambda: nullcontext(asyncio.Event()))
    assert await anext(frames) == HELLO
    following = asyncio.ensure_future(_frames(frames))
    await asyncio.wait((following,), timeout=0)  # it has begun
    model.go_on.set()
    found = await following
    assert found[-1] == "event: end\ndata: {}\n\n"
    assert found[1] == (
        'event: piece\ndata: {"step":0,"attempt":1,"kind":"args","text":"{\\"id\\":","tool":"orders.lookup"}\n\n'
    )
    assert len(found) == len(SAID) + 1


@pytest.mark.req("GOA-16.1")
async def test_a_run_that_is_over_has_no_pieces_more(talking: Runtime, model: Talks) -> None:
    run = await begun(talking, model)
    model.go_on.set()
    await talking.idle()
    assert await _all(talking.runs.pieces(ACME, run, OPS)) == []


@pytest.mark.req("GOA-16.2")
async def test_a_customer_may_not_follow_what_a_model_thinks(talking: Runtime, model: Talks) -> None:
    run = await begun(talking, model)
    with pytest.raises(Denied):
        talking.runs.pieces(ACME, run, Customer("customer-7"))
    model.go_on.set()


@pytest.mark.req("GOA-16.3")
async def test_a_slow_reader_keeps_the_order_and_is_told_how_much_it_missed() -> None:
    follower = Follower()
    for i in range(WAITING_MAX + 3):
        follower.take(Piece(0, 1, Delta(str(i))))
    first = follower.read()
    assert [piece.delta.text for piece in first] == [str(i) for i in range(WAITING_MAX)]
    follower.take(Piece(0, 1, Delta("later")))
    assert [(piece.delta.text, piece.missed) for piece in follower.read()] == [("later", 3)]


@pytest.mark.req("LIC-24.25")
async def test_how_far_a_call_is_is_shown_to_who_may_read_the_run_as_words_of_its_tool(
    talking: Runtime, model: Talks
) -> None:
    run = await begun(talking, model)
    views: list[list[PieceView]] = []
    for sees in (True, False):
        feed = pieces(talking.engine.services.pieces, talking.engine.journal(ACME), run, lambda sees=sees: sees)
        following = asyncio.ensure_future(anext(feed))
        await asyncio.wait((following,), timeout=0)  # it has begun
        far = Progress(CallId("c1"), ToolName("books.sort"), 1.0, 3.0, "nearly")
        talking.engine.services.pieces.tell(ACME, run, Piece(1, 1, far))
        views.append([await following])
        await feed.aclose()
    assert views == [
        [PieceView(1, 1, "progress", "nearly", tool="books.sort", by="c1", done=1.0, total=3.0)],
        [PieceView(1, 1, "progress", "", chars=6, by="c1")],
    ]
    model.go_on.set()
