"""Into what a flow is lowered: entry, operations, mappings, routing."""

from __future__ import annotations

from pathlib import Path

import pytest

from lichen.flows.ir import Branch, Component, Custom, End, Flow, Next, NodeRetry, Reply, Route, Routing
from lichen.flows.read.load import load, parse
from tests.flows.lowering import told

FIXTURES = Path(__file__).parent / "fixtures"
ACCEPTED = sorted((FIXTURES / "accepted").glob("*.ygtc"))


def expected() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    name = ""
    for line in (FIXTURES / "lowered.txt").read_text().splitlines():
        if not line.startswith(" "):
            name, _, line = line.partition(": ")
        found.setdefault(name, []).append(line)
    return found


def lowered(nodes: str, head: str = "") -> Flow:
    return parse(f"id: a\ntype: messaging\n{head}nodes:\n{nodes}", "a.ygtc").flow


def routed(routing: str) -> Routing:
    return (
        lowered(f"  a: {{x.y: {{}}, routing: {routing}}}\n  b: {{x.y: {{}}}}\n  c: {{x.y: {{}}}}\n").nodes["a"].routing
    )


@pytest.mark.req("GRE-4.1")
@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_the_corpus_is_lowered_as_upstream_compiles_it(path: Path) -> None:
    assert told(load(path)) == expected()[path.stem]


@pytest.mark.req("GRE-4.2")
@pytest.mark.parametrize(
    ("routing", "into"),
    [
        ("out", End()),
        ("reply", Reply()),
        ("[]", End()),
        ("[{}]", End()),
        ("[{to: b}]", Next("b")),
        ("[{to: out}]", End()),
        ("[{out: true}]", End()),
        ("[{to: b, out: true}]", End()),
        ("[{reply: true}]", Reply()),
        ("[{status: ok, to: b}]", Custom((Route("b", status="ok"),))),
        ("[{condition: x == 1, to: b}]", Custom((Route("b", condition="x == 1"),))),
        ("[{status: ok, to: b}, {to: c}]", Branch({"ok": "b"}, "c")),
        ("[{status: ok, to: b}, {status: bad, to: c}]", Branch({"ok": "b", "bad": "c"}, None)),
        ("[{to: b}, {to: c}]", Branch({}, "c")),
        ("[{status: ok, to: b}, {out: true}]", Custom((Route("b", status="ok"), Route(is_out=True)))),
        ("[{status: ok, to: b}, {to: out}]", Custom((Route("b", status="ok"), Route(is_out=True)))),
        ("[{condition: x, reply: true}, {to: b}]", Custom((Route(is_reply=True, condition="x"), Route("b")))),
    ],
)
def test_every_form_of_routing_is_lowered(routing: str, into: Routing) -> None:
    assert routed(routing) == into


@pytest.mark.req("GRE-4.3")
@pytest.mark.parametrize(
    ("node", "component"),
    [
        ("mcp: {server: s, tool: t}", Component("mcp")),
        ("questions: {}", Component("questions")),
        ("template: x", Component("template")),
        ("dw.agent.support: {}", Component("dw.agent.support")),
        ("approval.call: {}", Component("approval.call")),
        ("x.approval.call: {}", Component("component.exec", "x.approval.call")),
        ("state.get: {}", Component("component.exec", "state.get")),
        ("state.get: {}, operation: other", Component("component.exec", "other")),
        ("component.exec: {component: c}", Component("component.exec", "component.exec")),
        ("component.exec: {component: c}, operation: add", Component("component.exec", "add")),
        ("component.exec: c, calc.add: {}", Component("component.exec", "calc.add")),
        ("calc.add: {}, component.exec: c", Component("component.exec", "component.exec")),
        ("component.exec: c, calc.add: {}, operation: other", Component("component.exec", "other")),
        ("calc.add: {}, pack_alias: tools", Component("component.exec", "calc.add", "tools")),
    ],
)
def test_operation_keys_become_components_and_operations(node: str, component: Component) -> None:
    assert lowered(f"  a: {{{node}}}\n").nodes["a"].component == component


