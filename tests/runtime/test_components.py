"""A component that `lichen.toml` names is a tool: of agents and flows, through the gate, pinned by its bytes."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lichen.core.deciders import events as e
from lichen.core.words.errors import LichenError
from lichen.core.words.ids import run_stream
from lichen.core.words.scope import Operator, Scope
from lichen.runtime.project.loading import examine, load
from lichen.runtime.runtime import Runtime
from tests.cli.projects import Project
from tests.tools.wasm.guests import CLERK, binary

SCOPE, OTHER, OPS = Scope("acme", "dev"), Scope("globex", "dev"), Operator("ops", ("operator",))
DIGEST = f"sha256:{hashlib.sha256(binary(CLERK)).hexdigest()}"
SETTINGS = """
    [lichen]
    agents = ["clerk.py:clerk"]
    flows = ["*.ygtc"]

    [tenants.acme]
    policies = "policies"
    agent = "shop.clerk"
    actors = [{id = "ops", kind = "operator", roles = ["operator"]}]

    [tenants.globex]
    policies = "policies"
    agent = "shop.clerk"
    actors = [{id = "ops", kind = "operator", roles = ["operator"]}]

    [[component]]
    name = "clerk"
    file = "clerk.wasm"
    limits = { time_s = 0.2 }
"""
AGENT = """
    import tomllib
    from pathlib import Path
    from lichen import Agent
    from lichen.core.ports.plan import CallRequest, Plan
    from lichen.core.components.terms import ComponentTerms
    from lichen.runtime.project.components import component_tools

    HERE = Path(__file__).parent


    class Typist:
        pure, digest = True, "typist"

        async def plan(self, input):
            if input.results:
                found = input.results[0]
                return Plan(answer=f"{found.outcome} {found.code or found.data.decode()}")
            name, _, arguments = input.input[-1].text.partition(" ")
            return Plan(calls=(CallRequest(name, arguments.encode()),))


    import msgspec
    table = tomllib.loads((HERE / "lichen.toml").read_text())["component"][0]
    terms = msgspec.convert({k: v for k, v in table.items() if k != "file"}, ComponentTerms)
    clerk = Agent("shop.clerk", planner=Typist(), tools=component_tools(HERE / table["file"], terms, HERE / ".lichen"))
"""
FLOW = """
    id: ask
    type: messaging
    start: said
    nodes:
      said:
        clerk.execute: {content: "hello from a flow"}
        routing: [{to: told}]
      told:
        emit.response: {text: "It says {{node.said.data}}."}
        routing: out
"""
POLICY = """
@id("operate") permit (principal in Role::"operator", action, resource);
@id("never") forbid (principal is Agent, action == Action::"clerk.execute", resource)
  when { context.args.content == "forbidden" };
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    files = {"lichen.toml": SETTINGS, "clerk.py": AGENT, "ask.ygtc": FLOW, "policies/shop.cedar": POLICY}
    made = Project(tmp_path, files)
    (tmp_path / "clerk.wasm").write_bytes(binary(CLERK))
    return made


@asynccontextmanager
async def opened(project: Project) -> AsyncGenerator[Runtime]:
    async with Runtime.of(load(project.root / "lichen.toml", environ={})) as runtime:
        yield runtime


async def asked(runtime: Runtime, content: str, *, scope: Scope = SCOPE) -> str:
    text = "clerk.execute " + json.dumps({"content": content})
    run = await runtime.runs.start(scope, "shop.clerk", text, OPS)
    return await runtime.runs.result(scope, run, OPS)


def mistakes(project: Project) -> list[LichenError]:
    return list(examine(project.root / "lichen.toml", environ={}).errors)


def said(project: Project, **more: Any) -> None:
    """Says more in the component's table."""
    path = project.root / "lichen.toml"
    path.write_text(path.read_text() + "\n".join(f"{name} = {value}" for name, value in more.items()) + "\n")


