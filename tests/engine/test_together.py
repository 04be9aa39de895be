"""Messages that come together: what becomes of each is what had become of it alone."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from random import Random
from typing import Any, NamedTuple

import msgspec
import pytest

from lichen.core.ports.plan import Plan, PlanInput
from lichen.core.words.errors import ContentErased, LichenError
from lichen.core.words.scope import Actor, Customer
from lichen.engine.intake.messages import Coming, Receipt, read, receive
from lichen.engine.intake.together import TOGETHER_BYTES_MAX, say_together
from lichen.engine.ports import Options
from lichen.log.log import Log
from lichen.log.records.record import Record
from lichen.runtime.operations.talk.session import Session
from lichen.testing.clock import SimulatedClock
from tests.engine.conftest import MakeWorld
from tests.engine.world import OPS, SCOPE, FakeAgent, World, agent

CUSTOMERS = [Customer(f"customer-{i}") for i in range(4)]
MODES = ("enqueue", "reject", "interrupt", "merge")
SEEDS = 12

Say = Callable[[Sequence[Coming]], Coroutine[Any, Any, list[Receipt | Exception]]]


def echo(input: PlanInput) -> Plan:
    return Plan(answer=input.input[-1].text)


async def alone(messages: Sequence[Coming]) -> list[Receipt | Exception]:
    """Each by itself, as if no other had come."""
    found: list[Receipt | Exception] = []
    for message in messages:
        try:
            await message.request.admitted()
            found.append(receive(message))
        except LichenError as error:
            found.append(error)
    await messages[0].request.journal.durable_sessions([message.session for message in messages])
    return found


class Told(NamedTuple):
    stream: str
    n: int
    actor: str
    control: object
    contents: object


async def talk(world: World, say: Say, seed: int) -> list[object]:
    """A few batches of messages, between which a session closes and a customer is erased: what came of it all."""
    random, outcomes = Random(seed), list[object]()
    sessions = [await _session(world, who, random) for who in CUSTOMERS]
    for turn in range(6):
        coming = [_message(world, random, sessions) for _ in range(random.randint(1, 8))]
        outcomes += [_plain(each) for each in await say(coming)]
        if random.random() < 0.5:
            await world.clock.settle()
        if turn == 3:
            await world.sessions.get(SCOPE, sessions[0].id, OPS).close()
        if turn == 4:
            await world.log.erase(world.log.name(CUSTOMERS[1]), "erasure-1", by="ops")
    await world.clock.settle()
    told = [
        Told(str(record.stream), record.n, record.actor, record.control, _words(world.log, record))
        for record in world.log.read(0, 10_000)
    ]
    return [*outcomes, *sorted(told, key=_place)]


async def _session(world: World, who: Actor, random: Random) -> Session:
    return await world.sessions.open(SCOPE, who, agent=world.agent, key=who.id, double_texting=random.choice(MODES))  # pyright: ignore[reportArgumentType]


def _message(world: World, random: Random, sessions: Sequence[Session]) -> Coming:
    i = random.randrange(len(sessions))
    who = OPS if random.random() < 0.1 else CUSTOMERS[i]
    key = random.choice([None, "k1", "k2", "", "k" * 300])
    return Coming(world.request(who), sessions[i].id, read(random.choice(["one", "two", "three"]), key=key))


def _place(told: Told) -> tuple[str, int]:
    return told.stream, told.n


def _words(log: Log, record: Record) -> object:
    try:
        return dict(log.contents(record.stream, record.n))
    except ContentErased:
        return "erased"


def _plain(outcome: Receipt | Exception) -> object:
    return (type(outcome), outcome.code) if isinstance(outcome, LichenError) else outcome


@pytest.mark.req("LIC-17.6")
@pytest.mark.parametrize("seed", range(SEEDS))
async def test_what_comes_together_leaves_what_it_had_left_one_by_one(
    make_world: MakeWorld, clock: SimulatedClock, seed: int
) -> None:
    found: list[list[object]] = []
    for say in (say_together, alone):
        world = await make_world(bot(), seed=7)
        found.append(await talk(world, say, seed))
    assert found[0] == found[1]


def bot() -> FakeAgent:
    return agent("shop.bot", [echo])


async def batch(world: World, count: int, text: str = "hello") -> list[Coming]:
    """A message of each of so many customers."""
    customers = [Customer(f"one-of-{i}") for i in range(count)]
    sessions = [await world.sessions.open(SCOPE, who, agent=world.agent, key=who.id) for who in customers]
    return [
        Coming(world.request(who), session.id, read(text)) for who, session in zip(customers, sessions, strict=True)
    ]


@pytest.mark.req("LIC-17.6")
async def test_they_are_one_append_each_in_the_name_of_who_said_it(
    make_world: MakeWorld, clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await make_world(bot())
    coming = await batch(world, 5)
    appended = list[int]()
    append = Log.append_now

    def noting(self: Log, moves: Any, **more: Any) -> Any:
        appended.append(len(moves))
        return append(self, moves, **more)

    monkeypatch.setattr(Log, "append_now", noting)
    seq = world.log.last_seq
    receipts = await say_together(coming)
    assert all(isinstance(each, Receipt) for each in receipts)
    assert appended[0] == 5
    said = [record for record in world.log.read(seq, 1_000) if record.type == "message_received"]
    assert [record.actor for record in said] == [message.request.by for message in coming]


@pytest.mark.req("LIC-17.6")
@pytest.mark.parametrize("say", [say_together, alone])
async def test_no_more_are_taken_together_than_one_by_one(
    make_world: MakeWorld, clock: SimulatedClock, say: Say
) -> None:
    world = await make_world(bot(), options=Options(runs_max=6))
    outcomes = await say(await batch(world, 5))
    assert [_plain(each) for each in outcomes[3:]] == [(type(outcomes[3]), "overloaded")] * 2
    assert all(isinstance(each, Receipt) for each in outcomes[:3])


@pytest.mark.req("LIC-17.6")
async def test_what_weighs_much_is_appended_before_more_is_admitted(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    world = await make_world(bot())
    coming = await batch(world, 6, "x" * 12_000)
    grown = list[int]()

    def noting(scope: object, actor: object) -> None:
        grown.append(world.log.grown_bytes(clock.now_us()))

    world.engine.services = _with_quota(world, noting)
    await say_together(coming)
    behind = [12_000 * i - (now - grown[0]) for i, now in enumerate(grown)]
    assert max(behind) <= TOGETHER_BYTES_MAX + 12_000


def _with_quota(world: World, quota: Callable[[Any, Any], None]) -> Any:
    return msgspec.structs.replace(world.engine.services, quota=quota)
