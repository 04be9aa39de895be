"""All tools that there are for a scope, found by words: the project's own, its servers', its APIs' and commands."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from lichen.core.deciders import events as e
from lichen.core.words.errors import Denied
from lichen.core.words.ids import TENANT_STREAM
from lichen.core.words.scope import Customer, Operator, Scope
from lichen.runtime.runtime import Runtime
from tests.cli.projects import POLICIES, Project
from tests.cli.test_tools_submit import MANIFEST
from tests.runtime.test_servers import opened
from tests.runtime.test_vouched import TOLD, TOOL

SCOPE, OPS = Scope("acme", "dev"), Operator("ops", ("operator",))
SETTINGS = f"""
    [lichen]
    agents = ["shop.py:support", "desk.toml"]

    [tenants.acme]
    policies = "policies"
    actors = [{{id = "ops", kind = "operator", roles = ["operator"]}}]

    [[mcp]]
    name = "books"
    command = ["{sys.executable}", "{TOLD}", "tools.json"]

    [[mcp]]
    name = "gone"
    command = ["/there/is/no/such/program"]

    [[openapi]]
    name = "shelf"
    document = "shelf.json"
    url = "https://shelf.example"
"""
DESK = """
    name = "shop.desk"
    tools = ["shelf.*", "whois.clad.toml"]

    [rules]
    fallback = "no"
    intents = []
"""
SHELF: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "shelf", "version": "1"},
    "paths": {"/books": {"get": {"operationId": "list", "description": "Lists books on a shelf.", "responses": {}}}},
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    files = {"lichen.toml": SETTINGS, "desk.toml": DESK, "shelf.json": json.dumps(SHELF), "whois.clad.toml": MANIFEST}
    return Project(tmp_path, {**files, "tools.json": json.dumps([TOOL]), "policies/shop.cedar": POLICIES})


@pytest.fixture
async def runtime(project: Project) -> AsyncGenerator[Runtime]:
    async with opened(project) as runtime:
        yield runtime


async def found(runtime: Runtime, words: str) -> dict[str, str]:
    return {each.name: each.origin for each in await runtime.tool_search.search(SCOPE, words, OPS)}


@pytest.mark.req("GOA-77.3")
async def test_every_tool_is_found_with_where_it_comes_from(runtime: Runtime) -> None:
    assert await found(runtime, "") == {
        "books.find": "mcp:books",
        "command.whois": "command",
        "orders.lookup": "own",
        "shelf.list": "openapi:shelf",
    }


@pytest.mark.req("GOA-77.3")
async def test_what_fits_in_name_and_description_comes_first_and_nothing_is_pinned_by_looking(runtime: Runtime) -> None:
    told = await runtime.tool_search.search(SCOPE, "BOOK find", OPS)
    assert [each.name for each in told] == ["books.find", "shelf.list"]
    assert told[0].relevance > told[1].relevance > 0
    assert (told[0].has, told[1].has) == ("offered", "on")
    assert await found(runtime, "nothing of the kind") == {}
    kinds = [type(record.control) for record in runtime.engine.journal(SCOPE).log.records(TENANT_STREAM)]
    assert not {e.Pinned, e.Submitted} & set(kinds)
    with pytest.raises(Denied):
        await runtime.tool_search.search(SCOPE, "", Customer("customer-7"))


@pytest.mark.req("GOA-77.4")
async def test_a_list_is_read_again_once_it_is_older_than_it_may_be(
    runtime: Runtime, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = runtime.servers.connection(SCOPE, "books")
    await found(runtime, "")
    (project.root / "tools.json").write_text(json.dumps([TOOL, {**TOOL, "name": "lend"}]))
    assert "books.lend" not in await found(runtime, "")
    clock = connection._clock  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(connection, "_clock", lambda: clock() + 61)
    assert "books.lend" in await found(runtime, "")


@pytest.mark.req("GOA-77.3")
def test_the_command_line_searches_too(project: Project) -> None:
    told = project.run("tools", "search", "shelf", "--tenant", "acme", "--as", "ops").out
    assert "openapi:shelf" in told
    assert "Lists books on a shelf." in told
