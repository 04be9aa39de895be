"""The trace of a run from its log: for whom it is, what it hides, and of which version of the flow it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lichen import Runtime
from lichen.core.words.errors import Conflict, Denied, Invalid
from lichen.core.words.ids import RunId
from lichen.core.words.scope import Service
from lichen.flows.trace.replaying import replayed
from lichen.flows.walk.planner import FlowPlanner
from tests.runtime.test_access_rules import ACME, Shop, said
from tests.runtime.test_redaction import OPS, SCOPE, opened

AFTER = '{vault.use: {text: "{{node.a.pin}} and {{node.a.open}}"}}'


async def ran(runtime: Runtime, agent: str = "shop.flow") -> RunId:
    run = await runtime.runs.start(SCOPE, agent, "go", OPS)
    await runtime.runs.result(SCOPE, run, OPS)
    return run


@pytest.mark.req("GRE-78.5")
async def test_a_trace_is_for_whoever_may_read_contents_and_each_one_is_an_opening(tmp_path: Path) -> None:
    async with opened(tmp_path, "pin", AFTER) as runtime:
        run = await ran(runtime)
        with pytest.raises(Denied):
            runtime.runs.trace(SCOPE, run, Service("crm"))
        trace = runtime.runs.trace(SCOPE, run, OPS)
        assert [(step.node_id, step.status) for step in trace.steps] == [("a", "ok"), ("b", "ok")]


@pytest.mark.req("GRE-78.5")
async def test_what_a_flow_hides_is_in_no_trace_which_can_be_replayed_all_the_same(tmp_path: Path) -> None:
    async with opened(tmp_path, "pin", AFTER) as runtime:
        run = await ran(runtime)
        trace = runtime.runs.trace(SCOPE, run, OPS, contents=True)
        (agent,) = (each for each in runtime.hosted if each.name == "shop.flow")
    assert re.search(rb"\b4711\b", trace.encoded()) is None
    assert b'"text": "[redacted] and shown"' in trace.encoded()
    assert isinstance(agent.planner, FlowPlanner)
    assert replayed(trace, agent.planner).is_same


@pytest.mark.req("GRE-78.5")
async def test_a_hidden_value_that_decides_the_way_makes_no_trace(tmp_path: Path) -> None:
    after = "{text: 'x', routing: [{condition: \"node.a.pin == 4711\", to: c}, {out: true}]}\n  c: {text: y}"
    async with opened(tmp_path, "pin", after) as runtime:
        run = await ran(runtime)
        with pytest.raises(Conflict) as refused:
            runtime.runs.trace(SCOPE, run, OPS)
    assert refused.value.code == "trace_diverged"


@pytest.mark.req("GRE-78.5")
async def test_a_run_of_no_flow_and_one_of_a_flow_that_is_gone_have_no_trace(tmp_path: Path) -> None:
    async with opened(tmp_path, "pin", AFTER) as runtime:
        run, other = await ran(runtime), await ran(runtime, "shop.keeper")
        with pytest.raises(Invalid) as refused:
            runtime.runs.trace(SCOPE, other, OPS)
        assert refused.value.code == "trace_no_flow"
    (tmp_path / "policies" / "all.cedar").unlink()
    (tmp_path / "policies").rmdir()
    async with opened(tmp_path, "pin", AFTER.replace(" and ", " or ")) as runtime:
        with pytest.raises(Conflict) as gone:
            runtime.runs.trace(SCOPE, run, OPS)
    assert gone.value.code == "trace_version_gone"


@pytest.mark.req("GRE-78.5")
@pytest.mark.parametrize("rule", ["desk/pay = forbidden", "desk/pay/done = forbidden", "desk/main/inner = forbidden"])
async def test_a_run_that_rules_of_access_stopped_has_a_trace_which_can_be_replayed(tmp_path: Path, rule: str) -> None:
    shop = Shop(tmp_path)
    shop.write("acme.gmap", f"_ = public\n{rule}\n")
    async with shop.runtime() as runtime:
        await said(runtime, "desk.main")
        (run,) = runtime.runs.list(ACME, OPS)
        trace = runtime.runs.trace(ACME, run.id, OPS, contents=True)
        (agent,) = (each for each in runtime.hosted if each.name == "desk.main")
    codes = [(step.node_id, step.error.code) for step in trace.steps if step.error is not None]
    assert ("inner", "access_forbidden") in codes
    assert isinstance(agent.planner, FlowPlanner)
    assert replayed(trace, agent.planner).is_same
