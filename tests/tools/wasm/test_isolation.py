"""One component, two tenants at once: what a call of one keeps, or was granted, is nothing to a call of the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lichen.core.components.limits import CallLimits
from lichen.core.components.manifest import Operation
from lichen.core.components.terms import Allowed, ComponentTerms
from lichen.core.ports.call import CallMeta, Resources, produced
from lichen.core.ports.secrets import Secret
from lichen.core.words.ids import CallId, RunId
from lichen.core.words.scope import Actor, Scope
from lichen.tools import Workers
from lichen.tools.wasm.component_tool import ComponentHost, ComponentTool
from lichen.tools.wasm.loading import loaded
from lichen.tools.wasm.port import Answered, Described, Exports, Instance, Invocation
from lichen.tools.wasm.running.cache import Cache
from lichen.tools.wasm.running.program import Program, compiled
from lichen.tools.wasm.values.canonical import Err, Ok
from tests.tools.wasm.guests import HOSTILE, SECRETS, STATE, binary, forwarding
from tests.tools.wasm.test_imports import GUESTS, States

ACME, GLOBEX = Scope("acme", "dev"), Scope("globex", "dev")
CALLS = 12
SPYING = (
    "k",
    "acme/k",
    "acme:k",
    "../k",
    "component.shop/k",
    "component.shop:k",
    "\x00k",
    "secrets://dev/acme/_/shop/key",
)
COUNTER = HOSTILE  # `seen` counts in a global, in memory and in a table
BOTH = {"state": forwarding(STATE, *GUESTS[STATE]), "secrets": forwarding(SECRETS, *GUESTS[SECRETS])}


class Spy:
    """A family of guests that keep something, and look for what others kept."""

    name = "spy"

    def fits(self, exports: Exports) -> str | None:
        return ""

    def describe(self, instance: Instance, exports: Exports) -> Described:
        return Described("spy", operations=tuple(map(Operation, ("seen", "spin", "flood", "keep", "look", "unlock"))))

    def invoke(self, instance: Instance, exports: Exports, asked: Invocation) -> Answered:
        match asked.operation:
            case "seen" | "spin" | "flood":
                return Answered(instance.call("", asked.operation))
            case "keep":
                return Answered(repr(instance.call("", "write", "k", asked.payload["words"].encode())))
            case "look":
                found = [instance.call("", "read", key) for key in SPYING]
                return Answered([each.value.decode() for each in found if isinstance(each, Ok)])
            case _:
                found = [instance.call("", "get", key) for key in ("shop.key", *asked.payload["keys"])]
                return Answered([None if isinstance(each, Err) else each.value.decode() for each in found])


class Tools:
    """The tools of one component, asked for whichever tenant."""

    def __init__(self, workers: Workers) -> None:
        self._resources = Resources(workers, ComponentHost(States()))

    def tool(self, text: str, operation: str) -> ComponentTool:
        allow = Allowed(state="write", secrets=("shop.key",))
        limits = CallLimits(time_s=0.3, host_calls=2_000)
        terms = ComponentTerms("shop", allow=allow, timeout_s=5, limits=limits)
        tools = loaded(binary(text), terms, (Spy(),), place="shop.wasm").tools
        return next(tool for tool in tools if tool.operation == operation).bound(self._resources)

    async def ask(self, tool: ComponentTool, scope: Scope, **arguments: Any) -> Any:
        secrets = {"shop.key": Secret(f"key of {scope.tenant}")}
        actor = Actor("agent", "bench")
        meta = CallMeta(scope, actor, RunId("run-1"), CallId("c1"), None, "key-1", 1, 5.0, secrets=secrets)
        return msgspec.json.decode(
            produced(await tool.execute(tool.decode(msgspec.json.encode(arguments)), meta)).result
        )


@pytest.fixture
async def tools() -> AsyncGenerator[Tools]:
    async with Workers() as workers:
        yield Tools(workers)


@pytest.mark.req("LIC-18.14")
async def test_calls_of_two_tenants_at_once_find_nothing_of_each_other_in_memory_globals_or_tables(
    tools: Tools,
) -> None:
    seen = tools.tool(COUNTER, "seen")
    counts = await asyncio.gather(*(tools.ask(seen, scope) for scope in (ACME, GLOBEX) * CALLS))
    assert set(counts) == {20_101}  # one element more in its table, one in its global, one in its memory


@pytest.mark.req("LIC-18.14")
async def test_what_a_component_keeps_for_one_tenant_no_key_reads_for_another(tools: Tools) -> None:
    keep, look = (tools.tool(BOTH["state"], each) for each in ("keep", "look"))
    await asyncio.gather(*(tools.ask(keep, scope, words=f"of {scope.tenant}") for scope in (ACME, GLOBEX) * CALLS))
    assert await tools.ask(look, GLOBEX) == ["of globex"]
    assert await tools.ask(look, ACME) == ["of acme"]
    assert await tools.ask(look, Scope("initech", "dev")) == []
    assert await tools.ask(look, Scope("acme", "prod")) == []


@pytest.mark.req("LIC-18.14")
async def test_a_component_reads_the_secret_of_the_tenant_that_asks_and_of_no_other(tools: Tools) -> None:
    unlock = tools.tool(BOTH["secrets"], "unlock")
    keys = ["secrets://dev/acme/_/shop/key", "secrets://dev/globex/_/shop/key", "SHOP.KEY"]
    told = await asyncio.gather(*(tools.ask(unlock, scope, keys=keys) for scope in (ACME, GLOBEX) * CALLS))
    for scope, found in zip((ACME, GLOBEX) * CALLS, told, strict=True):
        assert set(found) - {None} == {f"key of {scope.tenant}"}


@pytest.mark.req("LIC-18.14")
def test_compiled_code_is_kept_without_anything_of_a_call(tmp_path: Path) -> None:
    code, kept = compiled(binary(COUNTER)), list[bytes]()
    for folder in (tmp_path / "before", tmp_path / "after"):
        Cache(folder, bytes(32)).keep("sha256:" + "1" * 64, code)
        kept += [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
        assert Program(code).instance(CallLimits()).call("", "seen") == 20_101
    assert len(kept) == 2
    assert len(set(kept)) == 1


@pytest.mark.req("GRE-19.9")
@pytest.mark.parametrize(("text", "operation"), [(COUNTER, "spin"), (BOTH["state"], "flood")])
async def test_while_hostile_guests_of_one_tenant_run_the_loop_beats_and_another_tenant_is_answered(
    tools: Tools, text: str, operation: str
) -> None:
    hostile, seen = tools.tool(text, operation), tools.tool(COUNTER, "seen")
    attacks = [asyncio.ensure_future(tools.ask(hostile, ACME)) for _ in range(4)]
    beats = answered = 0
    while not all(each.done() for each in attacks):
        await asyncio.sleep(0)
        beats += 1
        if beats % 20 == 0:
            assert await tools.ask(seen, GLOBEX) == 20_101
            answered += 1
    ends = await asyncio.gather(*attacks, return_exceptions=True)
    assert all(isinstance(each, Exception) for each in ends)
    assert answered >= 3
