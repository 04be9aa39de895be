"""The console: every page shows what it should to whom it may, and is the same thing as its twin."""

from __future__ import annotations

import re

import httpx
import msgspec
import pytest
from markupsafe import escape

from lichen.core.words.scope import SYSTEM, Customer
from lichen.runtime.runtime import Runtime
from lichen.serve.http.state import of_app
from tests.serve.browser import browser, enter, issue
from tests.serve.console import ACME, LARGE, OPS, answer, held, said, signed_in, site, token

LISTS = ("runs", "approvals", "sessions", "log", "agents", "health")


async def pages(client: httpx.AsyncClient) -> list[str]:
    """Every page there is to see, those of single things included."""
    found = [f"/console/{name}" for name in LISTS]
    for name, field in (("runs", "runs"), ("approvals", "waits"), ("sessions", "sessions"), ("agents", "agents")):
        listed = (await client.get(f"/console/{name}.json")).json()[field]
        found += [f"/console/{name}/{each.get('id') or each['name']}" for each in listed]
    return found


@pytest.mark.req("LIC-25.1")
async def test_every_page_is_shown_and_has_a_twin_at_a_stable_address(runtime: Runtime) -> None:
    await held(runtime)
    async with signed_in(runtime) as client:
        found = await pages(client)
        assert len(found) >= len(LISTS) + 4
        for address in found:
            page, twin = await client.get(address), await client.get(f"{address}.json")
            assert (page.status_code, twin.status_code) == (200, 200), address
            assert page.headers["content-type"].startswith("text/html")
            assert twin.headers["content-type"] == "application/json"
            assert "<h1" in page.text


@pytest.mark.req("LIC-25.1")
async def test_a_twin_says_what_its_page_shows(runtime: Runtime) -> None:
    await said(runtime, LARGE)
    async with signed_in(runtime) as client:
        (line,) = (await client.get("/console/runs.json")).json()["runs"]
        twin = (await client.get(f"/console/runs/{line['id']}.json")).json()
        page = (await client.get(f"/console/runs/{line['id']}")).text
    assert twin["id"] in page
    assert twin["summary"] in page
    for decision in twin["decisions"]:
        assert decision["operator_reason"] in page
        assert all(policy in page for policy in decision["policies"])
    for record in twin["records"]:
        assert f'id="r{record["seq"]}.{record["i"]}"' in page
        assert escape(record["summary"]) in page
    assert twin["cost"]["calls_max"] == 8


@pytest.mark.req("LIC-12.21")
async def test_what_was_decided_shows_money_as_money_and_where_it_came_from(runtime: Runtime) -> None:
    wait = await held(runtime)
    await runtime.waits.approve(ACME, wait, OPS)
    await runtime.idle()
    run = wait.partition(".")[0]
    async with signed_in(runtime) as client:
        (decision, *_) = (await client.get(f"/console/runs/{run}.json")).json()["decisions"]
        page = (await client.get(f"/console/runs/{run}")).text
    amount = next(each for each in decision["arguments"] if each["name"] == "amount")
    assert (amount["value"], amount["text"], amount["whence"]) == (8000, "80.00 EUR", "the customer’s own words")
    assert {each["name"]: each["text"] for each in decision["facts"]}["price"] == "120.00 EUR"
    decisions = page[page.index('id="h-decisions"') : page.index('id="h-cost"')]
    assert "80.00 EUR" in decisions
    assert "120.00 EUR" in decisions
    assert re.search(r"\b8000\b", decisions) is None
    assert "counted, at most 8;" in page


@pytest.mark.req("LIC-25.2")
async def test_the_timeline_has_a_lane_for_whatever_took_time(runtime: Runtime) -> None:
    run = await said(runtime, LARGE)
    async with signed_in(runtime) as client:
        timeline = (await client.get(f"/console/runs/{run}.json")).json()["timeline"]
        page = (await client.get(f"/console/runs/{run}")).text
    lanes = {lane["name"]: lane for lane in timeline["lanes"]}
    assert [span["label"] for span in lanes["waits"]["spans"]] == ["approval"]
    assert lanes["waits"]["spans"][0]["end_us"] is None
    assert [mark["kind"] for mark in lanes["gate"]["marks"]] == ["hold"]
    assert '<svg class="timeline"' in page
    assert 'class="bar waits open"' in page


