"""Flows in `lichen.toml`: which agent each becomes, what it may use, and what is refused with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from lichen.core.words.errors import LichenError
from lichen.runtime.project.loading import load
from lichen.runtime.project.project import Project as Loaded

AGENTS = """
from lichen import Agent, tool
from lichen.core.ports.plan import Plan
from pydantic import BaseModel

class Out(BaseModel):
    text: str

@tool(name="orders.lookup", effects="none")
def lookup(order_id: str) -> Out:
    '''Looks.'''
    return Out(text=order_id)

@tool(name="payments.refund", effects="once")
def refund(order_id: str) -> Out:
    '''Pays.'''
    return Out(text=order_id)

class Silent:
    pure = True
    digest = "silent"
    async def plan(self, input):
        return Plan(answer="ok")

support = Agent("shop.support", planner=Silent(), tools=[lookup, refund])
"""
HEAD = "type: messaging\nschema_version: 2\nnodes:\n"


class Project:
    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "shop.py").write_text(AGENTS)

    def flow(self, name: str, id: str, nodes: str) -> None:
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"id: {id}\n{HEAD}{nodes}")

    def load(self, flows: str = '["*.ygtc"]', tenant: str = "") -> Loaded:
        text = f'[lichen]\nagents = ["shop.py:support"]\nflows = {flows}\n\n[tenants.acme]\n{tenant}\n'
        (self.root / "lichen.toml").write_text(text)
        return load(self.root / "lichen.toml", environ={})


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.mark.req("LIC-1.7")
def test_a_flow_is_an_agent_with_exactly_what_its_nodes_are_about(project: Project) -> None:
    nodes = """\
  a: {orders.lookup: {}, routing: [{to: b}]}
  b: {dw.agent: {agent: shop.support}, routing: [{to: c}]}
  c: {flow.call: {flow_id: part}}
"""
    project.flow("flows/a.ygtc", "shop.welcome", nodes)
    project.flow("flows/b.ygtc", "part", "  a: {state.set: {key: k}}\n")
    loaded = project.load('["flows/*.ygtc"]')
    assert loaded.flows == ("shop.welcome", "flows.part")
    welcome = next(agent for agent in loaded.agents if agent.name == "shop.welcome")
    assert set(welcome.tools) == {"orders.lookup", "shop.support", "state.set"}
    assert [child.name for child in welcome.children] == ["shop.support"]
    assert loaded.agent_for("acme").name == "shop.support", "a flow is met where a route or the tenant says so"


@pytest.mark.req("LIC-1.7")
def test_routes_and_tenants_may_name_a_flow(project: Project) -> None:
    project.flow("a.ygtc", "shop.welcome", "  a: {text: hi}\n")
    routed = project.load(tenant='routes = [{ channel = "webchat", flow = "shop.welcome" }]')
    assert (routed.route("acme", "webchat").target, routed.route("acme", "cli").target) == (
        "shop.welcome",
        "shop.support",
    )
    assert project.load(tenant='agent = "shop.welcome"').agent_for("acme").name == "shop.welcome"


@pytest.mark.req("LIC-1.8")
@pytest.mark.parametrize(
    ("id", "node", "code", "place"),
    [
        ("shop.welcome", "  a: {orders.find: {}}", "tool_unknown", "a.ygtc:5:3"),
        (
            "shop.welcome",
            "  a: {text: hi, routing: [{to: b}]}\n  b: {dw.agent: {agent: no.body}}",
            "agent_unknown",
            "a.ygtc:6:3",
        ),
        ("shop.welcome", "  a: {flow.call: {flow_id: gone}}", "flow_unknown", "a.ygtc:5:3"),
        ("shop.welcome", "  {}", "flow_empty", "a.ygtc"),
        ("shop.support", "  a: {text: hi}", "settings_invalid", "lichen.toml:2: lichen.agents"),
    ],
)
def test_a_flow_about_something_unknown_is_refused_where_it_says_so(
    project: Project, id: str, node: str, code: str, place: str
) -> None:
    project.flow("a.ygtc", id, f"{node}\n")
    with pytest.raises(LichenError) as refused:
        project.load()
    assert refused.value.code == code
    assert (refused.value.place or "").endswith(place)


def test_a_path_without_a_flow_and_two_flows_of_one_id_are_refused(project: Project) -> None:
    with pytest.raises(LichenError) as missing:
        project.load()
    assert missing.value.code == "flows_missing"
    for name in ("a.ygtc", "b.ygtc"):
        project.flow(name, "shop.welcome", "  a: {text: hi}\n")
    with pytest.raises(LichenError) as twice:
        project.load()
    assert twice.value.code == "flow_twice"
