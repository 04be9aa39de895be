"""Channels that packages bring: their tables, the door of their platforms, and the way out."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from lichen import Runtime, Scope
from lichen.channels.port import Inbound
from lichen.core.words.scope import SYSTEM, Customer
from lichen.runtime.project.loading import examine, load
from lichen.serve.hooks.sources import ChannelSources
from lichen.serve.site import make_site
from tests.channels.pager import PARTS, SECRET, install_pager, signed
from tests.plugins.packages import install, on_path
from tests.serve.widget import DEADLINE_S

ACME = Scope("acme", "dev")
INGRESS = "/v1/messaging/ingress/pager/acme"
PROJECT = """
[lichen]
agents = ["echo.toml"]
home = "data"

[tenants.acme]
environments = ["dev", "prod"]

[tenants.acme.pager]
env = "dev"
"""
ODD = """
from pager import Pager, PagerSettings
from lichen.channels.port import Reply
from lichen.core.words.scope import Customer, Operator

class Odd(Pager):
    name = "odd"
    senders = {"1": Operator("ops"), "2": Customer("customer-7"), "3": Customer("webchat:ann")}
    senders["4"] = Customer("odd:4", ("x",))

    async def verify(self, scope, arrival):
        return self.senders.get(arrival.query["who"], Customer("odd:5"))

    def parse(self, scope, arrival, sender):
        if arrival.query["who"] == "6":
            raise ZeroDivisionError("a secret")
        return ()

    def reply(self, scope, arrival):
        return Reply(arrival.query["say"].encode(), arrival.query.get("type", "application/json"))

class Poller(Pager):
    name = "poller"

    async def start(self, gateway):
        self.gateway = gateway

    def drain(self):
        self.is_drained = True

    async def stop(self):
        self.is_stopped = self.is_drained

class Stuck(Poller):
    name = "stuck"

    async def start(self, gateway):
        raise OSError("the queue is away")
