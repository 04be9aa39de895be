"""State in the log and on a Redis: both keep what all stores promise, and what each has of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from textwrap import dedent

import pytest
import pytest_asyncio

from lichen import Agent, Runtime
from lichen.core.state.port import Change, StateKey, fqn
from lichen.core.words.errors import Invalid, Unavailable
from lichen.core.words.scope import Customer, Operator, Scope
from lichen.log.keys.keyring import Keyring
from lichen.runtime.project.loading import load
from lichen.runtime.state import on_redis
from lichen.runtime.state.connection import Redis
from lichen.runtime.state.in_log import LogStates
from lichen.runtime.state.on_redis import RedisStates
from lichen.runtime.state.sealing import Sealing
from lichen.testing.stores.state_conformance import ACME, SALES, Opened, StateConformance, key
from tests.cli.projects import Project
from tests.gate import far
from tests.runtime import valkeys
from tests.runtime.test_state import Silent
from tests.runtime.valkeys import redis_at


@pytest.fixture(scope="module")
def valkey() -> Iterator[int]:
    with valkeys.running() as port:
        yield port


class TestInTheLog(StateConformance):
    @asynccontextmanager
    async def open(self, folder: Path) -> AsyncGenerator[Opened]:
        clock = far.Clock()

        async def passes(seconds: float) -> None:
            clock.pass_s(seconds)

        async with Runtime.open(folder, agents=[Agent("shop.clerk", planner=Silent())]) as runtime:
            yield Opened(LogStates(runtime.engine.journal, clock), passes)


class TestOnRedis(StateConformance):
    @pytest.fixture(autouse=True)
    def _server(self, valkey: int) -> None:
        self.port = valkey

    def open(self, folder: Path) -> AbstractAsyncContextManager[Opened]:
        return valkeys.opened(self.port, folder)


# -- on a Redis --------------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-69.8")
@pytest.mark.parametrize(
    ("named", "name"),
    [
        (StateKey(ACME, "flow.shop", "cart"), "greentic:state:dev.acme:flow.shop:cart"),
        (StateKey(SALES, "flow.shop", "a:b"), "greentic:state:dev.acme.sales:flow.shop:a:b"),
        (StateKey(SALES, "user", "cart", "customer_1"), "greentic:state:dev.acme.sales.customer_1:user:cart"),
        (StateKey(ACME, "user", "cart", "customer_1"), "greentic:state:dev.acme._.customer_1:user:cart"),
    ],
)
def test_a_key_has_the_name_that_greentic_gives_it(named: StateKey, name: str) -> None:
    assert fqn(named) == name


@pytest_asyncio.fixture
async def kept(valkey: int, tmp_path: Path) -> AsyncGenerator[tuple[RedisStates, Keyring]]:
    redis, keys = redis_at(valkey), Keyring.open(tmp_path / "keys", os.urandom)
    yield RedisStates(redis, Sealing(keys)), keys
    await redis.close()
    keys.close()


@pytest.mark.req("GRE-69.8")
async def test_on_redis_lie_names_and_sealed_values(kept: tuple[RedisStates, Keyring], valkey: int) -> None:
    states, _ = kept
    await states.set(ACME, key(), {"said": "her secret"}, Change(ttl_s=60, once="run-1/c1"))
    with far.redis.Redis(port=valkey) as client:
        names = sorted(client.keys())
        assert names[0] == fqn(key()).encode()
        assert names[1].startswith(b"lichen:once:")
        assert b"secret" not in client.get(names[0])
        assert 0 < client.pttl(names[0]) <= 60_000
        assert 0 < client.pttl(names[1]) <= on_redis.ONCE_MS


async def value_of(states: RedisStates, named: StateKey) -> object:
    found = await states.get(ACME, named)
    return None if found is None else found.value


@pytest.mark.req("GRE-69.9")
async def test_a_value_that_was_erased_or_put_elsewhere_is_not_there(
    kept: tuple[RedisStates, Keyring], valkey: int
) -> None:
    states, keys = kept
    hers, his = (StateKey(ACME, "user", "cart", user, user) for user in ("customer_1", "customer_2"))
    for each in (hers, his):
        await states.set(ACME, each, each.user)
    with far.redis.Redis(port=valkey) as client:
        moved, own = client.get(fqn(his)), client.get(fqn(hers))
        client.set(fqn(hers), moved)
        assert await states.get(ACME, hers) is None  # what is another's does not open here
        client.set(fqn(hers), b"anything")
        assert await states.get(ACME, hers) is None
        client.set(fqn(hers), own)
    assert await value_of(states, hers) == "customer_1"
    keys.forget(ACME.log_id(), "customer_1", 1)
    assert await states.get(ACME, hers) is None
    assert await value_of(states, his) == "customer_2"


@pytest.mark.req("GRE-69.10")
@pytest.mark.parametrize(
    ("url", "error", "code"),
    [
        ("redis://127.0.0.1:9/0", Unavailable, "state_unavailable"),
        ("", Invalid, "state_unset"),
        ("http://127.0.0.1/", Invalid, "state_unset"),
    ],
)
async def test_a_store_that_is_not_there_says_so(tmp_path: Path, url: str, error: type[Exception], code: str) -> None:
    keys = Keyring.open(tmp_path / "keys", os.urandom)
    redis = Redis("env:REDIS_URL", {"REDIS_URL": url})
    states = RedisStates(redis, Sealing(keys))
    for work in (states.get(ACME, key()), states.set(ACME, key(), 1), states.delete_prefix(ACME, key(""))):
        with pytest.raises(error) as caught:
            await work
        assert getattr(caught.value, "code", "") == code
    await redis.close()
    keys.close()


@pytest.mark.req("GRE-69.10")
async def test_a_library_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(Invalid) as caught:
        await Redis("env:REDIS_URL", {"REDIS_URL": "redis://127.0.0.1/"}).ask(lambda client: client.ping())
    assert caught.value.code == "state_extra_missing"
    assert "pip install '.[redis]'" in caught.value.next_step


# -- a project whose state is there ------------------------------------------------------------------------------

FLOW = """
id: shop.memory
type: messaging
schema_version: 2
nodes:
  load: {state.get: {key: profile, scope: user, fallback: {seen: 0}}, routing: [{to: keep}]}
  keep:
    state.set: {key: profile, scope: user, value: {seen: 1, said: "{{entry.text}}"}, ttl_s: 600}
    routing: [{to: tell}]
  tell: {text: "before: {{json node.load.value}}", routing: reply}
