"""`lichen flow trace` of a project's runs, from their log, and what becomes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.projects import SETTINGS, Project

FLOW = """
    id: shop.order
    type: messaging
    schema_version: 2
    nodes:
      ask: {session.wait: {prompt: "Which order?"}, routing: [{to: look}]}
      look: {orders.lookup: {order_id: "{{node.ask.text}}"}, routing: [{to: tell}]}
      tell: {text: "It is {{node.look.status}}.", routing: reply}
"""


@pytest.mark.req("GRE-78.8")
def test_a_run_and_a_session_of_a_project_are_traced_by_whoever_may_and_replayed(tmp_path: Path) -> None:
    settings = SETTINGS.replace('["shop.py:support"]', '["shop.py:support"]\n    flows = ["order.ygtc"]')
    settings = settings.replace('policies = "policies"', 'policies = "policies"\n    agent = "shop.order"')
    project = Project(tmp_path, {"order.ygtc": FLOW, "lichen.toml": settings})
    assert "on its way" in project.run("chat", "--as", "customer-7", text="hi\n1042\n").out
    (run,) = project.run("runs", "list", "--json", "--as", "ops").data
    sealed = project.run("flow", "trace", run["id"], "--as", "ops")
    assert [step["node_id"] for step in sealed.data["steps"]] == ["ask", "look", "tell"]
    assert "on its way" not in sealed.out
    refused = project.run("flow", "trace", run["id"], "--as", "customer-7")
    assert (refused.code, "role_missing" in refused.err) == (5, True)
    whole = project.run("flow", "trace", run["session"], "--as", "ops", "--contents", "-o", "t.json")
    assert whole.code == 0, whole.err
    assert project.run("flow", "replay", "t.json").out == "3 steps as they were.\n"
    (project.root / "order.ygtc").write_text(FLOW.replace("It is", "This is"))
    assert project.run("flow", "replay", "t.json", "--flow", "order.ygtc").code == 1
