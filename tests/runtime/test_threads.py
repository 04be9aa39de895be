"""Tools that block, on real threads: their time holds, a stop reaches what waits, and no tenant starves another."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from lichen import Agent, CallMeta, Limits, tool
from lichen.core.ports.plan import CallRequest, Plan, PlanInput
from lichen.core.words.ids import ToolName
from lichen.core.words.scope import SYSTEM, Scope
from lichen.runtime import Runtime
from lichen.tools.workers.placement import TOOL_THREADS
from tests.runtime.world import CUSTOMER, OPS, SCOPE, until

OTHER = Scope("globex", "dev")
FREE = threading.Event()
BEGUN: list[float] = []
DEADLINE_S = 30.0
POLICY = '@id("all") permit (principal is Agent, action, resource);'


class Stock(BaseModel):
    """What is there."""

    pieces: int = 1


def _block() -> Stock:
    BEGUN.append(time.monotonic())
    assert FREE.wait(DEADLINE_S)
    return Stock()


@tool(name="till.pay", effects="once")
def pay(n: int) -> Stock:
    """Pays, and does not come back until it is let go."""
    return _block()


@tool(name="till.look", effects="none", timeout_s=1.0)
def look(n: int) -> Stock:
    """Looks for longer than it may."""
    return _block()


def _facts(n: int, *, meta: CallMeta) -> Stock:
    return _block() if meta.scope.tenant == SCOPE.tenant else Stock()


@tool(name="till.count", effects="none", facts=_facts)
def count(n: int) -> Stock:
    """Counts, once facts were read that one tenant's system does not give."""
    return Stock()


class Caller:
    """Calls the tool that the message names, as often as it says."""

    pure = True
    digest = "caller"

    async def plan(self, input: PlanInput) -> Plan:
        if input.reason != "start":
            return Plan(answer=" ".join(result.outcome for result in input.results))
        name, times = input.input[-1].text.split()
        calls = (CallRequest(ToolName(name), b'{"n":%d}' % i) for i in range(int(times)))
        return Plan(calls=tuple(calls))


@pytest.fixture(autouse=True)
def blocked() -> Iterator[None]:
    FREE.clear()
    BEGUN.clear()
    yield
    FREE.set()


@pytest.fixture
async def runtime(tmp_path: Path, blocked: None) -> AsyncIterator[Runtime]:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "all.cedar").write_text(POLICY)
    clerk = Agent("till.clerk", planner=Caller(), tools=[pay, look, count], limits=Limits(calls=300, fan_out=300))
    async with Runtime.open(tmp_path, agents=[clerk], policies=tmp_path / "policies") as opened:
        yield opened
        FREE.set()


@pytest.mark.req("GOA-22.8")
async def test_a_function_that_blocks_longer_than_it_may_is_timed_out_at_its_limit(runtime: Runtime) -> None:
    run = await runtime.runs.start(SCOPE, "till.clerk", "till.look 1", CUSTOMER)
    answer = await runtime.runs.result(SCOPE, run, SYSTEM)
    taken_s = time.monotonic() - BEGUN[0]
    assert (answer, len(BEGUN)) == ("timed_out", 1)
    assert taken_s == pytest.approx(1.0, abs=0.25)
    assert runtime.places.threads.figures.given_up == 1
    FREE.set()
    await until(lambda: runtime.places.threads.figures == (0, 0, 0))


@pytest.mark.req("LIC-13.6")
async def test_no_call_that_waits_for_a_thread_begins_once_its_tenant_is_stopped(runtime: Runtime) -> None:
    run = await runtime.runs.start(SCOPE, "till.clerk", "till.pay 50", CUSTOMER)
    await until(lambda: len(BEGUN) == TOOL_THREADS)
    await runtime.stops.set(SCOPE, "tenant", "", OPS)
    stopped = time.monotonic()
    FREE.set()
    async with asyncio.timeout(DEADLINE_S):
        answer = await runtime.runs.result(SCOPE, run, SYSTEM)
    assert [begun for begun in BEGUN if begun > stopped] == []
    assert answer.split().count("denied") == 50 - TOOL_THREADS


@pytest.mark.req("LIC-14.13")
async def test_facts_that_hang_for_one_tenant_deny_nothing_of_another(runtime: Runtime) -> None:
    await runtime.runs.start(SCOPE, "till.clerk", "till.count 200", CUSTOMER)
    await until(lambda: len(BEGUN) == TOOL_THREADS)
    run = await runtime.runs.start(OTHER, "till.clerk", "till.count 20", CUSTOMER)
    async with asyncio.timeout(3.0):  # less than facts may take
        answer = await runtime.runs.result(OTHER, run, SYSTEM)
    assert answer.split() == ["ok"] * 20
    assert len(BEGUN) == TOOL_THREADS


@pytest.mark.req("LIC-14.13")
async def test_a_tool_that_hangs_holds_few_threads_and_others_find_theirs(runtime: Runtime) -> None:
    await runtime.runs.start(SCOPE, "till.clerk", "till.pay 200", CUSTOMER)
    await until(lambda: len(BEGUN) == TOOL_THREADS)
    for scope in (SCOPE, OTHER):
        tool_of_theirs = "till.look 1" if scope is SCOPE else "till.count 1"
        run = await runtime.runs.start(scope, "till.clerk", tool_of_theirs, CUSTOMER)
        async with asyncio.timeout(3.0):
            assert await runtime.runs.result(scope, run, SYSTEM) == ("timed_out" if scope is SCOPE else "ok")
    assert len(BEGUN) == TOOL_THREADS + 1
