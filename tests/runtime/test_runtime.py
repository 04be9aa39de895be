"""The runtime as its users hold it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import BaseModel

from lichen import Agent, CallMeta, tool
from lichen.core.ports.plan import CallRequest, Plan, PlanInput
from lichen.core.words.errors import Conflict, NotFound, Unavailable
from lichen.core.words.scope import SYSTEM, Customer, Scope
from lichen.core.words.wait import WaitOutcome
from lichen.runtime import Runtime
from lichen.runtime.wiring import IDS_DRAWN, Ids
from tests.runtime.world import CUSTOMER, OPS, PAID, SCOPE, runtime_in, until


class Told(BaseModel):
    """A tool was told something."""


@pytest.mark.req("LIC-26.1")
async def test_a_directory_has_one_runtime_at_a_time(tmp_path: Path) -> None:
    async with runtime_in(tmp_path):
        with pytest.raises(Unavailable, match="data_dir_in_use"):
            async with runtime_in(tmp_path):
                pass
    async with runtime_in(tmp_path) as again:
        assert again.admin.health(None, SYSTEM).status == "ok"


@pytest.mark.req("LIC-11.2")
async def test_of_payments_planned_at_once_only_as_many_pass_as_the_budget_allows(till: Runtime) -> None:
    await till.runs.start(SCOPE, "till.clerk", "pay " + " ".join(["30"] * 10), CUSTOMER)
    await until(lambda: len(till.waits.list(SCOPE, SYSTEM)) == 7)
    await until(lambda: PAID.total() == 3)


async def test_meters_are_the_same_after_a_restart(tmp_path: Path) -> None:
    async with runtime_in(tmp_path) as till:
        run = await till.runs.start(SCOPE, "till.clerk", "pay 90", CUSTOMER)
        assert await till.runs.result(SCOPE, run, SYSTEM) == "ok"
    async with runtime_in(tmp_path) as till:
        run = await till.runs.start(SCOPE, "till.clerk", "pay 20", CUSTOMER)
        await until(lambda: till.waits.list(SCOPE, SYSTEM))
        (wait,) = till.waits.list(SCOPE, SYSTEM)
        await till.waits.approve(SCOPE, wait.id, OPS)
        assert await till.runs.result(SCOPE, run, SYSTEM) == "ok"
    assert PAID.total() == 2


async def test_closing_lets_what_is_in_flight_end_and_loses_nothing(tmp_path: Path) -> None:
    async with runtime_in(tmp_path) as till:
        runs = [await till.runs.start(SCOPE, "till.clerk", "pay 1", CUSTOMER) for _ in range(50)]
    async with runtime_in(tmp_path) as till:
        assert [await till.runs.result(SCOPE, run, SYSTEM) for run in runs] == ["ok"] * 50
    assert PAID.total() == 50


@pytest.mark.req("LIC-13.2")
async def test_a_kill_switch_survives_a_restart(tmp_path: Path) -> None:
    async with runtime_in(tmp_path) as till:
        await till.stops.set(SCOPE, "tool", "till.pay", OPS)
    async with runtime_in(tmp_path) as till:
        run = await till.runs.start(SCOPE, "till.clerk", "pay 1", CUSTOMER)
        assert await till.runs.result(SCOPE, run, SYSTEM) == "denied"
        await till.stops.clear(SCOPE, "tool", "till.pay", OPS)
        run = await till.runs.start(SCOPE, "till.clerk", "pay 1", CUSTOMER)
        assert await till.runs.result(SCOPE, run, SYSTEM) == "ok"


async def test_another_tenants_runs_do_not_exist(till: Runtime) -> None:
    run = await till.runs.start(SCOPE, "till.clerk", "hello", CUSTOMER)
    other = Scope("globex", "dev")
    assert till.runs.list(other, SYSTEM) == ()
    with pytest.raises(NotFound, match="run_unknown"):
        till.runs.show(other, run, SYSTEM)


async def test_a_result_that_is_asked_for_early_comes_when_it_is_there(till: Runtime) -> None:
    run = await till.runs.start(SCOPE, "till.clerk", "pay 500", CUSTOMER)
    result = asyncio.ensure_future(till.runs.result(SCOPE, run, SYSTEM))
    await until(lambda: till.waits.list(SCOPE, SYSTEM))
    (wait,) = till.waits.list(SCOPE, SYSTEM)
    await till.waits.deny(SCOPE, wait.id, OPS)
    assert await result == "denied"


# -- erased customers --------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-5.1")
async def test_the_runs_of_an_erased_customer_list_and_show_without_contents(till: Runtime) -> None:
    session = await till.sessions.open(SCOPE, CUSTOMER)
    reply = await (await session.say("pay 10")).result()
    await till.people.erase(SCOPE, CUSTOMER, OPS)
    assert [row.status for row in till.runs.list(SCOPE, SYSTEM)] == ["completed"]
    shown = till.runs.show(SCOPE, reply.run, SYSTEM)
    assert shown.status == "completed"
    assert all(record.contents is None for record in shown.records if record.type in ("run_started", "planned"))


@pytest.mark.req("LIC-5.2")
async def test_what_is_open_about_an_erased_customer_ends_and_leaves_nothing_in_flight(till: Runtime) -> None:
    session = await till.sessions.open(SCOPE, CUSTOMER)
    await (await session.say("pay 500")).result()
    run = await till.runs.start(SCOPE, "till.clerk", "pay 500", CUSTOMER)
    await until(lambda: len(till.waits.list(SCOPE, SYSTEM)) == 2)
    await till.people.erase(SCOPE, CUSTOMER, OPS)
    await until(lambda: {row.status for row in till.runs.list(SCOPE, SYSTEM)} == {"cancelled"})
    await till.idle()
    assert till.waits.list(SCOPE, SYSTEM) == ()
    assert till.runs.show(SCOPE, run, SYSTEM).code == "subject_erased"
    with pytest.raises(Conflict, match="session_closed"):
        await session.say("hello")


async def test_nothing_new_begins_for_an_erased_customer(till: Runtime) -> None:
    await (await till.sessions.open(SCOPE, CUSTOMER)).say("hello")
    await till.people.erase(SCOPE, CUSTOMER, OPS)
    with pytest.raises(NotFound, match="content_erased"):
        await till.runs.start(SCOPE, "till.clerk", "hello", CUSTOMER)
    with pytest.raises(NotFound, match="content_erased"):
        await till.sessions.open(SCOPE, CUSTOMER)


@pytest.mark.req("LIC-5.3")
async def test_an_erasure_disturbs_nobody_else(till: Runtime) -> None:
    other = Customer("somebody")
    mine, theirs = await till.sessions.open(SCOPE, CUSTOMER), await till.sessions.open(SCOPE, other)
    await (await mine.say("one")).result()
    await (await theirs.say("two")).result()
    await till.people.erase(SCOPE, CUSTOMER, OPS)
    assert (await (await theirs.say("history")).result()).text.startswith("two / two")


@pytest.mark.req("LIC-5.4")
@pytest.mark.parametrize("outcome", ["happened", "did_not_happen", "try_again"])
async def test_an_unknown_outcome_of_an_erased_customer_can_still_be_settled(
    till: Runtime, outcome: WaitOutcome
) -> None:
    run = await till.runs.start(SCOPE, "till.clerk", "lose 5", CUSTOMER)
    await until(lambda: [wait.kind for wait in till.waits.list(SCOPE, SYSTEM)] == ["reconcile"])
    await till.people.erase(SCOPE, CUSTOMER, OPS)
    (wait,) = till.waits.list(SCOPE, SYSTEM)
    assert (wait.public_text, wait.operator) == ("", {})
    await till.waits.answer(SCOPE, wait.id, outcome, OPS, body={})
    await until(lambda: till.runs.show(SCOPE, run, SYSTEM).status == "cancelled")
    await till.idle()


@pytest.mark.req("GOA-6.9")
async def test_a_tool_is_told_where_its_tenants_files_go_and_not_where_the_data_lies(tmp_path: Path) -> None:
    told: list[Mapping[str, str]] = []

    @tool(name="till.look", effects="none", runs="loop")
    async def look(*, meta: CallMeta) -> Told:
        """Looks at what it is told."""
        told.append(meta.attributes)
        return Told()

    class Looker:
        pure = True
        digest = "looker"

        async def plan(self, input: PlanInput) -> Plan:
            return Plan(answer="done") if input.results else Plan(calls=(CallRequest(look.spec.name, b"{}"),))

    async with Runtime.open(tmp_path, agents=[Agent("till.clerk", planner=Looker(), tools=[look])]) as runtime:
        for scope in (SCOPE, Scope("globex", "prod")):
            run = await runtime.runs.start(scope, "till.clerk", "look", CUSTOMER)
            await runtime.runs.result(scope, run, CUSTOMER)
    folders = [Path(each["files"]) for each in told]
    assert folders == [tmp_path / "files" / "acme" / "dev", tmp_path / "files" / "globex" / "prod"]
    assert all(folder.is_dir() and folder.stat().st_mode & 0o777 == 0o700 for folder in folders)
    assert not any(str(tmp_path) == value for each in told for value in each.values())


def test_ids_differ_and_are_what_chance_gave_in_order() -> None:
    drawn: list[bytes] = []

    def random(size: int) -> bytes:
        drawn.append(bytes((len(drawn) * size + i) % 251 for i in range(size)))
        return drawn[-1]

    ids = Ids(random)
    found = [ids.new("run") for _ in range(2 * IDS_DRAWN)]
    assert len(set(found)) == 2 * IDS_DRAWN
    assert len(drawn) == 2
    assert "".join(found).replace("run-", "") == b"".join(drawn).hex()
