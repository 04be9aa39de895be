"""Lists over the API: page by page, every thing once, and only what was asked for."""

from __future__ import annotations

from typing import Any

import pytest

from lichen.runtime.runtime import Runtime
from tests.serve import talk
from tests.serve.asgi import Door


@pytest.fixture
def ops(door: Door) -> Door:
    return door.of("acme", "ops")


async def paged(door: Door, path: str, query: str = "") -> list[list[dict[str, Any]]]:
    pages: list[list[dict[str, Any]]] = []
    before = ""
    while len(pages) < 20:
        page = (await door.get(f"{path}?limit=2{query}{before}")).data
        if not page:
            return pages
        pages.append(page)
        before = f"&before={page[-1]['first_seq']}"
    raise AssertionError("the pages never end")


async def some_runs(runtime: Runtime, door: Door) -> list[str]:
    """Five runs without a session, the newest first; then one that waits in a session."""
    ids: list[str] = []
    for actor in ("customer-7", "customer-8", "ops", "customer-7", "customer-8"):
        wanted = {"agent": "shop.support", "text": talk.STATUS}
        ids.insert(0, (await door.of("acme", actor).post("runs", wanted)).data["id"])
    await runtime.idle()
    wait = await talk.held(runtime, door)
    return [wait["run"], *ids]


@pytest.mark.req("SYM-97.13")
async def test_pages_of_runs_hold_every_run_once_the_newest_first(runtime: Runtime, door: Door, ops: Door) -> None:
    ids = await some_runs(runtime, door)
    pages = await paged(ops, "runs")
    assert [len(page) for page in pages] == [2, 2, 2]
    assert [run["id"] for page in pages for run in page] == ids


@pytest.mark.req("SYM-97.13")
async def test_runs_are_found_by_status_agent_and_session(runtime: Runtime, door: Door, ops: Door) -> None:
    waiting, *completed = await some_runs(runtime, door)
    found = {
        query: [run["id"] for page in await paged(ops, "runs", query) for run in page]
        for query in (
            "&status=waiting",
            "&status=completed",
            "&status=failed",
            "&agent=shop.support",
            "&agent=shop.none",
        )
    }
    assert list(found.values()) == [[waiting], completed, [], [waiting, *completed], []]
    session = (await ops.get("runs?status=waiting")).data[0]["session"]
    assert [run["id"] for run in (await ops.get(f"runs?session={session}")).data] == [waiting]
    assert (await ops.get("runs?status=sleeping")).code == "query_invalid"


@pytest.mark.req("SYM-97.13")
async def test_sessions_are_listed_page_by_page_and_only_the_tenants_own(door: Door, ops: Door) -> None:
    ids: list[str] = []
    for key in ("a", "b", "c"):
        customer = door.of("acme", "customer-7")
        ids.insert(0, (await customer.post("sessions", {"key": key, "agent": "shop.support"})).data["id"])
    await door.of("acme", "customer-7").post(f"sessions/{ids[0]}/close")
    pages = await paged(ops, "sessions")
    assert [[entry["id"] for entry in page] for page in pages] == [ids[:2], ids[2:]]
    assert [entry["status"] for page in pages for entry in page] == ["closed", "open", "open"]
    assert (await door.of("globex", "ops").get("sessions")).data == []


@pytest.mark.req("SYM-97.4")
async def test_a_session_is_shown_with_what_was_said_to_its_customer_and_to_operators(door: Door, ops: Door) -> None:
    customer = door.of("acme", "customer-7")
    id = await talk.session(customer)
    replies = await talk.say(customer, id, talk.STATUS)
    shown = (await customer.get(f"sessions/{id}")).data
    assert [(said["role"], said["text"]) for said in shown["transcript"]] == [
        ("customer", talk.STATUS),
        *(("agent", reply) for reply in replies),
    ]
    assert (shown["status"], shown["is_owing"], shown["earlier"]) == ("open", False, 0)
    assert (await ops.get(f"sessions/{id}")).data | {"cost": None} == shown  # what it cost is no matter of theirs
    assert (await door.of("acme", "customer-8").get(f"sessions/{id}")).code == "session_unknown"
    assert (await door.of("globex", "ops").get(f"sessions/{id}")).code == "session_unknown"


