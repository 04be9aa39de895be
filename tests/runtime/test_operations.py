"""Operations ask who asks: every one, whoever asks, whatever it is about. Generated from the table in `asking`."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, get_args

import pytest
import pytest_asyncio

from lichen.core.words.errors import Denied, LichenError, NotFound
from lichen.core.words.scope import SYSTEM
from lichen.gate.rules.identity import may
from lichen.gate.rules.schema import ACTIONS, Action
from lichen.runtime import Runtime
from lichen.runtime.operations.runs import Runs
from tests.runtime.asking import ASKERS, ENTRIES, FILE, OPS, VALUES, Asker, Recorder, World, operations
from tests.runtime.world import CUSTOMER, DEADLINE_S, SCOPE, runtime_in, until

TICKS = 50


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with runtime_in(tmp_path) as runtime:
        yield await _world(runtime)


async def _world(runtime: Runtime) -> World:
    session = await runtime.sessions.open(SCOPE, CUSTOMER)
    await (await session.say("hello", key="one", data=FILE)).result()
    done = await runtime.runs.start(SCOPE, "till.clerk", "hello", CUSTOMER)
    await runtime.runs.result(SCOPE, done, CUSTOMER)
    held = await runtime.runs.start(SCOPE, "till.clerk", "pay 500", CUSTOMER)
    await until(lambda: runtime.waits.list(SCOPE, SYSTEM))
    return World(runtime, session.id, done, held, runtime.runs._access)  # pyright: ignore[reportPrivateUsage]


async def outcome(world: World, name: str, asker: Asker) -> LichenError | None:
    """What came of asking for an operation: the error, or None when it was let through."""

    async def asked() -> Any:
        given = ENTRIES[name].call(world, asker)
        return await given if inspect.isawaitable(given) else given

    task = asyncio.ensure_future(asked())
    for _ in range(TICKS if ENTRIES[name].waits else 0):  # whoever is refused is refused at once
        await asyncio.sleep(0)
    if ENTRIES[name].waits:
        task.cancel()
    try:
        await asyncio.wait_for(task, DEADLINE_S)
    except LichenError as error:
        return error
    except asyncio.CancelledError:
        return None
    return None


@pytest.mark.req("LIC-12.20")
async def test_every_operation_and_every_method_of_a_handle_is_in_the_table(world: World) -> None:
    assert sorted(operations(world.runtime)) == sorted((*ENTRIES, *VALUES))


@pytest.mark.req("LIC-12.20")
@pytest.mark.parametrize("name", ENTRIES)
async def test_an_operation_asks_and_lets_in_exactly_whom_it_may(
    world: World, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = ENTRIES[name]
    for asker in ASKERS:
        recorder = Recorder(monkeypatch)
        error = await outcome(world, name, asker)
        monkeypatch.undo()
        assert any((action, actor) == (entry.action, asker.actor) for action, _, actor in recorder.asked), (
            f"{name} did not ask for {entry.action} when {asker.name} came"
        )
        assert _verdict(error) == _expected(name, asker), f"{name}, {asker.name}: {error}"


def _verdict(error: LichenError | None) -> str:
    if isinstance(error, Denied) and error.code == "role_missing":
        return "never"
    if isinstance(error, NotFound) and error.message.endswith("for this actor."):
        return "not there"
    assert not isinstance(error, Denied) or error.code == "may_not_answer", error
    return "in"


def _expected(name: str, asker: Asker) -> str:
    """By the table of identities alone, and whose it is."""
    entry = ENTRIES[name]
    is_there = not entry.is_owned or asker.scope == SCOPE
    kind = entry.kind if entry.action == "wait.answer" and is_there else ""
    if not may(asker.actor, entry.action, kind):
        return "never"
    if entry.is_owned and (not is_there or (asker.actor.kind == "customer" and asker.actor != CUSTOMER)):
        return "not there"
    if entry.also is not None and not may(asker.actor, entry.also):
        return "never"
    is_theirs = asker.actor == CUSTOMER or "channel" in asker.actor.roles
    return "in" if not entry.says or is_theirs or may(asker.actor, "run.contents") else "never"


@pytest.mark.req("LIC-12.20")
async def test_a_method_that_does_not_ask_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def explain(self: Runs, *args: object) -> str:
        return "nobody was asked"

    recorder = Recorder(monkeypatch)
    monkeypatch.setattr(Runs, "explain", explain)
    assert await outcome(world, "Runs.explain", ASKERS[0]) is None
    assert recorder.asked == []
    monkeypatch.setattr(Runs, "forget", explain, raising=False)
    assert "Runs.forget" in set(operations(world.runtime)) - set(ENTRIES)


# -- policy ------------------------------------------------------------------------------------------------------

BY_THE_ENGINE: tuple[Action, ...] = ("message.send", "model.invoke", "secret.use")
"""What agents ask for, by the engine: the tests of the engine show it."""


@pytest.mark.req("SYM-69.8")
@pytest.mark.parametrize("name", ENTRIES)
async def test_policy_forbids_every_operation_it_names(tmp_path: Path, name: str) -> None:
    action = ENTRIES[name].action
    async with runtime_in(tmp_path) as runtime:
        world = await _world(runtime)
        asker = next(each for each in (*ASKERS[2:], *ASKERS) if may(each.actor, action) and each.scope == SCOPE)
        assert not isinstance(await outcome(world, name, asker), Denied)
        (tmp_path / "policies" / "never.cedar").write_text(
            f'@id("never") @public("Not today.") forbid(principal, action == Action::"{action}", resource);'
        )
        await runtime.policies.reload(SCOPE, OPS)
        refused = await outcome(world, name, asker)
    assert isinstance(refused, Denied)
    assert (refused.code, refused.message) == ("denied", "Not today.")


@pytest.mark.req("SYM-69.8")
@pytest.mark.parametrize("name", ["Sessions.open", "Runs.start"])
async def test_an_agent_that_policy_keeps_out_of_a_scope_begins_nothing_there(tmp_path: Path, name: str) -> None:
    async with runtime_in(tmp_path) as runtime:
        world = await _world(runtime)
        (tmp_path / "policies" / "never.cedar").write_text(
            'forbid(principal, action == Action::"agent.create", resource == Agent::"till.clerk");'
        )
        await runtime.policies.reload(SCOPE, OPS)
        assert isinstance(await outcome(world, name, ASKERS[2]), Denied)


@pytest.mark.req("SYM-69.8")
def test_every_action_that_policies_may_name_is_asked_for_by_an_operation() -> None:
    asked = {entry.action for entry in ENTRIES.values()} | {"agent.create", "run.contents", *BY_THE_ENGINE}
    assert asked == set(ACTIONS) == set(get_args(Action))
