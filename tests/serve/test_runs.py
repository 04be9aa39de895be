"""Runs over the API: started once, read, explained, steered, and invisible from elsewhere."""

from __future__ import annotations

import pytest

from lichen.runtime.runtime import Runtime
from tests.serve import talk
from tests.serve.asgi import Door


@pytest.fixture
def ops(door: Door) -> Door:
    return door.of("acme", "ops")


@pytest.mark.req("GOA-48.1")
async def test_a_run_is_started_and_its_answer_awaited(door: Door) -> None:
    customer = door.of("acme", "customer-7")
    started = await customer.post("runs", {"agent": "shop.support", "text": talk.STATUS})
    result = await customer.get(f"runs/{started.data['id']}/result?wait_s=10")
    assert result.data == {
        "id": started.data["id"],
        "status": "completed",
        "moving": False,
        "answer": "Order 1042 (espresso machine) is shipped, arrives tomorrow.",
        "waits": [],
        "waits_for": [],
        "value": None,
        "code": "",
    }


@pytest.mark.req("LIC-1.12")
async def test_a_flow_is_started_with_json_over_the_api_and_a_message_may_bring_some(ops: Door, door: Door) -> None:
    started = await ops.post("runs", {"agent": "shop.support", "input": {"text": talk.STATUS}}, key="json")
    again = await ops.post("runs", {"agent": "shop.support", "input": {"text": "another"}}, key="json")
    assert (started.status, again.status, again.code) == (200, 409, "key_reused")
    refused = await ops.post("runs", {"agent": "shop.support"})
    assert (refused.status, refused.code) == (400, "message_empty")
    customer = door.of("acme", "customer-7")
    session = (await customer.post("sessions", {"agent": "shop.support"})).data["id"]
    said = {"text": talk.STATUS, "input": {"metadata": {"city": "Bonn"}}}
    assert (await customer.post(f"sessions/{session}/messages", said)).status == 200


@pytest.mark.req("GOA-48.1")
async def test_a_run_that_waits_for_a_person_is_at_rest(door: Door) -> None:
    customer = door.of("acme", "customer-7")
    run = (
        await customer.post("runs", {"agent": "shop.support", "text": "I want a refund of 75 EUR for order 1043"})
    ).data
    result = (await customer.get(f"runs/{run['id']}/result?wait_s=10")).data
    assert (result["status"], result["moving"], result["answer"]) == ("waiting", False, None)
    assert result["waits"] == [f"{run['id']}.w1"]


@pytest.mark.req("SYM-97.5")
async def test_a_run_started_twice_under_one_key_is_one_run(door: Door, ops: Door) -> None:
    wanted = {"agent": "shop.support", "text": talk.STATUS}
    first = await ops.post("runs", wanted, key="k1")
    assert (await ops.post("runs", wanted, key="k1")).data == first.data
    other = await ops.post("runs", {**wanted, "text": "Something else."}, key="k1")
    assert (other.status, other.code) == (409, "key_reused")
    assert len((await ops.get("runs")).data) == 1


async def test_an_agent_that_is_not_there_cannot_be_run(ops: Door) -> None:
    answer = await ops.post("runs", {"agent": "shop.nobody", "text": "hello"})
    assert (answer.status, answer.code) == (404, "agent_unknown")


@pytest.mark.req("SYM-97.4")
async def test_runs_are_listed_shown_and_explained(runtime: Runtime, door: Door, ops: Door) -> None:
    wait = await talk.held(runtime, door)
    listed = (await ops.get("runs")).data
    assert [(run["id"], run["status"]) for run in listed] == [(wait["run"], "waiting")]
    detail = (await ops.get(f"runs/{wait['run']}")).data
    assert [record["type"] for record in detail["records"]] == ["run_started", "planned", "decided", "wait_opened"]
    explained = (await ops.get(f"runs/{wait['run']}/explain")).data
    assert explained["summary"] == "It waits for approval of payments.refund by operator."
    assert [entry["id"] for entry in explained["waits"]] == [wait["id"]]


@pytest.mark.req("GOA-48.2")
async def test_a_cancelled_run_ends_and_cancelling_again_changes_nothing(
    runtime: Runtime, door: Door, ops: Door
) -> None:
    wait = await talk.held(runtime, door)
    for _ in range(2):
        assert (await ops.post(f"runs/{wait['run']}/cancel")).status == 200
    await runtime.idle()
    assert (await ops.get(f"runs/{wait['run']}")).data["status"] == "cancelled"
    assert (await ops.get("approvals")).data == []


