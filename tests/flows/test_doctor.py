"""The doctor's report: upstream's fields, and more beside them."""

from __future__ import annotations

import json
from hashlib import blake2s
from pathlib import Path

import pytest
from blake3 import blake3

from lichen.core.words.errors import Invalid, NotFound
from lichen.flows.read import hosting
from lichen.flows.read.catalog import Catalog, read_catalog
from lichen.flows.read.doctor import as_json, diagnose
from lichen.flows.read.load import parse
from lichen.flows.syntax.canonical import canonical
from lichen.flows.syntax.naming import hosted_name, is_agent_name

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
    assert bundle["nodes"][0]["component"] == {"name": "component.exec", "version_req": "*"}
    assert json.dumps(told)


UPSTREAMS = (
    '{"entrypoints":{},"id":"ask","nodes":{"answer":{"messaging.emit":{"rate":1e-7,"text":"ü"},"routing":[]},'
    '"in":{"qa.process":{"welcome":"hi"},"routing":[{"to":"answer"}],'
    '"telemetry":{"attributes":{},"sampling":null,"span_name":"ask"}}},'
    '"parameters":{},"schema_version":2,"start":"in","tags":[],"type":"events"}'
)


@pytest.mark.req("GRE-5.8")
def test_the_document_and_its_hash_are_the_ones_upstream_makes_of_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "ask.ygtc"
    path.write_text(
        "x-generated-by: a tool\ntype: events\nid: ask\nnodes:\n"
        "  in: {telemetry: {span_name: ask}, qa.process: {welcome: hi}, routing: [{to: answer}]}\n"
        '  answer: {messaging.emit: {text: "ü", rate: 1.0e-7}}\n'
    )
    told = as_json(diagnose(path))
    assert canonical(told["bundle"]["json"]).decode() == UPSTREAMS
    assert told["hash_blake3"] == blake3(UPSTREAMS.encode()).hexdigest()
    assert told["bundle"]["kind"] == "events"
    assert [node["component"]["name"] for node in told["bundle"]["nodes"]] == ["qa.process", "messaging.emit"]


@pytest.mark.req("GRE-5.8")
def test_upstreams_own_example_has_the_hash_that_upstream_publishes_for_it(tmp_path: Path) -> None:
    path = tmp_path / "flow_ok.ygtc"
    path.write_text("{id: flow_ok, type: messaging, nodes: {in: {qa.process: {welcome: Hello from flow_ok}}}}\n")
    told = as_json(diagnose(path))
    assert told["hash_blake3"] == "75fdab9f091a8af46c57d1857659e5bce32271cc1270de901886fdbf4081bd6a"
    assert told["bundle"]["nodes"] == [
        {"node_id": "in", "component": {"name": "qa.process", "version_req": "*"}, "schema_id": None}
    ]


@pytest.mark.req("GRE-5.8")
@pytest.mark.parametrize(
    ("number", "written"),
    [
        (1.0, "1.0"),
        (0.00001, "0.00001"),
        (-0.0000125, "-0.0000125"),
        (1e-6, "1e-6"),
        (1e16, "1e16"),
        (1.5e300, "1.5e300"),
        (1e15, "1000000000000000.0"),
    ],
)
def test_numbers_are_hashed_as_upstreams_serializer_writes_them(number: float, written: str) -> None:
    assert canonical([number, "1e-05"]).decode() == f'[{written},"1e-05"]'


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


@pytest.mark.req("GRE-2.5")
def test_an_adapter_that_a_catalogue_lacks_is_an_error_at_its_node() -> None:
    path = FIXTURES / "accepted" / "adapter_keys.ygtc"
    catalog = Catalog({"messaging.telegram": ("sendMessage", "editMessage"), "email.google": ("draft.create",)})
    assert diagnose(path).is_ok
    found = diagnose(path, catalog)
    (error,) = found.errors
    assert not found.is_ok
    assert (error.kind, error.code, error.line) == ("BadComponentKey", "adapter_resolvable", 10)
    assert error.next_step == "email.google has: draft.create."
    assert diagnose(FIXTURES / "accepted" / "loop_back.ygtc", catalog).is_ok


