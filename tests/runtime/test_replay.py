"""A run gone through again: nothing happens, every moment is there, a planner that changed its mind is found out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from lichen import Agent, CallMeta, tool
from lichen.core.deciders.run import decide
from lichen.core.ports.plan import CallRequest, Plan, PlanInput
from lichen.core.words.errors import NotFound
from lichen.core.words.ids import RunId
from lichen.core.words.scope import SYSTEM, Customer, Operator, Scope
from lichen.runtime import Runtime

SCOPE = Scope("acme", "dev")
CUSTOMER = Customer("customer-7")
DONE: list[int] = []


@tool(name="shop.note", effects="idempotent", runs="loop")
async def note(number: int, *, meta: CallMeta) -> dict[str, int]:
    """Notes a number."""
    DONE.append(number)
    return {"number": number}


class Counting:
    """Notes 1, then 2, then answers with what it was told; `shift` is what changes its mind."""

    digest = "counting"

    def __init__(self, *, pure: bool = True) -> None:
        self.pure = pure
        self.shift = 0
        self.asked = 0

    async def plan(self, input: PlanInput) -> Plan:
        self.asked += 1
        step = int(input.state or b"0")
        if step == 2:
            told = msgspec.json.decode(input.results[0].data)
            return Plan(answer=f"{input.input or told['number']}")
        args = msgspec.json.encode({"number": step + 1 + self.shift * step})
        return Plan(calls=(CallRequest(note.spec.name, args),), says=(f"step {step}",), state=str(step + 1).encode())


@pytest.fixture
def planner() -> Counting:
    DONE.clear()
    return Counting()


@pytest.fixture
async def runtime(tmp_path: Path, planner: Counting) -> AsyncIterator[Runtime]:
    async with Runtime.open(tmp_path, agents=[Agent("shop.counter", planner=planner, tools=[note])]) as opened:
        yield opened


async def ran(runtime: Runtime) -> RunId:
    run = await runtime.runs.start(SCOPE, "shop.counter", "count", CUSTOMER)
    await runtime.runs.result(SCOPE, run, SYSTEM)
    return run


@pytest.mark.req("LIC-9.1")
async def test_a_replay_performs_nothing_and_writes_nothing(runtime: Runtime) -> None:
    run = await ran(runtime)
    before, done = runtime.log(SCOPE).last_seq, list(DONE)
    assert (await runtime.runs.replay(SCOPE, run, SYSTEM)).same is True
    assert (runtime.log(SCOPE).last_seq, DONE) == (before, done)


@pytest.mark.req("LIC-9.2")
async def test_every_moment_of_a_run_can_be_looked_at(runtime: Runtime) -> None:
    run = await ran(runtime)
    found = await runtime.runs.replay(SCOPE, run, SYSTEM)
    shown = runtime.runs.show(SCOPE, run, SYSTEM)
    assert [(m.seq, m.n, m.type) for m in found.moments] == [(r.seq, r.n, r.type) for r in shown.records]
    assert (found.status, found.moments[-1].status, found.is_same_version) == ("completed", "completed", True)
    assert found.moments[0].obligations == ("plan/0/1",)
    planned = next(m for m in found.moments if m.type == "planned")
    assert [(call.id, call.tool, call.phase) for call in planned.calls] == [("c1", "shop.note", "proposed")]
    assert planned.obligations == ("check/c1/1",)
    started = next(m for m in found.moments if m.type == "call_started")
    assert started.calls[0].phase == "running"
    assert found.moments[-1].obligations == tuple(o.id for o in decide(runtime.engine.journal(SCOPE).run(run))) == ()


@pytest.mark.req("LIC-9.3")
async def test_a_planner_that_says_something_else_now_is_found_out_at_the_first_difference(
    runtime: Runtime, planner: Counting
) -> None:
    run = await ran(runtime)
    asked = planner.asked
    planner.shift = 1
    found = await runtime.runs.replay(SCOPE, run, SYSTEM)
    assert planner.asked == 2 * asked
    assert [(check.same, check.difference) for check in found.plans] == [
        (True, None),
        (False, "calls/0/args"),
        (True, None),
    ]
    assert found.same is False


@pytest.mark.req("LIC-9.3")
async def test_a_planner_that_is_not_pure_is_not_asked_again(tmp_path: Path, planner: Counting) -> None:
    planner.pure = False
    async with Runtime.open(tmp_path, agents=[Agent("shop.counter", planner=planner, tools=[note])]) as runtime:
        run = await ran(runtime)
        asked = planner.asked
        found = await runtime.runs.replay(SCOPE, run, SYSTEM)
    assert planner.asked == asked
    assert {check.not_replayed for check in found.plans} == {"planner_not_pure"}
    assert found.same is None


async def test_what_was_erased_is_not_asked_again(runtime: Runtime, planner: Counting) -> None:
    run = await ran(runtime)
    await runtime.people.erase(SCOPE, CUSTOMER, Operator("ops"))
    asked = planner.asked
    found = await runtime.runs.replay(SCOPE, run, SYSTEM)
    assert {check.not_replayed for check in found.plans} == {"erased"}
    assert (planner.asked, found.status) == (asked, "completed")


async def test_a_run_that_is_not_there_cannot_be_replayed(runtime: Runtime) -> None:
    with pytest.raises(NotFound) as caught:
        await runtime.runs.replay(SCOPE, RunId("run-none"), SYSTEM)
    assert caught.value.code == "run_unknown"
