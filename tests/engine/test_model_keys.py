"""The key of a model: policy decides of each request whether it may use it, and the log tells of each new use first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from lichen.agents.ways.chain import Chain
from lichen.agents.ways.ways import Ways
from lichen.core.deciders import events as e
from lichen.core.ports.model import Connection, Deltas, HeldKey, ModelReply
from lichen.core.ports.policy import Check
from lichen.core.ports.secrets import Secret, fingerprint
from lichen.core.speech.wording import Texts
from lichen.core.words.ids import RunId, run_stream
from lichen.core.words.limits import Usage
from lichen.core.words.scope import Scope
from lichen.engine.asks import keys as model_keys
from lichen.engine.intake.runs import start
from lichen.testing.clock import SimulatedClock
from tests.agents.ways.remote import Remote, busy
from tests.engine.asking import Asks, Slow
from tests.engine.conftest import MakeWorld
from tests.engine.test_asks import asked, today
from tests.engine.world import World, agent

KEY, NAME = "sk-never-shown-4711", "model.key"
WAITS = 2  # of a run for the disk: for its start and its request
MORE = WAITS + 1


class Vault:
    """Connections whose key is a secret. `meanwhile` happens while it is read."""

    def __init__(self, name: str = NAME) -> None:
        self.key, self.version, self.host = KEY, "7", "api.example.com"
        self.name = name
        self.read: list[str] = []
        self.meanwhile: Callable[[], None] = lambda: None
        self.is_open = asyncio.Event()
        self.is_open.set()

    async def of(self, provider: str, scope: Scope) -> Connection:
        self.read.append(provider)
        await self.is_open.wait()
        self.meanwhile()
        held = HeldKey(self.name, self.version, self.host) if self.name else None
        return Connection(self.key, identity="key-1", held=held)

    def secret(self, provider: str, scope: Scope) -> str:
        return self.name


def over(clock: SimulatedClock, vault: Vault) -> Mapping[str, Any]:
    return {"reach": Ways(clock.now_us, lambda: 0.5).reach, "connections": vault}


def uses(world: World, run: RunId) -> list[e.SecretUsed]:
    return [control for control in world.controls(run) if isinstance(control, e.SecretUsed)]


def questions(world: World) -> list[Check]:
    return [check for check in world.gate.checked if check.action == "secret.use"]


@pytest.mark.req("GOA-62.38")
async def test_the_use_of_a_models_key_is_decided_and_durable_before_the_request_leaves(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    def is_told() -> bool:
        stream = run_stream(world.gate.checked[-1].run or RunId(""))
        is_durable = world.log.lives[stream].last_seq <= world.log.durable_seq  # pyright: ignore[reportUnknownMemberType]
        return is_durable and any(isinstance(event.control, e.SecretUsed) for event in world.log.events(stream))

    async def says(deltas: Deltas | None) -> ModelReply:
        told.append(is_told())
        return ModelReply("Here.", usage=Usage(10, 2))

    told = list[bool]()
    world = await make_world(agent("shop.bot", Asks(Remote([says]))), **over(clock, Vault()))
    run = await world.start()
    await clock.advance(1)
    assert told == [True]
    (use,) = uses(world, run)
    assert (use.name, use.host, use.call) == (NAME, "api.example.com", None)
    assert use.version == fingerprint(NAME, Secret(KEY, "7"), world.log.digest)
    assert use.ruling == e.Ruling("secret.use", ("allow",), "policy")
    check = questions(world)[-1]
    assert (check.resource, check.hands_to, check.actor.id, check.run) == (NAME, "far:one", "shop.bot", run)


@pytest.mark.req("GOA-62.39")
async def test_a_use_is_told_of_once_for_each_version_and_host_of_a_process(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    vault = Vault()
    world = await make_world(agent("shop.bot", Asks(Remote(["Here."]))), **over(clock, vault))

    async def told() -> tuple[int, int]:
        """How many uses a next run tells of, and how often it waits for the disk."""
        waits, durable = list[RunId | None](), world.journal.durable

        async def counted(*, run: RunId | None = None) -> None:
            waits.append(run)
            await durable(run=run)

        world.journal.durable = counted  # type: ignore[method-assign,assignment]
        run = await world.start()
        await clock.advance(1)
        world.journal.durable = durable  # type: ignore[method-assign]
        assert await world.answer(run) == "Here."
        return len(uses(world, run)), len(waits)

    assert [await told() for _ in range(3)] == [(1, MORE), (0, WAITS), (0, WAITS)]
    vault.key = "sk-another"
    assert [await told() for _ in range(2)] == [(1, MORE), (0, WAITS)]
    vault.host = "proxy.example.com"
    assert [await told() for _ in range(2)] == [(1, MORE), (0, WAITS)]
    vault.key = KEY
    vault.host = "api.example.com"
    assert await told() == (0, WAITS)
    assert len(questions(world)) == 2 * 8  # each request is decided, before the key is read and when it is used
    await world.reopen()
    assert await told() == (1, MORE)
    world.journal.set_broken(True)  # what is in memory is ahead of the disk
    world.journal.set_broken(False)
    assert await told() == (1, MORE)


@pytest.mark.req("GOA-62.39")
async def test_requests_that_come_before_a_use_is_durable_wait_for_it_and_tell_of_no_other(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    model, vault = Remote(["Here."]), Vault()
    vault.is_open.clear()
    world = await make_world(agent("shop.bot", Asks(model)), **over(clock, vault))
    runs = [await start(world.request(), world.agent, "go") for _ in range(5)]
    await clock.settle()
    assert len(vault.read) == 5
    durable, written = world.journal.durable, asyncio.Event()

    async def held(*, run: RunId | None = None) -> None:
        await written.wait()
        await durable(run=run)

    world.journal.durable = held  # type: ignore[method-assign,assignment]
    vault.is_open.set()
    await clock.settle()
    assert model.requests == []
    written.set()
    await clock.advance(1)
    assert [await world.answer(run) for run in runs] == ["Here."] * 5
    assert sum(len(uses(world, run)) for run in runs) == 1


@pytest.mark.req("GOA-62.39")
async def test_what_is_remembered_of_uses_is_bounded(
    make_world: MakeWorld, clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_keys, "USES_MAX", 3)
    vault = Vault()
    world = await make_world(agent("shop.bot", Asks(Remote(["Here."]))), **over(clock, vault))
    for n in range(10):
        vault.host = f"host-{n}"
        await world.start()
        await clock.advance(1)
        assert len(world.journal.keys_used) <= 3


@pytest.mark.req("GOA-62.40")
@pytest.mark.parametrize("how", ["denied", "held"])
async def test_a_key_that_policy_refuses_is_not_read_and_nothing_is_sent_or_billed(
    make_world: MakeWorld, clock: SimulatedClock, how: str
) -> None:
    model, vault = Remote(["Here."]), Vault()
    world = await make_world(agent("shop.bot", Asks(model)), **over(clock, vault))
    getattr(world.gate, how).add(NAME if how == "denied" else "secret.use")
    run = await world.start()
    await clock.advance(60)
    assert (model.requests, vault.read, uses(world, run)) == ([], [], [])
    assert world.controls(run)[-1] == e.RunFinished("failed", "secret_refused")
    assert await world.answer(run) == Texts().model_broken
    refused = [control for control in world.controls(run) if isinstance(control, e.Refused)]
    assert [each.action for each in refused] == ["secret.use"]
    assert (asked(world, run), today(world)) == ([], 0)


@pytest.mark.req("GOA-62.40")
async def test_a_key_that_is_refused_while_it_is_read_is_not_sent(make_world: MakeWorld, clock: SimulatedClock) -> None:
    model, vault = Remote(["Here."]), Vault()
    world = await make_world(agent("shop.bot", Asks(model)), **over(clock, vault))
    vault.meanwhile = lambda: world.gate.denied.add(NAME)
    run = await world.start()
    await clock.advance(60)
    assert (model.requests, uses(world, run), today(world)) == ([], [], 0)
    assert world.controls(run)[-1] == e.RunFinished("failed", "secret_refused")
    assert [(each.outcome, each.usage, each.tries) for each in asked(world, run)] == [("secret_refused", Usage(), 0)]


@pytest.mark.req("GOA-62.40")
async def test_where_one_key_is_refused_the_next_model_of_a_chain_is_asked(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    far, near = Remote(["Here."]), Slow(Usage(10, 2), name="near:")
    near.open.set()
    world = await make_world(agent("shop.bot", Asks(Chain(far, near))), **over(clock, Vault()))
    world.gate.denied.add(NAME)
    run = await world.start()
    await clock.advance(60)
    assert (far.requests, await world.answer(run)) == ([], "Here you are.")


@pytest.mark.req("GOA-62.38")
@pytest.mark.parametrize("what", ["no secret", "no network", "a stand-in"])
async def test_where_no_secret_is_used_nobody_asks_for_one(
    make_world: MakeWorld, clock: SimulatedClock, what: str
) -> None:
    near, vault = Slow(Usage(10, 2)), Vault("" if what == "no secret" else NAME)
    near.open.set()
    model = near if what == "no network" else Remote(["Here you are."])
    stand_ins = {"stand_ins": {"shop.bot": near}} if what == "a stand-in" else {}
    world = await make_world(agent("shop.bot", Asks(model)), **over(clock, vault), **stand_ins)
    world.gate.denied.add(NAME)
    run = await world.start()
    await clock.advance(1)
    assert await world.answer(run) == "Here you are."
    assert (questions(world), uses(world, run)) == ([], [])


@pytest.mark.req("GOA-62.38")
async def test_the_tries_of_one_request_use_the_key_that_was_read_for_it(
    make_world: MakeWorld, clock: SimulatedClock
) -> None:
    vault = Vault()
    world = await make_world(agent("shop.bot", Asks(Remote([busy(), "Here."]))), **over(clock, vault))
    run = await world.start()
    await clock.advance(60)
    assert await world.answer(run) == "Here."
    assert (vault.read, len(uses(world, run))) == (["far"], 1)
