"""The story of the demo shop over plain HTTP: customers at the web chat, an operator at the API, `kill -9` between."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.served import Customer, Served


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path)
    served.start()
    yield served
    assert served.stop() == 0


def _held(served: Served, tenant: str = "acme") -> list[dict[str, Any]]:
    return served.operator(tenant).get("/approvals").raise_for_status().json()


@pytest.mark.req("STORY-2.1")
def test_a_refund_above_the_limit_survives_a_kill_and_happens_once_after_approval(served: Served) -> None:
    customer = Customer(served, "acme", "customer-7")
    assert "shipped" in customer.say("Where is order 1042?", until="1042")
    customer.say("I want a refund of 80 EUR for order 1042.", until="colleague")
    customer.say("Where is order 1042?", until="shipped")
    (waiting,) = _held(served)
    assert waiting["operator"]["arguments"] == {"order_id": "1042", "amount": 8000}
    assert waiting["operator"]["facts"] == {"owner": "customer-7", "price": 12000, "refunded": 0}
    assert "50 EUR" in waiting["operator"]["reason"]
    key = served.key("acme")
    served.kill()
    served.start()
    assert served.key("acme") == key, "the keys outlive the process"
    assert [wait["id"] for wait in _held(served)] == [waiting["id"]]
    assert served.refunds("acme") == []
    with served.operator("acme") as ops:
        approve = f"/approvals/{waiting['id']}/approve"
        assert ops.post(approve, json={"digest": waiting["digest"], "note": "Fine."}).status_code == 200
        again = ops.post(approve, json={})
        assert (again.status_code, again.json()["error"]["code"]) == (409, "wait_closed")
        customer.hear("80.00 EUR for order 1042")
        assert ops.post("/log/verify").json()["ok"] is True
    assert served.refunds("acme") == [("1042", 8000)]
    assert sum("80.00" in text for text in customer.told) == 1


@pytest.mark.req("STORY-2.2")
def test_the_daily_limit_counts_what_was_paid_before_and_a_denial_is_told(served: Served) -> None:
    customer = Customer(served, "acme", "customer-8")
    customer.say("I want a refund of 50 EUR for order 1053.", until="50.00 EUR for order 1053")
    customer.say("I want a refund of 50 EUR for order 1054.", until="colleague")
    (waiting,) = _held(served)
    assert served.operator("acme").post(f"/approvals/{waiting['id']}/deny", json={}).status_code == 200
    customer.hear("declined")
    assert served.refunds("acme") == [("1053", 5000)]


@pytest.mark.req("STORY-2.3")
def test_the_other_tenant_forbids_refunds_and_sees_nothing_of_the_first(served: Served) -> None:
    Customer(served, "acme", "customer-7").say("I want a refund of 80 EUR for order 1042.", until="colleague")
    Customer(served, "globex", "customer-7").say("I want a refund of 80 EUR for order 1042.", until="service desk")
    with served.operator("acme") as acme, served.operator("globex") as globex:
        (waiting,) = acme.get("/approvals").json()
        assert globex.get("/approvals").json() == []
        assert globex.get(f"/approvals/{waiting['id']}").status_code == 404
        assert globex.post(f"/approvals/{waiting['id']}/approve", json={}).status_code == 404
        assert globex.get(f"/runs/{waiting['run']}").status_code == 404
        runs = globex.get("/runs").json()
        shown = json.dumps([globex.get(f"/runs/{run['id']}").json() for run in runs])
        assert "globex forbids refunds by agents" in shown
    assert served.refunds("acme") == []
