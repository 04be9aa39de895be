"""Who may have the next place: the rule alone, without a thread and without a clock."""

from __future__ import annotations

import asyncio
import random

import pytest

from lichen.core.ports.call import NotDone
from lichen.tools.workers.places import Owner, Place, Places

ACME, GLOBEX = Owner("acme", "shop.look"), Owner("globex", "shop.look")


def own(tenant: str, count: int) -> list[Owner]:
    """So many tools of a tenant."""
    return [Owner(tenant, f"shop.tool{i}") for i in range(count)]


def taken(places: Places, owners: list[Owner]) -> list[Place]:
    """As many places as these owners get, one each."""
    return [place for owner in owners if (place := places.take(owner)) is not None]


@pytest.mark.req("LIC-14.1")
async def test_no_tenant_takes_more_places_than_it_leaves_for_the_others() -> None:
    places = Places(32, tool_max=4, waiting_max=8)
    found = [len(taken(places, own(tenant, 40))) for tenant in ("acme", "globex", "initech", "umbrella")]
    assert found == [16, 8, 4, 2]


@pytest.mark.req("LIC-14.11")
async def test_a_tool_that_hangs_holds_only_so_many_places_and_is_refused_more() -> None:
    places = Places(32, tool_max=4, waiting_max=8)
    hung = taken(places, [ACME] * 9)
    assert len(hung) == 4
    waiting = asyncio.ensure_future(places.get(ACME))
    await asyncio.sleep(0)
    for place in hung:
        place.give_up()
    for late in (waiting, places.get(ACME)):
        with pytest.raises(NotDone) as caught:
            await late
        assert caught.value.code == "tool_stuck"
    assert places.take(Owner("acme", "shop.other")) is not None
    assert places.take(GLOBEX) is not None
    hung[0].release()
    assert places.take(ACME) is not None


@pytest.mark.req("LIC-14.11")
async def test_what_a_tenant_has_given_up_is_bounded_and_leaves_others_their_places() -> None:
    places = Places(8, tool_max=4, waiting_max=8)
    begun = 0
    for owner in own("acme", 40):
        for _ in range(4):
            try:
                place = places.take(owner)
            except NotDone:
                break
            assert place is not None
            place.give_up()
            begun += 1
    assert begun == places.figures.given_up == 4
    assert len(taken(places, own("globex", 20))) == 4


async def test_of_those_who_wait_the_tenant_with_the_fewest_places_is_next() -> None:
    places = Places(2, tool_max=2, waiting_max=100)
    first = places.take(ACME)
    assert first is not None
    second = places.take(GLOBEX)
    assert second is not None
    order: list[str] = []

    async def run(owner: Owner) -> None:
        place = await places.get(owner)
        order.append(owner.tenant)
        place.release()

    tasks = [asyncio.ensure_future(run(owner)) for owner in [ACME] * 5 + [GLOBEX] * 2]
    await asyncio.sleep(0)
    first.release()
    second.release()
    await asyncio.gather(*tasks)
    assert order[:4].count("globex") == 2


async def test_whoever_stops_waiting_leaves_nothing_behind() -> None:
    places = Places(1, tool_max=1, waiting_max=8)
    place = places.take(ACME)
    assert place is not None
    waiting = asyncio.ensure_future(places.get(ACME))
    late = asyncio.ensure_future(places.get(GLOBEX))
    await asyncio.sleep(0)
    waiting.cancel()
    place.release()
    late.cancel()  # in the tick in which it was given the place
    await asyncio.gather(waiting, late, return_exceptions=True)
    assert places.figures == (0, 0, 0)


@pytest.mark.parametrize("seed", range(20))
async def test_whatever_happens_places_are_neither_lost_nor_made(seed: int) -> None:
    chance = random.Random(seed)
    places = Places(6, tool_max=3, waiting_max=40)
    held: list[Place] = []
    hung: list[Place] = []
    tasks: set[asyncio.Task[None]] = set()

    async def come(owner: Owner) -> None:
        held.append(await places.get(owner))

    for _ in range(400):
        match chance.randrange(4):
            case 0 | 1:
                tasks.add(asyncio.ensure_future(come(Owner(chance.choice("abc"), chance.choice("xy")))))
            case 2 if held:
                held.pop(chance.randrange(len(held))).release()
            case 3 if held and chance.random() < 0.3:
                place = held.pop(chance.randrange(len(held)))
                place.give_up()
                hung.append(place)
            case 3 if hung:
                hung.pop().release()
            case _:
                chance.choice([*tasks]).cancel() if tasks else None
        await asyncio.sleep(0)
        assert (places.figures.used, places.figures.given_up) == (len(held), len(hung))
        assert places.figures.used <= 6
        for tenant in "abc":
            assert places.figures_of(tenant).given_up <= 6
    for place in hung + held:
        place.release()
    while any(not task.done() for task in tasks):
        await asyncio.sleep(0)
        for place in held:
            place.release()
    assert places.figures == (0, 0, 0)
    await asyncio.gather(*tasks, return_exceptions=True)
