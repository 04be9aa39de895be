"""Answers from outside: found by where they come back, in the log and on a Redis, and given to their wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from lichen import Agent, Runtime
from lichen.core.deciders import events as e
from lichen.core.ports.plan import Plan, PlanInput, WaitRequest
from lichen.core.state.replies import ReplyScope
from lichen.core.words.errors import Conflict, Denied, Invalid, LichenError, NotFound
from lichen.core.words.ids import RunId
from lichen.core.words.scope import Customer, Operator, Service
from lichen.runtime.state.in_log import LogStates
from lichen.runtime.state.waiting import WaitIndex
from lichen.serve.app import make_app
from lichen.serve.http.auth import by_key
from lichen.testing.stores.state_conformance import ACME, GLOBEX, SALES, Opened
from tests.gate import far
from tests.runtime import valkeys
from tests.runtime.test_state import Silent
from tests.serve.asgi import Door

CHAT, OTHER = ReplyScope("chat-1", "topic-9", "msg-3", "cid-7"), ReplyScope("chat-1", "topic-9", "msg-3")
OPS, MAIL = Operator("ops", ("operator",)), Service("mail", ("channel",))


# -- the index ---------------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-68.1")
def test_a_place_has_the_hash_that_greentic_gives_it() -> None:
    assert CHAT.scope_hash == "5251e2c9eb975466809eecbe51be7aa8dc7785ad05cb393a8f47a3a2f42cc544"
    places = CHAT, OTHER, ReplyScope("chat-1", "topic-9", "", "msg-3"), ReplyScope("chat-1", "", "topic-9", "msg-3")
    assert len({place.scope_hash for place in places}) == 4


@pytest.mark.req("GRE-68.1")
@pytest.mark.parametrize("wrong", [ReplyScope(""), ReplyScope("a\nb"), ReplyScope("a", "x" * 513)])
def test_what_could_be_taken_for_another_place_is_none(wrong: ReplyScope) -> None:
    with pytest.raises(Invalid) as caught:
        _ = wrong.scope_hash
    assert caught.value.code == "reply_scope_invalid"


class IndexConformance:
    """What the index does in every store of state."""

    def open(self, folder: Path) -> AbstractAsyncContextManager[Opened]:
        raise NotImplementedError

    @pytest_asyncio.fixture
    async def opened(self, tmp_path: Path) -> AsyncGenerator[Opened]:
        async with self.open(tmp_path) as opened:
            yield opened

    @pytest.mark.req("GRE-68.2")
    async def test_a_wait_is_found_where_it_was_registered_until_it_is_cleared(self, opened: Opened) -> None:
        index = WaitIndex(opened.states)
        await index.register(ACME, CHAT, "run-1.w1")
        await index.register(ACME, CHAT, "run-1.w1")
        found = await index.find(ACME, CHAT)
        assert found is not None
        assert found.wait == "run-1.w1"
        assert await index.find(ACME, OTHER) is None
        assert await index.find(ACME, CHAT, user="customer_1") is None
        assert await index.find(GLOBEX, CHAT) is None
        await index.clear(ACME, CHAT)
        await index.clear(ACME, CHAT)
        assert await index.find(ACME, CHAT) is None

    @pytest.mark.req("GRE-68.2")
    async def test_a_wait_that_is_registered_for_a_time_is_not_found_after_it(self, opened: Opened) -> None:
        index = WaitIndex(opened.states)
        await index.register(ACME, CHAT, "run-1.w1", ttl_s=60)
        await opened.passes(61)
        assert await index.find(ACME, CHAT) is None
        await index.register(ACME, CHAT, "run-2.w1")
        assert [each.wait for each in await index.list(ACME)] == ["run-2.w1"]

    @pytest.mark.req("GRE-68.3")
    async def test_another_wait_takes_a_place_only_from_the_one_that_was_read(self, opened: Opened) -> None:
        index = WaitIndex(opened.states)
        await index.register(ACME, CHAT, "run-1.w1")
        first = await index.find(ACME, CHAT)
        assert first is not None
        with pytest.raises(Conflict) as caught:
            await index.register(ACME, CHAT, "run-2.w1")
        assert caught.value.code == "wait_registered"
        await index.register(ACME, CHAT, "run-2.w1", replaces=first.version)
        await index.clear(ACME, CHAT, only=first.version)
        found = await index.find(ACME, CHAT)
        assert found is not None
        assert found.wait == "run-2.w1"

    @pytest.mark.req("GRE-68.3")
    async def test_of_many_who_register_at_once_one_has_the_place(self, opened: Opened) -> None:
        index = WaitIndex(opened.states)
        tried = [index.register(ACME, CHAT, f"run-{n}.w1") for n in range(8)]
        ended = await asyncio.gather(*tried, return_exceptions=True)
        assert [type(each) for each in ended].count(Conflict) == 7
        assert len(await index.list(ACME)) == 1

    @pytest.mark.req("GRE-68.4")
    async def test_every_wait_of_a_user_is_listed_and_no_other(self, opened: Opened) -> None:
        index = WaitIndex(opened.states)
        places = [
            (ACME, CHAT, "customer_1"), (ACME, OTHER, "customer_1"), (ACME, CHAT, "customer_2"), (ACME, CHAT, ""),
            (GLOBEX, CHAT, "customer_1"), (SALES, CHAT, "customer_1"),
        ]  # fmt: skip
        for n, (scope, reply, user) in enumerate(places):
            await index.register(scope, reply, f"run-{n}.w1", user=user)
        listed = await index.list(ACME, user="customer_1")
        assert sorted(each.wait for each in listed) == ["run-0.w1", "run-1.w1"]
        assert [each.wait for each in await index.list(SALES, user="customer_1")] == ["run-5.w1"]


class TestInTheLog(IndexConformance):
    @asynccontextmanager
    async def open(self, folder: Path) -> AsyncGenerator[Opened]:
        clock = far.Clock()

        async def passes(seconds: float) -> None:
            clock.pass_s(seconds)

        async with Runtime.open(folder, agents=[Agent("shop.clerk", planner=Silent())]) as runtime:
            yield Opened(LogStates(runtime.engine.journal, clock), passes)


@pytest.fixture(scope="module")
def valkey() -> Iterator[int]:
    with valkeys.running() as port:
        yield port


class TestOnRedis(IndexConformance):
    @pytest.fixture(autouse=True)
    def _server(self, valkey: int) -> None:
        self.port = valkey

    def open(self, folder: Path) -> AbstractAsyncContextManager[Opened]:
        return valkeys.opened(self.port, folder)


# -- answers -----------------------------------------------------------------------------------------------------


class Asker:
    """Waits for something from outside, and is done when it came."""

    pure = True
    digest = "asker"

    async def plan(self, input: PlanInput) -> Plan:
        if input.answers:
            return Plan(answer="It came.")
        return Plan(waits=(WaitRequest("external", may_answer=("service", "operator")),))


@pytest_asyncio.fixture
async def runtime(tmp_path: Path) -> AsyncGenerator[Runtime]:
    async with Runtime.open(tmp_path / "home", agents=[Agent("shop.asker", planner=Asker())]) as opened:
        yield opened


async def waiting(runtime: Runtime) -> str:
    """The id of a new wait for something from outside."""
    run = await runtime.runs.start(ACME, "shop.asker", "go", OPS)
    log = runtime.log(ACME)
    async with aclosing(log.follow(0)) as records:
        async for record in records:
            if isinstance(record.control, e.WaitOpened) and record.control.run == run:
                return f"{run}.{record.control.wait}"
    raise AssertionError("the log went on without it")


def index_of(runtime: Runtime) -> WaitIndex:
    return WaitIndex(runtime._wiring.states)  # pyright: ignore[reportPrivateUsage]


@pytest.mark.req("GRE-68.5")
async def test_an_answer_that_names_where_it_comes_back_answers_the_wait_registered_there(runtime: Runtime) -> None:
    first, second = await waiting(runtime), await waiting(runtime)
    await runtime.replies.expect(ACME, first, CHAT, MAIL)
    await runtime.replies.expect(ACME, second, OTHER, MAIL)
    assert await runtime.replies.find(ACME, CHAT, MAIL) == first
    assert await runtime.replies.bring(ACME, CHAT, MAIL, result={"said": "yes"}, key="mail-1") == first
    assert await runtime.replies.bring(ACME, CHAT, MAIL, result={"said": "yes"}, key="mail-1") == first  # sent again
    assert [each.id for each in runtime.waits.list(ACME, OPS, kinds=("external",))] == [second]
    assert await runtime.runs.result(ACME, RunId(first.partition(".")[0]), OPS) == "It came."


@pytest.mark.req("GRE-68.6")
async def test_an_entry_whose_wait_is_over_leads_nowhere_is_forgotten_and_gives_way(runtime: Runtime) -> None:
    first, second = await waiting(runtime), await waiting(runtime)
    index = index_of(runtime)
    await runtime.replies.expect(ACME, first, CHAT, MAIL)
    with pytest.raises(Conflict) as caught:
        await runtime.replies.expect(ACME, second, CHAT, MAIL)
    assert caught.value.code == "wait_registered"
    await runtime.waits.answer(ACME, first, "answered", OPS, body={"result": {}})
    with pytest.raises(NotFound):
        await runtime.replies.find(ACME, CHAT, MAIL)
    assert await index.list(ACME) == ()
    await index.register(ACME, CHAT, first)
    with pytest.raises(Conflict):
        await runtime.replies.bring(ACME, CHAT, MAIL, result={})
    assert await index.list(ACME) == ()
    await index.register(ACME, CHAT, first)
    await runtime.replies.expect(ACME, second, CHAT, MAIL)
    assert await runtime.replies.find(ACME, CHAT, MAIL) == second


@pytest.mark.req("GRE-68.6")
async def test_a_place_of_one_user_is_not_anothers(runtime: Runtime) -> None:
    id = await waiting(runtime)
    await runtime.replies.expect(ACME, id, CHAT, MAIL, user="customer-7")
    for user in ("", "customer-8"):
        with pytest.raises(NotFound) as caught:
            await runtime.replies.find(ACME, CHAT, MAIL, user=user)
        assert caught.value.code == "reply_unknown"
    assert await runtime.replies.find(ACME, CHAT, MAIL, user="customer-7") == id


@pytest.mark.req("GRE-68.6")
async def test_who_may_not_answer_registers_and_brings_nothing(runtime: Runtime) -> None:
    id, replies, stranger = await waiting(runtime), runtime.replies, Customer("customer-7")
    with pytest.raises((Denied, NotFound)):
        await replies.expect(ACME, id, CHAT, stranger)
    await replies.expect(ACME, id, CHAT, MAIL)
    with pytest.raises((Denied, NotFound)):
        await replies.bring(ACME, CHAT, stranger, result={})
    with pytest.raises(LichenError):
        await replies.bring(GLOBEX, CHAT, MAIL, result={})
    assert await replies.find(ACME, CHAT, MAIL) == id


@pytest.mark.req("GRE-68.6")
async def test_what_waits_for_nothing_from_outside_has_no_place(runtime: Runtime) -> None:
    id = await waiting(runtime)
    for wrong in (f"{id}9", "run-9.w1", "no"):
        with pytest.raises(LichenError) as caught:
            await runtime.replies.expect(ACME, wrong, CHAT, OPS)
        assert caught.value.code in ("wait_unknown", "wait_id_invalid")
    with pytest.raises(Invalid):
        await runtime.replies.expect(ACME, id, CHAT, OPS, ttl_s=-1)
    await runtime.waits.answer(ACME, id, "answered", OPS, body={"result": {}})
    with pytest.raises(Conflict):
        await runtime.replies.expect(ACME, id, CHAT, OPS)
    assert await index_of(runtime).list(ACME) == ()


@pytest.mark.req("GRE-68.7")
async def test_over_the_api_a_channel_says_where_answers_come_back_and_brings_them(runtime: Runtime) -> None:
    id = await waiting(runtime)
    key = await runtime.keys.issue(ACME, MAIL, OPS)
    door = Door(make_app(runtime, identify=by_key(runtime)), {"authorization": f"Bearer {key}"})
    place = {"conversation": "chat-1", "thread": "topic-9", "reply_to": "msg-3", "correlation": "cid-7"}
    answers = [
        await door.post("waits/replies", {**place, "result": {"said": "yes"}}),
        await door.post(f"waits/{id}/reply-scope", {**place, "ttl_s": 600}),
        await door.post("waits/replies", {**place, "result": {"said": "yes"}}, key="mail-1"),
        await door.post("waits/replies", {**place, "result": {"said": "yes"}}, key="mail-1"),
        await door.post(f"waits/{id}/reply-scope", place),
        await door.post("waits/replies", {**place, "conversation": "a\nb"}),
    ]
    assert [answer.status for answer in answers] == [404, 200, 200, 200, 409, 400]
    assert runtime.waits.list(ACME, OPS, kinds=("external",)) == ()
