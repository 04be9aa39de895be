"""Traces of flows: upstream's fields, hashes that tell values apart, and a run that is walked again from its trace."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from lichen.core.ports.plan import PlanInput
from lichen.core.words.errors import Invalid, LichenError
from lichen.flows.ir import Flow
from lichen.flows.read.load import parse
from lichen.flows.text.reach import fields_of
from lichen.flows.trace.document import Asked, Recorded, Trace, read_trace
from lichen.flows.trace.making import node_digests, traced
from lichen.flows.trace.replaying import replayed
from lichen.flows.walk.planner import FlowPlanner
from lichen.flows.walk.watching import Watcher
from tests.flows.test_branches_fuzz import Driven, graphs


class Kept(Driven):
    """A run whose planner is looked on at, and what it was asked."""

    def __init__(self, *flows: Flow, calm: bool) -> None:
        super().__init__(*flows, calm=calm)
        self.asked_for: list[PlanInput] = []
        self.watcher = Watcher()
        planner, made = self.planner, FlowPlanner.plan

        async def plan(input: PlanInput) -> Any:
            self.asked_for.append(input)
            plan = await made(planner, input)
            assert planner.watched(input, self.watcher) == plan, "looking on changes nothing"
            return plan

        self.planner.plan = plan  # type: ignore[method-assign]

    def trace(self, *, contents: bool = True) -> Trace:
        asked = tuple(
            Asked(
                input.reason,
                input.run.step,
                input.run.now_us,
                input.input,
                input.results,
                input.answers,
                input.limit,
                bool(input.tools),
                input.calls_made,
                input.waits_made,
                len(plan.calls),
                len(plan.waits),
            )
            for input, plan in zip(self.asked_for, self.plans, strict=True)
        )
        first = self.asked_for[0].run
        nodes = node_digests(self.planner.flows.values())
        recorded = Recorded(self.planner.flow.id, 0, nodes, first, {}, asked)
        return traced([(self.planner, recorded)], version="0", contents=contents)


def again(trace: Trace) -> Trace:
    """The trace as it comes out of its file."""
    return msgspec.json.decode(trace.encoded(), type=Trace)


@pytest.mark.req("GRE-78.2")
@given(st.data(), st.randoms(use_true_random=False), st.booleans())
def test_a_run_that_is_walked_again_from_its_trace_does_the_same(
    data: st.DataObject, chance: random.Random, calm: bool
) -> None:
    part = data.draw(graphs("shop.part", calm=calm))
    run = Kept(data.draw(graphs("shop.flow", calls="shop.part", calm=calm)), part, calm=calm)
    run.go(chance)
    trace = run.trace()
    assert len(trace.steps) == len(run.watcher.visits)
    found = replayed(again(trace), run.planner)
    assert (found.is_same, found.changes) == (True, ())


TEXTS = {"said {{item}}{{index}}": "told {{item}}{{index}}"}


@pytest.mark.req("GRE-78.3")
@given(st.data(), st.randoms(use_true_random=False))
def test_a_constant_that_changed_is_found_where_the_run_came_by_it_and_told_where_not(
    data: st.DataObject, chance: random.Random
) -> None:
    flow = data.draw(graphs("shop.flow", calm=True))
    run = Kept(flow, calm=True)
    run.go(chance)
    trace = again(run.trace())
    changed = data.draw(st.sampled_from(sorted(flow.nodes)))
    other = FlowPlanner(_changed(flow, changed))
    found = replayed(trace, other)
    visited = [step.node_id for step in trace.steps]
    assert [(change.node, change.is_visited) for change in found.changes] == [(changed, changed in visited)]
    if changed in visited:
        assert found.first is not None
        assert (found.first.step, found.first.node) == (visited.index(changed), changed)
    else:
        assert found.is_same


def _changed(flow: Flow, node: str) -> Flow:
    """The flow whose node has another constant."""
    found = flow.nodes[node]
    fields = fields_of(found.input)
    given: Any = {**fields, "mark": 1} if fields or isinstance(found.input, dict) else f"{found.input}!"
    return msgspec.structs.replace(flow, nodes={**flow.nodes, node: msgspec.structs.replace(found, input=given)})


SHOP = """
id: shop.flow
type: messaging
schema_version: 2
nodes:
  look: {shop.look: {sku: "{{entry.text}}"}, routing: [{status: on_error, to: sorry}, {to: keep}]}
  keep: {var.set: {amount: "{{node.look.amount}}"}, routing: [{to: tell}]}
  tell: {text: "{{vars.amount}} of {{node.look.unit}}", routing: reply}
  sorry: {text: "Sorry.", routing: reply}