@pytest.mark.req("GRE-4.7")
@pytest.mark.parametrize(
    ("node", "payload", "unread"),
    [("component.exec: {a: 1}, calc.add: {b: 2}", {"b": 2}, "component.exec"),
     ("calc.add: {b: 2}, component.exec: {a: 1}", {"a": 1}, "calc.add")],
)  # fmt: skip
def test_of_two_operation_keys_the_one_written_last_is_read_and_the_other_warned_of(
    node: str, payload: dict[str, int], unread: str
) -> None:
    loaded = parse(f"id: f\ntype: job\nnodes:\n  a: {{{node}, routing: out}}\n", "f.ygtc")
    assert loaded.flow.nodes["a"].input == payload
    [warned] = [warning for warning in loaded.warnings if warning.code == "operation_unread"]
    assert warned.pointer == f"/nodes/a/{unread}"


@pytest.mark.req("GRE-4.3")
def test_version_1_keeps_every_operation_key_as_its_component() -> None:
    flow = lowered("  a: {state.get: {key: x}, operation: read}\n", "schema_version: 1\n")
    assert flow.nodes["a"].component == Component("state.get", "read")


@pytest.mark.req("GRE-4.4")
@pytest.mark.parametrize(
    ("head", "nodes", "start"),
    [
        ("start: b\n", "  a: {x.y: {}}\n  in: {x.y: {}}\n  b: {x.y: {}}\n", "b"),
        ("", "  a: {x.y: {}}\n  in: {x.y: {}}\n", "in"),
        ("", "  b: {x.y: {}}\n  a: {x.y: {}}\n", "b"),
    ],
)
def test_a_flow_starts_at_its_start_else_at_in_else_at_its_first_node(head: str, nodes: str, start: str) -> None:
    flow = lowered(nodes, head)
    assert flow.start == start
    assert flow.entrypoints == {"default": start}


@pytest.mark.req("GRE-4.4")
def test_entrypoints_are_kept_and_those_that_lead_nowhere_are_warned_of() -> None:
    loaded = parse(
        "id: a\ntype: http\nentrypoints: {web: b, gone: z, default: {}}\nnodes:\n  a: {x.y: {}}\n  b: {x.y: {}}\n", "a"
    )
    assert loaded.flow.entrypoints == {"web": "b", "default": "a"}
    assert [warning.pointer for warning in loaded.warnings] == ["/entrypoints/gone", "/entrypoints/default"]


@pytest.mark.req("GRE-4.5")
def test_what_upstream_ignores_is_lowered_to_be_executed() -> None:
    flow = load(FIXTURES / "accepted" / "executed_keys.ygtc")
    node = flow.nodes["pay"]
    assert node.input == {"order": "{{entry.order}}"}
    assert node.output == {"receipt": "{{response.id}}"}
    assert node.errors == {"text": "It did not work: {{error.code}}"}
    assert node.retry == NodeRetry(3, 0.2, ("unavailable",))
    assert node.timeout_s == 2.5
    assert node.when == "vars.total > 0"
    assert node.vars_out == {"receipt": "/id"}
    assert node.telemetry["span_name"] == "pay"
    assert flow.vars_init == {"total": {"default": 0}, "customer": {"required": True}}


@pytest.mark.req("GRE-4.5")
@pytest.mark.parametrize(
    ("written", "retry"),
    [
        ("{attempts: 2}", NodeRetry(2, 0.1)),
        ("{max_attempts: 4, backoff_s: 1}", NodeRetry(4, 1.0)),
        ("{attempts: 2, on: timeout}", NodeRetry(2, 0.1, ("timeout",))),
    ],
)
def test_the_forms_of_retry(written: str, retry: NodeRetry) -> None:
    assert lowered(f"  a: {{x.y: {{}}, retry: {written}}}\n").nodes["a"].retry == retry


@pytest.mark.req("GRE-4.5")
@pytest.mark.parametrize("written", ["1.5", "{seconds: 1.5}", "{ms: 1500}"])
def test_the_forms_of_timeout(written: str) -> None:
    assert lowered(f"  a: {{x.y: {{}}, timeout: {written}}}\n").nodes["a"].timeout_s == 1.5


@pytest.mark.req("GRE-4.5")
@pytest.mark.parametrize("written", ["x == 1", "{condition: x == 1}"])
def test_the_forms_of_when(written: str) -> None:
    assert lowered(f"  a: {{x.y: {{}}, when: {written}}}\n").nodes["a"].when == "x == 1"


def test_a_node_without_mappings_keeps_its_payload_and_its_result() -> None:
    node = lowered("  a: {x.y: {text: hi}, output: {}}\n").nodes["a"]
    assert node.input == {"text": "hi"}
    assert node.output is None
    assert node.errors is None
    assert node.retry.attempts == 1
    assert (node.place.line, node.place.column, node.place.pointer) == (4, 3, "/nodes/a")