@pytest.mark.req("LIC-25.3")
async def test_runs_are_listed_by_status_and_agent_a_page_at_a_time(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lichen.serve.console.runs.PAGE", 2)
    for _ in range(3):
        await said(runtime, "Where is order 1042?")
    await said(runtime, LARGE)
    async with signed_in(runtime) as client:
        waiting = (await client.get("/console/runs.json?status=waiting")).json()
        assert [run["waits_for"] for run in waiting["runs"]] == [["approval"]]
        first = (await client.get("/console/runs.json?status=completed&agent=shop.support")).json()
        second = (await client.get(f"/console/runs.json?status=completed&before={first['next_before']}")).json()
        assert (len(first["runs"]), len(second["runs"])) == (2, 1)
        assert second["next_before"] is None
        assert (await client.get("/console/runs?status=flying")).status_code == 400


@pytest.mark.req("LIC-25.4")
async def test_nobody_sees_a_page_without_signing_in(runtime: Runtime) -> None:
    run = await said(runtime, LARGE)
    async with browser(site(runtime)) as client:
        for address in (*(f"/console/{name}" for name in LISTS), f"/console/runs/{run}", "/console/log/export"):
            page = await client.get(address)
            assert page.status_code == 303, address
            assert page.headers["location"] == f"/login?next={address}"
        twin = await client.get("/console/runs.json")
        assert (twin.status_code, twin.json()["error"]["code"]) == (401, "key_missing")
        assert "demo.env" in (await client.get("/login")).text


@pytest.mark.req("LIC-25.4")
async def test_a_wrong_key_is_explained_on_the_page_to_sign_in_with(runtime: Runtime) -> None:
    async with browser(site(runtime)) as client:
        refused = await client.post("/login", data={"key": "lk_nothing"}, headers={"accept": "text/html"})
        page = await client.get(refused.headers["location"])
        assert "no key of this runtime" in page.text
        await enter(client, issue(runtime))
        assert (await client.get("/login")).headers["location"] == "/console"


@pytest.mark.req("LIC-25.5")
async def test_another_tenants_things_do_not_exist(runtime: Runtime) -> None:
    wait = await held(runtime)
    async with signed_in(runtime) as client:
        mine = [page for page in await pages(client) if page.count("/") > 2 and "/agents/" not in page]
    async with signed_in(runtime, "globex") as client:
        assert (await client.get("/console/runs.json")).json()["runs"] == []
        for address in mine:
            assert (await client.get(address)).status_code == 404, address
            assert (await client.get(f"{address}.json")).status_code == 404, address
        assert (await answer(client, wait, "approved", digest="00")).status_code == 404
    assert [each.id for each in runtime.waits.list(ACME, SYSTEM)] == [wait]


@pytest.mark.req("LIC-25.6")
async def test_a_change_without_the_forms_token_is_refused(runtime: Runtime) -> None:
    wait = await held(runtime)
    run = wait.rpartition(".")[0]
    async with signed_in(runtime) as client:
        for address in (f"runs/{run}/cancel", f"approvals/{wait}/answer", "log/verify", "stops"):
            for fields in ({}, {"csrf_token": "0" * 64}):
                refused = await client.post(f"/console/{address}", data=fields)
                assert refused.status_code == 403, address
                assert "csrf_invalid" in refused.text
        other = {"origin": "https://evil.test"}
        good = {"csrf_token": await token(client, "/console/runs")}
        assert (await client.post("/console/log/verify", data=good, headers=other)).status_code == 403
    assert runtime.runs.show(ACME, runtime.waits.list(ACME, SYSTEM)[0].run, SYSTEM).status == "waiting"


@pytest.mark.req("LIC-25.7")
async def test_a_run_is_paused_resumed_and_cancelled(runtime: Runtime) -> None:
    run = await said(runtime, LARGE)
    async with signed_in(runtime) as client:
        fields = {"csrf_token": await token(client, f"/console/runs/{run}")}
        for verb, halted in (("pause", True), ("resume", False)):
            done = await client.post(f"/console/runs/{run}/{verb}", data=fields)
            assert (done.status_code, done.headers["location"]) == (303, f"/console/runs/{run}")
            assert (await client.get(f"/console/runs/{run}.json")).json()["is_halted"] is halted
        await client.post(f"/console/runs/{run}/cancel", data=fields)
        await runtime.idle()
        assert (await client.get(f"/console/runs/{run}.json")).json()["status"] == "cancelled"
        assert "Cancel</button>" not in (await client.get(f"/console/runs/{run}")).text


@pytest.mark.req("LIC-25.8")
async def test_a_conversation_shows_its_turns_and_what_was_not_received(runtime: Runtime) -> None:
    run = await said(runtime, "Where is order 1042?")
    async with signed_in(runtime) as client:
        (line,) = (await client.get("/console/sessions.json")).json()["sessions"]
        assert (line["turns"], line["undelivered"]) == (1, 1)
        asked, told = (await client.get(f"/console/sessions/{line['id']}.json")).json()["session"]["transcript"]
        assert (asked["role"], asked["text"], asked["run"]) == ("customer", "Where is order 1042?", run)
        assert (told["role"], told["state"], told["run"]) == ("agent", "undelivered", run)
        page = (await client.get(f"/console/sessions/{line['id']}")).text
        assert f'href="/console/runs/{run}"' in page
        assert "1 not received" in page
        assert "customer-7" not in page, "customers are shown by pseudonym"


@pytest.mark.req("LIC-25.9")
async def test_what_was_erased_is_marked_and_breaks_no_page(runtime: Runtime) -> None:
    run = await said(runtime, LARGE)
    await runtime.people.erase(ACME, Customer("customer-7"), OPS)
    async with signed_in(runtime) as client:
        for address in await pages(client):
            assert (await client.get(address)).status_code == 200, address
        assert "erased" in (await client.get(f"/console/runs/{run}")).text
        (line,) = (await client.get("/console/sessions.json")).json()["sessions"]
        messages = (await client.get(f"/console/sessions/{line['id']}.json")).json()["session"]["transcript"]
        assert messages[0]["text"] is None


@pytest.mark.req("LIC-25.10")
async def test_an_agent_is_stopped_with_a_reason_and_started_again(runtime: Runtime) -> None:
    async with signed_in(runtime) as client:
        fields = {"csrf_token": await token(client, "/console/agents"), "kind": "agent", "name": "shop.support"}
        done = await client.post("/console/stops", data={**fields, "reason": "It is rude.", "page": "shop.support"})
        assert done.headers["location"] == "/console/agents/shop.support"
        assert "It is rude." in (await client.get("/console/agents/shop.support")).text
        assert set(runtime.log(ACME).stops()) == {"agent:shop.support"}
        await client.post("/console/stops/release", data=fields)
        assert (await client.get("/console/agents.json")).json()["stops"] == []
        unknown = await client.post("/console/stops", data={**fields, "name": "shop.nobody"})
        assert unknown.status_code == 404


@pytest.mark.req("LIC-13.22")
async def test_every_page_says_what_is_stopped_by_whom_and_why(runtime: Runtime) -> None:
    await runtime.stops.set(ACME, "tenant", "", OPS, reason="fraud, ticket 7")
    async with signed_in(runtime) as client:
        for place in ("runs", "approvals", "sessions", "log", "agents", "health"):
            page = (await client.get(f"/console/{place}")).text
            assert "tenant acme" in page, place
            assert "fraud, ticket 7" in page, place
        assert "New work is taken" not in (await client.get("/console/health")).text
        fields = {"csrf_token": await token(client, "/console/agents"), "kind": "tenant", "name": "acme"}
        assert (await client.post("/console/stops/release", data=fields)).status_code == 303
        assert "New work is taken" in (await client.get("/console/health")).text


@pytest.mark.req("LIC-5.42")
async def test_a_person_is_erased_from_the_page_of_their_conversation(runtime: Runtime) -> None:
    await said(runtime, LARGE)
    async with signed_in(runtime) as client:
        (line,) = (await client.get("/console/sessions.json")).json()["sessions"]
        address = f"/console/sessions/{line['id']}"
        erased = await client.post(f"{address}/erase", data={"csrf_token": await token(client, address)})
        assert (erased.status_code, erased.headers["location"]) == (303, address)
        assert re.search(r"\b1042\b", (await client.get(address)).text) is None
    assert runtime.engine.journal(ACME).is_erased(runtime.log(ACME).pseudonym(Customer("customer-7")))


async def test_an_agents_page_says_what_its_tools_do_to_the_world(runtime: Runtime) -> None:
    async with signed_in(runtime) as client:
        agent = (await client.get("/console/agents/shop.support.json")).json()["agent"]
        page = (await client.get("/console/agents/shop.support")).text
    tools = {tool["name"]: tool for tool in agent["tools"]}
    assert agent["kind"] == "rules"
    assert (tools["payments.refund"]["effects"], tools["payments.refund"]["has_probe"]) == ("once", True)
    assert tools["payments.refund"]["facts"] == ["owner", "price", "refunded"]
    assert "a probe finds out whether it happened" in page


@pytest.mark.req("LIC-25.29")
async def test_a_run_of_a_flow_shows_its_way_through_it(runtime: Runtime) -> None:
    session = await runtime.sessions.open(ACME, Customer("customer-7"), agent="shop.welcome")
    turn = await session.say("Where is order 1042?")
    await turn.result()
    run = await turn.run()
    async with signed_in(runtime) as client:
        walk = (await client.get(f"/console/runs/{run}.json")).json()["walk"]
        page = (await client.get(f"/console/runs/{run}")).text
        agent = (await client.get("/console/agents/shop.welcome")).text
    steps = ["hear", "number", "number", "read", "lookup", "lookup", "status", "status", "say"]
    assert [step["node"] for step in walk["steps"]] == steps
    assert walk["current"] is None
    assert "The way through Welcome" in page
    assert page.count("<svg") == 2, "the timeline and the flow"
    assert "<svg" in agent
    assert 'style="' not in page


async def test_a_process_that_is_about_to_end_says_so(runtime: Runtime) -> None:
    app = site(runtime)
    of_app(app).draining = True
    async with browser(app) as client:
        await enter(client, issue(runtime))
        health = (await client.get("/console/health.json")).json()
        assert (health["is_ready"], health["reasons"]) == (False, ["draining"])
        assert "Not ready." in (await client.get("/console/health")).text


async def test_health_says_whether_work_is_taken_and_what_is_due(runtime: Runtime) -> None:
    await held(runtime)
    async with signed_in(runtime) as client:
        health = (await client.get("/console/health.json")).json()
    assert health["is_ready"]
    assert [due["timer"] for due in health["timers"]] == ["wait/w1"]
    assert "lichen" in health["versions"]


async def test_static_files_are_kept_for_good_at_their_own_address_only(runtime: Runtime) -> None:
    async with signed_in(runtime) as client:
        page = (await client.get("/console/runs")).text
        address = page.partition('rel="stylesheet" href="')[2].partition('"')[0]
        style = await client.get(address)
        assert style.headers["content-type"].startswith("text/css")
        assert "immutable" in style.headers["cache-control"]
        bare = await client.get("/static/console.css")
        assert bare.headers["cache-control"] == "no-cache"
        again = await client.get("/static/console.css", headers={"if-none-match": bare.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert (await client.get("/static/../html.py")).status_code == 404


def test_views_are_plain_data() -> None:
    """A twin can be read back by anybody: no view holds what JSON cannot say."""
    from lichen.serve.console.approvals import Inbox
    from lichen.serve.console.sessions import SessionPage

    assert msgspec.json.schema(Inbox)
    assert msgspec.json.schema(SessionPage)
