"""Everything wrong with a file is found in one round, and said so that it can be mended."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from lichen.flows.read.load import Loaded, parse
from lichen.flows.syntax import document, schema
from lichen.flows.syntax.findings import Finding, FlowInvalid, Report


def errors(text: str) -> list[Finding]:
    with pytest.raises(FlowInvalid) as caught:
        parse(text, "a.ygtc")
    return [finding for finding in caught.value.findings if finding.severity == "error"]


def loaded(nodes: str, head: str = "type: messaging") -> Loaded:
    body = "".join(f"  {line}\n" for line in nodes.strip().splitlines())
    return parse(f"id: a\n{head}\nnodes:\n{body}", "a.ygtc")


def warned(nodes: str, head: str = "type: messaging") -> list[tuple[str, str]]:
    return [(warning.code, warning.next_step) for warning in loaded(nodes, head).warnings]


V0 = """\
id: weather
channels: [telegram]
nodes:
  telegram_in: {channel: telegram, in: true}
  forecast: {tool: weather.get, max_retries: 2}
  telegram_out: {channel: telegram, out: true}
connections:
  telegram_in: [forecast]
  forecast: [telegram_out]
"""


@pytest.mark.req("GRE-1.8")
def test_a_flow_of_the_first_format_is_told_so_and_everything_else_at_once() -> None:
    found = errors(V0)
    assert [(finding.code, finding.line) for finding in found] == [
        ("first_format", 7),
        ("type_missing", 1),
        ("operation_count", 4),
        ("operation_count", 5),
        ("operation_count", 6),
    ]
    assert "`connections`" in found[0].message
    assert "telegram_in: `routing: [{to: forecast}]`" in found[0].next_step
    assert "retry" in found[3].next_step


@pytest.mark.req("GRE-1.8")
def test_errors_of_every_sort_are_found_in_one_round() -> None:
    text = """\
id: a b
type: webhook
tags: none
start: gone
slot_schema: [{name: x, slot_type: string, pattern: "("}]
nodes:
  one: {a.b: {}, c.d: {}}
  two: {a.b: {}, routing: sideways}
  three: {a.b: {}, routing: [{to: nowhere}]}
  four: {a.b: {}, routing: [{condition: "x ==", to: two}]}
  five: {mcp: {server: s}}
  six: {a.b: {}, timeout: soon, retry: {attempts: 0}}
  seven/eight: {a.b: {}}
"""
    assert {(finding.code, finding.line) for finding in errors(text)} == {
        ("flow_id", 1),
        ("flow_type_unknown", 2),
        ("schema_type", 3),
        ("start_missing", 4),
        ("slot_pattern", 5),
        ("operation_count", 7),
        ("schema_enum", 8),
        ("node_missing", 9),
        ("condition_syntax", 10),
        ("mcp_tool", 11),
        ("schema_type", 12),
        ("schema_unknown_key", 13),
    }, "of a node that has the wrong types nothing more is said"


@pytest.mark.req("GRE-1.8")
def test_a_route_to_a_node_that_is_wrong_itself_is_no_error() -> None:
    found = errors("id: a\ntype: job\nnodes:\n  one: {a.b: {}, routing: [{to: two}]}\n  two: {a.b: {}, c.d: {}}\n")
    assert [finding.code for finding in found] == ["operation_count"]


@pytest.mark.req("GRE-1.9")
@pytest.mark.parametrize(
    ("node", "step"),
    [
        ("x.y: {}, routing: end", "Write `routing: out`."),
        ("x.y: {}, routing: [end]", "Write `routing: out`."),
        ("x.y: {}, routing: two", "Write `routing: [{to: two}]`."),
        ("x.y: {}, routes: [end]", "Where a node leads is called `routing`: write `routing: out`."),
        ("x.y: {}, next: two", "Where a node leads is called `routing`: write `routing: [{to: two}]`."),
        (
            "x.y: {}, assign: {a: 1}, routes: [end]",
            "Use `output` to map a node's result. Where a node leads is called `routing`: write `routing: out`.",
        ),
    ],
)
def test_what_was_meant_is_written_out_in_the_next_step(node: str, step: str) -> None:
    (found,) = errors(f"id: a\ntype: job\nnodes:\n  one: {{{node}}}\n  two: {{x.y: {{}}}}\n")
    assert found.next_step == step


@pytest.mark.req("GRE-1.9")
@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ('{{ x | default("y") }}', 'write `{{default x "y"}}`'),
        ("{{ x | tojson }}", "write `{{json x}}`"),
        ("{{ x | upper }}", "there are the helpers json, default and ifEq"),
        ("{{ x", "Close every {{ with }}"),
    ],
)
def test_a_filter_as_jinja_has_them_is_told_how_it_is_written(text: str, advice: str) -> None:
    (found,) = warned(f"one: {{text: '{text}'}}")
    assert found[0] == "template_syntax"
    assert advice in found[1]


@pytest.mark.req("GRE-1.9")
def test_routing_inside_the_payload_is_told_where_it_belongs() -> None:
    found = warned("one: {x.y: {a: 1, routing: {default: two}}}\ntwo: {x.y: {routing: {default: out}}, routing: out}")
    assert found == [
        ("routing_in_payload", "Write `routing: [{to: two}]` beside `x.y`, not in it."),
        ("node_unreachable", "Route a node to it, name it in `entrypoints`, or remove it."),
    ]


@pytest.mark.req("GRE-1.9")
def test_keys_of_the_top_that_nothing_reads_are_warned_of() -> None:
    nodes = "one: {x.y: {}, routing: [{to: two}]}\ntwo: {x.y: {}}"
    head = "type: job\nin: two\nedges: []\nchannels: [a]\noutputs: {a: b}\nx-generated-by: me"
    assert next(step for code, step in warned(nodes, head) if code == "key_ignored") == "Write `start: two`."
    assert [code for code, _ in warned(nodes, head)] == ["key_ignored"] * 4


@pytest.mark.req("GRE-1.10")
@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("{{event_type}}", "What was sent is `in.event_type`, a variable `vars.event_type`."),
        ("{{flow.owner}}", "What was sent is `in.flow.owner`, a variable `vars.owner`."),
        ("{{entri.x}}", "Write `entry`."),
        ("{{state.profile}}", "Write `vars.profile`, or `state.input.profile`."),
        ("{{#if flagg}}x{{/if}}", "What was sent is `in.flagg`, a variable `vars.flagg`."),
    ],
)
def test_a_value_that_never_is_there_is_warned_of_before_the_flow_runs(text: str, step: str) -> None:
    assert warned(f"one: {{text: '{text}'}}") == [("root_unknown", step)]


@pytest.mark.req("GRE-1.10")
@pytest.mark.parametrize(
    "text",
    ["{{in.x}} {{one.text}} {{state.input.x}} {{now.iso}}", "{{#each in.list}}{{name}} {{@index}}{{/each}}", "no"],
)
def test_values_that_may_be_there_are_not_warned_of(text: str) -> None:
    assert warned(f"one: {{text: '{text}', output: {{a: '{{{{text}}}}'}}}}") == []


@pytest.mark.req("GRE-1.11")
@pytest.mark.parametrize("nodes", ["nodes: {}", "nodes:", ""])
def test_a_flow_without_nodes_loads_as_upstream_has_it_with_a_warning(nodes: str) -> None:
    found = parse(f"id: a\ntype: messaging\n{nodes}\n", "a.ygtc")
    assert (found.flow.nodes, found.flow.start, found.flow.entrypoints) == ({}, "", {})
    assert [warning.code for warning in found.warnings] == ["nodes_empty"]


@pytest.mark.req("GRE-1.12")
def test_retry_and_timeout_on_a_node_that_calls_nothing_are_warned_of() -> None:
    nodes = """
