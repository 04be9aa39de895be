"""What the console and the command line say of values that a flow's texts read and that were not there."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from lichen import Agent, Runtime
from lichen.cli.show.screen import Screen
from lichen.cli.show.timeline import show_run
from lichen.core.words.scope import Operator, Scope
from lichen.flows.read.load import parse
from lichen.flows.walk.planner import FlowPlanner
from lichen.runtime.views.walk import Missing

SCOPE = Scope("acme", "dev")
OPS = Operator("ops", ("operator",))


@pytest.mark.req("GRE-11.13")
async def test_missing_values_are_shown_to_operators_once_with_their_node(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes = "  a: {text: '{{in.city}} {{in.city}}', routing: [{to: b}]}\n  b: {text: 'hi {{in.name}}'}\n"
    flow = parse(f"id: shop.flow\ntype: job\nnodes:\n{nodes}", "shop.flow.ygtc").flow
    agent = Agent("shop.flow", planner=FlowPlanner(flow))
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "all.cedar").write_text('@id("all") permit (principal, action, resource);')
    async with Runtime.open(tmp_path, agents=[agent], policies=tmp_path / "policies") as runtime:
        run = await runtime.runs.start(SCOPE, "shop.flow", "go", OPS)
        await runtime.runs.result(SCOPE, run, OPS)
        shown = runtime.runs.show(SCOPE, run, OPS)
    way = shown.walk
    assert way is not None
    assert [step.node for step in way.steps] == ["a", "b"]
    assert way.missing == (Missing("shop.flow", "a", "in.city"), Missing("shop.flow", "b", "in.name"))
    show_run(Screen(as_json=False), msgspec.to_builtins(shown))
    assert [line.split(":")[0].split() for line in capsys.readouterr().out.splitlines() if "missing" in line] == [
        ["missing", "in.city", "in", "shop.flow/a"],
        ["missing", "in.name", "in", "shop.flow/b"],
    ]
