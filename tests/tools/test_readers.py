"""Facts for the gate and probes for a crash in doubt."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from pydantic import BaseModel

from lichen.core.ports.call import Arguments, CallMeta, CannotTell, DidNotHappen, Happened, Probe
from lichen.core.words.errors import Invalid
from lichen.tools import PythonTool, ResultRefused, Workers, tool
from lichen.tools.python.declaration import FACTS_BYTES_MAX
from tests.tools.samples import Receipt, call_meta

ARGS = b'{"amount":5,"order_id":"1042"}'


class Facts(BaseModel):
    order_id: str
    total: int
    tenant: str


class Compact(msgspec.Struct):
    total: int


async def order_facts(order_id: str, *, meta: CallMeta) -> Facts:
    return Facts(order_id=order_id, total=900, tenant=meta.scope.tenant)


def compact_facts(amount: int) -> Compact:
    assert threading.current_thread() is not threading.main_thread()
    return Compact(amount * 10)


def refund_with(
    facts: Callable[..., Any] | None = None, probe: Callable[..., Any] | None = None
) -> PythonTool[..., Any]:
    @tool(name="payments.refund", facts=facts, probe=probe)
    async def refund(order_id: str, amount: int) -> Receipt:
        return Receipt(order_id=order_id, amount=amount)

    return refund


async def test_facts_are_resolved_from_some_of_the_arguments_and_the_call() -> None:
    tool = refund_with(order_facts)
    facts = await tool.facts(Arguments(ARGS), call_meta())
    assert json.loads(facts) == {"order_id": "1042", "total": 900, "tenant": "acme"}
    assert tool.spec.facts_schema is not None
    assert set(tool.spec.facts_schema["properties"]) == {"order_id", "total", "tenant"}


async def test_a_resolver_that_blocks_runs_in_a_thread() -> None:
    tool = refund_with(compact_facts)
    assert tool.spec.facts_schema is not None
    assert set(tool.spec.facts_schema["properties"]) == {"total"}
    async with Workers() as workers:
        assert await tool.with_workers(workers).facts(Arguments(ARGS), call_meta()) == b'{"total":50}'


async def test_a_tool_without_a_resolver_has_no_facts() -> None:
    assert refund_with().spec.facts_schema is None
    assert await refund_with().facts(Arguments(ARGS), call_meta()) == b"{}"


@pytest.mark.parametrize(
    ("value", "code"),
    [({"total": "5"}, "facts_invalid"), (None, "facts_invalid"), ({"total": "x" * FACTS_BYTES_MAX}, "facts_too_large")],
)
async def test_facts_that_are_not_as_declared_are_refused(value: Any, code: str) -> None:
    async def resolve() -> dict[str, str]:
        return value if code == "facts_too_large" else {"total": value}

    with pytest.raises(ResultRefused) as caught:
        await refund_with(resolve).facts(Arguments(ARGS), call_meta())
    assert caught.value.code == code


async def unrelated(sku: str) -> Facts:
    raise NotImplementedError


async def listed(order_id: str) -> list[Facts]:
    raise NotImplementedError


@pytest.mark.parametrize(("resolver", "cause"), [(unrelated, "'sku'"), (listed, "JSON object")])
def test_a_resolver_that_cannot_serve_the_tool_is_refused(resolver: Callable[..., Any], cause: str) -> None:
    with pytest.raises(Invalid, match=cause) as caught:
        refund_with(resolver)
    assert caught.value.code == "tool_invalid"


def test_only_a_probe_is_told_the_idempotency_key_apart() -> None:
    async def find(idempotency_key: str) -> Facts:
        raise NotImplementedError

    assert refund_with(probe=find).spec.has_probe
    with pytest.raises(Invalid, match="idempotency_key"):
        refund_with(facts=find)


async def test_a_probe_that_returns_the_result_says_that_the_call_happened() -> None:
    async def find(idempotency_key: str, order_id: str, *, meta: CallMeta) -> Receipt:
        assert idempotency_key == meta.idempotency_key == "run-1/c1"
        return Receipt(order_id=order_id, amount=5)

    found = await refund_with(probe=find).probe(Arguments(ARGS), call_meta())
    assert isinstance(found, Happened)
    assert json.loads(found.result) == {"order_id": "1042", "amount": 5}


@pytest.mark.parametrize("answer", [Happened(b"{}"), DidNotHappen(), CannotTell()])
async def test_a_probe_may_say_it_in_the_engines_words(answer: Probe) -> None:
    async def find() -> Any:
        return answer

    assert await refund_with(probe=find).probe(Arguments(ARGS), call_meta()) == answer


async def test_a_probe_that_returns_none_says_that_the_call_did_not_happen() -> None:
    def find(idempotency_key: str) -> Receipt | None:
        assert threading.current_thread() is not threading.main_thread()
        return None

    async with Workers() as workers:
        assert await refund_with(probe=find).with_workers(workers).probe(Arguments(ARGS), call_meta()) == DidNotHappen()


async def test_none_from_the_probe_of_a_tool_whose_result_may_be_none_tells_nothing() -> None:
    async def find() -> None: ...

    @tool(name="a.b", probe=find)
    async def notify() -> None: ...

    assert await notify.probe(Arguments(b"{}"), call_meta()) == CannotTell()


@pytest.mark.parametrize("outcome", [RuntimeError("hunter2"), SystemExit(1), "not a receipt"])
async def test_a_probe_that_fails_cannot_tell_and_its_words_stay_out_of_the_log(
    outcome: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def find() -> Any:
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    found = await refund_with(probe=find).probe(Arguments(ARGS), call_meta())
    assert isinstance(found, CannotTell)
    assert found.failure is not None
    assert "hunter2" not in caplog.text


async def test_a_tool_without_a_probe_cannot_tell() -> None:
    assert not refund_with().spec.has_probe
    assert await refund_with().probe(Arguments(ARGS), call_meta()) == CannotTell()