"""


def shop(outcome: Any = "ok", code: str = "") -> Kept:
    run = Kept(parse(SHOP, "shop/flow.ygtc").flow, calm=True)
    run.begin("nuts")
    run.calls_made = 1
    run.returns({"amount": 3}, outcome, code, "It is closed.")
    return run


def hashed(value: Any) -> dict[str, str]:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return {"algorithm": "blake3", "value": blake3(text.encode()).hexdigest()}


@pytest.mark.req("GRE-78.1")
def test_a_trace_has_upstreams_fields_and_holds_hashes_alone() -> None:
    found = json.loads(shop().trace(contents=False).encoded())
    assert found["trace_version"] == 1
    assert found["pack"] == {"pack_ref": "shop"}
    assert found["flow"]["id"] == "shop.flow"
    steps = [{name: step[name] for name in step if name not in ("flow", "status")} for step in found["steps"]]
    assert steps == [
        {
            "node_id": "look",
            "component_id": "component.exec",
            "operation": "shop.look",
            "input_hash": hashed({"sku": "nuts"}),
            "output_hash": hashed({"amount": 3}),
            "duration_ms": 0,
        },
        {
            "node_id": "keep",
            "component_id": "component.exec",
            "operation": "var.set",
            "input_hash": hashed({"amount": 3}),
            "output_hash": hashed({"amount": 3}),
            "state_delta_hash": steps[1]["state_delta_hash"],
            "duration_ms": 0,
        },
        {
            "node_id": "tell",
            "component_id": "component.exec",
            "operation": "text",
            "input_hash": hashed("3 of "),
            "output_hash": hashed({"text": "3 of "}),
            "validation_issues": [{"code": "value_missing", "path": "node.look.unit", "message": "It is not there."}],
            "duration_ms": 0,
        },
    ]
    assert "nuts" not in json.dumps(found)


@pytest.mark.req("GRE-78.1")
def test_a_failure_has_its_code_and_with_contents_what_was_said() -> None:
    failed = shop("failed", "closed")
    sealed, whole = (json.loads(failed.trace(contents=each).encoded())["steps"][0] for each in (False, True))
    assert (sealed["error"], "output_hash" in sealed) == ({"code": "closed"}, False)
    assert whole["error"] == {"code": "closed", "message": "It is closed."}
    assert whole["invocation_json"] == {
        "component_id": "component.exec",
        "operation": "shop.look",
        "payload": {"sku": "nuts"},
    }


@pytest.mark.req("GRE-78.3")
def test_another_way_is_told_and_what_follows_it_is_not_compared() -> None:
    trace = again(shop().trace())
    text = SHOP.replace("[{status: on_error, to: sorry}, {to: keep}]", "[{to: sorry}]")
    found = replayed(trace, FlowPlanner(parse(text, "shop/flow.ygtc").flow))
    assert found.first is not None
    assert (found.first.what, found.first.before, found.first.now) == ("way", "keep", "sorry")
    assert found.differs == ("keep",)
    assert [(change.node, change.what) for change in found.changes] == [("look", "changed")]


@pytest.mark.req("GRE-78.4")
def test_a_trace_of_hashes_cannot_be_replayed() -> None:
    run = shop()
    with pytest.raises(Invalid) as refused:
        replayed(again(run.trace(contents=False)), run.planner)
    assert refused.value.code == "trace_sealed"


HEAD = b'{"trace_version": 1, "pack": {"pack_ref": "p"}, "flow": {"id": "f", "version": "1"}, "steps": [],'


@pytest.mark.req("GRE-78.4")
@pytest.mark.parametrize(
    ("data", "code"),
    [
        (None, "trace_missing"),
        (b"{", "trace_invalid"),
        (b"[" * 200_000, "trace_invalid"),
        (b'{"trace_version": 1, "pack": {"pack_ref": "p"}, "flow": {"id": "f"}, "steps": []}', "trace_invalid"),
        (HEAD.replace(b"1", b"2", 1) + b' "lichen": {}}', "trace_invalid"),
        (HEAD + b' "lichen": {"runs": [{"agent": "f", "steps": 3, "nodes": {}}]}}', "trace_invalid"),
    ],
)
def test_a_file_that_is_no_trace_is_refused(tmp_path: Path, data: bytes | None, code: str) -> None:
    file = tmp_path / "t.json"
    if data is not None:
        file.write_bytes(data)
    with pytest.raises(LichenError) as refused:
        read_trace(file)
    assert refused.value.code == code
    assert (refused.value.place or "").startswith(str(file))


@pytest.mark.req("GRE-78.4")
def test_a_trace_of_another_runner_is_read() -> None:
    step = {"node_id": "n", "component_id": "c", "operation": "o", "input_hash": hashed(1), "duration_ms": 5, "x": 1}
    told = {
        "trace_version": 1,
        "git_sha": "abc",
        "pack": {"pack_ref": "pack@0.0.0", "resolved_digest": "sha256:d"},
        "flow": {"id": "f", "version": "0.0.1"},
        "steps": [{**step, "error": {"code": "node_error", "message": "boom", "details": {"a": 1}}}],
    }
    trace = msgspec.json.decode(json.dumps(told), type=Trace)
    assert trace.steps[0].error is not None
    assert trace.steps[0].error.details == {"a": 1}
