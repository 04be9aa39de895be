"""What MCP clients read: resources that are let be read, prompts, and news of a run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import ResourceUpdated
from mcp_types import TextResourceContents

from lichen import Agent
from lichen.agents import RulePlanner
from lichen.core.words.scope import Operator, Scope
from lichen.runtime.project.project import Project
from lichen.runtime.runtime import Runtime
from lichen.settings.file import Serve, ServeMcp
from tests.declared import declaring
from tests.serve.mcp import LARGE, MODES, Mode, client, key, served, text_of

ACME = Scope("acme", "dev")
OPS = Operator("ops", ("operator",))
EVERYTHING: tuple[Any, ...] = ("agents", "agent", "agents.md", "runs", "run", "records", "waits")


@asynccontextmanager
async def letting(project: Project, **rules: Sequence[Any]) -> AsyncGenerator[tuple[Runtime, str]]:
    """The shop, served by a configuration that lets these be read."""
    given = {name: tuple(names) for name, names in rules.items()}
    open_project = declaring(project, serve=Serve(mcp=ServeMcp(**given)))  # type: ignore[arg-type]
    async with Runtime.of(open_project) as runtime, served(runtime) as url:
        yield runtime, url


async def read(client: Client, uri: str) -> Any:
    (content,) = (await client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    return json.loads(content.text) if content.mime_type == "application/json" else content.text


async def refusal(client: Client, uri: str) -> str:
    with pytest.raises(MCPError) as refused:
        await client.read_resource(uri)
    return refused.value.error.data["code"]


async def readable(client: Client) -> set[str]:
    lists = await client.list_resources(), await client.list_resource_templates()
    return {each.name for each in lists[0].resources} | {each.name for each in lists[1].resource_templates}


@pytest.mark.req("GOA-75.1")
@pytest.mark.parametrize("mode", MODES)
async def test_nothing_is_readable_that_nobody_allowed(project: Project, mode: Mode) -> None:
    async with letting(project) as (runtime, url), client(url, key(runtime, "ops", "operator"), mode) as ops:
        assert await readable(ops) == set()
        for uri in ("lichen://agents", "lichen://agents/shop.support", "lichen://agents.md", "lichen://runs"):
            assert await refusal(ops, uri) == "resource_denied"


@pytest.mark.req("GOA-75.1")
@pytest.mark.req("GOA-75.2")
@pytest.mark.parametrize("mode", MODES)
async def test_what_is_allowed_is_listed_and_read_and_a_denial_wins(project: Project, mode: Mode) -> None:
    rules = {"allow": EVERYTHING, "deny": ["waits"]}
    async with letting(project, **rules) as (runtime, url):
        async with client(url, key(runtime, "customer-7"), mode) as customer:
            told = (await customer.call_tool("shop.support", {"text": LARGE})).structured_content
        async with client(url, key(runtime, "ops", "operator"), mode) as ops:
            assert await readable(ops) == set(EVERYTHING) - {"waits"}
            assert await refusal(ops, "lichen://waits") == "resource_denied"
            assert "shop.support" in [agent["name"] for agent in await read(ops, "lichen://agents")]
            assert (await read(ops, "lichen://agents/shop.support"))["name"] == "shop.support"
            assert "## shop.support" in await read(ops, "lichen://agents.md")
            assert [run["id"] for run in await read(ops, "lichen://runs")] == [told["run"]]
            assert (await read(ops, f"lichen://runs/{told['run']}"))["status"] == "waiting"
            records = await read(ops, f"lichen://runs/{told['run']}/records")
            assert records[0]["type"] == "run_started"


@pytest.mark.req("GOA-75.3")
@pytest.mark.parametrize(
    ("headers", "names"),
    [
        ({}, {"runs"}),
        ({"x-mcp-deny-names": "runs"}, set[str]()),
        ({"x-mcp-allow-names": "waits, agent"}, {"runs", "waits"}),  # nobody said that requests may add `agent`
        ({"x-mcp-allow-names": "waits", "x-mcp-deny-names": "waits,runs"}, {"waits"}),
    ],
)
async def test_a_header_takes_away_and_adds_what_requests_may_add(
    project: Project, headers: dict[str, str], names: set[str]
) -> None:
    rules = {"allow": ["runs"], "deny": ["waits"], "on_request": ["waits"]}
    async with letting(project, **rules) as (runtime, url):
        authorized = {"authorization": f"Bearer {key(runtime, 'ops', 'operator')}", **headers}
        async with (
            httpx2.AsyncClient(headers=authorized) as http,
            Client(streamable_http_client(url, http_client=http), mode="legacy") as ops,
        ):
            assert await readable(ops) == names
            allowed = [name for name in ("runs", "waits") if name in names]
            for name in allowed:
                await ops.read_resource(f"lichen://{name}")
            for name in {"runs", "waits"} - names:
                assert await refusal(ops, f"lichen://{name}") == "resource_denied"


@pytest.mark.req("GOA-75.4")
async def test_no_header_and_no_configuration_gives_anybody_more_than_they_may_read(project: Project) -> None:
    rules = {"allow": EVERYTHING, "on_request": EVERYTHING}
    async with letting(project, **rules) as (runtime, url):
        async with client(url, key(runtime, "customer-7")) as customer:
            run = (await customer.call_tool("shop.support", {"text": LARGE})).structured_content["run"]
        authorized = {
            "authorization": f"Bearer {key(runtime, 'customer-8')}",
            "x-mcp-allow-names": ",".join(EVERYTHING),
        }
        async with (
            httpx2.AsyncClient(headers=authorized) as http,
            Client(streamable_http_client(url, http_client=http), mode="legacy") as other,
        ):
            assert await readable(other) == {"agents", "agents.md", "run"}
            assert await refusal(other, "lichen://runs") == "role_missing"
            assert await refusal(other, "lichen://waits") == "role_missing"
            assert await refusal(other, f"lichen://runs/{run}") == "run_unknown"
        async with client(url, key(runtime, "ops", "operator", tenant="globex")) as stranger:
            assert await refusal(stranger, f"lichen://runs/{run}") == "run_unknown"
            assert await read(stranger, "lichen://runs") == []


@pytest.mark.req("GOA-75.1")
@pytest.mark.parametrize(
    "uri", ["lichen://agents/../../etc/passwd", "file:///etc/passwd", "lichen://runs/", "lichen://nothing"]
)
async def test_an_address_that_is_none_of_ours_is_unknown(project: Project, uri: str) -> None:
    async with (
        letting(project, allow=EVERYTHING) as (runtime, url),
        client(url, key(runtime, "ops", "operator")) as ops,
    ):
        assert await refusal(ops, uri) == "resource_unknown"


# -- prompts -------------------------------------------------------------------------------------------------------


@pytest.fixture
async def prompted(tmp_path: Path) -> AsyncGenerator[tuple[Runtime, str]]:
    folder = tmp_path / "prompts"
    (folder / "acme").mkdir(parents=True)
    (folder / "greet@1.md").write_text("You greet customers of {tenant} in {language}.")
    (folder / "acme" / "greet@2.md").write_text("You work for {tenant}, {environment}. Speak {language}.")
    agent = Agent("shop.desk", planner=RulePlanner(intents=[], fallback="Hello."))
    async with Runtime.open(tmp_path / "home", agents=[agent], prompts=folder) as runtime, served(runtime) as url:
        yield runtime, url


@pytest.mark.req("GOA-73.15")
@pytest.mark.parametrize("mode", MODES)
async def test_prompts_of_the_project_are_given_with_the_callers_facts(
    prompted: tuple[Runtime, str], mode: Mode
) -> None:
    runtime, url = prompted
    async with client(url, key(runtime, "ops", "operator"), mode) as ops:
        (shown,) = (await ops.list_prompts()).prompts
        given = await ops.get_prompt("greet", {"language": "German"})
        with pytest.raises(MCPError):
            await ops.get_prompt("greet", {"tenant": "globex"})
        with pytest.raises(MCPError, match="no such prompt"):
            await ops.get_prompt("nothing")
    assert [argument.name for argument in shown.arguments or []] == ["language"]
    assert text_of(given.messages[0].model_copy(update={"content": [given.messages[0].content]})) == (
        "You work for acme, dev. Speak German."
    )


@pytest.mark.req("GOA-73.15")
async def test_a_customer_reads_no_prompt(prompted: tuple[Runtime, str]) -> None:
    runtime, url = prompted
    async with client(url, key(runtime, "customer-7")) as customer:
        assert (await customer.list_prompts()).prompts == []
        with pytest.raises(MCPError, match="may not do this"):
            await customer.get_prompt("greet")


# -- news ----------------------------------------------------------------------------------------------------------


async def _held(url: str, runtime: Runtime) -> tuple[str, str]:
    async with client(url, key(runtime, "customer-7")) as customer:
        told = (await customer.call_tool("shop.support", {"text": LARGE})).structured_content
    return told["run"], told["waits"][0]["id"]


@pytest.mark.req("GOA-73.16")
@pytest.mark.filterwarnings("ignore::mcp.MCPDeprecationWarning")
async def test_a_session_that_subscribed_is_told_when_a_run_changes(project: Project) -> None:
    async with letting(project, allow=EVERYTHING) as (runtime, url):
        run, wait = await _held(url, runtime)
        heard: asyncio.Queue[Any] = asyncio.Queue()
        own = key(runtime, "ops", "operator")
        async with client(url, own, "legacy", message_handler=heard.put) as ops:
            await ops.subscribe_resource(f"lichen://runs/{run}")  # pyright: ignore[reportDeprecated]
            await runtime.waits.approve(ACME, wait, OPS)
            told = await asyncio.wait_for(heard.get(), 20)
            assert told.params.uri == f"lichen://runs/{run}"
            await ops.unsubscribe_resource(f"lichen://runs/{run}")  # pyright: ignore[reportDeprecated]


@pytest.mark.req("GOA-73.16")
async def test_a_request_that_listens_is_told_when_a_run_changes(project: Project) -> None:
    async with letting(project, allow=EVERYTHING) as (runtime, url):
        run, wait = await _held(url, runtime)
        uri = f"lichen://runs/{run}"
        async with (
            client(url, key(runtime, "ops", "operator"), "2026-07-28") as ops,
            ops.listen(resource_subscriptions=[uri, "lichen://runs"]) as news,
        ):
            await runtime.waits.approve(ACME, wait, OPS)
            told = await asyncio.wait_for(anext(aiter(news)), 20)
    assert told == ResourceUpdated(uri=uri)


@pytest.mark.req("GOA-73.16")
@pytest.mark.filterwarnings("ignore::mcp.MCPDeprecationWarning")
async def test_a_customer_follows_no_run(project: Project) -> None:
    async with letting(project, allow=EVERYTHING) as (runtime, url):
        run, _ = await _held(url, runtime)
        async with client(url, key(runtime, "customer-7")) as customer:
            with pytest.raises(MCPError, match="may not do this"):
                await customer.subscribe_resource(f"lichen://runs/{run}")  # pyright: ignore[reportDeprecated]