"""


@pytest.mark.req("GRE-69.11")
async def test_what_a_flow_keeps_lies_where_the_project_says_and_goes_when_its_person_is_erased(
    tmp_path: Path, valkey: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis_at(valkey)
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{valkey}/0")
    settings = """
        [lichen]
        agents = []
        flows = ["memory.ygtc"]

        [tenants.acme]

        [state]
        kind = "redis"
        """
    project = Project(tmp_path, {"lichen.toml": dedent(settings), "memory.ygtc": FLOW})
    loaded = load(project.root / "lichen.toml", environ={"LICHEN_HOME": str(project.home)})
    ada, ops, scope, said = Customer("ada"), Operator("ops", ("operator",)), Scope("acme", "dev"), list[str]()
    for n in range(2):
        async with Runtime.of(loaded) as runtime:
            session = await runtime.sessions.open(scope, ada, key=str(n))
            said.append((await (await session.say(f"hi {n}")).result()).text)
    assert said == ['before: {"seen":0}', 'before: {"said":"hi 0","seen":1}']
    with far.redis.Redis(port=valkey) as client:
        (name,) = client.keys("greentic:*")
        assert name.startswith(b"greentic:state:dev.acme._.customer_")
        assert 0 < client.ttl(name) <= 600
    async with Runtime.of(loaded) as runtime:
        await runtime.people.erase(scope, ada, ops)
        session = await runtime.sessions.open(scope, Customer("bob"), key="3")
        assert (await (await session.say("hi")).result()).text == 'before: {"seen":0}'
        states = runtime._wiring.states  # pyright: ignore[reportPrivateUsage]
        user = name.decode().split(":")[2].split(".")[3]
        assert await states.get(scope, StateKey(scope, "user", "profile", user)) is None