@pytest.mark.req("SYM-97.4")
async def test_what_was_erased_is_shown_as_gone(door: Door, ops: Door) -> None:
    customer = door.of("acme", "customer-7")
    id = await talk.session(customer)
    await talk.say(customer, id, talk.STATUS)
    assert (await ops.post("log/erase", {"actor": "customer-7"})).status == 200
    shown = (await ops.get(f"sessions/{id}")).data
    assert {said["text"] for said in shown["transcript"]} == {None}
    assert shown["status"] == "closed"


@pytest.mark.req("SYM-97.4")
async def test_an_agent_is_shown_with_its_tools_schemas_and_limits(ops: Door) -> None:
    listed = next(agent for agent in (await ops.get("agents")).data if agent["name"] == "shop.support")
    shown = (await ops.get("agents/shop.support")).data
    assert (shown["kind"], shown["is_pure"], shown["digest"]) == ("rules", True, listed["digest"])
    assert [tool["name"] for tool in shown["tools"]] == [tool["name"] for tool in listed["tools"]]
    refund = next(tool for tool in shown["tools"] if tool["effects"] == "once")
    assert refund["input_schema"]["type"] == "object"
    assert refund["has_probe"]
    assert shown["limits"]["calls"] > 0
    assert (await ops.get("agents/shop.nobody")).code == "agent_unknown"


@pytest.mark.req("SYM-97.4")
async def test_open_waits_of_every_kind_are_listed(runtime: Runtime, door: Door, ops: Door) -> None:
    wait = await talk.held(runtime, door)
    await ops.post(f"runs/{wait['run']}/pause")
    kinds = {entry["kind"]: entry["id"] for entry in (await ops.get("waits")).data}
    assert set(kinds) == {"approval", "pause"}
    refused = await ops.post(f"waits/{kinds['approval']}/answer", {"result": {}})
    assert refused.status in (400, 409)
    assert (await door.of("acme", "customer-7").post(f"waits/{kinds['pause']}/answer")).code == "role_missing"


@pytest.mark.req("SYM-97.14")
async def test_one_record_is_taken_away_with_its_proof_and_heads_are_listed(door: Door, ops: Door) -> None:
    await talk.session(door.of("acme", "customer-7"))
    head, *_ = (await ops.get("log/heads")).data
    assert head["checkpoint"].startswith(f"acme/dev/0\n{head['size']}\n")
    one = (await ops.get("log/export?record=1")).data
    assert [record["seq"] for record in one["records"]] == [1]
    assert (await ops.get("log/export?record=1&run=x")).code == "query_invalid"
    assert (await ops.get(f"log/export?record={head['size'] + 100}")).code == "export_empty"


@pytest.mark.req("SYM-98.5")
async def test_that_a_key_was_made_or_revoked_stands_in_the_log_without_its_secret(door: Door, ops: Door) -> None:
    made = (await door.of("acme").post("keys", {"actor": "ops"})).data
    await door.of("acme").delete(f"keys/{made['id']}")
    records = (await ops.get("log/records?limit=500")).data
    changes = [record["control"]["name"] for record in records if record["type"] == "changed"]
    assert changes == [f"issued:{made['id']}", f"revoked:{made['id']}"]
    assert made["key"].split("_", 2)[2] not in str(records)
    others = (await door.of("globex", "ops").get("log/records")).data
    assert "changed" not in {record["type"] for record in others}


@pytest.mark.req("LIC-9.1")
async def test_a_conversation_is_replayed_with_the_plans_it_had(runtime: Runtime, door: Door, ops: Door) -> None:
    customer = door.of("acme", "customer-7")
    id = await talk.session(customer)
    await talk.say(customer, id, "I want a refund.")
    await talk.say(customer, id, "It is order 1042.")
    await talk.say(customer, id, talk.STATUS)
    await runtime.idle()
    runs = [run["id"] for run in (await ops.get("runs")).data]
    for run in runs:
        found = (await ops.post(f"runs/{run}/replay")).data
        assert (found["same"], found["is_same_version"]) == (True, True), found["plans"]
    assert (await door.of("globex", "ops").post(f"runs/{runs[0]}/replay")).code == "run_unknown"
