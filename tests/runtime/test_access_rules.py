"""Rules of access in a running project: what customers, runs and flows may come to, and what they are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from lichen.core.words.errors import Denied
from lichen.core.words.scope import Customer, Operator, Scope
from lichen.runtime.project.loading import examine, load
from lichen.runtime.runtime import Runtime
from tests.cli.projects import Project

ACME, OPS, ANN = Scope("acme", "dev"), Operator("ops", ("operator",)), Customer("ann")
DENIED = "Sorry, I am not allowed to do that."
SETTINGS = """
    [lichen]
    agents = ["shop.py:support"]
    flows = ["*/*.ygtc"]

    [tenants.acme]
    agent = "shop.support"
    actors = [{id = "ops", kind = "operator", roles = ["operator"]}, {id = "ann", kind = "customer"}]
    access = "acme.gmap"

    [tenants.acme.team.sales]
    access = "sales.gmap"

    [tenants.globex]
"""
SHOP = """
from lichen import Agent
from lichen.core.ports.plan import Plan

class Silent:
    pure = True
    digest = "silent"
    async def plan(self, input):
        return Plan(answer="ok")

support = Agent("shop.support", planner=Silent())
"""
HEAD = "type: messaging\nschema_version: 2\nnodes:\n"
MAIN = f"""id: main
{HEAD}  hello:
    messaging.emit: {{text: "Hello."}}
    routing: [{{to: inner}}]
  inner:
    flow.call: {{flow_id: pay}}
    routing: [{{status: denied, to: sorry}}, {{out: true}}]
  sorry:
    messaging.emit: {{text: "Not here."}}
    routing: out
"""
PAY = f"""id: pay
{HEAD}  start:
    messaging.emit: {{text: "Paying."}}
    routing: [{{to: done}}]
  done:
    messaging.emit: {{text: "Paid."}}
    routing: out
"""
OTHER = f"""id: main
{HEAD}  only:
    messaging.emit: {{text: "The other."}}
    routing: out
"""
EVERYTHING = "_ = public\n"


class Shop:
    """A project with two folders of flows, of which two have one id."""

    def __init__(self, root: Path) -> None:
        self.root, self.file = root, root / "lichen.toml"
        files = {"lichen.toml": SETTINGS, "shop.py": SHOP, "acme.gmap": EVERYTHING, "sales.gmap": "\n"}
        self.project = Project(root, files)
        for name, text in (("desk/main.ygtc", MAIN), ("desk/pay.ygtc", PAY), ("other/main.ygtc", OTHER)):
            self.write(name, text)

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def runtime(self) -> Runtime:
        return Runtime.of(load(self.file, environ={}))

    def codes(self) -> list[str]:
        return [error.code for error in examine(self.file, environ={}).errors]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


async def said(runtime: Runtime, agent: str, *, team: str = "") -> list[str]:
    """What a customer is told who says something to it."""
    session = await runtime.sessions.open(ACME, ANN, agent=agent, team=team)
    await (await session.say("Hi")).result()
    return [entry.text for entry in await session.pending()]


@pytest.mark.req("GRE-72.5")
async def test_a_session_and_a_run_begin_only_where_the_rules_let_them(shop: Shop) -> None:
    shop.write("acme.gmap", "_ = forbidden\ndesk = public\n")
    async with shop.runtime() as runtime:
        assert await said(runtime, "desk.main") == ["Hello.", "Paying.", "Paid."]
        for name in ("shop.support", "other.main"):
            with pytest.raises(Denied, match="not allowed"):
                await runtime.sessions.open(ACME, ANN, agent=name)
            with pytest.raises(Denied, match="not allowed"):
                await runtime.runs.start(ACME, name, "Hi", OPS)  # operators are bound as anybody


@pytest.mark.req("GRE-72.5")
async def test_the_projects_own_agents_lie_in_the_pack_agents(shop: Shop) -> None:
    shop.write("acme.gmap", "_ = forbidden\nagents/shop.support = public\n")
    async with shop.runtime() as runtime:
        assert await said(runtime, "shop.support") == ["ok"]


@pytest.mark.req("GRE-72.6")
async def test_a_flow_that_is_called_as_a_frame_is_come_to_only_where_the_rules_let_it(shop: Shop) -> None:
    shop.write("acme.gmap", "_ = public\ndesk/pay = forbidden\n")
    async with shop.runtime() as runtime:
        assert await said(runtime, "desk.main") == ["Hello.", "Not here."]


@pytest.mark.req("GRE-72.6")
async def test_a_node_that_calls_nothing_is_forbidden_too(shop: Shop) -> None:
    shop.write("acme.gmap", "_ = public\ndesk/pay/done = forbidden\n")
    async with shop.runtime() as runtime:
        assert await said(runtime, "desk.main") == ["Hello.", "Paying.", "Not here."]
        assert await said(runtime, "desk.pay") == ["Paying.", "This is not allowed."]


"""And a run that nothing deals with it in fails, in the words of a refusal."""


@pytest.mark.req("GRE-72.7")
async def test_a_project_whose_rules_are_wrong_does_not_start_and_every_mistake_is_told(shop: Shop) -> None:
    shop.write("acme.gmap", "_ = allow\npack/* = public\n")
    (shop.root / "sales.gmap").unlink()
    found = examine(shop.file, environ={}).errors
    assert [(error.code, str(error.place).removeprefix(f"{shop.root}/")) for error in found] == [
        ("access_verdict", "acme.gmap:1:5"),
        ("access_path", "acme.gmap:2:1"),
        ("access_missing", "sales.gmap"),
    ]
    shop.write("acme.gmap", EVERYTHING)
    shop.file.write_text(shop.file.read_text().replace("sales.gmap", "../sales.gmap"))
    assert shop.codes() == ["path_outside"]
