"""The flood of one tenant does not hold up another: the rule on virtual time, and the engine that follows it."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from functools import partial

import pytest

from lichen.core.ports.plan import Plan, PlanInput
from lichen.core.words.errors import Unavailable
from lichen.core.words.scope import Customer, Scope
from lichen.engine.intake.runs import start
from lichen.engine.pace.fair import ALONE, CREDIT, Queue, Turns
from lichen.engine.ports import Options
from lichen.testing.clock import SimulatedClock
from lichen.testing.simulation import until
from tests.engine.conftest import MakeWorld
from tests.engine.world import SCOPE, FakeTool, Script, agent, calls, outcomes, sleeps

OTHER = Scope("globex", "dev")
LOUD = ("acme", "initech", "umbrella")


def filled(queue: Queue[int], tenants: tuple[str, ...], count: int) -> Queue[int]:
    """The queue with so many pieces of each tenant waiting."""
    for i in range(count):
        for tenant in tenants:
            queue.push(tenant, i)
    return queue


@pytest.mark.req("LIC-14.2")
@pytest.mark.parametrize("seed", range(30))
def test_a_tenant_with_little_work_waits_for_at_most_one_piece_of_each_other(seed: int) -> None:
    chance = random.Random(seed)
    queue = filled(Queue[int](), LOUD, 400)
    served: Counter[str] = Counter()
    waits: list[int] = []
    came: int | None = None
    for now in range(800):
        if came is None and chance.random() < 0.1 and served["quiet"] * 4 < now:
            queue.push("quiet", now)
            came = now
        tenant, _ = queue.pop()
        served[tenant] += 1
        if tenant == "quiet" and came is not None:
            waits.append(now - came)
            came = None
    assert len(waits) > 20
    assert max(waits) <= len(LOUD)


@pytest.mark.req("LIC-14.3")
@pytest.mark.parametrize("seed", range(10))
def test_busy_tenants_get_the_same_however_much_of_theirs_waits(seed: int) -> None:
    chance = random.Random(seed)
    queue: Queue[int] = Queue()
    for i in range(200):
        for tenant, many in (("acme", 1), ("initech", chance.randint(1, 9)), ("umbrella", 40)):
            for _ in range(many):
                queue.push(tenant, i)
    served = Counter(queue.pop()[0] for _ in range(300))
    assert max(served.values()) - min(served.values()) <= 1


@pytest.mark.req("LIC-14.3")
def test_who_comes_back_has_saved_up_only_so_much() -> None:
    queue = filled(Queue[int](), ("acme",), 1_000)
    for _ in range(500):
        queue.pop()
    ahead = 0
    while queue.goes_ahead("quiet"):
        ahead += 1
    assert CREDIT <= ahead <= CREDIT + 2
    filled(queue, ("quiet",), 100)
    served = Counter(queue.pop()[0] for _ in range(100))
    assert served["quiet"] == served["acme"] == 50


def test_nothing_is_remembered_of_those_who_are_gone() -> None:
    queue = filled(Queue[int](), tuple(f"t{i}" for i in range(100)), 1)
    while queue:
        tenant, _ = queue.pop()
        queue.forget(tenant)
    assert {queue.start(f"t{i}") for i in range(100)} == {0.0}


@pytest.mark.req("LIC-14.3")
def test_a_piece_in_which_nothing_was_to_be_done_costs_nothing() -> None:
    queue = filled(Queue[int](), ("acme", "initech"), 100)
    served: Counter[str] = Counter()
    for _ in range(120):
        tenant, i = queue.pop()
        if tenant == "acme" and i % 2:
            queue.refund(tenant)
        else:
            served[tenant] += 1
    assert abs(served["acme"] - served["initech"]) <= 3


# -- turns of the loop -------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-14.4")
async def test_a_tenant_alone_waits_for_nothing() -> None:
    turns = Turns()
    waited = [await turns.turn("acme") for _ in range(ALONE)]
    assert not any(waited)
    assert not turns.is_shared


@pytest.mark.req("LIC-14.4")
@pytest.mark.parametrize(("tenants", "together"), [(60, 1), (200, 4), (1_100, 16), (5_000, 16)])
async def test_of_many_tenants_that_wait_several_begin_in_one_turn_of_the_loop(tenants: int, together: int) -> None:
    turns, begun = Turns(), list[str]()

    def piece(tenant: str) -> bool:
        begun.append(tenant)
        return True

    for _ in range(8):
        for number in range(tenants):
            turns.begin(f"t{number}", partial(piece, f"t{number}"))
    for _ in range(10):  # those that go ahead have gone
        await asyncio.sleep(0)
    before = len(begun)
    await asyncio.sleep(0)
    assert len(begun) - before == together


@pytest.mark.req("LIC-14.2")
async def test_in_the_midst_of_a_flood_another_tenants_chain_of_work_goes_on_at_once() -> None:
    turns = Turns()
    order: list[str] = []

    async def work(tenant: str, pieces: int) -> None:
        for _ in range(pieces):
            await turns.turn(tenant)
            order.append(tenant)

    await turns.turn("quiet")  # it is about
    loud = [asyncio.ensure_future(work("loud", 5)) for _ in range(200)]
    for _ in range(20):
        await asyncio.sleep(0)
    before = len(order)
    await work("quiet", 10)
    between = order[before:]
    assert between.count("loud") <= 1
    await asyncio.gather(*loud)
    assert order.count("loud") == 1_000


async def test_whoever_is_cancelled_takes_no_turn_and_holds_up_nobody() -> None:
    turns = Turns()
    await turns.turn("quiet")
    waiting = [asyncio.ensure_future(turns.turn("loud")) for _ in range(50)]
    await asyncio.sleep(0)
    for task in waiting[:-1]:
        task.cancel()
    assert await asyncio.wait_for(waiting[-1], 5)


@pytest.mark.req("LIC-14.8")
async def test_while_the_records_of_a_quiet_tenant_become_durable_nobody_begins_anything() -> None:
    turns, begun = Turns(), Counter[str]()
    loud = await beside_a_flood(turns, begun)
    assert turns.hold("quiet")
    before = begun["loud"]
    for _ in range(50):
        await asyncio.sleep(0)
    assert begun["loud"] <= before + 1  # one had its turn already
    assert not await turns.turn("quiet")
    turns.release()
    await asyncio.gather(*loud)
    assert begun["loud"] == len(loud)


@pytest.mark.req("LIC-14.8")
async def test_a_disk_that_takes_long_holds_the_others_only_for_a_moment() -> None:
    turns, begun = Turns(), Counter[str]()
    loud = await beside_a_flood(turns, begun)
    assert turns.hold("quiet")
    await asyncio.wait_for(asyncio.gather(*loud), 5)
    turns.release()
    assert not await turns.turn("quiet")


@pytest.mark.req("LIC-14.8")
async def test_nobody_is_held_for_a_tenant_that_wants_as_much_as_others() -> None:
    turns, begun = Turns(), Counter[str]()
    loud = await beside_a_flood(turns, begun)
    assert not turns.hold("loud")
    holds = 0
    while turns.hold("quiet"):
        turns.release()
        await turns.turn("quiet")
        holds += 1
    assert 0 < holds <= CREDIT
    await asyncio.gather(*loud)


async def beside_a_flood(turns: Turns, begun: Counter[str]) -> list[asyncio.Task[None]]:
    """The tasks of a flood under way, while another tenant is about that had nothing to do for a while."""

    async def work() -> None:
        await turns.turn("loud")
        begun["loud"] += 1

    await turns.turn("quiet")
    loud = [asyncio.create_task(work()) for _ in range(300)]
    await until(lambda: begun["loud"] >= 100)
    return loud


# -- the engine --------------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-14.5")
async def test_beside_a_flood_a_run_of_another_tenant_ends_after_a_few_pieces_of_it(make_world: MakeWorld) -> None:
    planned: list[str] = []

    def look(input: PlanInput) -> Plan:
        planned.append(input.run.scope.tenant)
        return calls("shop.look")

    def end(input: PlanInput) -> Plan:
        planned.append(input.run.scope.tenant)
        return outcomes(input)

    world = await make_world(agent("shop.bot", Script([look, look, look, end]), [FakeTool("shop.look", "once")]))
    customer = Customer("customer-8")
    await start(world.request(customer, OTHER), world.agent, "go")
    await world.clock.settle()
    flood = [asyncio.ensure_future(start(world.request(customer), world.agent, "go")) for _ in range(200)]
    await until(lambda: len(planned) >= 150)
    before = len(planned)
    run = await start(world.request(customer, OTHER), world.agent, "go")
    await until(lambda: world.engine.journal(OTHER).run(run).outcome)
    theirs = planned[before:].count(SCOPE.tenant)
    assert planned[before:].count(OTHER.tenant) == 4
    assert theirs < 40
    runs = await asyncio.gather(*flood)
    await world.clock.settle()
    assert all(world.state(run).outcome == "completed" for run in runs)


@pytest.mark.req("LIC-14.6")
async def test_no_tenant_drives_more_runs_than_it_leaves_for_the_others(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    slow = FakeTool("shop.slow", does=sleeps(100), timeout_s=1_000)
    script = Script([calls("shop.slow"), outcomes])
    world = await make_world(agent("shop.bot", script, [slow]), options=Options(runs_max=8))
    customer = Customer("customer-8")

    async def admitted(scope: Scope) -> int:
        count = 0
        while count < 20:
            try:
                await start(world.request(customer, scope), world.agent, "go")
            except Unavailable:
                break
            count += 1
        return count

    assert [await admitted(scope) for scope in (SCOPE, OTHER)] == [4, 2]
    await clock.advance(200)
    assert await admitted(SCOPE) == 4
