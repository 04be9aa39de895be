"""What a watcher outside is told: alive, ready, and how much there is of what."""

from __future__ import annotations

import asyncio
import threading

import pytest
from prometheus_client.parser import text_string_to_metric_families

from lichen.agents.lanes.window import Way
from lichen.core.words.ids import ToolName
from lichen.core.words.scope import SYSTEM, Customer, Scope
from lichen.runtime.operations.admin import Models, Room
from lichen.runtime.runtime import Runtime
from lichen.serve.api import ROUTES
from lichen.serve.app import make_app
from lichen.serve.http.auth import by_owner
from lichen.serve.http.state import of_app
from lichen.serve.site import make_site
from lichen.tools.breaker import Breaker
from lichen.tools.workers.placement import StillRunning
from lichen.tools.workers.places import Owner
from tests.serve.asgi import Door
from tests.serve.browser import browser, issue
from tests.serve.console import signed_in
from tests.serve.talk import held


def figures(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in samples}


@pytest.mark.req("SYM-107.2")
async def test_it_is_ready_until_it_is_about_to_end_and_alive_until_it_did(runtime: Runtime) -> None:
    site = make_site(runtime)
    async with browser(site) as client:
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()) == (200, {"ready": True, "reasons": []})
        of_app(site).draining = True
        leaving = await client.get("/readyz")
        assert (leaving.status_code, leaving.json()) == (503, {"ready": False, "reasons": ["draining"]})
        assert (await client.get("/healthz")).status_code == 200


@pytest.mark.req("SYM-107.3")
async def test_a_volume_that_cannot_write_is_not_ready(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    async with browser(make_site(runtime)) as client:
        monkeypatch.setattr(type(runtime.volume), "is_readonly", property(lambda volume: True))
        found = await client.get("/readyz")
        assert (found.status_code, found.json()["reasons"]) == (503, ["volume_readonly"])
        assert figures((await client.get("/metrics")).text)["lichen_volume_readonly", ()] == 1


@pytest.mark.req("SYM-104.1")
async def test_the_figures_are_those_of_the_runtime(runtime: Runtime) -> None:
    await held(runtime, Door(make_app(runtime, identify=by_owner(runtime))))
    async with browser(make_site(runtime)) as client:
        found = figures((await client.get("/metrics")).text)
    logs = [runtime.log(scope) for scope in runtime.engine.scopes]
    assert found["lichen_records_total", ()] == sum(log.durable_seq for log in logs) > 5
    assert found["lichen_commits_total", ()] == runtime.volume.commits > 0
    assert found["lichen_waits_open", (("kind", "approval"),)] == 1
    assert found["lichen_waits_open", (("kind", "external"),)] == 0
    assert found["lichen_runs_driven", ()] == 0
    assert found["lichen_volume_readonly", ()] == 0
    assert found["lichen_websockets_open", ()] == 0


@pytest.mark.req("LIC-14.14")
async def test_places_in_use_given_up_and_waited_for_are_counted(runtime: Runtime) -> None:
    free = threading.Event()
    places = runtime.places.threads
    with pytest.raises(StillRunning) as caught:
        async with asyncio.timeout(0.01):
            await runtime.places.in_thread(free.wait)
    used = places.take(Owner("acme", "shop.look"))
    assert used is not None
    async with browser(make_site(runtime)) as client:
        found = figures((await client.get("/metrics")).text)
    shown = [
        found["lichen_places", (("kind", "thread"), ("state", state))] for state in ("used", "given_up", "waiting")
    ]
    assert shown == [1, 1, 0]
    assert runtime.admin.health(None, SYSTEM).places[0] == Room("thread", 1, 1, 0)
    free.set()
    used.release()
    await caught.value.ended


@pytest.mark.req("SYM-81.5")
async def test_ways_to_models_that_are_shut_are_counted_and_shown(runtime: Runtime) -> None:
    lane = runtime.ways.lane(Way("key-1", "far:one"))
    await lane.limiter.place("acme", within_s=1.0)
    lane.breaker = Breaker("open")
    async with browser(make_site(runtime)) as client:
        found = figures((await client.get("/metrics")).text)
    async with signed_in(runtime) as client:
        page = (await client.get("/console/health")).text
    assert found["lichen_model_requests", (("state", "in_flight"),)] == 1
    assert found["lichen_model_ways_shut", (("state", "open"),)] == 1
    assert found["lichen_model_ways_shut", (("state", "half_open"),)] == 0
    assert runtime.admin.health(None, SYSTEM).models == Models(in_flight=1, open=1)
    assert "1 models are left alone" in page


@pytest.mark.req("SYM-81.14")
async def test_tools_that_are_left_alone_are_on_the_health_page_and_counted(runtime: Runtime) -> None:
    until_us = runtime.breakers.clock() + 10**9
    runtime.breakers.keep(Scope("acme", "dev"), ToolName("shop.look"), Breaker("open", open_until_us=until_us))
    async with browser(make_site(runtime)) as client:
        found = figures((await client.get("/metrics")).text)
    async with signed_in(runtime) as client:
        page = (await client.get("/console/health")).text
    assert found["lichen_tools_shut", (("state", "open"),)] == 1
    assert "shop.look</span> failed again and again" in page


@pytest.mark.req("SYM-104.2")
async def test_requests_are_counted_by_route_and_never_by_what_strangers_chose(runtime: Runtime) -> None:
    site = make_site(runtime)
    headers = {"authorization": f"Bearer {issue(runtime)}"}
    await runtime.sessions.open(Scope("acme", "dev"), Customer("customer-7"), agent=runtime.hosted[0].name)
    async with browser(site) as client:
        for run in range(20):
            await client.get(f"/api/v1/runs/run-{run}", headers=headers)
            await client.get(f"/nowhere/{run}")
        text = (await client.get("/metrics")).text
    found = figures(text)
    counted = (("route", "/api/v1/runs/{run}"), ("status", "404"))
    assert found["lichen_http_requests_total", counted] == 20
    assert found["lichen_http_request_seconds_count", (("route", "/api/v1/runs/{run}"),)] == 20
    assert found["lichen_http_requests_total", (("route", "unmatched"), ("status", "404"))] == 20
    known = {f"/api/v1/{route.path}" for route in ROUTES} | {route.path for route in site.routes} | {"unmatched"}  # type: ignore[attr-defined]
    assert {dict(labels)["route"] for _, labels in found if "route" in dict(labels)} <= known
    assert "acme" not in text