@pytest.mark.req("LIC-18.3")
async def test_a_component_is_a_tool_that_policy_decides_about(project: Project) -> None:
    async with opened(project) as runtime:
        assert await asked(runtime, "hello") == 'ok {"data":"hello"}'
        assert (await asked(runtime, "forbidden")).startswith("denied")
        assert await asked(runtime, "") == "failed component_failed"


@pytest.mark.req("LIC-18.3")
async def test_a_node_of_a_flow_asks_a_component(project: Project) -> None:
    async with opened(project) as runtime:
        run = await runtime.runs.start(SCOPE, "flows.ask", "hi", OPS)
        assert "It says hello from a flow." in await runtime.runs.result(SCOPE, run, OPS)


@pytest.mark.req("LIC-18.4")
async def test_a_run_is_pinned_to_the_bytes_of_the_components_that_its_agent_has(project: Project) -> None:
    async def pinned() -> str:
        async with opened(project) as runtime:
            run = await runtime.runs.start(SCOPE, "shop.clerk", 'clerk.execute {"content":"x"}', OPS)
            await runtime.runs.result(SCOPE, run, OPS)
            controls = [r.control for r in runtime.engine.journal(SCOPE).log.records(run_stream(run))]
            return next(each.pins.agent for each in controls if isinstance(each, e.RunStarted))

    (tool,) = load(project.root / "lichen.toml", environ={}).tools
    assert f"component:{DIGEST}" in tool.spec.tags
    before = await pinned()
    assert await pinned() == before
    (project.root / "clerk.wasm").write_bytes(binary(CLERK) + b"\x00\x02\x01x")  # a section that nothing reads
    assert await pinned() != before


@pytest.mark.req("GRE-19.8")
async def test_while_one_tenants_component_spins_another_tenants_is_answered(project: Project) -> None:
    async with opened(project) as runtime:
        spinning = [asyncio.ensure_future(asked(runtime, "spin")) for _ in range(4)]
        assert await asked(runtime, "hello", scope=OTHER) == 'ok {"data":"hello"}'
        assert not all(each.done() for each in spinning)
        assert set(await asyncio.gather(*spinning)) == {"failed component_time"}


@pytest.mark.req("LIC-18.5")
@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"digest": '"sha256:' + "0" * 64 + '"'}, "component_digest"),
        ({"only": '["nothing"]'}, "component_invalid"),
    ],
)
def test_what_is_said_of_a_component_and_is_not_so_is_a_mistake_with_its_place(
    project: Project, more: dict[str, Any], code: str
) -> None:
    said(project, **more)
    found = [error for error in mistakes(project) if error.code == code]
    assert found
    assert "clerk.wasm" in (found[0].place or "")


@pytest.mark.req("LIC-18.5")
def test_a_component_that_is_not_there_or_speaks_no_known_way_is_a_mistake(project: Project) -> None:
    (project.root / "clerk.wasm").write_bytes(binary("(component)"))
    assert "component_unknown_abi" in {error.code for error in mistakes(project)}
    (project.root / "clerk.wasm").unlink()
    assert "component_missing" in {error.code for error in mistakes(project)}


@pytest.mark.req("LIC-18.5")
def test_a_manifest_beside_a_component_bounds_its_config(project: Project) -> None:
    schema = {"type": "object", "properties": {"depth": {"type": "integer"}}, "additionalProperties": False}
    (project.root / "clerk.manifest.json").write_text(json.dumps({"id": "clerk", "config_schema": schema}))
    said(project, config='{ depth = "deep" }')
    assert "component_config" in {error.code for error in mistakes(project)}


@pytest.mark.req("GRE-48.6")
async def test_the_code_of_a_component_is_kept_beside_the_data_with_a_key_among_the_keys(project: Project) -> None:
    async with opened(project) as runtime:
        await asked(runtime, "hello")
    home = project.root / ".lichen"
    assert len(list((home / "components").iterdir())) == 1
    assert (home / "keys/components.key").stat().st_mode & 0o777 == 0o600
    async with opened(project) as runtime:
        assert await asked(runtime, "again") == 'ok {"data":"again"}'
