"""A server of a stranger behind an agent: pinned as it was first seen, asked about by a person, off once it changed."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lichen.core.deciders import events as e
from lichen.core.words.errors import Unavailable
from lichen.core.words.ids import TENANT_STREAM
from lichen.core.words.scope import Operator, Scope
from lichen.runtime.project.loading import load
from lichen.runtime.runtime import Runtime
from tests.cli.projects import Project

SCOPE, OPS = Scope("acme", "dev"), Operator("ops", ("operator",))
STRANGE = Path(__file__).parents[1] / "tools/mcp/strange.py"
SETTINGS = f"""
    [lichen]
    agents = ["clerk.py:clerk"]

    [tenants.acme]
    policies = "policies"
    agent = "shop.clerk"
    actors = [{{id = "ops", kind = "operator", roles = ["operator"]}}, {{id = "customer-7", kind = "customer"}}]

    [[mcp]]
    name = "strange"
    command = ["{sys.executable}", "{STRANGE}", "plain"]

    [mcp.tools.add]
    effects = "none"
"""
CLERK = """
    import msgspec
    from lichen import Agent
    from lichen.core.ports.plan import CallRequest, Plan
    from lichen.core.remote.tools import RemoteTools


    class Typist:
        pure, digest = True, "typist"

        async def plan(self, input):
            if input.results:
                return Plan(answer=" ".join(f"{each.outcome} {each.code or each.data.decode()}" for each in input.results))
            name, _, arguments = input.input[-1].text.partition(" ")
            if name not in {each.name for each in input.tools}:
                return Plan(answer="no tool")
            return Plan(calls=(CallRequest(name, arguments.encode()),))


    clerk = Agent("shop.clerk", planner=Typist(), tools=[RemoteTools("strange", without=("die",))])
"""
POLICY = """
@id("small") forbid (principal is Agent, action == Action::"strange.add", resource) when { context.args.a > 10 };
@id("change") permit (principal is Agent, action == Action::"strange.change", resource);
"""


@asynccontextmanager
async def opened(project: Project) -> AsyncGenerator[Runtime]:
    async with Runtime.of(load(project.root / "lichen.toml", environ={})) as runtime:
        yield runtime


async def said(runtime: Runtime, text: str) -> str:
    run = await runtime.runs.start(SCOPE, "shop.clerk", text, OPS)
    return await runtime.runs.result(SCOPE, run, OPS)


def written(runtime: Runtime) -> list[str]:
    """What stands in the tenant's stream of definitions."""
    log = runtime.engine.journal(SCOPE).log
    kinds = (e.Pinned, e.Submitted, e.Reviewed)
    return [f"{r.type} {r.control.name}" for r in log.records(TENANT_STREAM) if isinstance(r.control, kinds)]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path, {"lichen.toml": SETTINGS, "clerk.py": CLERK, "policies/shop.cedar": POLICY})


@pytest.mark.req("SYM-61.2")
async def test_what_a_server_offers_is_pinned_with_the_first_look_and_called_as_policy_says(project: Project) -> None:
    async with opened(project) as runtime:
        seen = await runtime.servers.look(SCOPE, "strange")
        assert (seen.waiting, seen.left_out) == ((), {})
        assert await said(runtime, 'strange.add {"a":1,"b":2}') == 'ok {"total":3}'
        assert (await said(runtime, 'strange.add {"a":11,"b":2}')).startswith("denied")
        assert (await said(runtime, 'strange.say {"text":"x"}')).startswith("denied")
        assert await said(runtime, 'strange.die {"file":"x"}') == "no tool"
        assert "pinned strange.add" in written(runtime)
    async with opened(project) as runtime:  # it stands in the log, so it is there before the server was asked
        assert await said(runtime, 'strange.add {"a":1,"b":2}') == 'ok {"total":3}'


@pytest.mark.req("SYM-61.2")
async def test_a_tool_that_changed_is_off_and_its_new_definition_waits(project: Project) -> None:
    async with opened(project) as runtime:
        await runtime.servers.look(SCOPE, "strange")
        await said(runtime, "strange.change {}")
        assert "tool_changed" in await said(runtime, 'strange.add {"a":1,"b":2}')
        assert written(runtime)[-1] == "submitted strange.add"
        standing = runtime.servers.standing(SCOPE)["tool:strange.add"]
        assert standing.pinned
        assert standing.submitted not in ("", standing.pinned)


@pytest.mark.req("SYM-56.2")
async def test_a_project_with_a_server_that_cannot_be_started_starts(project: Project) -> None:
    text = (project.root / "lichen.toml").read_text().replace(sys.executable, "/there/is/no/such/program")
    (project.root / "lichen.toml").write_text(text)
    async with opened(project) as runtime:
        with pytest.raises(Unavailable) as unreachable:
            await runtime.servers.look(SCOPE, "strange")
        assert unreachable.value.code == "server_unreachable"
        assert await said(runtime, 'strange.add {"a":1,"b":2}') == "no tool"
