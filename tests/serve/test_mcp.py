"""Lichen as an MCP server: agents as tools, as who has the key, decided by the same policies."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
from mcp import MCPError

from lichen.core.words.scope import Scope
from lichen.runtime.runtime import Runtime
from tests.serve.mcp import ACCEPT, INITIALIZE, LARGE, MODES, SMALL, Mode, client, key, served, text_of

ACME = Scope("acme", "dev")


@pytest.fixture
async def url(runtime: Runtime) -> AsyncGenerator[str]:
    async with served(runtime) as url:
        yield url


@pytest.mark.req("GOA-73.1")
@pytest.mark.parametrize("mode", MODES)
async def test_agents_and_flows_are_tools_of_whoever_may_begin_with_them(
    runtime: Runtime, url: str, mode: Mode
) -> None:
    async with client(url, key(runtime, "customer-7"), mode) as customer:
        tools = {tool.name: tool for tool in (await customer.list_tools()).tools}
    assert {"shop.support", "shop.welcome", "run_result"} <= set(tools)
    assert tools["shop.support"].annotations is not None
    assert tools["shop.support"].annotations.read_only_hint is False  # it may refund


@pytest.mark.req("GOA-73.2")
@pytest.mark.parametrize("mode", MODES)
async def test_a_call_is_said_as_the_caller_and_brings_the_answer(runtime: Runtime, url: str, mode: Mode) -> None:
    async with client(url, key(runtime, "customer-7"), mode) as customer:
        result = await customer.call_tool("shop.support", {"text": "Where is order 1042?"})
    assert not result.is_error
    assert "1042" in text_of(result)
    told = result.structured_content
    assert told["status"] == "completed"
    run = runtime.runs.list(ACME, _ops())[0]
    assert (run.id, run.agent) == (told["run"], "shop.support")
    assert await _effects(runtime) == []


@pytest.mark.req("GOA-73.3")
@pytest.mark.parametrize("mode", MODES)
async def test_what_needs_approval_is_announced_and_only_somebody_else_gives_it(
    runtime: Runtime, url: str, mode: Mode
) -> None:
    async with client(url, key(runtime, "customer-7"), mode) as customer:
        result = await customer.call_tool("shop.support", {"text": LARGE})
        told = result.structured_content
        assert told["status"] == "waiting"
        assert [wait["kind"] for wait in told["waits"]] == ["approval"]
        assert "needs approval" in text_of(result)
        wait = told["waits"][0]["id"]
        assert f"lichen approvals show {wait}" in text_of(result)

        names = {tool.name for tool in (await customer.list_tools()).tools}
        assert not any("approv" in name for name in names)
        pending = await customer.call_tool("run_result", {"run": told["run"]})
        assert pending.structured_content["status"] == "waiting"

        await runtime.waits.approve(ACME, wait, _ops())
        done = await customer.call_tool("run_result", {"run": told["run"], "wait_s": 20})
    assert done.structured_content["status"] == "completed"
    assert await _effects(runtime) == [("1042", 8000)]


@pytest.mark.req("GOA-73.4")
@pytest.mark.parametrize("mode", MODES)
async def test_a_key_of_another_tenant_sees_nothing_of_this_one(runtime: Runtime, url: str, mode: Mode) -> None:
    async with client(url, key(runtime, "customer-7"), mode) as customer:
        run = (await customer.call_tool("shop.support", {"text": SMALL})).structured_content["run"]
    async with client(url, key(runtime, "customer-7", tenant="globex"), mode) as stranger:
        result = await stranger.call_tool("run_result", {"run": run})
    assert result.is_error
    assert result.structured_content["error"]["code"] == "run_unknown"


@pytest.mark.req("GOA-73.4")
async def test_a_customer_sees_no_run_of_another_customer(runtime: Runtime, url: str) -> None:
    async with client(url, key(runtime, "customer-7")) as customer:
        run = (await customer.call_tool("shop.support", {"text": SMALL})).structured_content["run"]
    async with client(url, key(runtime, "customer-8")) as other:
        result = await other.call_tool("run_result", {"run": run})
    assert result.structured_content["error"]["code"] == "run_unknown"


@pytest.mark.req("GOA-73.5")
async def test_a_session_is_only_there_for_the_key_that_opened_it(runtime: Runtime, url: str) -> None:
    first, second = key(runtime, "customer-7"), key(runtime, "customer-7")
    async with httpx.AsyncClient() as http:
        opened = await http.post(url, json=INITIALIZE, headers={**ACCEPT, "authorization": f"Bearer {first}"})
        assert opened.status_code == 200
        session = {"mcp-session-id": opened.headers["mcp-session-id"], **ACCEPT}
        ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
        own = await http.post(url, json=ping, headers={**session, "authorization": f"Bearer {first}"})
        foreign = await http.post(url, json=ping, headers={**session, "authorization": f"Bearer {second}"})
    assert own.status_code == 200
    assert foreign.status_code == 404
    assert len(opened.headers["mcp-session-id"]) >= 32


@pytest.mark.req("GOA-73.6")
async def test_without_a_good_key_nothing_is_answered_and_the_header_says_what_is_wanted(
    runtime: Runtime, url: str
) -> None:
    async with httpx.AsyncClient(headers=ACCEPT) as http:
        nobody = await http.post(url, json=INITIALIZE)
        wrong = await http.post(url, json=INITIALIZE, headers={"authorization": "Bearer lk_wrong"})
    assert (nobody.status_code, wrong.status_code) == (401, 401)
    assert nobody.headers["www-authenticate"] == 'Bearer realm="lichen"'
    assert wrong.headers["www-authenticate"] == 'Bearer realm="lichen", error="invalid_token"'


@pytest.mark.req("GOA-73.6")
async def test_a_key_that_is_revoked_ends_in_the_midst_of_its_session(runtime: Runtime, url: str) -> None:
    own = key(runtime, "customer-7")
    async with client(url, own) as customer:
        await customer.list_tools()
        found = runtime.keyring.api_keys.check(own, runtime.engine.services.clock())
        assert found is not None
        runtime.keyring.api_keys.revoke(found.id)
        with pytest.raises(MCPError):
            await customer.call_tool("shop.support", {"text": SMALL})
    assert await _effects(runtime) == []


@pytest.mark.req("GOA-73.7")
@pytest.mark.parametrize(
    ("headers", "status"),
    [({"host": "shop.attacker.example"}, 421), ({"origin": "https://attacker.example"}, 403)],
)
async def test_a_page_of_another_site_reaches_nothing(
    runtime: Runtime, url: str, headers: dict[str, str], status: int
) -> None:
    authorized = {"authorization": f"Bearer {key(runtime, 'customer-7')}", **ACCEPT}
    async with httpx.AsyncClient(headers=authorized) as http:
        refused = await http.post(url, json=INITIALIZE, headers=headers)
        own = await http.post(url, json=INITIALIZE, headers={"origin": url.removesuffix("/mcp")})
    assert refused.status_code == status
    assert own.status_code == 200


@pytest.mark.req("GOA-73.8")
async def test_what_a_client_sends_is_bounded(runtime: Runtime, url: str) -> None:
    authorized = {"authorization": f"Bearer {key(runtime, 'customer-7')}", **ACCEPT}
    async with httpx.AsyncClient(headers=authorized) as http:
        large = await http.post(url, json={**INITIALIZE, "padding": "x" * 1024 * 1024})
    assert large.status_code == 413


@pytest.mark.req("GOA-73.8")
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"text": 7},
        {"text": "hello", "approve": True},
        {"text": "hello", "conversation": 1},
        {"text": "hello", "conversation": "x" * 129},
    ],
)
async def test_arguments_that_do_not_fit_are_named(runtime: Runtime, url: str, arguments: dict[str, Any]) -> None:
    async with client(url, key(runtime, "customer-7")) as customer:
        result = await customer.call_tool("shop.support", arguments)
    assert result.is_error
    assert result.structured_content["error"]["code"] == "arguments_invalid"


@pytest.mark.req("GOA-73.2")
async def test_a_tool_that_is_not_there_is_an_error_of_the_protocol(runtime: Runtime, url: str) -> None:
    async with client(url, key(runtime, "customer-7")) as customer:
        with pytest.raises(MCPError, match="no such tool"):
            await customer.call_tool("shop.vault", {"text": "open"})


@pytest.mark.req("GOA-73.9")
async def test_a_named_conversation_goes_on_with_the_next_call(runtime: Runtime, url: str) -> None:
    async with client(url, key(runtime, "customer-7")) as customer:
        for _ in range(2):
            await customer.call_tool("shop.support", {"text": "Where is order 1042?", "conversation": "desk"})
        await customer.call_tool("shop.support", {"text": "Where is order 1042?"})
    sessions = await runtime.sessions.list(ACME, _ops())
    assert sorted(len(runtime.runs.list(ACME, _ops(), session=each.id)) for each in sessions) == [1, 2]


async def _effects(runtime: Runtime) -> list[tuple[str, int]]:
    import sqlite3

    await runtime.idle()
    file = runtime.home / "files" / "acme" / "dev" / "shop.sqlite"
    if not file.exists():
        return []
    with sqlite3.connect(file) as shop:
        return shop.execute("select order_id, amount from refunds order by rowid").fetchall()


def _ops() -> Any:
    from lichen.core.words.scope import Operator

    return Operator("ops", ("operator",))