"""
ODDS = {**PARTS, "odd": "odd:Odd", "poller": "odd:Poller", "stuck": "odd:Stuck", "gone": "no_such_module:Gone"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PAGER_SECRET", SECRET)
    monkeypatch.setenv("PAGER_URL", "http://127.0.0.1:9")
    for module in ("pager", "parrot", "odd"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    on_path(install_pager(tmp_path / "site", ODDS, {"odd": ODD}), monkeypatch)
    (tmp_path / "echo.toml").write_text('name = "shop.echo"\n[llm]\nmodel = "echo:"\n')
    return tmp_path


def written(folder: Path, text: str = PROJECT) -> Path:
    (folder / "lichen.toml").write_text(text)
    return folder / "lichen.toml"


@asynccontextmanager
async def opened(folder: Path, text: str = PROJECT) -> AsyncGenerator[tuple[Runtime, httpx.AsyncClient]]:
    project = load(written(folder, text), environ={})
    async with Runtime.of(project) as runtime:
        transport = httpx.ASGITransport(make_site(runtime), client=("203.0.113.7", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            yield runtime, client


def channel_of(runtime: Runtime, name: str) -> Any:
    assert runtime.project is not None
    return runtime.project.channels.get(name, "acme")[1]


def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


# -- the door ----------------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-47.6")
async def test_what_a_platform_brings_is_answered_by_the_agent_and_pushed_where_it_came_from(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(folder) as (runtime, client):
        posted: list[bytes] = []
        monkeypatch.setattr(channel_of(runtime, "pager"), "_post", posted.append)
        body, headers = signed("Hello?")
        for _ in range(3):  # a platform that sends it again brings it once
            assert (await client.post(INGRESS, content=body, headers=headers)).status_code == 200
        async with asyncio.timeout(DEADLINE_S):
            await runtime.idle()
        (said,) = posted
        assert b'"text":"Hello?"' in said
        assert b'"pager":"451"' in said
        (session,) = await runtime.sessions.list(ACME, SYSTEM)
        assert session.channel == "pager"
        body, headers = signed("Again.", id="m-2")
        assert (await client.post(f"{INGRESS}/team/x", content=body, headers=headers)).status_code == 200
        await runtime.idle()
        assert len(posted) == 2
        assert len(await runtime.sessions.list(ACME, SYSTEM)) == 1


@pytest.mark.req("LIC-47.7")
async def test_a_request_that_nobody_proved_writes_nothing_and_may_not_be_tried_for_ever(folder: Path) -> None:
    async with opened(folder) as (runtime, client):
        body, headers = signed("Hello?")
        before = runtime.log(ACME).last_seq
        forged = {**headers, "pager-signature": "0" * 64}
        assert code(await client.post(INGRESS, content=body, headers=forged)) == (403, "signature_invalid")
        _, old = signed("Hello?", sent_s=1_000_000_000)
        assert code(await client.post(INGRESS, content=body, headers=old)) == (403, "signature_expired")
        refused = [await client.post(INGRESS, content=body, headers=forged) for _ in range(60)]
        assert code(refused[-1]) == (429, "too_many_requests")
        assert (await client.post(INGRESS, content=body, headers=headers)).status_code == 200  # whoever has the proof
        assert runtime.log(ACME).last_seq > before
        assert (await client.post(INGRESS, content=b"x" * 2**21, headers=headers)).status_code == 413
        for path in ("/v1/messaging/ingress/pager/globex", "/v1/messaging/ingress/odd/acme"):
            assert code(await client.post(path, content=body, headers=headers)) == (404, "channel_unknown")


@pytest.mark.req("LIC-47.7")
@pytest.mark.parametrize("who", ["1", "2", "3", "4"])
async def test_a_channel_speaks_for_nobody_but_its_own_customers(folder: Path, who: str) -> None:
    async with opened(folder, PROJECT + "[tenants.acme.odd]\n") as (_, client):
        path = "/v1/messaging/ingress/odd/acme"
        assert code(await client.get(path, params={"who": who, "say": "x"})) == (403, "channel_actor")


@pytest.mark.req("LIC-47.8")
async def test_a_channel_may_word_the_answer_but_make_no_page_of_it(folder: Path) -> None:
    async with opened(folder, PROJECT + "[tenants.acme.odd]\n") as (_, client):
        path = "/v1/messaging/ingress/odd/acme"
        plain = await client.get(path, params={"who": "5", "say": "challenge-1", "type": "text/plain"})
        assert (plain.status_code, plain.text) == (200, "challenge-1")
        for kind in ("text/html", "image/svg+xml", "text/plain\r\nset-cookie: a=b"):
            page = await client.get(path, params={"who": "5", "say": "<script>", "type": kind})
            assert page.headers["content-type"].startswith("text/plain")
            assert "set-cookie" not in page.headers
        broken = await client.get(path, params={"who": "6", "say": "x"})
        assert code(broken) == (500, "internal")
        assert "secret" not in broken.text


# -- its table ---------------------------------------------------------------------------------------------------


def mistakes(folder: Path, text: str) -> list[tuple[str, str, str]]:
    errors = examine(written(folder, text), environ={}).errors
    return [(error.code, (error.place or "").rpartition("lichen.toml:")[2], error.next_step) for error in errors]


@pytest.mark.req("LIC-47.9")
@pytest.mark.parametrize(
    ("table", "code", "place", "step"),
    [
        ("[tenants.acme.pagr]", "channel_unknown", "11: tenants.acme.pagr", "Did you mean 'pager'?"),
        ("[tenants.acme.quota]", "channel_unknown", "11: tenants.acme.quota", "Did you mean 'quotas'?"),
        ("[tenants.acme.odd]\nsecrt = 'x'", "settings_invalid", "12: tenants.acme.odd.secrt", "'secret'"),
        ("[tenants.acme.odd]\nurl = 7", "settings_invalid", "12: tenants.acme.odd.url", "Correct"),
        ("[tenants.acme.odd]\nenv = 'test'", "env_unknown", "12: tenants.acme.odd.env", "dev, prod"),
    ],
)
def test_what_is_wrong_in_the_table_of_a_channel_is_named_with_its_line(
    folder: Path, table: str, code: str, place: str, step: str
) -> None:
    (found,) = mistakes(folder, PROJECT + table)
    assert found[:2] == (code, place)
    assert step in found[2]


@pytest.mark.req("LIC-47.2")
def test_a_package_that_calls_its_channel_as_ours_is_called_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path(install(tmp_path / "other", "chat-parts", "9", "lichen.channels", {"webchat": "never:Chat"}), monkeypatch)
    (found,) = mistakes(folder, PROJECT + "[tenants.acme.webchat]\n")
    assert found[:2] == ("plugin_ambiguous", "11: tenants.acme.webchat")
    assert "chat-parts" in found[2]


# -- what does not work ------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-47.3")
async def test_a_channel_whose_package_does_not_work_answers_503_and_the_others_work(folder: Path) -> None:
    async with opened(folder, PROJECT + "[tenants.acme.gone]\n") as (runtime, client):
        assert code(await client.post("/v1/messaging/ingress/gone/acme")) == (503, "plugin_broken")
        body, headers = signed("Hello?")
        assert (await client.post(INGRESS, content=body, headers=headers)).status_code == 200
        assert any("'gone' of shop-parts 1.2 does not work" in notice for notice in runtime.notices)
        health = runtime.admin.health(None, SYSTEM)
        found: Mapping[str, str] = {each.name: each.error for each in health.plugins if each.package == "shop-parts"}
        assert (found["pager"], "no_such_module" in found["gone"]) == ("", True)


@pytest.mark.req("LIC-47.8")
async def test_a_source_hands_messages_in_and_one_that_cannot_start_leaves_the_others(folder: Path) -> None:
    async with opened(folder, PROJECT + "[tenants.acme.stuck]\n[tenants.acme.poller]\n") as (runtime, _):
        sources = ChannelSources()
        await sources.start(runtime)
        assert any("'stuck' could not start" in notice for notice in runtime.notices)
        channel = channel_of(runtime, "poller")
        await channel.gateway.take(Inbound("q-1", Customer("poller:7"), "From the queue.", id="q", address=b"7"))
        (session,) = await runtime.sessions.list(ACME, SYSTEM)
        assert session.channel == "poller"
        sources.drain()
        await sources.stop()
        await sources.stop()
        assert channel.is_stopped
