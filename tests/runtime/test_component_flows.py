"""What components say to the flows that ask them: failures by their own names, and where to go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from lichen.core.deciders import events as e
from lichen.tools.wasm.values.canonical import Case
from tests.runtime.component_projects import OPS, SCOPE, opened, project
from tests.tools.wasm.families.guests import node_json, reported

BUSY = node_json("0.5.0", Case("err", {**reported("RATE_LIMITED", details=None), "backoff-ms": 5}))
ROUTED = """
id: main
type: messaging
start: ask
nodes:
  ask:
    desk.process: {text: hi}
    retry: {attempts: 3, backoff_s: 0.001, on: [RATE_LIMITED]}
    routing: [{status: RATE_LIMITED, to: later}, {status: on_error, to: broken}]
  later:
    emit.response: {text: "Later: {{node.ask.message}}"}
    routing: out
  broken:
    emit.response: {text: "Broken."}
    routing: out
"""
MAPPED = """
id: mapped
type: messaging
start: ask
nodes:
  ask:
    desk.process: {text: hi}
    err_map: {text: "It says {{error.code}}: {{error.message}}"}
    routing: reply
"""
UNCAUGHT = """
id: uncaught
type: messaging
start: ask
nodes:
  ask:
    desk.process: {text: hi}
    routing: reply
"""


@pytest.mark.req("GRE-42.6")
async def test_a_flow_routes_maps_and_retries_by_the_code_of_the_component(tmp_path: Path) -> None:
    flows = {"main": ROUTED, "mapped": MAPPED, "uncaught": UNCAUGHT}
    async with opened(project(tmp_path, flows, {"desk": BUSY})) as asked:
        run = await asked.begin()
        assert (await asked.runtime.runs.result(SCOPE, run, OPS)).startswith("Later")
        controls = asked.records(run)
        tried = [each for each in controls if isinstance(each, e.CallProgressed) and each.what == "retry"]
        assert [each.attempt for each in tried] == [1, 2]
        assert await asked("mapped") == "It says RATE_LIMITED: not now"
        assert await asked.failure("uncaught") == "component_error"
        assert "RATE_LIMITED" not in repr(controls)
