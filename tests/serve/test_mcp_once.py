"""Calls over MCP that have an id: made once, however often they are asked for, and told as they were told first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from lichen import Agent, tool
from lichen.core.ports.plan import CallRequest, Plan, PlanInput
from lichen.core.words.ids import ToolName
from lichen.core.words.scope import Operator, Scope
from lichen.runtime.runtime import Runtime
from lichen.serve.http.state import of_app
from lichen.serve.listen.tcp import listening
from lichen.serve.mcp.visit import CALL_ID, ONLY_KNOWN
from lichen.serve.site import make_site
from tests.runtime.world import until
from tests.serve.mcp import MODES, Mode, client, key, served, text_of
from tests.serve.test_mcp_calls import GO, Gate, ended, slow

ACME, OPS = Scope("acme", "dev"), Operator("ops", ("operator",))
ONCE: Any = {CALL_ID: "run-1/c1"}
KNOWN: Any = {**ONCE, ONLY_KNOWN: True}


class Counting:
    """Answers, and says for which run."""

    pure, digest = False, "counting/1"

    async def plan(self, input: PlanInput) -> Plan:
        return Plan(answer=f"done by {input.run.run}")


class Paying:
    """Pays."""

    pure, digest = True, "paying/1"

    async def plan(self, input: PlanInput) -> Plan:
        if input.results:
            return Plan(answer=f"It is {input.results[0].outcome}.")
        return Plan(calls=(CallRequest(ToolName("till.pay"), b"{}"),))


@tool(name="till.pay", effects="once", runs="loop")
async def pay() -> None:
    """Pays, or not."""
    raise RuntimeError("the line is dead")


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
async def runtime(tmp_path: Path, gate: Gate) -> AsyncGenerator[Runtime]:
    till = Agent("house.till", planner=Paying(), tools=[pay])
    agents = [slow(gate), Agent("house.quick", planner=Counting()), till]
    async with Runtime.open(tmp_path / "home", agents=agents) as runtime:
        yield runtime
        gate.opened.set()


@pytest.fixture
async def url(runtime: Runtime) -> AsyncGenerator[str]:
    async with served(runtime) as url:
        yield url


def runs(runtime: Runtime) -> int:
    return len(runtime.runs.list(ACME, OPS))


def code(result: Any) -> str:
    return result.structured_content["error"]["code"]


@pytest.mark.req("GOA-76.1")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("arguments", [GO, {**GO, "conversation": "desk"}])
async def test_a_call_that_is_asked_for_twice_is_made_once_and_told_the_same(
    runtime: Runtime, url: str, mode: Mode, arguments: dict[str, Any]
) -> None:
    name = key(runtime, "partner", "service")
    async with client(url, name, mode) as caller:
        first = await caller.session.call_tool("house.quick", arguments, meta=ONCE)
    async with client(url, name, mode) as caller:
        again = await caller.session.call_tool("house.quick", arguments, meta=ONCE)
        known = await caller.session.call_tool("house.quick", arguments, meta=KNOWN)
        assert runs(runtime) == 1
        other = await caller.session.call_tool("house.quick", arguments, meta={CALL_ID: "run-1/c2"})
    assert first.structured_content is not None
    assert first.structured_content["text"].startswith("done by")
    for each in (again, known):
        assert (each.structured_content, each.content) == (first.structured_content, first.content)
    assert other.structured_content != first.structured_content
    assert runs(runtime) == 2


@pytest.mark.req("GOA-76.1")
async def test_a_call_that_is_under_way_is_followed_by_whoever_asks_for_it_again(
    runtime: Runtime, url: str, gate: Gate
) -> None:
    name = key(runtime, "partner", "service")
    async with client(url, name) as one, client(url, name) as other:
        calls = [asyncio.ensure_future(each.session.call_tool("house.slow", GO, meta=ONCE)) for each in (one, other)]
        await asyncio.wait_for(gate.came.wait(), 20)
        gate.opened.set()
        first, second = await asyncio.gather(*calls)
    assert first.structured_content == second.structured_content
    assert text_of(first) == "It is open."
    assert runs(runtime) == 1


@pytest.mark.req("GOA-76.2")
async def test_an_id_is_its_callers_own_and_of_one_call(runtime: Runtime, url: str) -> None:
    async with client(url, key(runtime, "partner", "service")) as caller:
        await caller.session.call_tool("house.quick", GO, meta=ONCE)
        assert code(await caller.session.call_tool("house.quick", {"text": "no"}, meta=ONCE)) == "key_reused"
        for wrong in (7, "x" * 201, "a\nb"):
            unfit: Any = {CALL_ID: wrong}
            assert code(await caller.session.call_tool("house.quick", GO, meta=unfit)) == "call_id_invalid"
        nameless: Any = {ONLY_KNOWN: True}
        assert code(await caller.session.call_tool("house.quick", GO, meta=nameless)) == "call_id_invalid"
    async with client(url, key(runtime, "another", "service")) as caller:
        assert code(await caller.session.call_tool("house.quick", GO, meta=KNOWN)) == "call_unknown"
        assert runs(runtime) == 1
        await caller.session.call_tool("house.quick", GO, meta=ONCE)
    assert runs(runtime) == 2


@pytest.mark.req("GOA-76.3")
async def test_to_ask_what_came_of_a_call_begins_nothing(runtime: Runtime, url: str) -> None:
    async with client(url, key(runtime, "partner", "service")) as caller:
        for arguments in (GO, {**GO, "conversation": "desk"}):
            assert code(await caller.session.call_tool("house.quick", arguments, meta=KNOWN)) == "call_unknown"
        await caller.session.call_tool("house.quick", {"text": "hi", "conversation": "desk"})
        told = await caller.session.call_tool("house.quick", {**GO, "conversation": "desk"}, meta=KNOWN)
    assert code(told) == "call_unknown"
    assert runs(runtime) == 1


@pytest.mark.req("GOA-76.4")
@pytest.mark.parametrize("mode", MODES)
async def test_whoever_waits_where_a_process_ends_is_told_that_it_lets_go_and_the_call_goes_on(
    runtime: Runtime, gate: Gate, mode: Mode
) -> None:
    site, name = make_site(runtime), key(runtime, "partner", "service")
    async with listening(site, "127.0.0.1", 0) as port, client(f"http://127.0.0.1:{port}/mcp", name, mode) as caller:
        await caller.list_tools()
        call = asyncio.ensure_future(caller.session.call_tool("house.slow", GO, meta=ONCE))
        await asyncio.wait_for(gate.came.wait(), 20)
        of_app(site).drain()
        told = await asyncio.wait_for(call, 20)
    assert told.is_error
    assert code(told) == "lease_lost"
    gate.opened.set()
    assert await ended(runtime, gate.run) == "completed"
    async with served(runtime) as url, client(url, name, mode) as caller:
        assert text_of(await caller.session.call_tool("house.slow", GO, meta=ONCE)) == "It is open."
    assert runs(runtime) == 1


@pytest.mark.req("GOA-76.4")
async def test_a_stream_that_closes_does_not_give_up_a_call_that_has_an_id(
    runtime: Runtime, url: str, gate: Gate
) -> None:
    name = key(runtime, "partner", "service")
    async with client(url, name, "2026-07-28") as caller:
        call = asyncio.ensure_future(caller.session.call_tool("house.slow", GO, meta=ONCE))
        await asyncio.wait_for(gate.came.wait(), 20)
        call.cancel()
        await asyncio.wait({call})
    gate.opened.set()
    assert await ended(runtime, gate.run) == "completed"


@pytest.mark.req("GOA-76.4")
async def test_that_nobody_knows_what_an_effect_came_to_is_said_and_what_a_person_found_out_after_it(
    runtime: Runtime, url: str
) -> None:
    name = key(runtime, "partner", "service")
    async with client(url, name) as caller:
        await asyncio.wait_for(_approved(runtime, caller), 20)
        told = await caller.session.call_tool("house.till", GO, meta=ONCE)
        assert code(told) == "outcome_unknown"
        (wait,) = [each for each in runtime.waits.list(ACME, OPS) if each.kind == "reconcile"]
        await runtime.waits.answer(ACME, wait.id, "happened", OPS, body={})
        run = runtime.runs.list(ACME, OPS)[0].id
        await asyncio.wait_for(runtime.runs.rest(ACME, run, OPS), 20)
        told = await caller.session.call_tool("house.till", GO, meta=ONCE)
    assert told.structured_content is not None
    assert (told.structured_content["status"], text_of(told)) == ("completed", "It is ok.")
    assert runs(runtime) == 1


async def _approved(runtime: Runtime, caller: Any) -> None:
    """The call is made as far as an approval, which somebody gives, and on to where nobody knows."""
    told = await caller.session.call_tool("house.till", GO, meta=ONCE)
    assert told.structured_content["status"] == "waiting"
    (wait,) = runtime.waits.list(ACME, OPS)
    await runtime.waits.approve(ACME, wait.id, OPS)
    await until(lambda: [each.kind for each in runtime.waits.list(ACME, OPS)] == ["reconcile"])
