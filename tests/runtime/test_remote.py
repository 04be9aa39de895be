"""An agent has, in each tenant, the tools of a server that were accepted there, and policies may be about them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lichen import Agent, tool
from lichen.core.ports.call import Tool
from lichen.core.ports.plan import CallRequest, Plan, PlanInput
from lichen.core.remote.tools import Offer, RemoteTools
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import ToolName
from lichen.core.words.scope import Operator, Scope
from lichen.runtime import Runtime

ACME, OTHER = Scope("acme", "dev"), Scope("other", "dev")
OPS = Operator("ops", ("operator",))
POLICY = """
@id("read") permit (principal is Agent, action == Action::"files.read", resource) when { context.args.path == "a" };
"""


@tool(name="files.read", effects="none", runs="loop")
async def read(path: str) -> str:
    """Reads a file."""
    return f"{path} is here"


class Servers:
    """What each scope has of the server `files`; it can be changed."""

    def __init__(self, accepted: Mapping[Scope, Sequence[Tool]]) -> None:
        self._accepted = dict(accepted)
        self._version = 0

    def accept(self, scope: Scope, *tools: Tool) -> None:
        self._accepted[scope] = tools
        self._version += 1

    def tools(self, scope: Scope, wanted: RemoteTools, /) -> tuple[Tool, ...]:
        return tuple(self._accepted.get(scope, ())) if wanted.server == "files" else ()

    def offer(self, scope: Scope, /) -> Offer:
        return Offer(frozenset({"files"}), tuple(each.spec for each in self._accepted.get(scope, ())))

    def version(self, scope: Scope, /) -> int:
        return self._version


class Reader:
    """Reads `a` and says what came of it, if it has a tool for that."""

    pure = True
    digest = "reader"

    async def plan(self, input: PlanInput) -> Plan:
        if input.results:
            return Plan(answer=input.results[0].outcome)
        if ToolName("files.read") not in {each.name for each in input.tools}:
            return Plan(answer="no tool")
        return Plan(calls=(CallRequest(ToolName("files.read"), b'{"path":"a"}'),))


def clerk(*tools: Tool | RemoteTools) -> Agent:
    return Agent("shop.clerk", planner=Reader(), tools=tools)


@asynccontextmanager
async def opened(home: Path, servers: Servers, agent: Agent, *, policy: str = POLICY) -> AsyncGenerator[Runtime]:
    (home / "policies").mkdir(parents=True, exist_ok=True)
    (home / "policies" / "all.cedar").write_text(policy)
    async with Runtime.open(home / "data", agents=[agent], policies=home / "policies", remote=servers) as runtime:
        yield runtime


async def said(runtime: Runtime, scope: Scope) -> str:
    run = await runtime.runs.start(scope, "shop.clerk", "go", OPS)
    return await runtime.runs.result(scope, run, OPS)


@pytest.mark.req("LIC-20.1")
async def test_an_agent_has_in_each_tenant_what_was_accepted_there(tmp_path: Path) -> None:
    servers = Servers({ACME: (read,)})
    async with opened(tmp_path, servers, clerk(RemoteTools("files"))) as runtime:
        assert (await said(runtime, ACME), await said(runtime, OTHER)) == ("ok", "no tool")
        servers.accept(OTHER, read)
        servers.accept(ACME)
        await runtime.policies.reload(OTHER, OPS)
        assert (await said(runtime, ACME), await said(runtime, OTHER)) == ("no tool", "ok")


@pytest.mark.req("LIC-20.1")
async def test_a_tool_of_its_own_is_not_replaced_by_a_server(tmp_path: Path) -> None:
    called: list[str] = []

    @tool(name="files.read", effects="none", runs="loop")
    async def own(path: str) -> str:
        """Reads a file of our own."""
        called.append(path)
        return path

    async with opened(tmp_path, Servers({ACME: (read,)}), clerk(own, RemoteTools("files"))) as runtime:
        assert (await said(runtime, ACME), called) == ("ok", ["a"])


async def test_policies_are_about_the_arguments_of_what_was_accepted(tmp_path: Path) -> None:
    policy = POLICY.replace("context.args.path", "context.args.folder")
    with pytest.raises(Invalid) as refused:
        async with opened(tmp_path, Servers({ACME: (read,)}), clerk(RemoteTools("files")), policy=policy) as runtime:
            await said(runtime, ACME)
    assert refused.value.code == "policy_schema"


@pytest.mark.parametrize("action", ['== Action::"filez.read"', 'in [Action::"filez.read", Action::"run.read"]'])
async def test_a_policy_for_what_no_server_would_offer_is_refused(tmp_path: Path, action: str) -> None:
    agent = clerk(RemoteTools("files"))
    wrong = f'@id("x") forbid (principal, action {action}, resource);'.replace("filez.read", "filez.reed")
    with pytest.raises(Invalid, match="policy_schema"):
        async with opened(tmp_path, Servers({}), agent, policy=wrong) as runtime:
            await said(runtime, ACME)


async def test_a_policy_may_name_tools_that_are_there_beside_some_that_are_not_yet(tmp_path: Path) -> None:
    both = POLICY.replace('== Action::"files.read"', 'in [Action::"files.read", Action::"files.find"]')
    async with opened(tmp_path, Servers({ACME: (read,)}), clerk(RemoteTools("files")), policy=both) as runtime:
        assert await said(runtime, ACME) == "ok"
    wrong = both.replace("context.args.path", "context.args.folder")
    with pytest.raises(Invalid, match="policy_schema"):
        async with opened(tmp_path, Servers({ACME: (read,)}), clerk(RemoteTools("files")), policy=wrong) as runtime:
            await said(runtime, ACME)
