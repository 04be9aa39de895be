"""A request to a model fits into every budget before it is sent, and is billed whatever becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lichen.core.deciders import events as e
from lichen.core.ports.model import KINDS, Deltas, ModelError, ModelReply, ModelRequest
from lichen.core.speech.wording import BUILT_IN, Texts, public_text
from lichen.core.words.ids import RunId, run_stream
from lichen.core.words.limits import Limits, Usage
from lichen.core.words.quotas import Budgets
from lichen.engine.intake.runs import start
from lichen.log.projections.costs import day_key, session_key
from lichen.testing.clock import SimulatedClock
from tests.engine.asking import Asks, AsksAtOnce, Far, Rates, Slow
from tests.engine.conftest import MakeWorld
from tests.engine.world import OPS, SCOPE, World, agent

READ = 22  # tokens that a request of `Asks` is estimated to have: 3 + 8 around the system prompt, 10 + 8 of its message
DAY_US = 86_400_000_000


def planned(world: World, run: RunId) -> list[e.Planned]:
    return [control for control in world.controls(run) if isinstance(control, e.Planned)]


def asked(world: World, run: RunId) -> list[e.ModelAsked]:
    return [asked for plan in planned(world, run) for asked in plan.requests]


def today(world: World) -> int:
    return world.log.spent(day_key(world.clock.now_us())).tokens_all


def bounded(**budgets: float) -> Callable[[object], Budgets]:
    made = msgspec.convert(budgets, Budgets)
    return lambda scope: made


async def begin(world: World, model: Slow) -> RunId:
    """A run that waits for its model."""
    run = await world.start()
    assert model.requests
    return run


async def let(world: World, model: Slow) -> None:
    model.open.set()
    await world.clock.settle()


@pytest.mark.req("LIC-24.2")
async def test_a_request_is_reserved_before_it_is_sent_and_settled_with_what_it_used(make_world: MakeWorld) -> None:
    model = Slow(Usage(10, 20))
    world = await make_world(agent("shop.bot", Asks(model)))
    run = await begin(world, model)
    reserved = READ + 7 + 100
    assert today(world) == reserved
    (started,) = [control for control in world.controls(run) if isinstance(control, e.PlanStarted)]
    assert (started.model, started.reserved) == ("slow:", Usage(READ + 7, 100))
    await let(world, model)
    assert today(world) == 30
    assert world.log.spent(day_key(world.clock.now_us())).reserved_tokens == 0


@pytest.mark.req("LIC-24.3")
@pytest.mark.parametrize("budget", ["tokens_per_day", "tokens_per_session"])
async def test_a_request_gets_no_more_tokens_for_its_reply_than_its_budgets_have_left(
    make_world: MakeWorld, budget: str
) -> None:
    model = Slow(Usage(10, 20))
    world = await make_world(agent("shop.bot", Asks(model)), budgets=bounded(**{budget: 70}))
    session = await world.session()
    await session.say("Well?")
    await world.clock.settle()
    assert [request.max_tokens for request in model.requests] == [70 - READ - 7]
    await let(world, model)
    assert world.log.spent(session_key(session.id)).tokens == 30


@pytest.mark.req("LIC-24.4")
async def test_a_request_that_does_not_fit_is_not_sent_and_the_customer_is_told_in_their_language(
    make_world: MakeWorld,
) -> None:
    model = Slow()
    world = await make_world(agent("shop.bot", Asks(model)), budgets=bounded(tokens_per_day=40))
    run = await world.start()
    assert model.requests == []
    assert [(plan.error, plan.is_final) for plan in planned(world, run)] == [("model_budget_exceeded", True)]
    assert await world.answer(run) == KINDS["model_budget_exceeded"].public
    failure = world.log.contents(run_stream(run), world.log.find(run_stream(run), planned(world, run)[0].key) or 0)
    assert b"budget of the day: 40 tokens are left" in failure["failure"]


@pytest.mark.req("LIC-24.5")
async def test_money_binds_as_tokens_do_and_a_model_without_a_price_is_not_asked(make_world: MakeWorld) -> None:
    cheap, unknown = Slow(Usage(10, 20)), Slow(name="odd:")
    prices = Rates(unpriced=["odd:"])
    budgets = bounded(cost_usd_per_day=0.000_100)
    world = await make_world(
        agent("shop.bot", Asks(cheap)), agent("shop.odd", Asks(unknown)), budgets=budgets, prices=prices
    )
    run = await begin(world, cheap)
    assert [request.max_tokens for request in cheap.requests] == [(100 - READ - 7) // 2]
    await let(world, cheap)
    assert world.state(run).usage == Usage(10, 20, cost_micro_usd=50)
    world.agent = world.agent.__class__("shop.odd")
    odd = await world.start()
    assert (unknown.requests, [plan.error for plan in planned(world, odd)]) == ([], ["model_unpriced"])


@pytest.mark.req("LIC-24.14")
async def test_a_model_without_a_price_that_no_money_budget_binds_is_marked(make_world: MakeWorld) -> None:
    model = Slow(Usage(10, 20), name="odd:")
    model.open.set()
    world = await make_world(agent("shop.bot", Asks(model)), prices=Rates(unpriced=["odd:"]))
    (request,) = asked(world, await world.start())
    assert (request.is_unpriced, request.usage.cost_micro_usd) == (True, 0)


@pytest.mark.req("LIC-24.6")
@pytest.mark.parametrize(("limits", "limit"), [(Limits(tokens=40), "tokens"), (Limits(cost_usd=0.000_03), "cost")])
async def test_a_run_whose_own_limit_is_too_small_for_a_request_ends_with_that_limit_and_an_answer(
    make_world: MakeWorld, clock: SimulatedClock, limits: Limits, limit: str
) -> None:
    model = Slow()
    world = await make_world(agent("shop.bot", Asks(model), limits=limits), prices=Rates())
    run = await world.start()
    await clock.advance(1)
    assert model.requests == []
    assert await world.answer(run) == Texts().model_budget
    assert [c.limit for c in world.controls(run) if isinstance(c, e.LimitReached)] == [limit]
    assert world.controls(run)[-1] == e.RunFinished("completed", f"limit_{limit}")


@pytest.mark.req("LIC-24.32")
async def test_a_request_over_a_network_leaves_once_what_is_reserved_for_it_is_durable(make_world: MakeWorld) -> None:
    first, second = Far(Usage(10, 20)), Far()
    world = await make_world(agent("shop.bot", Asks(first, second)))
    await begin(world, first)
    with world.disk.standing_still():
        first.open.set()
        await world.disk.stands_still()
        assert second.requests == []
    await world.clock.settle()
    assert len(second.requests) == 1


# -- what is lost ------------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-24.7")
async def test_a_plan_lost_in_a_crash_is_asked_again_and_the_lost_one_is_billed_as_an_estimate(
    make_world: MakeWorld,
) -> None:
    model = Slow(Usage(10, 20))
    world = await make_world(agent("shop.bot", Asks(model)), prices=Rates())
    run = await begin(world, model)
    await world.log.durable()
    reserved = world.state(run).asking
    assert reserved is not None
    await world.reopen()
    assert today(world) == 2 * reserved.usage.tokens  # the lost one, and the one under way
    await let(world, model)
    lost, answered = planned(world, run)
    assert (lost.error, lost.attempt, lost.usage) == ("lost", 1, reserved.usage)
    assert [(each.outcome, each.is_estimate) for each in asked(world, run)] == [("lost", True), ("ok", False)]
    assert answered.attempt == 2
    assert world.controls(run)[-1] == e.RunFinished("completed", "", reserved.usage + Usage(10, 20, 0, 50))
    assert today(world) == reserved.usage.tokens + 30


@pytest.mark.req("LIC-24.7")
async def test_a_request_that_is_cancelled_counts_with_its_reservation(make_world: MakeWorld) -> None:
    model = Slow()
    world = await make_world(agent("shop.bot", Asks(model)))
    run = await begin(world, model)
    reserved = today(world)
    await world.runs.cancel(SCOPE, run, OPS)
    await world.clock.settle()
    assert world.state(run).outcome == "cancelled"
    assert [(each.outcome, each.is_estimate) for each in asked(world, run)] == [("lost", True)]
    assert (today(world), world.state(run).usage.tokens) == (reserved, reserved)


@pytest.mark.req("LIC-24.18")
async def test_what_earlier_requests_of_a_lost_attempt_used_is_billed_with_it(make_world: MakeWorld) -> None:
    first, second = Slow(Usage(10, 20)), Slow()
    world = await make_world(agent("shop.bot", Asks(first, second)))
    run = await begin(world, first)
    await let(world, first)
    assert second.requests
    assert today(world) == 30 + READ + 7 + 100
    await world.log.durable()
    await world.reopen()
    assert planned(world, run)[0].usage.tokens == 30 + READ + 7 + 100
    assert [each.tries for each in asked(world, run)] == [2]


@pytest.mark.req("LIC-24.18")
async def test_requests_that_are_lost_together_are_counted_each(make_world: MakeWorld) -> None:
    models = [Slow(), Slow(), Slow()]
    world = await make_world(agent("shop.bot", AsksAtOnce(*models)))
    run = await begin(world, models[2])
    await world.log.durable()
    await world.reopen()
    lost = asked(world, run)[0]
    assert (lost.outcome, lost.tries, lost.usage.tokens) == ("lost", 3, 3 * (READ + 7 + 100))


@pytest.mark.req("LIC-24.8")
async def test_a_reply_that_does_not_say_what_it_used_is_billed_by_its_length(make_world: MakeWorld) -> None:
    model = Slow()
    model.open.set()
    world = await make_world(agent("shop.bot", Asks(model)))
    (request,) = asked(world, await world.start())
    assert request.is_estimate
    assert request.usage == Usage(READ + 7, 5)  # "Here you are."


@pytest.mark.req("LIC-24.8")
async def test_a_request_that_timed_out_may_have_been_billed_and_one_that_was_refused_was_not(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    model = Slow(ModelError("Too slow.", code="model_timed_out"), ModelError("Busy.", code="model_rate_limited"))
    model.open.set()
    world = await make_world(agent("shop.bot", Asks(model)))
    run = await world.start()
    await clock.advance(5)
    assert [(each.outcome, each.usage.tokens, each.is_estimate) for each in asked(world, run)] == [
        ("model_timed_out", READ + 7 + 100, True),
        ("model_rate_limited", 0, False),
        ("ok", READ + 7 + 5, True),
    ]


# -- what follows for the customer -------------------------------------------------------------------------------


@pytest.mark.req("GOA-79.1")
@pytest.mark.parametrize("code", sorted(KINDS))
async def test_a_customer_is_told_what_follows_and_only_operators_what_went_wrong(
    make_world: MakeWorld, clock: SimulatedClock, code: str
) -> None:
    model = Slow(*[ModelError("sk-123 is no key of org-9.", code=code)] * 3)
    model.open.set()
    world = await make_world(agent("shop.bot", Asks(model)))
    run = await world.start()
    await clock.advance(5)
    assert await world.answer(run) == KINDS[code].public
    n = world.log.find(run_stream(run), planned(world, run)[-1].key) or 0
    assert b"sk-123 is no key of org-9." in world.log.contents(run_stream(run), n)["failure"]


@pytest.mark.req("GOA-79.1")
@pytest.mark.parametrize("language", sorted(BUILT_IN))
def test_each_language_has_a_text_for_each_way_a_model_fails(language: str) -> None:
    texts = BUILT_IN[language]
    told = {public_text(texts, code) for code in KINDS}
    assert len(told) == len({kind.public for kind in KINDS.values()})
    assert texts.failed not in told


# -- many at once ------------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-24.9")
@settings(max_examples=15, deadline=None)
@given(
    budget=st.integers(60, 600),
    used=st.lists(st.tuples(st.integers(0, 29), st.integers(0, 100)), min_size=1, max_size=6),
    crashes_after=st.integers(0, 6),
)
async def test_however_many_runs_ask_at_once_they_use_no_more_than_the_budget(
    tmp_path_factory: pytest.TempPathFactory, budget: int, used: list[tuple[int, int]], crashes_after: int
) -> None:
    with SimulatedClock() as clock:
        home = tmp_path_factory.mktemp("world")
        await _ask_at_once(home, clock, budget, used, crashes_after)


async def _ask_at_once(
    home: Path, clock: SimulatedClock, budget: int, used: list[tuple[int, int]], crashes_after: int
) -> None:
    model = Within(used)
    world = await World(home, clock, agent("shop.bot", Asks(model)), budgets=bounded(tokens_per_day=budget)).open()
    for i in range(len(used)):
        await start(world.request(), world.agent, "go", key=f"k{i}")
        if i == crashes_after:
            await world.log.durable()
            await world.reopen()
        await clock.settle()
        assert today(world) <= budget
    await let(world, model)
    await world.clock.advance(60.0)  # those that waited for others to give back what they did not use
    assert today(world) <= budget
    assert model.told <= budget
    await world.log.durable()
    counted = today(world)
    await world.reopen()
    assert today(world) == counted
    await world.close()


class Within(Slow):
    """Uses what is drawn, and never more than the request lets it."""

    def __init__(self, used: list[tuple[int, int]]) -> None:
        super().__init__()
        self._used, self.told = list(used), 0

    async def generate(self, request: ModelRequest, deltas: Deltas | None = None) -> ModelReply:
        reply = await super().generate(request)
        read, wrote = self._used.pop(0) if self._used else (29, 100)
        usage = Usage(max(1, read), min(wrote, request.max_tokens))
        self.told += usage.tokens
        return msgspec.structs.replace(reply, usage=usage)


# -- what others hold --------------------------------------------------------------------------------------------


def failing(world: World, run: RunId) -> list[tuple[str, bool]]:
    return [(plan.error, plan.is_final) for plan in planned(world, run) if plan.error]


@pytest.mark.req("LIC-24.80")
async def test_a_request_that_fits_but_for_requests_under_way_waits_until_they_give_back_what_they_did_not_use(
    make_world: MakeWorld,
) -> None:
    model, other = Slow(Usage(10, 20)), Slow(Usage(10, 20), name="other:")
    bots = agent("shop.bot", Asks(model)), agent("shop.other", Asks(other))
    world = await make_world(*bots, budgets=bounded(tokens_per_day=150))
    first = await begin(world, model)
    world.agent = world.agent.__class__("shop.other")
    second = await world.start()
    await world.clock.advance(5.0)
    assert (other.requests, failing(world, second)) == ([], [])
    await let(world, model)
    await world.clock.advance(2.0)
    assert [request.max_tokens for request in other.requests] == [150 - 30 - READ - 7]
    await let(world, other)
    assert (today(world), failing(world, first), failing(world, second)) == (60, [], [])


@pytest.mark.req("LIC-24.80")
async def test_a_customer_is_told_soon_that_a_budget_is_busy_and_at_once_that_it_is_used_up(
    make_world: MakeWorld,
) -> None:
    model, other = Slow(Usage(10, 130)), Slow(name="other:")
    bots = agent("shop.bot", Asks(model)), agent("shop.other", Asks(other))
    world = await make_world(*bots, budgets=bounded(tokens_per_day=150))
    await begin(world, model)
    world.agent = world.agent.__class__("shop.other")
    session = await world.session()
    turn = await session.say("Well?")
    await world.clock.advance(14.0)
    assert (other.requests, failing(world, await turn.run())) == ([], [])
    await world.clock.advance(2.0)
    assert failing(world, await turn.run()) == [("model_budget_busy", True)]
    await let(world, model)
    again = await session.say("Well?")
    await world.clock.settle()
    assert failing(world, await again.run()) == [("model_budget_exceeded", True)]
    assert other.requests == []