one: {text: hi, retry: {attempts: 3}, timeout: 2, routing: [{to: two}]}
two: {session.wait: {}, retry: {attempts: 3}, timeout: 2, routing: [{to: three}]}
three: {flow.call: {flow_id: x}, retry: {attempts: 3}, timeout: 2, routing: [{to: four}]}
four: {dw.agent: {agent: x.y}, retry: {attempts: 3}, timeout: 2, routing: [{to: five}]}
five: {x.y: {}, retry: {attempts: 3}, timeout: 2}
"""
    assert [(w.code, w.pointer) for w in loaded(nodes).warnings] == [
        ("retry_without_effect", "/nodes/one"),
        ("timeout_without_effect", "/nodes/one"),
        ("retry_without_effect", "/nodes/two"),
    ]


# -- speed -------------------------------------------------------------------------------------------------------


def large(nodes: int) -> str:
    """A flow in which every node calls a tool with three arguments and leads to the next."""
    head = "id: big\ntype: messaging\nnodes:\n"
    return head + "".join(
        f"  n{i}:\n    orders.lookup:\n      order_id: '{{{{ entry.order_{i} }}}}'\n      note: step {i}\n"
        f"      tries: {i}\n    routing:\n      - to: n{(i + 1) % nodes}\n"
        for i in range(nodes)
    )


@pytest.mark.req("GRE-1.13")
def test_ten_thousand_realistic_nodes_load_in_seconds_with_the_place_of_each() -> None:
    text = large(10_000)
    began_s = time.process_time()
    flow = parse(text, "big.ygtc").flow
    took_s = time.process_time() - began_s
    assert len(flow.nodes) == 10_000
    assert (flow.nodes["n9999"].place.line, flow.nodes["n9999"].place.column) == (4 + 9_999 * 7, 3)
    assert took_s < 4.0, "a second where nothing else runs; the events of a parser in Python alone take three"


@pytest.mark.req("GRE-1.13")
def test_a_file_over_its_bounds_is_refused_while_it_is_read() -> None:
    text = "a:\n" + "  - 1\n" * (document.VALUES_MAX + 100_000)
    (found,) = errors(text)
    assert (found.code, found.line) == ("yaml_too_many", document.VALUES_MAX)


ROUTING = st.sampled_from(["out", "reply", "end", [], None, 1, [{}], ["x"], [{"to": "a"}], [{"to": 1}], [{"x": "a"}]])
NODES = st.dictionaries(
    st.sampled_from(["x.y", "routing", "telemetry", "output", "timeout", "1x", "a b", "when", "redaction"]),
    ROUTING | st.sampled_from([{"fields": ["a"]}, {"fields": 1}]),
    max_size=3,
)


@pytest.mark.req("GRE-1.14")
@given(st.dictionaries(st.sampled_from(["a", "b_c", "d-e", "1", "x y"]), NODES | st.just(2), max_size=3))
def test_the_quick_look_at_nodes_refuses_exactly_what_the_schema_refuses(nodes: dict[str, object]) -> None:
    flow: Any = {"id": "a", "type": "job", "nodes": nodes}
    report = Report("a.ygtc")
    schema.check(document.Document(flow, 0), report)
    is_right = not list(Draft202012Validator(schema.SCHEMA).iter_errors(flow))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    assert (not report.found) == is_right
