"""What is counted of each customer on each day: runs that began, and what models took for them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from lichen.core.words.ids import RunId
from lichen.core.words.limits import Usage
from lichen.core.words.scope import Actor, Customer
from lichen.testing.clock import SimulatedClock
from tests.engine.asking import Asks, Rates, Slow
from tests.engine.conftest import MakeWorld
from tests.engine.test_asking_under_policy import HELPER, Delegates, used
from tests.engine.test_asks import READ, let
from tests.engine.world import CUSTOMER, SCOPE, World, agent

OTHER = Customer("customer-8")
DAY_S = 86_400


def before_a_run(world: World) -> Mapping[str, int]:
    """What policy could read of the customer when a run was to be started last."""
    check = next(c for c in reversed(world.gate.checked) if c.action == "run.start" and c.run is None)
    assert check.starting is not None
    return {name: value for name, value in check.starting().items() if name.startswith("customer_")}


async def said(world: World, model: Slow, who: Actor = CUSTOMER) -> Mapping[str, int]:
    """What is counted of somebody after one more run of theirs."""
    session = await world.sessions.open(SCOPE, who, agent=world.agent)
    await session.say("Well?")
    await world.clock.settle()
    if model.requests:
        await let(world, model)
    return before_a_run(world)


@pytest.mark.req("GOA-28.7")
async def test_runs_and_what_models_took_count_for_whose_they_are_on_that_day_also_after_a_restart(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    model = Slow(*[Usage(10, 20)] * 5)
    world = await make_world(agent("shop.bot", Asks(model)), prices=Rates())
    assert await said(world, model) == {"customer_runs": 1, "customer_tokens": 30, "customer_micro_usd": 50}
    assert (await said(world, model))["customer_runs"] == 2
    assert (await said(world, model, OTHER)) == {"customer_runs": 1, "customer_tokens": 30, "customer_micro_usd": 50}
    await world.close()
    await world.open()
    assert await said(world, model) == {"customer_runs": 3, "customer_tokens": 90, "customer_micro_usd": 150}
    await clock.advance(DAY_S)
    assert await said(world, model) == {"customer_runs": 1, "customer_tokens": 30, "customer_micro_usd": 50}


@pytest.mark.req("GOA-28.7")
async def test_a_request_under_way_counts_with_what_is_reserved_and_child_runs_for_the_customer(
    make_world: MakeWorld,
) -> None:
    own, below = Slow(Usage(1, 2)), Slow(Usage(10, 20))
    helper = agent("shop.helper", Asks(below))
    world = await make_world(agent("shop.bot", Delegates(own), [HELPER]), helper, prices=Rates())
    session = await world.session()
    await session.say("Well?")
    await world.clock.settle()
    child = next(check.run for check in reversed(world.gate.checked) if check.action == "model.invoke")
    assert child is not None
    assert used(world, child)["customer_tokens"] == READ + 7 + 100
    await let(world, below)
    root = RunId(child.partition(".")[0])
    assert used(world, root)["customer_tokens"] == 30 + 11 + 100
    assert before_a_run(world)["customer_runs"] == 1, "what a run calls is part of it"
    await let(world, own)
    assert before_a_run(world)["customer_tokens"] == 33
