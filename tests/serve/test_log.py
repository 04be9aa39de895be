"""The log over the API."""

from __future__ import annotations

from pathlib import Path

import pytest

from lichen.runtime.runtime import Runtime
from tests.serve import talk
from tests.serve.asgi import Door


async def test_records_are_read_in_order_page_by_page(runtime: Runtime, door: Door) -> None:
    wait = await talk.held(runtime, door)
    ops = door.of("acme", "ops")
    whole = (await ops.get("log/records")).data
    places = [(record["seq"], record["i"]) for record in whole]
    assert places == sorted(set(places))
    assert {seq for seq, _ in places} == set(range(1, places[-1][0] + 1))
    assert len(places) > places[-1][0], "some share a stored record"
    first = (await ops.get("log/records?limit=3")).data
    rest = (await ops.get(f"log/records?after={first[-1]['seq']}")).data
    assert (first + rest)[: len(whole)] == whole  # that somebody read is a record too
    assert any(record["stream"] == f"run:{wait['run']}" for record in whole)


async def test_customers_do_not_read_the_log(door: Door) -> None:
    assert (await door.of("acme", "customer-7").get("log/records")).code == "role_missing"
    assert (await door.of("acme", "customer-7").get("log/export")).code == "role_missing"


async def test_an_erased_persons_words_are_gone_and_their_runs_still_list(runtime: Runtime, door: Door) -> None:
    wait = await talk.held(runtime, door)
    ops = door.of("acme", "ops")
    assert (await ops.post("log/erase", {"actor": "customer-7"})).data["keys"] >= 1
    assert [run["id"] for run in (await ops.get("runs")).data] == [wait["run"]]
    records = (await ops.get(f"runs/{wait['run']}")).data["records"]
    assert records[0]["contents"] is None


async def test_a_backup_goes_to_an_absolute_path_and_only_for_the_owner(door: Door) -> None:
    answer = await door.post("log/backup", {"to": "relative"})
    assert (answer.status, answer.data["error"]["place"]) == (400, "$.to")
    key = (await door.of("acme").post("keys", {"actor": "ops"})).data["key"]
    answer = await Door(door.app, {**door.headers, "authorization": f"Bearer {key}"}).post("log/backup", {"to": "/x"})
    assert (answer.status, answer.code) == (403, "owner_only")


async def test_one_run_or_one_session_is_exported_not_both(door: Door) -> None:
    answer = await door.of("acme", "ops").get("log/export?run=run-1&session=ses-1")
    assert (answer.status, answer.code) == (400, "query_invalid")


@pytest.mark.parametrize("query", ["after=-1", "limit=0", "wait_s=1000"])
async def test_a_page_has_bounds(door: Door, query: str) -> None:
    assert (await door.of("acme", "ops").get(f"log/records?{query}")).code == "query_invalid"


@pytest.mark.req("SYM-97.4")
async def test_the_log_is_proved_and_exported(runtime: Runtime, door: Door) -> None:
    wait = await talk.held(runtime, door)
    ops = door.of("acme", "ops")
    report = (await ops.post("log/verify")).data
    assert (report["ok"], report["log"], report["first"]) == (True, "acme/dev/0", None)
    export = await ops.get(f"log/export?run={wait['run']}")
    assert (export.status, export.headers["content-type"]) == (200, "application/octet-stream")
    assert export.data["log"] == "acme/dev/0"


@pytest.mark.req("SYM-97.6")
async def test_another_tenants_run_is_not_exported(runtime: Runtime, door: Door) -> None:
    wait = await talk.held(runtime, door)
    answer = await door.of("globex", "ops").get(f"log/export?run={wait['run']}")
    assert answer.status in (400, 404)


async def test_a_backup_holds_the_logs_and_no_key(door: Door, tmp_path: Path) -> None:
    assert (await door.post("log/backup", {"to": str(tmp_path / "logs")})).status == 200
    assert (tmp_path / "logs" / "lichen.sqlite").exists()
    assert not list((tmp_path / "logs").rglob("*key*"))
