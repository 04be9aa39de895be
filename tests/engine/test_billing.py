"""Whatever becomes of a request to a model, it is billed: with what is known, else with an estimate that says so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lichen.agents.ways.chain import Chain
from lichen.agents.ways.ways import Ways
from lichen.core.deciders import events as e
from lichen.core.ports.model import Connection, Connections, Delta, Deltas, ModelError, ModelReply, ModelRequest
from lichen.core.words.ids import run_stream
from lichen.core.words.limits import Limits, Usage
from lichen.core.words.scope import Scope
from lichen.engine.intake.runs import start
from lichen.testing.clock import SimulatedClock
from tests.agents.ways.remote import Line, Remote, away, busy
from tests.engine.asking import Asks, Rates
from tests.engine.conftest import MakeWorld
from tests.engine.test_asks import READ, asked, bounded, planned, today
from tests.engine.world import OPS, SCOPE, World, agent

RESERVED = READ + 7 + 100  # of one try of a request of `Asks`, in tokens
REPLIED = 10 + 2  # what `Remote` says that a reply used


class Keys:
    """A connection on which a try lasts ten seconds."""

    async def of(self, provider: str, scope: Scope) -> Connection:
        return Connection(identity="key-1", timeout_s=10.0)

    def secret(self, provider: str, scope: Scope) -> str:
        return ""


def over(clock: SimulatedClock, connections: Connections | None = None) -> Mapping[str, Any]:
    """The services of a world whose models lie behind a network."""
    return {"reach": Ways(clock.now_us, lambda: 0.5).reach, "connections": connections or Keys()}


async def _streams(deltas: Deltas | None, error: ModelError) -> ModelReply:
    if deltas is not None:
        deltas(Delta("Here"))
    raise error


def cut(code: str, usage: Usage = Usage()) -> Callable[[Deltas | None], object]:
    """A reply that ends in the midst of it."""
    return lambda deltas: _streams(deltas, ModelError("Gone.", code=code, usage=usage))


async def _silent(deltas: Deltas | None) -> ModelReply:
    return ModelReply("Here you are.")


HANGS = 1_000.0
KNOWN = ModelError("Cut.", code="model_malformed", usage=Usage(5, 1))
MALFORMED = ModelError("Cut.", code="model_malformed")
REFUSED = ModelError("No.", code="model_refused", usage=Usage(5, 1))
WAYS_TO_END: Mapping[str, tuple[list[object], tuple[str, int, int, bool]]] = {
    # what the tries do: how it ended, tries, tokens, whether that is an estimate
    "answered": (["Here."], ("ok", 1, REPLIED, False)),
    "refused, and billed": ([REFUSED], ("model_refused", 1, 6, False)),
    "busy, then answered": ([busy(), "Here."], ("ok", 2, REPLIED, False)),
    "cut with its usage, then answered": ([KNOWN, "Here."], ("ok", 2, 6 + REPLIED, False)),
    "cut, then answered": ([cut("model_unavailable"), "Here."], ("ok", 2, RESERVED + REPLIED, True)),
    "broken off twice, then answered": ([MALFORMED, MALFORMED, "Here."], ("ok", 3, 2 * RESERVED + REPLIED, True)),
    "hung twice, then answered": ([HANGS, HANGS, "Here."], ("ok", 3, 2 * RESERVED + REPLIED, True)),
    "cut with its usage, then answered by whoever does not say": ([KNOWN, _silent], ("ok", 2, 6 + RESERVED, True)),
    "overloaded after pieces, then refused": (
        [cut("model_overloaded"), REFUSED],
        ("model_refused", 2, RESERVED + 6, True),
    ),
}


@pytest.mark.req("LIC-24.20")
@pytest.mark.parametrize("name", WAYS_TO_END)
async def test_every_try_is_billed_with_what_is_known_and_else_with_what_was_reserved(
    make_world: MakeWorld, clock: SimulatedClock, name: str
) -> None:
    lines, (outcome, tries, tokens, is_estimate) = WAYS_TO_END[name]
    model = Remote(lines)  # type: ignore[arg-type]
    world = await make_world(agent("shop.bot", Streams(model)), prices=Rates(), **over(clock))
    run = await world.start()
    await clock.advance(60)
    (request,) = asked(world, run)
    assert (request.outcome, request.tries, request.usage.tokens) == (outcome, tries, tokens)
    assert request.is_estimate is is_estimate
    assert today(world) == world.state(run).usage.tokens == tokens
    assert request.usage.cost_micro_usd == request.usage.input_tokens + 2 * request.usage.output_tokens


@pytest.mark.req("LIC-24.20")
async def test_a_request_of_which_every_try_is_lost_is_billed_for_all_of_them(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    world = await make_world(agent("shop.bot", Asks(Remote([HANGS]))), **over(clock))
    run = await world.start()
    await clock.advance(200)
    assert {(each.outcome, each.tries, each.usage.tokens, each.is_estimate) for each in asked(world, run)} == {
        ("model_timed_out", 4, 4 * RESERVED, True)
    }


@pytest.mark.req("LIC-24.20")
async def test_a_model_without_a_network_that_fails_after_pieces_is_billed_too(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    world = await make_world(agent("shop.bot", Streams(Remote([cut("model_refused")]))))  # type: ignore[list-item]
    run = await world.start()
    assert [(each.outcome, each.usage.tokens, each.is_estimate) for each in asked(world, run)] == [
        ("model_refused", RESERVED, True)
    ]


@pytest.mark.req("LIC-24.20")
async def test_each_model_of_a_chain_is_billed_whatever_became_of_it(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    first, second = Remote([HANGS], name="far:one"), Remote(["Here."], name="far:two")
    world = await make_world(agent("shop.bot", Asks(Chain(first, second))), **over(clock))
    run = await world.start()
    await clock.advance(60)
    assert [(each.model, each.outcome, each.usage.tokens, each.is_estimate) for each in asked(world, run)] == [
        ("far:one", "model_timed_out", RESERVED, True),
        ("far:two", "ok", REPLIED, False),
    ]
    assert world.state(run).usage.tokens == today(world) == RESERVED + REPLIED


@pytest.mark.req("LIC-24.20")
async def test_a_run_that_is_cancelled_or_dies_in_a_further_try_is_billed_for_those_before_too(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    world = await make_world(agent("shop.bot", Asks(Remote([HANGS]))), **over(clock))
    run, other = await world.start(), await world.start()
    await clock.advance(15)  # in the second try
    assert today(world) == 2 * 2 * RESERVED
    await world.runs.cancel(SCOPE, run, OPS)
    await clock.settle()
    assert [(each.outcome, each.usage.tokens, each.is_estimate) for each in asked(world, run)] == [
        ("lost", 2 * RESERVED, True)
    ]
    await world.log.durable()
    await world.reopen()
    assert [each.usage.tokens for each in asked(world, other)] == [2 * RESERVED]


@pytest.mark.req("LIC-24.20")
async def test_a_run_whose_time_is_over_while_it_asks_is_billed(make_world: MakeWorld, clock: SimulatedClock) -> None:
    limits = Limits(time_s=5.0, grace_s=2.0)
    world = await make_world(agent("shop.bot", Asks(Remote([HANGS])), limits=limits), **over(clock))
    run = await world.start()
    await clock.advance(20)
    assert world.state(run).outcome == "failed"
    assert [(each.outcome, each.usage.tokens, each.is_estimate) for each in asked(world, run)] == [
        ("lost", RESERVED, True),
        ("lost", RESERVED, True),
    ]
    assert today(world) == 2 * RESERVED


# -- budgets bind every try --------------------------------------------------------------------------------------


@pytest.mark.req("LIC-24.21")
async def test_a_further_try_for_which_no_budget_has_room_is_not_made(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    model = Remote([HANGS])
    world = await make_world(
        agent("shop.bot", Asks(model)), budgets=bounded(tokens_per_day=2 * RESERVED + 50), **over(clock)
    )
    run = await world.start()
    await clock.advance(60)
    assert len(model.requests) == 2
    (request,) = asked(world, run)
    assert (request.outcome, request.tries, request.usage.tokens) == ("model_budget_exceeded", 2, 2 * RESERVED)
    n = world.log.find(run_stream(run), planned(world, run)[-1].key) or 0
    assert b"budget of the day: 50 tokens are left" in world.log.contents(run_stream(run), n)["failure"]


@pytest.mark.req("LIC-24.21")
async def test_a_run_whose_own_limit_has_no_room_for_a_further_try_answers_with_what_it_has(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    model = Remote([HANGS, "Here."])
    world = await make_world(agent("shop.bot", Asks(model), limits=Limits(tokens=RESERVED + 5)), **over(clock))
    run = await world.start()
    await clock.advance(60)
    assert len(model.requests) == 1
    assert world.controls(run)[-1] == e.RunFinished("completed", "limit_tokens", Usage(READ + 7, 100))


@pytest.mark.req("LIC-24.21")
async def test_a_try_that_cost_nothing_takes_nothing_of_a_budget(make_world: MakeWorld, clock: SimulatedClock) -> None:
    model = Remote([busy(), away(), "Here."])
    world = await make_world(agent("shop.bot", Asks(model)), budgets=bounded(tokens_per_day=RESERVED), **over(clock))
    run = await world.start()
    await clock.advance(60)
    assert (await world.answer(run), today(world)) == ("Here.", REPLIED)


@pytest.mark.req("LIC-24.21")
@settings(max_examples=15, deadline=None)
@given(
    budget=st.integers(60, 900),
    lines=st.lists(st.sampled_from(["hangs", "cut", "busy", "Here."]), min_size=1, max_size=12),
    runs=st.integers(2, 5),
)
async def test_runs_that_race_for_the_last_of_a_day_use_no_more_whatever_is_tried_again(
    tmp_path_factory: pytest.TempPathFactory, budget: int, lines: list[str], runs: int
) -> None:
    with SimulatedClock() as clock:
        home = tmp_path_factory.mktemp("world")
        await _race(home, clock, budget, [*lines, "Here."], runs)


async def _race(home: Path, clock: SimulatedClock, budget: int, lines: list[str], runs: int) -> None:
    made: dict[str, Line] = {"hangs": HANGS, "cut": MALFORMED, "busy": busy()}
    model = Told([made.get(line, line) for line in lines])
    world = await World(
        home, clock, agent("shop.bot", Asks(model)), budgets=bounded(tokens_per_day=budget), **over(clock)
    ).open()
    for i in range(runs):
        await start(world.request(), world.agent, "go", key=f"k{i}")
    for _ in range(40):
        await clock.advance(5)
        assert max(today(world), model.perhaps) <= budget
    await world.close()


@pytest.mark.req("LIC-24.21")
async def test_of_two_runs_that_race_for_the_last_of_a_day_one_passes(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    model = Remote([5.0])
    world = await make_world(
        agent("shop.bot", Asks(model)), budgets=bounded(tokens_per_day=RESERVED + 40), **over(clock)
    )
    await asyncio.gather(*(start(world.request(), world.agent, "go", key=f"k{i}") for i in range(2)))
    await clock.advance(1)
    assert len(model.requests) == 1


class Told(Remote):
    """Sums up what its tries may have cost, whatever became of them."""

    perhaps = 0

    async def generate(self, request: ModelRequest, deltas: Deltas | None = None) -> ModelReply:
        costs = not isinstance(self._lines[0], ModelError) or self._lines[0] is MALFORMED
        self.perhaps += (10 + request.max_tokens) if costs else 0
        reply = await super().generate(request, deltas)
        self.perhaps -= 10 + request.max_tokens - reply.usage.tokens
        return reply


class Streams(Asks):
    """Asks as `Asks` does, and shows what comes."""

    shows = True
