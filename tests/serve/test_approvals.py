"""Approvals over the API: the approver sees what they decide on, and the first answer counts."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from lichen.runtime.runtime import Runtime
from tests.serve import talk
from tests.serve.asgi import Door


@pytest.fixture
def ops(door: Door) -> Door:
    return door.of("acme", "ops")


@pytest.fixture
async def wait(runtime: Runtime, door: Door) -> dict[str, Any]:
    return await talk.held(runtime, door)


def refunds(runtime: Runtime, order: str = "1042") -> list[int]:
    with closing(sqlite3.connect(runtime.home / "files" / "acme" / "dev" / "shop.sqlite")) as shop:
        return [row[0] for row in shop.execute("select amount from refunds where order_id = ?", (order,))]


@pytest.mark.req("LIC-12.1")
async def test_the_approver_sees_call_facts_reason_and_where_each_argument_came_from(
    ops: Door, wait: dict[str, Any]
) -> None:
    shown = (await ops.get(f"approvals/{wait['id']}")).data
    assert shown == wait
    operator = shown["operator"]
    assert (operator["tool"], operator["arguments"]) == ("payments.refund", {"order_id": "1042", "amount": 8000})
    assert operator["facts"] == {"owner": "customer-7", "price": 12000, "refunded": 0}
    assert "More than 50 EUR" in operator["reason"]
    assert all(origin.startswith("customer:") for origin in operator["origins"].values())
    assert shown["digest"]
    assert shown["expires_at_us"] > shown["opened_at_us"]


@pytest.mark.req("SYM-74.1")
async def test_an_approved_call_is_made_once_and_the_customer_hears_of_it(
    runtime: Runtime, door: Door, ops: Door, wait: dict[str, Any]
) -> None:
    assert refunds(runtime) == []
    assert (await ops.post(f"approvals/{wait['id']}/approve", {"digest": wait["digest"]})).status == 200
    await runtime.idle()
    assert refunds(runtime) == [8000]
    customer = door.of("acme", "customer-7")
    told = await talk.heard(customer, await talk.session(customer))
    assert told == ["Done: 80.00 EUR for order 1042 are on their way back to you."]


@pytest.mark.req("SYM-74.1")
async def test_a_denied_call_is_not_made_and_the_customer_hears_of_it(
    runtime: Runtime, door: Door, ops: Door, wait: dict[str, Any]
) -> None:
    assert (await ops.post(f"approvals/{wait['id']}/deny", {"note": "Not today."})).status == 200
    await runtime.idle()
    assert refunds(runtime) == []
    customer = door.of("acme", "customer-7")
    assert "declined" in (await talk.heard(customer, await talk.session(customer)))[0]


@pytest.mark.req("SYM-74.2")
@pytest.mark.parametrize("second", ["approve", "deny"])
async def test_a_second_answer_is_a_conflict(ops: Door, wait: dict[str, Any], second: str) -> None:
    assert (await ops.post(f"approvals/{wait['id']}/approve", {}, key="k1")).status == 200
    answer = await ops.post(f"approvals/{wait['id']}/{second}", {}, key="k2")
    assert (answer.status, answer.code) == (409, "wait_closed")


@pytest.mark.req("SYM-97.5")
async def test_the_same_answer_sent_again_under_its_key_is_no_conflict(ops: Door, wait: dict[str, Any]) -> None:
    for _ in range(2):
        assert (await ops.post(f"approvals/{wait['id']}/approve", {}, key="k1")).status == 200
    other = await ops.post(f"approvals/{wait['id']}/deny", {}, key="k1")
    assert (other.status, other.code) == (409, "wait_closed")


@pytest.mark.req("LIC-12.2")
async def test_an_answer_about_something_else_than_what_is_asked_does_not_count(
    runtime: Runtime, ops: Door, wait: dict[str, Any]
) -> None:
    answer = await ops.post(f"approvals/{wait['id']}/approve", {"digest": "00" * 16})
    assert (answer.status, answer.code) == (409, "digest_differs")
    assert (await ops.post(f"approvals/{wait['id']}/approve", {"digest": "xyz"})).code == "digest_invalid"
    await runtime.idle()
    assert refunds(runtime) == []


@pytest.mark.req("SYM-74.2")
async def test_customers_neither_see_nor_answer_approvals(door: Door, wait: dict[str, Any]) -> None:
    for customer in (door.of("acme", "customer-7"), door.of("acme", "customer-8")):
        assert (await customer.get("approvals")).code == "role_missing"
        answer = await customer.post(f"approvals/{wait['id']}/approve", {})
        assert (answer.status, answer.code) == (403, "role_missing")


@pytest.mark.req("SYM-97.6")
async def test_another_tenants_approval_does_not_exist(door: Door, wait: dict[str, Any]) -> None:
    globex = door.of("globex", "ops")
    assert (await globex.get("approvals")).data == []
    assert (await globex.get(f"approvals/{wait['id']}")).code == "wait_unknown"
    answer = await globex.post(f"approvals/{wait['id']}/approve", {})
    assert (answer.status, answer.code) == (404, "wait_unknown")


@pytest.mark.parametrize("id", ["nonsense", "run-1.x1", "run-1.w", ".w1"])
async def test_what_is_no_id_of_a_wait_is_refused(ops: Door, id: str) -> None:
    answer = await ops.get(f"approvals/{id}")
    assert (answer.status, answer.code) == (400, "wait_id_invalid")


async def test_an_approval_is_not_reconciled(ops: Door, wait: dict[str, Any]) -> None:
    answer = await ops.post(f"approvals/{wait['id']}/reconcile", {"outcome": "happened"})
    assert (answer.status, answer.code) == (400, "answer_invalid")
    answer = await ops.post(f"approvals/{wait['id']}/reconcile", {"outcome": "try_again", "result": {}})
    assert (answer.status, answer.data["error"]["place"]) == (400, "$.result")
