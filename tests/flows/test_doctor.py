"""The doctor's report: upstream's fields, and more beside them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from blake3 import blake3

from lichen.flows.doctor import as_json, diagnose

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.mark.req("GRE-5.1")
def test_a_flow_that_loads_is_reported_with_its_bundle_and_digest() -> None:
    path = FIXTURES / "accepted" / "weather_exec.ygtc"
    told = as_json(diagnose(path))
    bundle = told["bundle"]
    assert told["ok"] is True
    assert told["errors"] == []
    assert (bundle["id"], bundle["kind"], bundle["entry"]) == ("flow_get_weather", "messaging", "call_weather")
    assert bundle["yaml"] == path.read_text()
    canonical = json.dumps(bundle["json"], sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert told["hash_blake3"] == bundle["hash_blake3"] == blake3(canonical).hexdigest()
    assert [node["node_id"] for node in bundle["nodes"]] == ["call_weather", "render"]
    assert bundle["nodes"][0]["component"]["name"] == "component.exec"
    assert json.dumps(told)


@pytest.mark.req("GRE-5.1")
def test_a_flow_that_does_not_load_is_reported_with_every_error_and_its_pointer() -> None:
    told = as_json(diagnose(FIXTURES / "rejected" / "when_in_routes.ygtc"))
    (error,) = told["errors"]
    assert (told["ok"], told["bundle"], told["hash_blake3"]) == (False, None, None)
    assert (error["line"], error["col"]) == (8, 9)
    assert error["json_pointer"] == "/nodes/check/routing/0/when"
    assert error["source_path"].endswith("when_in_routes.ygtc")
    assert error["next_step"] == "The condition of a route is called `condition`."


@pytest.mark.req("GRE-5.2")
def test_what_a_flow_needs_to_run_is_named() -> None:
    needs = {
        (need.kind, need.name): need.nodes for need in diagnose(FIXTURES / "accepted/agent_and_approval.ygtc").needs
    }
    assert needs[("agent", "support")] == ("think",)
    orchestrator = diagnose(FIXTURES / "accepted" / "qa_orchestrator.ygtc")
    assert ("flow", "qa_answer_flow") in {(need.kind, need.name) for need in orchestrator.needs}


def test_a_file_that_is_no_text_has_a_diagnosis_too(tmp_path: Path) -> None:
    path = tmp_path / "a.ygtc"
    path.write_bytes(b"\xff\xfe")
    found = diagnose(path)
    assert [error.code for error in found.errors] == ["yaml_encoding"]
    assert found.text == ""
