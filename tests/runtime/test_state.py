"""`state.get` and `state.set`: what is kept outlives runs and processes, belongs to one scope, and can be erased."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen import Agent, CallMeta, NotDone, Runtime, Scope
from lichen.core.deciders import events as e
from lichen.core.ports.plan import Plan, PlanInput
from lichen.core.state.port import VALUE_BYTES_MAX
from lichen.core.words.ids import CallId, RunId, SessionId, StreamId
from lichen.core.words.scope import SYSTEM, Actor, Customer, Operator
from lichen.flows.read.load import parse
from lichen.flows.walk.planner import FlowPlanner
from lichen.runtime.given.state import STATE_TOOLS, Kept, StateForget, StateGet, StateSet, StateStore
from lichen.runtime.project.flows import flow_agents

ACME, GLOBEX = Scope("acme", "dev"), Scope("globex", "dev")
ADA, BOB = Customer("ada"), Customer("bob")
OPS = Operator("ops", ("operator",))
Where = Literal["session", "user", "tenant"]


class Silent:
    """Answers nothing of interest."""

    pure = True
    digest = "silent"

    async def plan(self, input: PlanInput) -> Plan:
        return Plan(answer="ok")


def hosted(home: Path) -> Runtime:
    return Runtime.open(home, agents=[Agent("shop.clerk", planner=Silent(), tools=STATE_TOOLS)])


def called(
    call: str = "c1", *, scope: Scope = ACME, person: Actor = ADA, session: str | None = "ses-1", run: str = "run-1"
) -> CallMeta:
    agent = Actor("agent", "shop.clerk", on_behalf_of=person)
    own = SessionId(session) if session else None
    return CallMeta(scope, agent, RunId(run), CallId(call), own, f"{run}/{call}", 1, 10.0)


class Memory:
    """The state of a runtime, a call at a time."""

    def __init__(self, runtime: Runtime) -> None:
        self._store = StateStore(runtime.engine.journal, runtime._wiring.states)  # pyright: ignore[reportPrivateUsage]
        self._calls = 0

    async def set(self, key: str, value: Any, pointer: str = "", *, of: Where = "session", **who: Any) -> Kept:
        self._calls += 1
        meta = called(f"c{self._calls}", **who)
        return await self._store.set(StateSet(key=key, value=value, pointer=pointer, scope=of), meta)

    async def forget(self, key: str, *, prefix: bool = False) -> None:
        self._calls += 1
        await self._store.forget(StateForget(key=key, prefix=prefix), called(f"c{self._calls}"))

    async def get(self, key: str, pointer: str = "", *, of: Where = "session", fallback: Any = None, **who: Any) -> Any:
        asked = StateGet(key=key, pointer=pointer, scope=of, fallback=fallback)
        return (await self._store.get(asked, called(**who))).value


def on_disk(home: Path) -> bytes:
    return b"".join(file.read_bytes() for file in home.glob("*") if file.is_file())


@pytest.mark.req("GRE-25.3")
async def test_what_a_flow_keeps_the_next_run_and_the_next_process_read(tmp_path: Path) -> None:
    text = """
id: shop.memory
type: messaging
schema_version: 2
nodes:
  load: {state.get: {key: profile, scope: user, fallback: {seen: 0}}, routing: [{to: keep}]}
  keep: {state.set: {key: profile, scope: user, value: {seen: 1, said: "{{entry.text}}"}}, routing: [{to: tell}]}
  tell: {text: "before: {{json node.load.value}}", routing: reply}
