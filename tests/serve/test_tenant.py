"""What governs a tenant, over the API."""

from __future__ import annotations

import pytest

from lichen.runtime.project.project import Project
from lichen.runtime.runtime import Runtime
from lichen.serve.app import make_app
from lichen.serve.http.auth import by_key
from tests.serve import talk
from tests.serve.asgi import Door


async def test_anybody_may_ask_how_the_runtime_is(door: Door) -> None:
    assert (await door.get("health")).data["status"] == "ok"


async def test_the_owner_sees_every_scope_and_a_key_holder_none(door: Door) -> None:
    assert [scope["tenant"] for scope in (await door.get("scopes")).data] == ["acme", "globex"]
    key = (await door.of("acme").post("keys", {"actor": "ops"})).data["key"]
    assert (await Door(door.app, {"authorization": f"Bearer {key}"}).get("scopes")).code == "owner_only"


async def test_agents_are_listed_with_their_tools_and_what_repeating_them_would_do(door: Door) -> None:
    agents = (await door.of("acme").get("agents")).data
    assert [(tool["name"], tool["effects"]) for tool in agents[0]["tools"]] == [
        ("orders.lookup", "none"),
        ("refunds.offered", "none"),
        ("payments.refund", "once"),
        ("session.withdraw", "idempotent"),
    ]


async def test_a_stopped_tool_is_not_called_until_it_is_started_again(runtime: Runtime, door: Door) -> None:
    ops, customer = door.of("acme", "ops"), door.of("acme", "customer-7")
    id = await talk.session(customer)
    assert (await ops.post("stops", {"kind": "tool", "name": "payments.refund", "reason": "fraud"})).status == 200
    assert "paused" in (await talk.say(customer, id, "I want a refund of 20 EUR for order 1042."))[0]
    assert (await ops.post("stops/release", {"kind": "tool", "name": "payments.refund"})).status == 200
    assert "Done" in (await talk.say(customer, id, "I want a refund of 20 EUR for order 1042."))[0]


async def test_customers_stop_nothing(door: Door) -> None:
    answer = await door.of("acme", "customer-7").post("stops", {"kind": "tool", "name": "payments.refund"})
    assert (answer.status, answer.code) == (403, "role_missing")


async def test_policies_are_checked_as_they_lie_on_disk(project: Project, door: Door) -> None:
    ops = door.of("acme", "ops")
    assert "refund-at-once" in (await ops.post("policies/check")).data["policies"]
    file = project.settings.root / "policies" / "acme" / "wrong.cedar"
    file.write_text("permit(principal, action, resource)\nwhen { context.nosuch };\n")
    try:
        answer = await ops.post("policies/check")
    finally:
        file.unlink()
    assert (answer.status, answer.code) == (400, "policy_schema")
    assert answer.data["error"]["place"].startswith(f"{file}:2:")


async def test_a_key_for_somebody_undeclared_needs_their_kind(door: Door) -> None:
    owner = door.of("acme")
    assert (await owner.post("keys", {"actor": "robot"})).code == "actor_unknown"
    assert (await owner.post("keys", {"actor": "robot", "kind": "service", "valid_s": 60})).status == 200
    assert [key["actor_kind"] for key in (await owner.get("keys")).data] == ["service"]


@pytest.mark.parametrize("fields", [{"valid_s": 0}, {"kind": "king"}, {"roles": "operator"}])
async def test_a_key_that_is_wrongly_described_is_not_made(door: Door, fields: dict[str, object]) -> None:
    answer = await door.of("acme").post("keys", {"actor": "ops", **fields})
    assert (answer.status, answer.code) == (400, "body_invalid")
    assert (await door.of("acme").get("keys")).data == []


@pytest.mark.req("GRE-75.1")
async def test_only_the_owner_of_the_data_ends_the_process(runtime: Runtime, door: Door) -> None:
    key = (await door.of("acme").post("keys", {"actor": "ops"})).data["key"]
    assert (await door.of("acme", "ops").post("process/stop")).code == "role_missing"
    app = make_app(runtime, identify=by_key(runtime))
    assert (await Door(app, {"authorization": f"Bearer {key}"}).post("process/stop")).code == "owner_only"
    assert not runtime.ending.is_set()
    assert (await door.post("process/stop")).status == 200
    assert runtime.ending.is_set()
