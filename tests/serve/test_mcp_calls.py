"""Calls over MCP that take their time: given up, left alone, followed, and cut short by the end of the server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from lichen import Agent, CallMeta, tool
from lichen.agents import Intent, RulePlanner
from lichen.core.deciders import events as e
from lichen.core.ports.plan import CallRequest, Plan, PlanInput
from lichen.core.words.errors import NotFound
from lichen.core.words.ids import RunId, ToolName, run_stream
from lichen.core.words.scope import Customer, Operator, Scope
from lichen.runtime.runtime import Runtime
from lichen.serve.http.state import of_app
from lichen.serve.listen.tcp import listening
from lichen.serve.mcp import telling, tools
from lichen.serve.site import make_site
from tests.serve.mcp import ACCEPT, INITIALIZE, MODES, Mode, client, key, served, text_of

ACME = Scope("acme", "dev")
OPS = Operator("ops", ("operator",))
GO = {"text": "go"}


class Gate:
    """What a slow tool waits for. `came` is set when it was called."""

    run: RunId

    def __init__(self) -> None:
        self.came, self.opened = asyncio.Event(), asyncio.Event()


class Weighed(BaseModel):
    """What a parcel weighs."""

    grams: int
    parts: list[str]


class Waiting:
    """Calls the tool, whoever speaks, and answers what it gave."""

    pure = True
    digest = "waiting/1"
    tool = ToolName("slow.wait")
    arguments = b"{}"

    async def plan(self, input: PlanInput) -> Plan:
        if input.results:
            return Plan(answer="It is open.")
        return Plan(calls=(CallRequest(self.tool, self.arguments),))


def slow(gate: Gate) -> Agent:
    @tool(name="slow.wait", effects="none", runs="loop")
    async def wait(*, meta: CallMeta) -> dict[str, str]:
        """Waits at the gate."""
        gate.run = meta.run
        gate.came.set()
        await gate.opened.wait()
        return {"said": "open"}

    return Agent("house.slow", planner=Waiting(), tools=[wait])


class Calling(Waiting):
    """Calls the agent that waits."""

    digest = "calling/1"
    tool = ToolName("house.slow")
    arguments = b'{"message":"go"}'


def caller(gate: Gate) -> Agent:
    return Agent("house.caller", planner=Calling(), tools=[slow(gate).as_tool(name="house.slow")])


def scale() -> Agent:
    weigh = Intent("weigh", phrases=["weigh"], answer='{{"grams": 250, "parts": ["lid"]}}')
    return Agent("house.scale", planner=RulePlanner(intents=[weigh], fallback="no"), answers=Weighed)


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
async def runtime(tmp_path: Path, gate: Gate) -> AsyncGenerator[Runtime]:
    async with Runtime.open(tmp_path / "home", agents=[slow(gate), caller(gate), scale()]) as runtime:
        yield runtime
        gate.opened.set()


@pytest.fixture
async def url(runtime: Runtime) -> AsyncGenerator[str]:
    async with served(runtime) as url:
        yield url


async def ended(runtime: Runtime, run: RunId) -> str:
    await asyncio.wait_for(runtime.runs.rest(ACME, run, OPS), 20)
    return runtime.runs.outcome(ACME, run, OPS).status


@pytest.mark.req("GOA-73.10")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("arguments", [GO, {**GO, "conversation": "desk"}])
@pytest.mark.parametrize("kind", ["customer", "operator"])
async def test_a_call_that_its_client_gives_up_ends_its_run(
    runtime: Runtime, url: str, gate: Gate, mode: Mode, arguments: dict[str, Any], kind: Any
) -> None:
    async with client(url, key(runtime, "somebody", kind), mode) as caller:
        call = asyncio.ensure_future(caller.call_tool("house.slow", arguments))
        await asyncio.wait_for(gate.came.wait(), 20)
        call.cancel()
        await asyncio.wait({call})
        assert await ended(runtime, gate.run) == "cancelled"
        signals = [record.control for record in runtime.engine.journal(ACME).log.records(run_stream(gate.run))]
        assert "run.cancel" in [each.ruling.action for each in signals if isinstance(each, e.Signal) and each.ruling]


@pytest.mark.req("GOA-73.18")
async def test_a_call_goes_on_that_policy_does_not_let_its_customer_cancel(tmp_path: Path, gate: Gate) -> None:
    (tmp_path / "policies").mkdir()
    rules = """@id("ours") forbid (principal is Customer, action == Action::"run.cancel", resource);"""
    (tmp_path / "policies/ours.cedar").write_text(rules)
    async with (
        Runtime.open(tmp_path / "home", agents=[slow(gate)], policies=tmp_path / "policies") as runtime,
        served(runtime) as url,
        client(url, key(runtime, "somebody"), MODES[0]) as caller,
    ):
        call = asyncio.ensure_future(caller.call_tool("house.slow", {**GO, "conversation": "desk"}))
        await asyncio.wait_for(gate.came.wait(), 20)
        call.cancel()
        await asyncio.wait({call})
        gate.opened.set()
        assert await ended(runtime, gate.run) == "completed"


@pytest.mark.req("GOA-73.18")
async def test_customers_cancel_what_they_asked_for_and_nothing_of_others_or_that_another_run_called(
    runtime: Runtime, gate: Gate
) -> None:
    one, other = Customer("customer-7"), Customer("customer-8")
    run = await runtime.runs.start(ACME, "house.caller", "go", one)
    await asyncio.wait_for(gate.came.wait(), 20)
    assert gate.run != run
    for who, what in ((other, run), (other, gate.run), (one, gate.run)):
        with pytest.raises(NotFound, match="run_unknown"):
            await runtime.runs.cancel(ACME, what, who)
    await runtime.runs.cancel(ACME, run, one)
    assert (await ended(runtime, run), await ended(runtime, gate.run)) == ("cancelled", "cancelled")


@pytest.mark.req("GOA-73.11")
async def test_the_run_of_a_client_that_is_gone_goes_on(runtime: Runtime, url: str, gate: Gate) -> None:
    headers = {"authorization": f"Bearer {key(runtime, 'customer-7')}", **ACCEPT}
    async with httpx.AsyncClient(headers=headers, timeout=30.0) as http:
        opened = await http.post(url, json=INITIALIZE)
        http.headers["mcp-session-id"] = opened.headers["mcp-session-id"]
        call = asyncio.ensure_future(http.post(url, json=_raw()))
        await asyncio.wait_for(gate.came.wait(), 20)
        call.cancel()
        await asyncio.wait({call})
    gate.opened.set()
    assert await ended(runtime, gate.run) == "completed"


def _raw() -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "house.slow", "arguments": GO}}


@pytest.mark.req("GOA-73.12")
@pytest.mark.parametrize("mode", MODES)
async def test_progress_tells_what_happens_to_whoever_may_read_it(
    runtime: Runtime, url: str, gate: Gate, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "BEAT_S", 0.05)
    told: dict[str, list[str]] = {"operator": [], "customer": []}
    for kind, heard in told.items():
        gate.opened.clear()

        async def tell(progress: float, total: float | None, message: str | None) -> None:
            heard.append(message or "")  # noqa: B023 - called before the next one begins
            if len(heard) >= 3:  # noqa: B023
                gate.opened.set()

        async with client(url, key(runtime, "somebody", kind), mode) as caller:  # type: ignore[arg-type]
            result = await caller.call_tool("house.slow", GO, progress_callback=tell)
        assert text_of(result) == "It is open."
    assert any(message.startswith("planned") and "slow.wait" in message for message in told["operator"])
    assert set(told["customer"]) == {"running"}


@pytest.mark.req("GOA-73.17")
@pytest.mark.filterwarnings("ignore::mcp.MCPDeprecationWarning")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("kind", "level"), [("operator", "info"), ("operator", "warning"), ("customer", "info")])
async def test_a_client_that_asks_for_it_hears_what_happens_in_its_run(
    runtime: Runtime, url: str, gate: Gate, mode: Mode, kind: Any, level: Any
) -> None:
    heard: list[Any] = []

    hears = (kind, level) == ("operator", "info")

    async def hear(params: Any) -> None:
        heard.append(params)
        if params.data["type"] == "planned":
            gate.opened.set()

    if not hears:
        gate.opened.set()
    options = {"log_level": level} if mode != "legacy" else {}
    async with client(url, key(runtime, "somebody", kind), mode, logging_callback=hear, **options) as caller:
        if mode == "legacy":
            await caller.set_logging_level(level)  # pyright: ignore[reportDeprecated]
        await caller.call_tool("house.slow", GO)
        await caller.list_tools()  # what came before this answer was heard
    told = [params.data["type"] for params in heard]
    assert told == [] if not hears else "planned" in told
    assert not any("It is open" in json.dumps(params.data) for params in heard)


@pytest.mark.req("GOA-73.13")
@pytest.mark.parametrize("mode", MODES)
async def test_the_end_of_the_server_ends_a_call_and_not_its_run(runtime: Runtime, gate: Gate, mode: Mode) -> None:
    site = make_site(runtime)
    async with (
        listening(site, "127.0.0.1", 0) as port,
        client(f"http://127.0.0.1:{port}/mcp", key(runtime, "customer-7"), mode) as caller,
    ):
        await caller.list_tools()  # a client checks results against what is listed
        call = asyncio.ensure_future(caller.call_tool("house.slow", GO))
        await asyncio.wait_for(gate.came.wait(), 20)
        of_app(site).drain()
        told = (await asyncio.wait_for(call, 20)).structured_content
    assert (told["status"], told["run"]) == ("running", gate.run)
    gate.opened.set()
    assert await ended(runtime, gate.run) == "completed"


@pytest.mark.req("GOA-73.14")
@pytest.mark.parametrize("mode", MODES)
async def test_an_answer_that_has_a_type_comes_as_a_value_of_it(runtime: Runtime, url: str, mode: Mode) -> None:
    async with client(url, key(runtime, "customer-7"), mode) as caller:
        schemas = {each.name: each.output_schema for each in (await caller.list_tools()).tools}
        result = await caller.call_tool("house.scale", {"text": "weigh it"})
        later = await caller.call_tool("run_result", {"run": result.structured_content["run"]})
    schema = schemas["house.scale"]
    assert schema is not None
    assert schema["properties"]["value"]["properties"]["grams"]["type"] == "integer"
    assert result.structured_content["value"] == {"grams": 250, "parts": ["lid"]}
    assert later.structured_content["value"] == {"grams": 250, "parts": ["lid"]}


@pytest.mark.req("SYM-58.4")
async def test_of_an_agent_that_is_made_in_python_the_contract_is_given(runtime: Runtime, url: str) -> None:
    async with client(url, key(runtime, "ops", "operator")) as ops:
        result = await ops.call_tool("get_agent_dsl", {"agent": "house.slow"})
    assert [tool["name"] for tool in json.loads(text_of(result))["tools"]] == ["slow.wait"]


@pytest.mark.req("GOA-73.8")
async def test_a_caller_has_only_so_many_calls_under_way(
    runtime: Runtime, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools, "CALLS_MAX_EACH", 1)
    async with served(runtime) as url, client(url, key(runtime, "customer-7")) as caller:
        first = asyncio.ensure_future(caller.call_tool("house.slow", GO))
        await asyncio.wait_for(gate.came.wait(), 20)
        second = await caller.call_tool("house.slow", GO)
        gate.opened.set()
        await first
    assert second.structured_content["error"]["code"] == "all_taken"