@pytest.mark.req("GRE-2.5")
def test_a_catalogue_is_json_of_adapters(tmp_path: Path) -> None:
    path = tmp_path / "adapters.json"
    path.write_text('{"adapters": {"a.b": ["c"]}}')
    assert read_catalog(path).adapters == {"a.b": ("c",)}
    path.write_text('{"adapters": {"a.b": "c"}}')
    with pytest.raises(Invalid) as invalid:
        read_catalog(path)
    assert (invalid.value.code, invalid.value.place) == ("catalog_invalid", str(path))
    with pytest.raises(NotFound):
        read_catalog(tmp_path / "none.json")


@pytest.mark.req("GRE-5.6")
@pytest.mark.parametrize("node", ["dw.agent: {message: hi}", "flow.call: {input: {}}", "mcp.exec: {args: {}}"])
def test_a_node_that_does_not_say_what_it_is_about_is_warned_of(node: str, tmp_path: Path) -> None:
    path = tmp_path / "a.ygtc"
    path.write_text(f"id: shop.a\ntype: messaging\nnodes:\n  a:\n    {node}\n")
    found = diagnose(path)
    assert found.is_ok
    assert [(each.code, each.line, each.pointer) for each in found.warnings] == [("target_missing", 4, "/nodes/a")]


@pytest.mark.req("GRE-5.7")
@pytest.mark.parametrize(("routing", "codes"), [("out", ["wait_leads_nowhere"]), ("[{to: a}]", [])])
def test_a_wait_that_leads_nowhere_is_warned_of(routing: str, codes: list[str], tmp_path: Path) -> None:
    path = tmp_path / "a.ygtc"
    path.write_text(f"id: shop.a\ntype: messaging\nnodes:\n  a: {{session.wait: {{prompt: hi}}, routing: {routing}}}\n")
    assert [each.code for each in diagnose(path).warnings] == codes


@pytest.mark.req("LIC-1.16")
def test_a_sidecar_names_the_component_of_an_operation_and_a_broken_one_is_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "pack-x" / "flows" / "a.ygtc"
    path.parent.mkdir(parents=True)
    path.write_text("id: a\ntype: job\nnodes:\n  one: {run: {}}\n")
    sidecar = path.with_name("a.ygtc.resolve.summary.json")
    sidecar.write_text('{"nodes": {"one": {"component_id": "org.acme.probe-kit"}, "two": 1}}')
    found = diagnose(path, pack="pack_x")
    assert found.needs[0].names == ("probe_kit.run", "pack_x.run")
    sidecar.write_text("{")
    broken = diagnose(path, pack="pack_x")
    assert broken.is_ok
    assert "sidecar_invalid" in {warning.code for warning in broken.warnings}
    assert broken.needs[0].names == ("pack_x.run",)


@pytest.mark.req("LIC-1.16")
@pytest.mark.parametrize(
    ("nodes", "node", "codes"),
    [
        (257, "orders.lookup: {}", ["flow_too_long"]),
        (256, "orders.lookup: {}", []),
        (41, "text: hi", ["flow_too_long"]),
        (40, "text: hi", []),
    ],
)
def test_a_flow_that_no_run_is_long_enough_for_is_warned_of(
    nodes: int, node: str, codes: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosting, "VISITS_ON_MAX", 40)
    chain = "".join(f"  n{i}: {{{node}, routing: [{{to: n{i + 1}}}]}}\n" for i in range(nodes - 1))
    path = tmp_path / "a.ygtc"
    path.write_text(f"id: shop.a\ntype: job\nnodes:\n{chain}  n{nodes - 1}: {{{node}, routing: out}}\n")
    assert [warning.code for warning in diagnose(path).warnings] == codes


@pytest.mark.req("LIC-1.14")
@pytest.mark.parametrize(
    ("id", "pack", "name"),
    [
        ("shop.welcome", "x", "shop.welcome"),
        ("main", "weather_bot", "weather_bot.main"),
        ("hello-flow", "x", "x.hello_flow"),
        ("ai.greentic.component-http.gtest", "x", "ai.greentic.component_http.gtest"),
        ("Flow.2nd", "x", "flow.n2nd"),
        ("a" * 80, "x", "x." + "a" * 53 + "_" + blake2s(("x." + "a" * 80).encode(), digest_size=4).hexdigest()),
    ],
)
def test_ids_become_names(id: str, pack: str, name: str) -> None:
    flow = parse(f"id: {id}\ntype: job\nnodes: {{}}\n", "a.ygtc").flow
    assert hosted_name(flow, pack) == name
    assert is_agent_name(name)
