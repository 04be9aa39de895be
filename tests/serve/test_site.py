"""The public door as strangers find it: what every response says, what is nowhere, and who asks too often."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest
from starlette.routing import Match, Mount, Route, WebSocketRoute

from lichen.core.words.errors import LichenError
from lichen.core.words.scope import SYSTEM, Actor, Customer, Operator, Scope
from lichen.runtime.project.project import Project
from lichen.runtime.runtime import Runtime
from lichen.serve import site
from lichen.serve.site import GUESSES_BURST, make_metrics_site, make_site
from lichen.settings import Serve, WebChat
from tests.declared import declaring
from tests.serve.browser import browser, enter, issue

STRICT = {
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "connect-src 'self'",
    "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
}  # fmt: skip
PATHS = ("/login", "/api/docs", "/api/v1/runs", "/api/v1/openapi.json", "/healthz", "/nowhere", "/")


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.mark.req("SYM-100.6")
@pytest.mark.parametrize("path", PATHS)
async def test_every_response_tells_browsers_what_they_may_not_do(runtime: Runtime, path: str) -> None:
    async with browser(make_site(runtime)) as client:
        headers = (await client.get(path)).headers
    assert {part.strip() for part in headers["content-security-policy"].split(";")} == STRICT
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "strict-transport-security" not in headers


@pytest.mark.req("SYM-100.6")
async def test_over_https_browsers_are_told_to_stay_there(runtime: Runtime) -> None:
    async with browser(make_site(runtime), "https://lichen.test") as client:
        assert (await client.get("/healthz")).headers["strict-transport-security"].startswith("max-age=31536000")


@pytest.mark.req("SYM-100.6")
async def test_only_a_tenants_own_pages_may_frame_its_chat(runtime: Runtime) -> None:
    assert runtime.settings is not None
    chats = {"acme": WebChat(origins=("https://shop.example", "https://www.shop.example")), "globex": None}
    declared = runtime.settings.tenants
    tenants = {name: msgspec.structs.replace(declared[name], webchat=chat) for name, chat in chats.items()}
    runtime.settings = msgspec.structs.replace(runtime.settings, tenants=tenants)
    async with browser(make_site(runtime)) as client:
        policies = {p: (await client.get(p)).headers["content-security-policy"] for p in ("/chat/acme", "/chat/globex")}
    assert "frame-ancestors 'self' https://shop.example https://www.shop.example" in policies["/chat/acme"]
    assert "frame-ancestors 'none'" in policies["/chat/globex"]


@pytest.mark.req("SYM-97.11")
async def test_a_path_that_is_nowhere_is_said_to_people_and_to_programs(runtime: Runtime) -> None:
    async with browser(make_site(runtime)) as client:
        page = await client.get("/nowhere", headers={"accept": "text/html,*/*"})
        assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
        for path in ("/nowhere", "/api/v1/nowhere"):
            told = await client.get(path, headers={"accept": "application/json"})
            assert (told.status_code, told.json()["error"]["code"]) == (404, "path_unknown")
        wrong = await client.put("/api/v1/runs", headers=bearer(issue(runtime)))
        assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "method_unknown")


@pytest.mark.req("SYM-97.11")
@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/api/v1/runs", "/api/v1/openapi.json", "/api/docs", "/login"])
async def test_what_can_be_read_can_be_asked_for_its_head(runtime: Runtime, path: str) -> None:
    async with browser(make_site(runtime)) as client:
        headers = bearer(issue(runtime))
        read, head = await client.get(path, headers=headers), await client.head(path, headers=headers)
    assert head.status_code == read.status_code == 200
    assert head.headers["content-type"] == read.headers["content-type"]


async def test_the_root_leads_to_the_console(runtime: Runtime) -> None:
    async with browser(make_site(runtime)) as client:
        home = await client.get("/")
        assert (home.status_code, home.headers["location"]) == (307, "/console")
        await enter(client, issue(runtime))
        assert (await client.get("/console", follow_redirects=True)).status_code == 200


@pytest.mark.req("SYM-98.4")
async def test_a_key_that_asks_too_often_is_told_to_wait_and_no_other_key_is(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "REQUESTS_BURST", 3)
    monkeypatch.setattr(site, "REQUESTS_PER_S", 0.001)
    async with browser(make_site(runtime)) as client:
        busy, calm = bearer(issue(runtime)), bearer(issue(runtime))
        answers = [await client.get("/api/v1/health", headers=busy) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert answers[-1].json()["error"]["code"] == "too_many_requests"
        assert int(answers[-1].headers["retry-after"]) > 100
        assert (await client.get("/api/v1/health", headers=calm)).status_code == 200


@pytest.mark.req("SYM-98.4")
async def test_an_address_that_guesses_keys_is_told_to_wait(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "GUESSES_PER_S", 0.001)
    async with browser(make_site(runtime)) as client:
        guesses = [await client.get("/api/v1/runs", headers=bearer(f"lk_{i}")) for i in range(GUESSES_BURST + 1)]
        assert [answer.status_code for answer in guesses] == [401] * GUESSES_BURST + [429]
        assert (await client.get("/api/v1/runs", headers=bearer(issue(runtime)))).status_code == 200


DEEP = b"[" * 100_000 + b"]" * 100_000
BODIES = {
    "cut off": b'{"kind":',
    "not utf-8": b'{"kind": "\xff\xfe"}',
    "a lone surrogate": rb'{"kind": "agent", "name": "\ud800"}',
    "a wrong type": b'{"kind": 7, "name": []}',
    "no object": b"[]",
    "null": b"null",
    "too deep": DEEP,
    "a huge number": b'{"actor": "x", "valid_s": ' + b"9" * 5_000 + b"}",
    "not a number": b'{"kind": NaN}',
    "an unknown field": b'{"kind": "agent", "name": "x", "more": 1}',
}


@pytest.mark.req("SYM-97.11")
@pytest.mark.parametrize("path", ["stops", "runs", "sessions", "log/erase", "approvals/run-1.w1/reconcile"])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
async def test_no_body_breaks_the_server(runtime: Runtime, path: str, body: bytes) -> None:
    async with browser(make_site(runtime)) as client:
        headers = {**bearer(issue(runtime)), "content-type": "application/json"}
        answer = await client.post(f"/api/v1/{path}", content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "body_invalid"


@pytest.mark.req("SYM-97.11")
@pytest.mark.parametrize(
    "query",
    ["after=-1", "after=99999999999999999999", "after=1.5", "after=%00", "limit=0", "after=1&after=2", "wait_s=nan",
     "wait_s=inf", "wait_s=-1", "wait_s=61", "more=1", "after=%ff", "after="],
)  # fmt: skip
async def test_no_query_breaks_the_server(runtime: Runtime, query: str) -> None:
    async with browser(make_site(runtime)) as client:
        answer = await client.get(f"/api/v1/log/records?{query}", headers=bearer(issue(runtime)))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "query_invalid")


@pytest.mark.req("SYM-97.11")
@pytest.mark.parametrize(
    "part", ["%00", "%ff%fe", "a" * 5_000, "%F0%9F%A6%A0", "..%2f..", "run-1.w99999999999999999999"]
)
async def test_no_path_breaks_the_server(runtime: Runtime, part: str) -> None:
    async with browser(make_site(runtime)) as client:
        headers = bearer(issue(runtime))
        for path in ("runs/{}", "sessions/{}", "approvals/{}", "agents/{}", "runs/{}/events", "runs/{}/replay"):
            method = "POST" if path.endswith("replay") else "GET"
            answer = await client.request(method, f"/api/v1/{path.format(part)}", headers=headers)
            assert answer.status_code in (400, 404), path


@pytest.mark.req("SYM-97.12")
async def test_the_api_describes_itself_to_programs_and_people(runtime: Runtime) -> None:
    async with browser(make_site(runtime)) as client:
        described: Any = (await client.get("/api/v1/openapi.json")).json()
        page = (await client.get("/api/docs")).text
    for path, methods in described["paths"].items():
        assert path in page
        for operation in methods.values():
            assert operation["operationId"] in page
    assert "<script>" not in page
    assert "style=" not in page


@pytest.mark.req("LIC-16.9")
async def test_a_message_that_is_posted_five_times_at_once_is_one_message(runtime: Runtime) -> None:
    async with browser(make_site(runtime)) as client:
        headers = bearer(issue(runtime, kind="customer", actor="customer-7"))
        opened = (await client.post("/api/v1/sessions", json={"agent": "shop.support"}, headers=headers)).json()
        path, sent = f"/api/v1/sessions/{opened['id']}/messages", {**headers, "idempotency-key": "delivery-1"}
        taken = await asyncio.gather(
            *(client.post(path, json={"text": "Where is order 1042?"}, headers=sent) for _ in range(5))
        )
        await runtime.idle()
        assert [answer.status_code for answer in taken] == [200] * 5
        assert len({answer.json()["message"] for answer in taken}) == 1
        assert sorted(answer.json()["is_repeated"] for answer in taken) == [False, True, True, True, True]
        runs = (await client.get("/api/v1/runs", headers=bearer(issue(runtime)))).json()
        assert len(runs) == 1


@pytest.mark.req("SYM-98.4")
async def test_a_log_is_read_as_a_whole_once_at_a_time(runtime: Runtime) -> None:
    async with browser(make_site(runtime)) as client:
        headers, other = bearer(issue(runtime)), bearer(issue(runtime, "globex"))
        answers = await asyncio.gather(
            *(client.post("/api/v1/log/verify", headers=headers) for _ in range(3)),
            client.post("/api/v1/log/verify", headers=other),
        )
        assert sorted(answer.status_code for answer in answers) == [200, 200, 429, 429]
        assert answers[-1].status_code == 200
        assert (await client.post("/api/v1/log/verify", headers=headers)).status_code == 200


@pytest.mark.req("SYM-97.28")
async def test_nobody_outside_is_told_where_the_data_lies(runtime: Runtime) -> None:
    async with browser(make_site(runtime)) as client:
        told = {
            kind: (await client.get("/api/v1/health", headers=bearer(issue(runtime, kind=kind)))).json()["home"]
            for kind in ("customer", "service", "operator")
        }
        page = await console_health(client, runtime)
    assert told == {"customer": "", "service": "", "operator": ""}
    assert str(runtime.home) not in page
    assert runtime.admin.health(None, SYSTEM).home == str(runtime.home)


async def console_health(client: httpx.AsyncClient, runtime: Runtime) -> str:
    await enter(client, issue(runtime))
    return (await client.get("/console/health")).text


@pytest.mark.req("SYM-97.28")
async def test_what_is_noticed_of_one_tenant_is_told_to_no_other(runtime: Runtime) -> None:
    runtime.notices = ("acme: starter policies", "globex: starter policies", "The disk is old.")
    ops = Operator("ops", ("operator",))
    assert runtime.admin.health(Scope("acme", "dev"), ops).notices == ("acme: starter policies", "The disk is old.")
    assert runtime.admin.health(Scope("globex", "dev"), Customer("customer-7")).notices == ()


@pytest.mark.req("SYM-97.29")
async def test_metrics_can_have_a_port_of_their_own(project: Project) -> None:
    apart = declaring(project, serve=Serve(metrics_port=9_100))
    async with Runtime.of(apart) as runtime:
        site = make_site(runtime)
        async with browser(site) as client:
            assert (await client.get("/metrics")).status_code == 404
        async with browser(make_metrics_site(site, runtime)) as client:
            found = (await client.get("/metrics")).text
            assert 'lichen_http_requests_total{route="unmatched",status="404"} 1.0' in found, "of the site"
            assert (await client.get("/healthz")).status_code == 200
            assert (await client.get("/api/v1/runs")).status_code == 404


async def test_an_error_that_nobody_foresaw_tells_nothing(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(scope: Scope | None, actor: Actor) -> None:
        raise RuntimeError("secret")

    site = make_site(runtime)
    monkeypatch.setattr(runtime.admin, "health", broken)
    async with browser(site) as client:
        answer: httpx.Response = await client.get("/api/v1/health", headers=bearer(issue(runtime)))
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert json.loads(answer.text)["error"]["code"] == LichenError.code


@pytest.mark.req("SYM-97.20")
async def test_no_answer_repeats_the_host_a_stranger_names(runtime: Runtime) -> None:
    async with browser(make_site(runtime)) as client:
        for path in ("/healthz/", "/console/", "/api/v1/runs/", "/login/"):
            answer = await client.get(path, headers={"host": "evil.example"}, follow_redirects=False)
            assert "evil.example" not in f"{answer.headers}{answer.text}", path


@pytest.mark.req("LIC-17.2")
@pytest.mark.parametrize("base", ["/v1/messaging/webchat/acme", "/v1/web/webchat/acme/v3/directline"])
async def test_a_message_of_the_web_chat_is_found_at_once_and_counted_under_one_name(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, base: str
) -> None:
    door = make_site(runtime)
    tried = list[str]()
    for kind in (Mount, Route, WebSocketRoute):

        def noting(
            route: Any, scope: Any, matches: Callable[[Any, Any], Any] = kind.matches
        ) -> tuple[Match, dict[str, Any]]:
            tried.append(route.path)
            return matches(route, scope)

        monkeypatch.setattr(kind, "matches", noting)
    async with browser(door) as client:
        found = await client.post(f"{base}/conversations/c/activities", json={"type": "message", "text": "hi"})
        assert found.status_code == 401
        assert len(tried) <= 3
        text = (await client.get("/metrics")).text
    name = "/v1/messaging/webchat/{tenant}/conversations/{conversation}/activities"
    assert f'lichen_http_requests_total{{route="{name}",status="401"}} 1.0' in text


@pytest.mark.req("LIC-17.2")
async def test_a_path_that_is_nowhere_below_a_mount_is_answered_like_any_other(runtime: Runtime) -> None:
    async with browser(make_site(runtime)) as client:
        for path in ("/v1/web/webchat/acme/nowhere", "/api/v1/runs/", "/console/nowhere", "/console/runs/"):
            told = await client.get(path, headers={"accept": "application/json"})
            assert (told.status_code, told.json()["error"]["code"]) == (404, "path_unknown"), path
        wrong = await client.put("/v1/web/webchat/acme/conversations")
        assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "method_unknown")
        text = (await client.get("/metrics")).text
    assert 'lichen_http_requests_total{route="unmatched",status="404"} 4.0' in text
