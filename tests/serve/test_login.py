"""Operators in a browser: what a cookie opens, how long, and what another site's page cannot do with it."""

from __future__ import annotations

import httpx
import msgspec
import pytest
from starlette.requests import Request

from lichen.runtime.runtime import Runtime
from lichen.serve.http import login
from lichen.serve.http.login import ATTEMPTS_BURST, COOKIE, LIFE_S, Login
from lichen.serve.site import make_site
from tests.serve.browser import ORIGIN, browser, enter, issue

STOP = "/api/v1/stops"
WANTED = {"kind": "agent", "name": "shop.support"}


def carrying(cookie: str) -> Request:
    return Request({"type": "http", "method": "GET", "headers": [(b"cookie", f"{COOKIE}={cookie}".encode())]})


@pytest.mark.req("SYM-100.1")
async def test_an_operator_enters_with_a_key_and_sees_their_own_tenant(runtime: Runtime) -> None:
    async with browser(make_site(runtime)) as client:
        assert (await client.get("/api/v1/runs")).status_code == 401
        entered = await enter(client, issue(runtime))
        assert (entered.status_code, entered.headers["location"]) == (303, "/console")
        assert (await client.get("/api/v1/runs")).status_code == 200
        refused = await client.get("/api/v1/runs", headers={"lichen-tenant": "globex"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "key_scope")


@pytest.mark.req("SYM-100.2")
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_no_script_and_no_other_site_gets_the_cookie(runtime: Runtime, scheme: str) -> None:
    async with browser(make_site(runtime), f"{scheme}://lichen.test") as client:
        given = (await enter(client, issue(runtime))).headers["set-cookie"]
    parts = {part.strip().lower() for part in given.split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/", f"max-age={LIFE_S}"} <= parts
    assert ("secure" in parts) == (scheme == "https")


@pytest.mark.req("SYM-100.1")
@pytest.mark.parametrize("kind", ["customer", "service"])
async def test_only_operators_enter(runtime: Runtime, kind: str) -> None:
    async with browser(make_site(runtime)) as client:
        refused = await enter(client, issue(runtime, kind=kind, actor="x"))  # type: ignore[arg-type]
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "role_missing")
        page = await client.post("/login", data={"key": "nonsense"}, headers={"accept": "text/html"})
        assert (page.status_code, page.headers["location"]) == (303, "/login?error=key_invalid")
        assert not client.cookies


@pytest.mark.req("SYM-100.3")
async def test_a_cookie_ends_with_its_key_and_with_its_day(runtime: Runtime) -> None:
    entrance = Login(runtime)
    key = issue(runtime)
    cookie = entrance.enter(key)
    assert entrance.caller(carrying(cookie)) is not None
    services, clock = runtime.engine.services, runtime.engine.services.clock
    runtime.engine.services = msgspec.structs.replace(services, clock=lambda: clock() + (LIFE_S + 1) * 1_000_000)
    assert entrance.caller(carrying(cookie)) is None
    runtime.engine.services = services
    runtime.keyring.api_keys.revoke(key.split("_")[1])
    assert entrance.caller(carrying(cookie)) is None


@pytest.mark.req("SYM-100.3")
@pytest.mark.parametrize(("before_us", "is_open"), [(1, True), (0, False)])
async def test_a_cookie_ends_to_the_microsecond(runtime: Runtime, before_us: int, is_open: bool) -> None:
    entrance = Login(runtime)
    cookie = entrance.enter(issue(runtime))
    ends_us = int(cookie.split(".")[1]) * 1_000_000
    runtime.engine.services = msgspec.structs.replace(runtime.engine.services, clock=lambda: ends_us - before_us)
    assert (entrance.caller(carrying(cookie)) is not None) is is_open


@pytest.mark.req("SYM-100.3")
async def test_a_cookie_that_was_changed_anywhere_is_worthless(runtime: Runtime) -> None:
    entrance = Login(runtime)
    cookie = entrance.enter(issue(runtime))
    other = entrance.enter(issue(runtime, "globex"))
    id, until, mac = cookie.split(".")
    forged = [
        f"{id}.{int(until) + 1}.{mac}",
        f"{other.split('.')[0]}.{until}.{mac}",
        f"{id}.{until}.{mac[:-1]}{'0' if mac[-1] != '0' else '1'}",
        f"{id}.{until}.{other.split('.')[2]}",
        "",
        "..",
        f"{id}.{'9' * 400}.{mac}",
    ]
    assert [entrance.caller(carrying(each)) for each in forged] == [None] * len(forged)


@pytest.mark.req("SYM-100.4")
async def test_a_change_by_cookie_needs_the_token_of_its_session(runtime: Runtime) -> None:
    site, entrance = make_site(runtime), Login(runtime)
    async with browser(site) as client, browser(site) as stranger:
        await enter(client, issue(runtime))
        await enter(stranger, issue(runtime, "globex"))
        token = entrance.csrf(carrying(client.cookies[COOKIE]))
        foreign = entrance.csrf(carrying(stranger.cookies[COOKIE]))
        for given in ({}, {"x-csrf-token": "no"}, {"x-csrf-token": foreign}):
            refused = await client.post(STOP, json=WANTED, headers=given)
            assert (refused.status_code, refused.json()["error"]["code"]) == (403, "csrf_invalid")
        assert (await client.post(STOP, json=WANTED, headers={"x-csrf-token": token})).status_code == 200


@pytest.mark.req("SYM-100.4")
@pytest.mark.parametrize(
    "sent",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://["},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
async def test_another_sites_page_can_neither_change_nor_log_anybody_in(runtime: Runtime, sent: dict[str, str]) -> None:
    async with browser(make_site(runtime)) as client:
        key = issue(runtime)
        assert (await client.post("/login", data={"key": key}, headers=sent)).status_code == 403
        await client.post("/login", data={"key": key}, headers={"origin": ORIGIN, "sec-fetch-site": "same-origin"})
        token = Login(runtime).csrf(carrying(client.cookies[COOKIE]))
        refused = await client.post(STOP, json=WANTED, headers={"x-csrf-token": token, **sent})
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "csrf_invalid")


@pytest.mark.req("SYM-100.5")
async def test_keys_cannot_be_guessed_quickly(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "ATTEMPTS_PER_S", 0.001)
    async with browser(make_site(runtime)) as client:
        answers: list[httpx.Response] = [await enter(client, f"lk_{i}") for i in range(ATTEMPTS_BURST + 1)]
        assert [answer.status_code for answer in answers] == [401] * ATTEMPTS_BURST + [429]
        assert int(answers[-1].headers["retry-after"]) >= 1
        assert (await enter(client, issue(runtime))).status_code == 429


@pytest.mark.req("SYM-100.1")
async def test_leaving_takes_the_cookie_away(runtime: Runtime) -> None:
    async with browser(make_site(runtime)) as client:
        await enter(client, issue(runtime))
        token = Login(runtime).csrf(carrying(client.cookies[COOKIE]))
        assert (await client.post("/logout", data={"csrf_token": "no"})).status_code == 403
        left = await client.post("/logout", data={"csrf_token": token})
        assert (left.status_code, left.headers["location"]) == (303, "/login")
        assert not client.cookies


@pytest.mark.req("SYM-100.1")
@pytest.mark.parametrize(
    ("wanted", "leads"),
    [("/console/runs?x=1", "/console/runs?x=1"), ("//evil.example", "/console"), ("https://evil.example", "/console"),
     ("/\\evil.example", "/console"), ("/a\r\nset-cookie: x=1", "/console")],
)  # fmt: skip
async def test_the_way_on_after_entering_stays_inside(runtime: Runtime, wanted: str, leads: str) -> None:
    async with browser(make_site(runtime)) as client:
        entered = await client.post("/login", data={"key": issue(runtime), "next": wanted})
        assert entered.headers["location"] == leads
