"""The disk fills up: nothing is acknowledged that is not there, and everything goes on once there is room."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from lichen.core.words.errors import Unavailable
from lichen.core.words.ids import RunId
from lichen.core.words.scope import SYSTEM, Actor, Customer
from lichen.runtime import Runtime
from tests.runtime.world import CUSTOMER, DEADLINE_S, OPS, PAID, SCOPE, Disk, until

Operation = Callable[[Runtime, RunId], Awaitable[object]]

OPERATIONS: dict[str, Operation] = {
    "start": lambda till, run: till.runs.start(SCOPE, "till.clerk", "hello", CUSTOMER),
    "open": lambda till, run: till.sessions.open(SCOPE, CUSTOMER),
    "cancel": lambda till, run: till.runs.cancel(SCOPE, run, OPS),
    "pause": lambda till, run: till.runs.pause(SCOPE, run, OPS),
    "approve": lambda till, run: till.waits.approve(SCOPE, f"{run}.w1", OPS),
    "stop": lambda till, run: till.stops.set(SCOPE, "tool", "till.pay", OPS),
    "erase": lambda till, run: till.people.erase(SCOPE, CUSTOMER, OPS),
}


async def held(till: Runtime) -> RunId:
    """A run that waits for approval, durable."""
    run = await till.runs.start(SCOPE, "till.clerk", "pay 500", CUSTOMER)
    await until(lambda: till.waits.list(SCOPE, SYSTEM))
    return run


async def fill(till: Runtime, disk: Disk) -> None:
    """The disk is full and the runtime has noticed."""
    disk.is_full = True
    with pytest.raises(Unavailable):
        await till.runs.start(SCOPE, "till.clerk", "lost", CUSTOMER)


async def free(till: Runtime, disk: Disk) -> None:
    """There is room again and the runtime has noticed."""
    await until(lambda: till.admin.health(None, SYSTEM).status == "readonly")
    disk.is_full = False
    await until(lambda: till.admin.health(None, SYSTEM).status == "ok")
    await till.idle()


async def start(till: Runtime, text: str, customer: Actor = CUSTOMER) -> RunId:
    """Starts a run as a client does: with one key, until it is acknowledged."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                return await till.runs.start(SCOPE, "till.clerk", text, customer, key="k")
            except Unavailable:
                await until(lambda: till.admin.health(None, SYSTEM).status == "ok")


@pytest.mark.req("LIC-2.1")
@pytest.mark.parametrize("name", OPERATIONS)
async def test_the_operation_during_which_the_disk_fills_up_is_refused(till: Runtime, disk: Disk, name: str) -> None:
    run = await held(till)
    disk.is_full = True
    with pytest.raises(Unavailable):
        await OPERATIONS[name](till, run)
    await free(till, disk)


@pytest.mark.req("LIC-2.1")
@pytest.mark.parametrize("name", OPERATIONS)
async def test_every_operation_after_it_is_refused(till: Runtime, disk: Disk, name: str) -> None:
    run = await held(till)
    await fill(till, disk)
    with pytest.raises(Unavailable):
        await OPERATIONS[name](till, run)
    await free(till, disk)


async def test_what_is_there_can_still_be_read(till: Runtime, disk: Disk) -> None:
    run = await held(till)
    await fill(till, disk)
    assert till.admin.health(None, SYSTEM).status == "readonly"
    assert [row.id for row in till.runs.list(SCOPE, SYSTEM)] == [run]
    assert till.runs.show(SCOPE, run, SYSTEM).status == "waiting"
    assert [wait.run for wait in till.waits.list(SCOPE, SYSTEM)] == [run]
    await free(till, disk)


@pytest.mark.req("LIC-2.2")
async def test_what_was_acknowledged_is_finished_and_what_was_refused_never_was(till: Runtime, disk: Disk) -> None:
    session = await till.sessions.open(SCOPE, CUSTOMER)
    await session.say("hello", key="before")
    await fill(till, disk)
    with pytest.raises(Unavailable):
        await session.say("lost", key="during")
    await free(till, disk)
    turn = await session.say("hello", key="before")
    assert (await turn.result()).text == "hello"
    again = await session.say("lost", key="during")
    assert not again.receipt.is_repeated
    assert (await again.result()).text == "lost"


@pytest.mark.req("LIC-7.4")
@pytest.mark.parametrize("record", ["planned", "call_started", "call_finished", "run_finished"])
async def test_a_payment_whose_records_do_not_fit_happens_once_all_the_same(
    till: Runtime, disk: Disk, record: str
) -> None:
    disk.fails_on = record
    disk.is_full = True
    with suppress(Unavailable):
        await till.runs.start(SCOPE, "till.clerk", "pay 10", CUSTOMER, key="k")
    await until(lambda: till.admin.health(None, SYSTEM).status == "readonly")
    disk.is_full = False
    run = await start(till, "pay 10")
    await until(lambda: till.runs.show(SCOPE, run, SYSTEM).status == "completed")
    assert await till.runs.result(SCOPE, run, SYSTEM) == "ok"
    assert PAID.total() == 1


@pytest.mark.req("LIC-11.1")
async def test_what_was_reserved_by_decisions_that_never_were_is_given_back(till: Runtime, disk: Disk) -> None:
    disk.is_full = True
    disk.may_fail.clear()
    start_all = asyncio.gather(
        *(till.runs.start(SCOPE, "till.clerk", "pay 5", CUSTOMER) for _ in range(20)), return_exceptions=True
    )
    for _ in range(200):  # turns of the loop, in which everything is decided and nothing becomes durable
        await asyncio.sleep(0)
    assert till.engine.driven == 20
    disk.may_fail.set()
    assert all(isinstance(refused, Unavailable) for refused in await start_all)
    await free(till, disk)
    run = await start(till, "pay 100")
    await until(lambda: till.runs.show(SCOPE, run, SYSTEM).status != "running")
    assert till.runs.show(SCOPE, run, SYSTEM).status == "completed"
    more = await till.runs.start(SCOPE, "till.clerk", "pay 1", CUSTOMER)
    await until(lambda: till.runs.show(SCOPE, more, SYSTEM).status == "waiting")
    assert PAID.total() == 1


async def test_a_kill_switch_that_could_not_be_taken_back_durably_stays_on(till: Runtime, disk: Disk) -> None:
    await till.stops.set(SCOPE, "tool", "till.pay", OPS)
    disk.is_full = True
    with pytest.raises(Unavailable):
        await till.stops.clear(SCOPE, "tool", "till.pay", OPS)
    await free(till, disk)
    run = await till.runs.start(SCOPE, "till.clerk", "pay 10", CUSTOMER)
    assert await till.runs.result(SCOPE, run, SYSTEM) == "denied"
    assert PAID.total() == 0


async def test_hundreds_of_runs_in_flight_when_the_disk_fills_up_all_end_and_pay_once(
    till: Runtime, disk: Disk
) -> None:
    customers = [Customer(f"c{i}") for i in range(200)]
    disk.fails_on = "call_finished"
    disk.is_full = True
    starts = (till.runs.start(SCOPE, "till.clerk", "pay 10", each, key="k") for each in customers)
    await asyncio.gather(*starts, return_exceptions=True)
    await until(lambda: till.admin.health(None, SYSTEM).status == "readonly")
    assert PAID.total() > 0
    disk.is_full = False
    runs = [await start(till, "pay 10", each) for each in customers]
    await until(lambda: all(till.runs.show(SCOPE, run, SYSTEM).status == "completed" for run in runs))
    assert set(PAID.values()) == {1}
    assert len(PAID) == 200
