"""How calls of components end, for whoever asked: answered, failed, in doubt, or given up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import msgspec
import pytest

from lichen.core.components.manifest import Operation
from lichen.core.components.terms import Allowed, ComponentTerms
from lichen.core.ports.call import CallMeta, NotDone, Resources, produced
from lichen.core.words.ids import CallId, RunId
from lichen.core.words.scope import Actor
from lichen.tools import Workers
from lichen.tools.wasm.component_tool import ComponentHost, ComponentTool, InDoubt
from lichen.tools.wasm.loading import loaded
from lichen.tools.wasm.port import Answered, Described, Exports, Instance, Invocation, Reported, Surroundings
from tests.tools.wasm.guests import STATE, binary, forwarding
from tests.tools.wasm.test_imports import GUESTS, SCOPE, States

PERSON = Actor("customer", "ada@example.com")
META = CallMeta(
    SCOPE, Actor("agent", "bench", on_behalf_of=PERSON), RunId("run-1"), CallId("call-1"), None, "key-1", 1, 30.0,
    subject="p-17", language="de",
)  # fmt: skip
NOW_MS = 1_700_000_000_000


class Writing:
    """A family of guests that keep something, and then do what the operation says."""

    name = "writing"

    def fits(self, exports: Exports) -> str | None:
        return ""

    def describe(self, instance: Instance, exports: Exports) -> Described:
        return Described(
            "writing",
            operations=tuple(map(Operation, ("keep", "keep-and-flood", "report", "keep-and-report", "huge", "who"))),
        )

    def invoke(self, instance: Instance, exports: Exports, asked: Invocation) -> Answered:
        match asked.operation:
            case "keep":
                return Answered(str(instance.call("", "write", "k", b"x")))
            case "keep-and-flood":
                instance.call("", "write", "k", b"x")
                return Answered(instance.call("", "flood"))
            case "who":
                return Answered(msgspec.to_builtins(asked.context))
            case "keep-and-report":
                instance.call("", "write", "k", b"x")
                return Answered(failure=Reported("no_such_order", "There is none.", retryable=True, backoff_ms=250))
            case "huge":
                return Answered("x" * 2_000_000)
            case _:
                return Answered(failure=Reported("no_such_order", "There is no such order.", retryable=True))


class Tools:
    """The tools of the guest on threads of their own."""

    def __init__(self, workers: Workers) -> None:
        self.states = States()
        around = Surroundings(lambda: NOW_MS * 1_000, bytes)
        self._resources = Resources(workers, ComponentHost(self.states, around=around))

    def __getitem__(self, name: str) -> ComponentTool:
        terms = ComponentTerms("shop", allow=Allowed(state="write"), timeout_s=5)
        tools = loaded(binary(forwarding(STATE, *GUESTS[STATE])), terms, (Writing(),), place="shop.wasm").tools
        return next(tool for tool in tools if tool.operation == name).bound(self._resources)

    async def ask(self, name: str) -> Any:
        tool = self[name]
        return produced(await tool.execute(tool.decode(b"{}"), META))


@pytest.fixture
async def tools() -> AsyncGenerator[Tools]:
    async with Workers() as workers:
        yield Tools(workers)


@pytest.mark.req("LIC-18.6")
async def test_what_may_change_something_is_once_and_what_may_not_has_no_effects(tools: Tools) -> None:
    assert tools["keep"].spec.effects == "once"
    terms = ComponentTerms("shop")
    pure = loaded(binary(forwarding(STATE, *GUESTS[STATE])), terms, (Writing(),), place="shop.wasm").tools
    assert {tool.spec.effects for tool in pure} == {"none"}
    assert {tool.spec.origin for tool in pure} == {"third_party"}


@pytest.mark.req("LIC-18.6")
async def test_a_trap_after_the_guest_was_let_act_leaves_the_call_in_doubt(tools: Tools) -> None:
    assert b"Ok" in (await tools.ask("keep")).result
    with pytest.raises(InDoubt):
        await tools.ask("keep-and-flood")


@pytest.mark.req("LIC-18.6")
async def test_a_failure_that_a_component_reports_was_not_done(tools: Tools) -> None:
    with pytest.raises(NotDone) as refused:
        await tools.ask("report")
    assert (refused.value.code, refused.value.retryable) == ("component_failed", True)
    assert refused.value.foreign_code == "no_such_order"


@pytest.mark.req("LIC-18.13")
async def test_a_failure_after_the_guest_was_let_act_is_not_asked_again_by_itself(tools: Tools) -> None:
    with pytest.raises(NotDone) as refused:
        await tools.ask("keep-and-report")
    assert (refused.value.retryable, refused.value.pause_s) == (False, 0.25)


@pytest.mark.req("GRE-42.7")
async def test_a_component_is_told_the_person_as_a_pseudonym_and_when_its_answer_is_due(tools: Tools) -> None:
    told = msgspec.json.decode((await tools.ask("who")).result)
    assert (told["user"], told["i18n"], told["deadline_ms"]) == ("p-17", "de", NOW_MS + 30_000)
    assert "ada@example.com" not in repr(told)


@pytest.mark.req("GRE-19.6")
async def test_an_answer_that_is_too_large_is_none(tools: Tools) -> None:
    with pytest.raises(NotDone) as refused:
        await tools.ask("huge")
    assert refused.value.code == "component_result_large"


@pytest.mark.req("GRE-19.4")
async def test_a_call_that_is_cancelled_takes_its_guest_with_it(tools: Tools) -> None:
    is_asked, never = asyncio.Event(), asyncio.Event()

    async def wait(*_: Any) -> None:
        is_asked.set()
        await never.wait()

    tools.states.set = wait  # type: ignore[method-assign]
    asked = asyncio.ensure_future(tools.ask("keep"))
    await is_asked.wait()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(asked, 5)