@pytest.mark.req("GOA-48.2")
async def test_a_paused_run_goes_on_when_it_is_resumed(runtime: Runtime, door: Door, ops: Door) -> None:
    wait = await talk.held(runtime, door)
    assert (await ops.post(f"runs/{wait['run']}/pause")).status == 200
    again = await ops.post(f"runs/{wait['run']}/pause")
    assert (again.status, again.code) == (409, "run_halted")
    assert (await ops.post(f"runs/{wait['run']}/resume")).status == 200
    again = await ops.post(f"runs/{wait['run']}/resume")
    assert (again.status, again.code) == (409, "run_not_paused")


@pytest.mark.req("SYM-97.6")
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/explain"),
        ("GET", "/result"),
        ("POST", "/cancel"),
        ("POST", "/pause"),
        ("POST", "/resume"),
    ],
)
async def test_another_tenants_run_does_not_exist(runtime: Runtime, door: Door, method: str, path: str) -> None:
    wait = await talk.held(runtime, door)
    globex = door.of("globex", "ops")
    answer = await globex.send(method, f"runs/{wait['run']}{path}", b"")
    assert (answer.status, answer.code) == (404, "run_unknown")
    assert (await globex.get("runs")).data == []


@pytest.mark.req("SYM-97.6")
async def test_a_customer_reads_the_result_of_their_own_runs_only(door: Door) -> None:
    mine, other = door.of("acme", "customer-7"), door.of("acme", "customer-8")
    run = (await mine.post("runs", {"agent": "shop.support", "text": talk.STATUS})).data["id"]
    assert (await mine.get(f"runs/{run}/result?wait_s=10")).status == 200
    assert (await other.get(f"runs/{run}/result")).code == "run_unknown"
    assert (await mine.get(f"runs/{run}")).code == "role_missing"
    assert (await mine.post(f"runs/{run}/pause")).code == "role_missing"
    assert (await mine.post(f"runs/{run}/cancel")).code == "run_finished"
    assert (await other.post(f"runs/{run}/cancel")).code == "run_unknown"


@pytest.mark.req("GOA-29.8")
async def test_a_run_and_a_message_may_be_held_to_less_over_the_api(door: Door, ops: Door) -> None:
    less = {"tools": ["refunds.offered"], "calls": 3}
    started = (await ops.post("runs", {"text": talk.STATUS, "overrides": less})).data
    assert "arrives tomorrow" not in (await ops.get(f"runs/{started['id']}/result?wait_s=10")).data["answer"]
    shown = (await ops.get(f"runs/{started['id']}")).data
    assert shown["held"] == ["only refunds.offered", "calls at most 3"]
    customer = door.of("acme", "customer-7")
    session = f"sessions/{(await customer.post('sessions', {'agent': 'shop.support'})).data['id']}/messages"
    assert (await customer.post(session, {"text": talk.STATUS, "overrides": less})).status == 200
    replies = (await customer.get(f"{session}?wait_s=10")).data["messages"]
    assert (await ops.get(f"runs/{replies[-1]['run']}")).data["held"] == shown["held"]


@pytest.mark.req("GOA-29.8")
@pytest.mark.parametrize(
    ("wanted", "code", "place"),
    [
        ({"overrides": {"tools": ["orders.lookup", "gone"]}}, "overrides_invalid", "/overrides/tools/1"),
        ({"overrides": {"calls": 0}}, "overrides_invalid", "/overrides/calls"),
        ({"overrides": {"calls": "many"}}, "body_invalid", "$.overrides.calls"),
        ({"overrides": {"cals": 1}}, "body_invalid", "$.overrides"),
        ({"answers": {"$ref": "#"}}, "answer_schema_invalid", "/answers/$ref"),
        ({"answers": {"type": "numberr"}}, "answer_schema_invalid", "/answers/type"),
    ],
)
async def test_what_cannot_hold_is_refused_with_its_place(
    door: Door, wanted: dict[str, object], code: str, place: str
) -> None:
    customer = door.of("acme", "customer-7")
    session = (await customer.post("sessions", {"agent": "shop.support"})).data["id"]
    for path, more in (("runs", {"agent": "shop.support"}), (f"sessions/{session}/messages", {})):
        answer = await customer.post(path, {"text": talk.STATUS, **more, **wanted})
        assert (answer.status, answer.code, answer.data["error"]["place"]) == (400, code, place)