"""
    (flow,) = flow_agents([parse(text, "memory.ygtc").flow])
    said: list[str] = []
    for n in range(2):
        async with Runtime.open(tmp_path, agents=[flow]) as runtime:
            session = await runtime.sessions.open(ACME, ADA, key=str(n))
            said.append((await (await session.say(f"hi {n}")).result()).text)
            assert (await runtime.proofs.verify(ACME, SYSTEM)).ok
    assert said == ['before: {"seen":0}', 'before: {"said":"hi 0","seen":1}']


@pytest.mark.req("GRE-25.4")
async def test_a_key_belongs_to_one_session_person_or_tenant(tmp_path: Path) -> None:
    async with hosted(tmp_path) as runtime:
        memory = Memory(runtime)
        for of in ("session", "user", "tenant"):
            await memory.set("k", of, of=of)
        assert [await memory.get("k", of=of) for of in ("session", "user", "tenant")] == ["session", "user", "tenant"]
        assert [await memory.get("k", of=of, session="ses-2") for of in ("session", "user")] == [None, "user"]
        assert [await memory.get("k", of=of, person=BOB) for of in ("user", "tenant")] == [None, "tenant"]
        assert [await memory.get("k", of=of, scope=GLOBEX) for of in ("session", "user", "tenant")] == [None] * 3
        with pytest.raises(NotDone) as refused:
            await memory.get("k", session=None)
        assert refused.value.code == "state_no_session"


@pytest.mark.req("GRE-69.1")
async def test_a_pointer_reads_and_changes_a_part(tmp_path: Path) -> None:
    async with hosted(tmp_path) as runtime:
        memory = Memory(runtime)
        await memory.set("p", "Ada", "/name/first")
        await memory.set("p", [1, 2], "/list")
        await memory.set("p", {"a~/b": 0}, "/odd")
        await memory.set("p", 9, "/list/1")
        await memory.set("p", 1, "/odd/a~0~1b")
        assert await memory.get("p") == {"name": {"first": "Ada"}, "list": [1, 9], "odd": {"a~/b": 1}}
        assert await memory.get("p", "/name/first") == "Ada"
        assert await memory.get("p", "/name/last", fallback="?") == "?"
        for pointer in ("/name/first/x", "name", "/list/7"):
            with pytest.raises(NotDone) as refused:
                await memory.set("p", 1, pointer)
            assert refused.value.code == "state_pointer"


@pytest.mark.req("GRE-25.5")
async def test_setting_twice_under_one_key_happens_once_whatever_comes_in_between(tmp_path: Path) -> None:
    async with hosted(tmp_path) as runtime:
        store = StateStore(runtime.engine.journal, runtime._wiring.states)  # pyright: ignore[reportPrivateUsage]
        first = called("c1")
        await store.set(StateSet(key="n", value=1, pointer="/a"), first)
        await store.set(StateSet(key="n", value={"a": 2, "b": 2}), called("c2"))
        await store.set(StateSet(key="n", value=1, pointer="/a"), first)
        assert (await store.get(StateGet(key="n"), first)).value == {"a": 2, "b": 2}


async def test_sets_at_once_lose_nothing(tmp_path: Path) -> None:
    async with hosted(tmp_path) as runtime:
        memory = Memory(runtime)
        await asyncio.gather(*(memory.set("n", i, f"/k{i}") for i in range(20)))
        assert await memory.get("n") == {f"k{i}": i for i in range(20)}


@pytest.mark.req("GRE-25.6")
async def test_an_erased_persons_state_is_gone_and_the_log_still_verifies(tmp_path: Path) -> None:
    async with hosted(tmp_path) as runtime:
        memory = Memory(runtime)
        for of in ("session", "user", "tenant"):
            await memory.set("k", f"kept {of}", of=of)
        await runtime.people.erase(ACME, ADA, OPS)
        assert [await memory.get("k", of=of) for of in ("session", "user", "tenant")] == [None, None, "kept tenant"]
        assert (await runtime.proofs.verify(ACME, SYSTEM)).ok


@pytest.mark.req("GRE-25.7")
async def test_neither_key_nor_value_stands_clear_in_the_log(tmp_path: Path) -> None:
    async with hosted(tmp_path) as runtime:
        await Memory(runtime).set("ada@example.org", "her secret")
        records = runtime.log(ACME).read()
        kept = [record for record in records if isinstance(record.control, e.Changed)]
        assert {record.stream.kind for record in kept} == {"tenant"}
        assert [record.stream.id.partition("-")[0] for record in kept] == [
            "state",
            "states",
        ]
        written = msgspec.json.encode([[record.control, str(record.stream)] for record in kept])
        assert b"ada@" not in written
        assert b"secret" not in written
    stored = on_disk(tmp_path)
    assert stored
    assert b"her secret" not in stored
    assert b"ada@example.org" not in stored


@pytest.mark.req("GRE-69.2")
async def test_a_value_is_forgotten_by_its_key_and_many_by_how_their_keys_begin(tmp_path: Path) -> None:
    async with hosted(tmp_path) as runtime:
        memory = Memory(runtime)
        for key in ("cart", "cart.1", "cart.2", "name"):
            await memory.set(key, key)
            await memory.set(key, key, of="user")
        await memory.forget("name")
        await memory.forget("cart.", prefix=True)
        assert [await memory.get(key) for key in ("cart", "cart.1", "cart.2", "name")] == ["cart", None, None, None]
        assert [await memory.get(key, of="user") for key in ("cart.1", "name")] == ["cart.1", "name"]


async def test_a_value_is_bounded(tmp_path: Path) -> None:
    async with hosted(tmp_path) as runtime:
        with pytest.raises(NotDone) as refused:
            await Memory(runtime).set("k", "x" * VALUE_BYTES_MAX)
        assert refused.value.code == "state_too_large"
        assert runtime.log(ACME).records(StreamId("tenant", "state-x")) == []


def test_the_tools_are_what_a_gate_needs_to_know_of_them() -> None:
    get, put, forget = STATE_TOOLS
    assert (forget.spec.name, forget.spec.effects, forget.spec.cost) == ("state.delete", "idempotent", 0)
    assert (get.spec.name, get.spec.effects, get.spec.cost) == ("state.get", "none", 0)
    assert (put.spec.name, put.spec.effects, put.spec.cost) == ("state.set", "idempotent", 0)
    assert FlowPlanner(
        parse("id: a.b\ntype: messaging\nschema_version: 2\nnodes:\n  a: {state.get: {key: x}}\n", "a.ygtc").flow
    ).tools == ("state.get",)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_any_json_is_an_argument_that_keeps_its_value(value: Any) -> None:
    put = STATE_TOOLS[1]
    args = put.decode(msgspec.json.encode({"key": "k", "value": value}))
    assert msgspec.json.decode(args.data)["value"] == value
