"""A call may ask a model while it is made: gated as its tool, in what its run has left, recorded, and billed anyway."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from lichen.core.deciders import events as e
from lichen.core.ports.call import CallMeta
from lichen.core.ports.model import Model, ModelError, ModelMessage, ModelRequest
from lichen.core.ports.plan import Plan
from lichen.core.words.errors import Denied
from lichen.core.words.ids import CallId, RunId, ToolName, run_stream
from lichen.core.words.limits import Limits, Usage
from lichen.core.words.scope import SYSTEM
from lichen.engine.asks.beside import ASKS_MAX, TOLD_CHARS_MAX, TOLD_MAX
from lichen.engine.pace.pieces import Piece, Pieces, Progress
from lichen.log.projections.costs import day_key, session_key
from lichen.testing.clock import SimulatedClock
from tests.agents.ways.remote import Remote
from tests.engine.asking import Far, Rates, Slow
from tests.engine.conftest import MakeWorld
from tests.engine.test_model_keys import NAME, Vault, over, uses
from tests.engine.test_questions import told
from tests.engine.world import OPS, SCOPE, FakeTool, World, agent, call

SORT = ToolName("files.sort")
LENGTH = 3 + 8 + 10 + 8  # of its request, in tokens


class Sorter(FakeTool):
    """Asks a model as often as it wants, at once or one after the other, and gives what it was told."""

    def __init__(self, model: Model, times: int = 1, *, at_once: bool = False, effects: Any = "once", **more: Any):
        super().__init__(SORT, effects, origin="third_party", **more)
        self._model, self._times, self._at_once = model, times, at_once

    async def execute(self, args: Any, meta: CallMeta) -> bytes:
        self.entered.append(meta)
        if self._at_once:
            said = await asyncio.gather(*(self._asked(meta) for _ in range(self._times)))
        else:
            said = [await self._asked(meta) for _ in range(self._times)]
        self.happen(meta)
        return msgspec.json.encode({"said": said})

    async def _asked(self, meta: CallMeta) -> str:
        assert meta.beside is not None
        try:
            request = ModelRequest("Be kind.", (ModelMessage("user", "x" * 30),), max_tokens=100)
            return (await meta.beside.ask(self._model, request)).text
        except (ModelError, Denied) as error:
            return error.code


async def sorting(make_world: MakeWorld, tool: Sorter, **more: Any) -> World:
    limits = more.pop("limits", Limits())
    return await make_world(agent("shop.bot", [Plan(calls=(call(SORT, "{}"),)), told], [tool], limits=limits), **more)


def asks(world: World, run: RunId) -> list[e.CallAsked]:
    return [control for control in world.controls(run) if isinstance(control, e.CallAsked)]


def today(world: World) -> tuple[int, int]:
    spent = world.log.spent(day_key(world.clock.now_us()))
    return spent.tokens, spent.reserved_tokens


@pytest.mark.req("LIC-24.76")
async def test_what_a_call_asks_is_decided_as_its_tool_reserved_and_billed_to_its_run(make_world: MakeWorld) -> None:
    model = Slow(Usage(10, 20))
    world = await sorting(make_world, Sorter(model), prices=Rates())
    session = await world.session()
    await session.say("Sort them.")
    await world.clock.settle()
    check = world.gate.checked[-1]
    run = check.run
    assert run is not None
    assert (check.action, check.resource, check.asking and check.asking.tool) == ("model.invoke", "slow:", SORT)
    assert check.label.sources == (f"third_party:{SORT}",)
    (begun,) = asks(world, run)
    assert (begun.reserved.tokens, begun.asked, today(world)) == (LENGTH + 100, None, (0, LENGTH + 100))
    assert world.state(run).tokens_left == Limits().tokens - LENGTH - 100
    model.open.set()
    await world.clock.settle()
    ended = asks(world, run)[-1].asked
    assert ended is not None
    assert (ended.outcome, ended.usage, ended.ruling) == (
        "ok",
        Usage(10, 20, 0, 50),
        e.Ruling("model.invoke", ("allow",), "policy"),
    )
    assert world.state(run).usage == Usage(10, 20, 0, 50)
    assert (today(world), world.log.spent(session_key(session.id)).micro_usd) == ((30, 0), 50)
    assert await world.answer(run) == 'ok {"said":["Here you are."]}'


@pytest.mark.req("LIC-24.76")
async def test_what_was_asked_and_replied_is_kept_sealed_as_words_of_the_tool(make_world: MakeWorld) -> None:
    model = Slow(Usage(10, 20))
    model.open.set()
    world = await sorting(make_world, Sorter(model))
    run = await world.start()
    stream = run_stream(run)
    event = next(each for each in world.log.events(stream) if each.control == asks(world, run)[-1])
    contents = world.log.contents(stream, event.n)
    assert (b"x" * 30 in contents["asked/0"], b"Here you are." in contents["replied/0"]) == (True, True)
    assert event.label.sources == (f"third_party:{SORT}",)
    (view,) = world.runs.show(SCOPE, run, SYSTEM).models
    assert (view.place, view.model, view.outcome) == ("c1/0", "slow:", "ok")
    assert view.reply is not None
    assert (view.reply.text, view.reply.is_plan) == ("Here you are.", False)


@pytest.mark.req("LIC-24.77")
@pytest.mark.parametrize("at_once", [False, True])
async def test_a_call_asks_models_a_few_times_whatever_becomes_of_each_and_never_two_at_once(
    make_world: MakeWorld, at_once: bool
) -> None:
    model = Slow()
    model.open.set()
    world = await sorting(make_world, Sorter(model, 50, at_once=at_once))
    run = await world.start()
    assert len(model.requests) == ASKS_MAX
    assert (await world.answer(run)).count("model_asked_too_often") == 50 - ASKS_MAX
    both = [each.asked is None for each in asks(world, run)]
    assert both == [True, False] * ASKS_MAX


@pytest.mark.req("LIC-24.77")
@pytest.mark.parametrize("how", ["denied", "held"])
async def test_a_call_that_policy_does_not_let_ask_is_told_so_and_goes_on(make_world: MakeWorld, how: str) -> None:
    model = Slow()
    world = await sorting(make_world, Sorter(model, 50, at_once=True))
    getattr(world.gate, how).add("slow:" if how == "denied" else "model.invoke")
    run = await world.start()
    assert (model.requests, asks(world, run)) == ([], [])
    refused = [control for control in world.controls(run) if isinstance(control, e.Refused)]
    assert [(each.action, each.verdict) for each in refused] == [
        ("model.invoke", "deny" if how == "denied" else "hold")
    ] * ASKS_MAX
    assert (await world.answer(run)).startswith('ok {"said":["model_denied"')


@pytest.mark.req("LIC-24.77")
async def test_what_a_call_asks_fits_into_what_its_run_has_left_or_is_not_sent(make_world: MakeWorld) -> None:
    model = Slow(Usage(10, 20), Usage(10, 20))
    model.open.set()
    world = await sorting(make_world, Sorter(model, 2), limits=Limits(tokens=LENGTH + 45))
    run = await world.start()
    assert [request.max_tokens for request in model.requests] == [45]
    assert await world.answer(run) == 'ok {"said":["Here you are.","model_budget_exceeded"]}'


@pytest.mark.req("LIC-24.76")
async def test_a_request_of_a_call_leaves_once_what_is_reserved_for_it_is_durable(make_world: MakeWorld) -> None:
    model = Far(Usage(10, 20))
    world = await sorting(make_world, Sorter(model, 2))
    run = await world.start()
    with world.disk.standing_still():
        model.open.set()
        await world.disk.stands_still()
        assert (len(asks(world, run)), len(model.requests)) == (3, 1)
    await world.clock.settle()
    assert len(model.requests) == 2


@pytest.mark.req("LIC-24.78")
async def test_a_request_of_a_call_that_nobody_hears_of_again_counts_and_is_billed_as_lost(
    make_world: MakeWorld,
) -> None:
    model = Far(Usage(10, 20))
    world = await sorting(make_world, Sorter(model), prices=Rates())
    run = await world.start()
    await world.reopen()
    assert world.state(run).calls[CallId("c1")].phase == "unknown"
    assert today(world) == (0, LENGTH + 100)
    await world.reconcile("did_not_happen")
    (_, lost) = asks(world, run)
    assert lost.asked is not None
    assert (lost.asked.outcome, lost.asked.is_estimate, lost.asked.usage.tokens) == ("lost", True, LENGTH + 100)
    assert today(world) == (LENGTH + 100, 0)
    assert world.state(run).usage.tokens == LENGTH + 100


@pytest.mark.req("LIC-24.78")
async def test_a_call_that_is_over_asks_no_more_and_what_it_asked_is_billed(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    model = Slow(Usage(10, 20))
    world = await sorting(make_world, Sorter(model, effects="none", timeout_s=5))
    run = await world.start()
    await clock.advance(6)
    ended = asks(world, run)[-1].asked
    assert ended is not None
    assert (ended.outcome, ended.is_estimate) == ("cancelled", True)
    assert (world.ended(run), today(world)) == ({"c1": "timed_out"}, (LENGTH + 100, 0))


@pytest.mark.req("LIC-24.78")
async def test_a_run_that_is_cancelled_meanwhile_is_billed_for_what_its_call_asked(make_world: MakeWorld) -> None:
    model = Slow(Usage(10, 20))
    world = await sorting(make_world, Sorter(model, effects="none"))
    run = await world.start()
    await world.runs.cancel(SCOPE, run, OPS)
    await world.clock.settle()
    assert (world.state(run).outcome, world.state(run).asks) == ("cancelled", {})
    assert today(world) == (LENGTH + 100, 0)


@pytest.mark.req("LIC-24.78")
async def test_a_call_that_is_made_again_after_a_crash_goes_on_counting_what_it_asks(make_world: MakeWorld) -> None:
    model = Far()
    world = await sorting(make_world, Sorter(model, ASKS_MAX, effects="none"))
    run = await world.start()
    await world.reopen()
    model.open.set()
    await world.clock.settle()
    assert [each.number for each in asks(world, run) if each.asked is None] == list(range(ASKS_MAX))
    assert (await world.answer(run)).count("model_asked_too_often") == 1
    assert world.state(run).asks == {}


@pytest.mark.req("LIC-24.77")
async def test_a_call_asks_with_the_models_key_as_policy_lets_it_and_each_try_that_may_cost_is_the_last(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    far = Remote([ModelError("Cut.", code="model_unreachable", usage=Usage(10, 1)), "Here."])
    world = await sorting(make_world, Sorter(far), **over(clock, Vault()))
    run = await world.start()
    await clock.advance(60)
    assert (world.gate.checked[-1].action, len(uses(world, run))) == ("secret.use", 1)
    ended = asks(world, run)[-1].asked
    assert ended is not None
    assert (ended.outcome, ended.usage.tokens > 0, len(far.requests)) == ("model_unreachable", True, 1)


@pytest.mark.req("LIC-24.77")
async def test_a_call_asks_no_model_whose_key_it_may_not_use_or_once_its_tool_is_stopped(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    world = await sorting(make_world, Sorter(Remote(["Here."])), **over(clock, Vault()))
    world.gate.denied.add(NAME)
    run = await world.start()
    assert (await world.answer(run), asks(world, run)) == ('ok {"said":["secret_refused"]}', [])
    model = Slow(Usage(10, 20))
    world = await sorting(make_world, Sorter(model, 2))
    run = await world.start()
    world.gate.stopped.add(SORT)
    model.open.set()
    await world.clock.settle()
    assert (await world.answer(run), len(model.requests)) == ('ok {"said":["Here you are.","stopped"]}', 1)


# -- how far it is -----------------------------------------------------------------------------------------------


class Teller(FakeTool):
    """Once it may, says how far it is, as often as it is told to, and waits so long between."""

    def __init__(self, *said: tuple[float, float | None, str], pause_s: float) -> None:
        super().__init__(SORT, "none", origin="third_party", timeout_s=10_000)
        self.go_on, self._said, self._pause_s = asyncio.Event(), said, pause_s

    async def execute(self, args: Any, meta: CallMeta) -> bytes:
        assert meta.beside is not None
        await self.go_on.wait()
        for each in self._said:
            meta.beside.tell(*each)
            await asyncio.sleep(self._pause_s)
        return b"{}"


async def heard(
    make_world: MakeWorld, *said: tuple[float, float | None, str], pause_s: float = 1.0
) -> tuple[World, RunId, list[Piece]]:
    """What somebody hears who follows a run whose tool says so much."""
    teller, pieces = Teller(*said, pause_s=pause_s), Pieces()
    limits = Limits(time_s=10_000)
    world = await make_world(
        agent("shop.bot", [Plan(calls=(call(SORT),)), told], [teller], limits=limits), pieces=pieces
    )
    run = await world.start()
    with pieces.follow(SCOPE, run) as follower:
        teller.go_on.set()
        await world.clock.advance(pause_s * len(said) + 1)
        return world, run, follower.read()


@pytest.mark.req("LIC-24.25")
async def test_how_far_a_call_is_is_told_to_whoever_follows_its_run_and_kept_nowhere(make_world: MakeWorld) -> None:
    world, run, pieces = await heard(make_world, (1, 3, "one"), (2, None, "\x1b[31mtwo" + "x" * 500))
    first, second = (piece.delta for piece in pieces)
    assert first == Progress(CallId("c1"), SORT, 1, 3, "one")
    assert isinstance(second, Progress)
    assert (second.text[:8], len(second.text)) == (" [31mtwo", TOLD_CHARS_MAX)
    assert await world.answer(run) == "ok {}"
    records = [type(control).__name__ for control in world.controls(run)]
    assert not {"CallProgressed", "CallAsked"} & set(records)


@pytest.mark.req("LIC-24.25")
async def test_a_tool_that_says_very_often_or_very_long_how_far_it_is_is_left_out(make_world: MakeWorld) -> None:
    _, _, pieces = await heard(make_world, *[(n, None, "") for n in range(100)], pause_s=0.01)
    assert len(pieces) == 5
    _, _, pieces = await heard(make_world, *[(n, None, "") for n in range(TOLD_MAX + 50)])
    assert len(pieces) == TOLD_MAX


@pytest.mark.req("LIC-24.25")
async def test_what_is_no_number_is_not_told(make_world: MakeWorld) -> None:
    _, _, pieces = await heard(make_world, (float("nan"), None, ""), (float("inf"), 1, ""), (1, float("nan"), ""))
    assert [piece.delta for piece in pieces] == [Progress(CallId("c1"), SORT, 1, None)]
