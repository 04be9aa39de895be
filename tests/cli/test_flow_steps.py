"""`lichen flow new`, `add-step`, `update-step`, `delete-step`, `bind-component` as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from lichen.cli.trying.flow import app
from lichen.core.words.errors import LichenError

CONFIG = """id: setup
type: component-config
start: ask
nodes:
  ask: {questions: {fields: [{id: text, prompt: What?, type: string, default: hi}]}, routing: [{to: give}]}
  give:
    template: >-
      {"node_id": "card", "node": {"card": {"text": "{{state.text}}"}, "routing": [{"to": "NEXT_NODE_PLACEHOLDER"}]}}
"""


def typed(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [*map(str, words)])


@pytest.fixture
def flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "flows" / "main.ygtc"
    assert typed("new", "--flow", path, "--id", "main", "--name", "Main").exit_code == 0
    (tmp_path / "comp.wasm").write_bytes(b"wasm-bytes")
    return path


@pytest.mark.req("GRE-7.7")
def test_a_flow_is_begun_and_grows_step_by_step(flow: Path) -> None:
    assert (
        typed(
            "add-step", "--flow", flow, "--node-id", "hi", "--operation", "text", "--payload", '{"text": "Hi"}'
        ).exit_code
        == 0
    )
    added = typed("add-step", "--flow", flow, "--node-id", "bye", "--operation", "text", "--routing-reply", "--json")
    assert json.loads(added.stdout) == {"node": "bye", "after": "hi", "written": True, "warnings": []}
    assert typed("update-step", "--flow", flow, "--step", "bye", "--payload", '{"text": "Bye"}').exit_code == 0
    assert yaml.safe_load(flow.read_text())["nodes"] == {
        "hi": {"text": {"text": "Hi"}, "routing": [{"to": "bye"}]},
        "bye": {"text": {"text": "Bye"}, "routing": "reply"},
    }
    assert typed("delete-step", "--flow", flow, "--step", "hi").exit_code == 0
    assert list(yaml.safe_load(flow.read_text())["nodes"]) == ["bye"]
    assert typed("doctor", flow).exit_code == 0


@pytest.mark.req("GRE-7.7")
def test_what_is_only_tried_is_not_written(flow: Path) -> None:
    before = flow.read_text()
    tried = typed(
        "add-step", "--flow", flow, "--node-id", "hi", "--operation", "text", "--dry-run", "--local-wasm", "comp.wasm"
    )
    assert "  hi:\n" in tried.stdout
    assert typed("add-step", "--flow", flow, "--node-id", "hi", "--operation", "text", "--validate-only").exit_code == 0
    assert flow.read_text() == before
    assert [path.name for path in flow.parent.iterdir()] == ["main.ygtc"]


@pytest.mark.req("GRE-7.7")
def test_a_refused_step_leaves_flow_and_sidecar_as_they_were(flow: Path) -> None:
    typed("add-step", "--flow", flow, "--node-id", "hi", "--operation", "text", "--local-wasm", "comp.wasm")
    before = {path.name: path.read_bytes() for path in flow.parent.iterdir()}
    refused = typed(
        "add-step",
        "--flow",
        flow,
        "--node-id",
        "x",
        "--operation",
        "text",
        "--routing-next",
        "gone",
        "--local-wasm",
        "comp.wasm",
    )
    assert isinstance(refused.exception, LichenError)
    assert refused.exception.code == "route_target_missing"
    assert {path.name: path.read_bytes() for path in flow.parent.iterdir()} == before
    again = typed("new", "--flow", flow, "--id", "main")
    assert isinstance(again.exception, LichenError)
    assert again.exception.code == "flow_exists"


@pytest.mark.req("GRE-7.7")
@pytest.mark.parametrize(
    "words",
    [
        ["--payload", "{"],
        ["--payload", "[]"],
        ["--routing-out", "--routing-reply"],
        ["--local-wasm", "comp.wasm", "--component", "oci://x/y"],
    ],
    ids=["no JSON", "no object", "two ways", "two components"],
)
def test_misuse_is_said_in_words(flow: Path, words: list[str]) -> None:
    ended = typed("add-step", "--flow", flow, "--node-id", "hi", "--operation", "text", *words)
    assert (ended.exit_code, "Error" in ended.output) == (2, True)


@pytest.mark.req("GRE-8.1")
def test_the_component_of_a_step_is_said_beside_the_flow_and_goes_with_the_step(flow: Path) -> None:
    sidecar = Path(f"{flow}.resolve.json")
    typed(
        "add-step",
        "--flow",
        flow,
        "--node-id",
        "a",
        "--operation",
        "handle_message",
        "--local-wasm",
        "comp.wasm",
        "--pin",
    )
    typed(
        "add-step",
        "--flow",
        flow,
        "--node-id",
        "b",
        "--operation",
        "handle_message",
        "--component",
        "oci://ghcr.io/x/y:1",
    )
    nodes = json.loads(sidecar.read_text())["nodes"]
    assert (nodes["a"]["source"]["path"], nodes["a"]["mode"]) == ("../comp.wasm", "pinned")
    assert nodes["b"] == {"source": {"kind": "oci", "ref": "oci://ghcr.io/x/y:1"}, "mode": "tracked"}
    assert typed("bind-component", "--flow", flow, "--step", "b", "--local-wasm", "comp.wasm").exit_code == 0
    assert json.loads(sidecar.read_text())["nodes"]["b"]["source"] == {"kind": "local", "path": "../comp.wasm"}
    typed("delete-step", "--flow", flow, "--step", "a")
    assert list(json.loads(sidecar.read_text())["nodes"]) == ["b"]


@pytest.mark.req("GRE-9.4")
def test_a_config_flow_asks_how_a_step_is_set_up_and_gives_it(flow: Path, tmp_path: Path) -> None:
    (tmp_path / "setup.ygtc").write_text(CONFIG)
    typed("add-step", "--flow", flow, "--node-id", "hi", "--operation", "text")
    added = typed(
        "add-step", "--flow", flow, "--node-id", "card", "--config-flow", "setup.ygtc", "--answers", '{"text": "Well?"}'
    )
    assert added.exit_code == 0
    node = yaml.safe_load(flow.read_text())["nodes"]["card"]
    assert node == {"card": {"text": "Well?"}, "routing": "out"}
