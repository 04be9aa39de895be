"""Servers that are in use everywhere, as the registry has them, behind an agent: files, a memory, and the reference
server that offers something of everything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lichen.core.words.scope import Operator, Scope
from lichen.runtime.project.loading import load
from lichen.runtime.runtime import Runtime
from tests.browser.published import NODE, installed
from tests.cli.projects import Project
from tests.runtime.test_servers import CLERK

VERSION = "2026.8.31"
NAMES = ("filesystem", "memory", "everything")
SCOPE, OPS = Scope("acme", "dev"), Operator("ops", ("operator",))
POLICY = """
@id("read") permit (principal is Agent, action == Action::"filesystem.read_text_file", resource)
when { context.args.path like "*a.txt" };
@id("write") forbid (principal is Agent, action == Action::"filesystem.write_file", resource);
@id("use") permit (principal is Agent, action in [
    Action::"memory.create_entities", Action::"memory.read_graph", Action::"everything.get_sum",
    Action::"everything.get_tiny_image"
], resource);
"""


@pytest.fixture(scope="module")
def servers() -> Path:
    """The servers with what they depend on."""
    return installed(f"mcp-servers-{VERSION}", *(f"@modelcontextprotocol/server-{name}@{VERSION}" for name in NAMES))


@pytest.fixture
def project(tmp_path: Path, servers: Path) -> Project:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("hello")
    tables = "".join(
        f'[[mcp]]\nname = "{name}"\n'
        f"command = {json.dumps(_command(servers, name, tmp_path))}\n"
        f'env = {{ MEMORY_FILE_PATH = "{tmp_path}/memory.jsonl" }}\n'
        for name in NAMES
    )
    settings = f"""[lichen]
agents = ["clerk.py:clerk"]

[tenants.acme]
policies = "policies"
agent = "shop.clerk"
actors = [{{id = "ops", kind = "operator", roles = ["operator"]}}]

{tables}"""
    wanted = ", ".join(f'RemoteTools("{name}")' for name in NAMES)
    clerk = CLERK.replace('RemoteTools("strange", without=("die",))', wanted)
    return Project(tmp_path, {"lichen.toml": settings, "clerk.py": clerk, "policies/shop.cedar": POLICY})


def _command(servers: Path, name: str, root: Path) -> list[str]:
    program = servers / f"node_modules/@modelcontextprotocol/server-{name}/dist/index.js"
    return [str(NODE), str(program), *([str(root / "docs")] if name == "filesystem" else [])]


@pytest.mark.req("SYM-56.4")
async def test_an_agent_calls_three_public_servers_and_policy_decides_by_their_arguments(project: Project) -> None:
    async with Runtime.of(load(project.root / "lichen.toml", environ={})) as runtime:

        async def said(text: str) -> str:
            run = await runtime.runs.start(SCOPE, "shop.clerk", text, OPS)
            return await runtime.runs.result(SCOPE, run, OPS)

        for name in NAMES:
            seen = await runtime.servers.look(SCOPE, name)
            assert seen.on
            assert (seen.waiting, seen.left_out) == ((), {})
        docs = project.root / "docs"
        assert "hello" in await said(f'filesystem.read_text_file {{"path":"{docs}/a.txt"}}')
        assert (await said(f'filesystem.read_text_file {{"path":"{docs}/b.txt"}}')).startswith("denied")
        assert (await said(f'filesystem.write_file {{"path":"{docs}/c.txt","content":"x"}}')).startswith("denied")
        entity = '{"name":"Ada","entityType":"person","observations":["writes"]}'
        assert "Ada" in await said(f'memory.create_entities {{"entities":[{entity}]}}')
        assert "writes" in await said("memory.read_graph {}")
        assert "5" in await said('everything.get_sum {"a":2,"b":3}')
        assert "image/png" not in await said("everything.get_tiny_image {}")
        assert sorted(path.name for path in docs.iterdir()) == ["a.txt"]
