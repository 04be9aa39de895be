"""What loads and what does not, and how exactly it is said."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import msgspec
import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from lichen.core.words.errors import NotFound
from lichen.flows.ir import Flow
from lichen.flows.read.load import load, parse, parse_file
from lichen.flows.syntax.canonical import canonical, digest_of
from lichen.flows.syntax.document import BYTES_MAX
from lichen.flows.syntax.findings import Finding, FlowInvalid

FIXTURES = Path(__file__).parent / "fixtures"
ACCEPTED = sorted((FIXTURES / "accepted").glob("*.ygtc"))
REJECTED = sorted((FIXTURES / "rejected").glob("*.ygtc"))


def flow_of(text: str) -> Flow:
    return parse(dedent(text), "a.ygtc").flow


def refused(text: str) -> tuple[Finding, ...]:
    with pytest.raises(FlowInvalid) as caught:
        parse(dedent(text), "a.ygtc")
    assert caught.value.next_step
    return caught.value.findings


def warned(text: str) -> list[str]:
    return [finding.code for finding in parse(dedent(text), "a.ygtc").warnings]


def with_node(node: str) -> str:
    return f"id: a\ntype: messaging\nnodes:\n  in:\n    emit.response: {{}}\n    {node}\n"


@pytest.mark.req("GRE-1.1")
@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_flows_in_the_shapes_that_are_really_out_there_load(path: Path) -> None:
    flow = load(path)
    assert flow.nodes
    assert flow.start in flow.nodes
    assert flow.path == str(path)


@pytest.mark.req("GRE-2.1")
@pytest.mark.parametrize("path", REJECTED, ids=lambda path: path.stem)
def test_bad_flows_are_refused_with_kind_code_and_line(path: Path) -> None:
    kind, code, line = path.read_text().partition("\n")[0].removeprefix("# ").split()
    with pytest.raises(FlowInvalid) as caught:
        load(path)
    first = caught.value.findings[0]
    assert (first.kind, first.code, first.line) == (kind, code, int(line))
    assert caught.value.place == f"{path}:{line}:{first.column}"
    assert caught.value.code == code


@pytest.mark.req("GRE-1.2")
def test_a_finding_has_file_line_column_and_pointer() -> None:
    (found,) = refused("""\
        id: a
        type: messaging
        nodes:
          in/side: 1
        """)
    assert found.place == "a.ygtc:4:3"
    assert found.pointer == "/nodes/in~1side"
    (found,) = refused("""\
        id: a
        type: messaging
        nodes:
          in:
            emit.response: {}
            routing:
              - {status: ok, to: in}
              - {status: bad, to: nowhere}
        """)
    assert (found.kind, found.place) == ("MissingNode", "a.ygtc:8:23")
    assert found.pointer == "/nodes/in/routing/1/to"


@pytest.mark.req("GRE-1.3")
def test_everything_wrong_of_one_sort_is_said_at_once() -> None:
    found = refused("""\
        id: a
        type: messaging
        tags: none
        nodes:
          one: {a.b: {}, routing: sideways}
          two: {a.b: {}, telemetry: {span: x}}
        """)
    assert {finding.pointer for finding in found} == {
        "/tags",
        "/nodes/one/routing",
        "/nodes/two/telemetry/span",
    }


@pytest.mark.req("GRE-2.2")
@pytest.mark.parametrize("kind", ["webhook", "timer", "websocket", "pubsub"])
def test_types_that_nothing_runs_are_refused_when_they_are_loaded(kind: str) -> None:
    (found,) = refused(f"id: a\ntype: {kind}\nnodes:\n  in: {{emit.response: {{}}}}\n")
    assert found.kind == "UnknownFlowType"
    assert "nothing runs it" in found.message


@pytest.mark.req("GRE-2.3")
@pytest.mark.parametrize(
    ("node", "code"),
    [
        ("when: {unless: x}", "when_invalid"),
        ("when: ''", "when_invalid"),
        ("when: a ==", "condition_syntax"),
        ("timeout: 0", "timeout_invalid"),
        ("timeout: {minutes: 1}", "timeout_invalid"),
        ("timeout: {seconds: 1, ms: 1}", "timeout_invalid"),
        ("retry: {attempts: 0}", "retry_invalid"),
        ("retry: {attempts: 1000}", "retry_invalid"),
        ("retry: {times: 3}", "retry_invalid"),
        ("retry: {attempts: 3, jitter: true}", "retry_invalid"),
        ("retry: {attempts: true}", "retry_invalid"),
        ("retry: {attempts: 3, backoff_s: -1}", "retry_invalid"),
        ("retry: {attempts: 3, on: [1]}", "retry_invalid"),
    ],
)
def test_a_guard_that_is_not_understood_is_not_ignored(node: str, code: str) -> None:
    found = refused(with_node(node))
    assert found[0].code == code
    assert found[0].line == 6


@pytest.mark.req("GRE-2.4")
def test_a_start_that_is_not_there_is_refused() -> None:
    (found,) = refused("id: a\ntype: job\nstart: gone\nnodes:\n  in: {emit.response: {}}\n")
    assert (found.kind, found.code, found.line) == ("MissingNode", "start_missing", 3)


@pytest.mark.req("GRE-3.1")
def test_after_puts_nodes_of_version_1_in_order_whatever_their_order_in_the_file() -> None:
    flow = flow_of("""\
        schema_version: 1
        id: a
        type: event
        nodes:
          last: {after: [second, other], component.exec: {component: x}}
          second: {after: first, component.exec: {component: x}}
          other: {after: first, component.exec: {component: x}}
          first: {component.exec: {component: x}, when: "${inputs.on?true:false}"}
        """)
    assert list(flow.nodes) == ["first", "second", "other", "last"]
    assert flow.start == "first"
    assert flow.nodes["first"].when == "entry.on"


@pytest.mark.req("GRE-3.1")
def test_version_1_nodes_that_come_after_each_other_or_after_nothing_are_refused() -> None:
    head = "schema_version: 1\nid: a\ntype: event\nnodes:\n"
    circle = refused(head + "  a: {after: b, x.y: {}}\n  b: {after: a, x.y: {}}\n")[0]
    assert circle.code == "after_cycle"
    missing = refused(head + "  a: {after: gone, x.y: {}}\n")[0]
    assert (missing.kind, missing.code) == ("MissingNode", "after_missing")


@pytest.mark.req("GRE-3.2")
def test_next_is_read_as_to_with_a_warning_at_its_place() -> None:
    loaded = parse_file(FIXTURES / "accepted" / "next_routing.ygtc")
    (warning,) = loaded.warnings
    assert (warning.code, warning.severity, warning.pointer) == (
        "route_next",
        "warning",
        "/nodes/extract_event/routing/0/next",
    )


@pytest.mark.req("GRE-3.3")
def test_nodes_as_a_list_are_told_how_to_be_written() -> None:
    (found,) = refused("id: a\ntype: messaging\nnodes:\n  - {id: ingress, type: message.receive}\n")
    assert found.message == "`nodes` is a list here; it is a mapping from node id to node."
    assert "nodes: {ingress: {message.receive: {...}" in found.next_step


@pytest.mark.req("GRE-6.1")
def test_the_digest_is_the_same_however_the_file_is_laid_out() -> None:
    one = flow_of("id: a\ntype: job\nnodes:\n  in: {x.y: {b: 1, a: é}}\n")
    other = flow_of("# a comment\nnodes: {in: {x.y: {a: 'é',\n  b: 0x1}}}\ntype: \"job\"\nid: a\n")
    assert one.digest == other.digest
    assert one.digest != flow_of("id: a\ntype: job\nnodes:\n  in: {x.y: {b: 2, a: é}}\n").digest


@pytest.mark.req("GRE-6.1")
def test_the_digest_is_blake3_over_canonical_json() -> None:
    assert canonical({"b": [1, 2.5, None], "a": "é"}) == '{"a":"é","b":[1,2.5,null]}'.encode()
    assert digest_of({"b": 1, "a": []}) == blake3(b'{"a":[],"b":1}').hexdigest()


@pytest.mark.req("GRE-10.1")
@pytest.mark.parametrize(
    ("slots", "code"),
    [
        ("{name: a, slot_type: string}", "schema_required"),
        ("{name: a, slot_type: string, pattern: '('}", "slot_pattern"),
        (f"{{name: a, slot_type: string, pattern: '{'a' * 600}'}}", "slot_pattern"),
        ("{name: a, slot_type: enum}", "schema_required"),
        ("{name: a, slot_type: string, pattern: '(a+)+b'}", "slot_pattern"),
        ("{name: a, slot_type: enum, enum_values: []}", "schema_empty"),
        ("{name: a, slot_type: enum, enum_values: [x], default_value: y}", "slot_default"),
        ("{name: a, slot_type: number, default_value: many}", "slot_default"),
        ("{name: a, slot_type: place}", "schema_enum"),
        ("{name: a, slot_type: date, label: Day}", "schema_unknown_key"),
        ("{name: a, slot_type: date}, {name: a, slot_type: number}", "slot_duplicate"),
    ],
)
def test_a_slot_that_cannot_be_recognised_is_refused(slots: str, code: str) -> None:
    found = refused(f"id: a\ntype: job\nslot_schema: [{slots}]\nnodes:\n  in: {{x.y: {{}}}}\n")
    assert found[0].code == code
    assert found[0].line == 3


@pytest.mark.req("GRE-10.1")
def test_slots_of_every_type_load() -> None:
    flow = load(FIXTURES / "accepted" / "slots.ygtc")
    assert [slot.slot_type for slot in flow.slots] == ["string", "enum", "number", "date", "boolean"]
    assert flow.slots[0].required
    assert flow.slots[1].enum_values == ("small", "large")
    assert flow.metadata.extra["greentic.slot_schema"][2] == {
        "name": "count",
        "slot_type": "number",
        "default_value": "2",
    }


@pytest.mark.req("GRE-1.4")
def test_what_loads_and_may_not_be_meant_is_warned_of() -> None:
    loaded = parse(
        dedent("""\
        id: a
        type: messaging
        nodes:
          in:
            emit.response: {text: "{{node.gone.text}} {{ open"}
            routing: [{condition: node.lost.ok == true, to: in}]
          island:
            emit.response: {text: "{{node.none.text}}"}
            routing: [{to: in}, {to: island}]
        """),
        "a.ygtc",
    )
    assert [(warning.code, warning.line) for warning in loaded.warnings] == [
        ("template_syntax", 5),
        ("reference_missing", 6),
        ("node_unreachable", 7),
        ("reference_missing", 8),
        ("route_shadowed", 9),
    ]


@pytest.mark.req("GRE-1.5")
@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("id: a\n\ttype: x\n", "yaml_syntax", 2),
        ("id: a\0\n", "yaml_character", 1),
        ('id: "\\0"\n', "yaml_character", 1),
        ('id: "\\ud800"\n', "yaml_syntax", 1),
        ("id: a\nid: b\n", "yaml_duplicate_key", 2),
        ("? [a]\n: b\n", "yaml_key", 1),
        ("a: !!python/object/apply:os.system [x]\n", "yaml_tag", 1),
        ("a: &a [*a]\n", "yaml_alias", 1),
        ("a: *b\n", "yaml_alias", 1),
        ("a: .inf\n", "yaml_number", 1),
        (f"a: {'9' * 5000}\n", "yaml_number", 1),
        ("a: 1\n---\nb: 2\n", "yaml_documents", 2),
        ("[" * 10_000, "yaml_too_deep", 1),
        ("a: " + "x" * BYTES_MAX, "yaml_too_large", 1),
        (
            "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}' if n else 'x'] * 9)}]\n" for n in range(9)),
            "yaml_too_many",
            1,
        ),
        ("", "flow_not_mapping", 1),
        ("just words", "flow_not_mapping", 1),
        ("id: a\ntype: job\nnodes: words\n", "nodes_missing", 3),
        ("id: 1\ntype: [x]\nnodes: {a: 2}\n", "schema_type", 1),
    ],
)
def test_hostile_and_broken_texts_are_refused_with_a_place(text: str, code: str, line: int) -> None:
    first = refused(text)[0]
    assert (first.code, first.line) == (code, line)


@pytest.mark.req("GRE-1.5")
def test_a_key_that_stands_twice_is_named_with_both_places() -> None:
    (found,) = refused("id: a\ntype: job\nnodes:\n  in: {x.y: {}}\n  in: {x.y: {}}\n")
    assert found.message == "The key 'in' stands here and in line 4, column 3."
    assert (found.place, found.pointer) == ("a.ygtc:5:3", "/nodes/in")


def test_a_key_that_is_a_number_is_read_as_text_with_a_warning() -> None:
    text = "id: a\ntype: job\nnodes:\n  in: {x.y: {404: gone, true: 1}}\n"
    assert warned(text) == ["yaml_key_not_text", "yaml_key_not_text"]
    assert flow_of(text).nodes["in"].input == {"404": "gone", "true": 1}


def test_scalars_are_those_of_the_core_schema() -> None:
    text = "id: a\ntype: job\nnodes:\n  in: {x.y: [yes, 007, 2024-01-01, 1e3, 1.5, -2, ~, 'true', 0o17, TRUE, 1.2.3]}\n"
    assert flow_of(text).nodes["in"].input == [
        "yes",
        "007",
        "2024-01-01",
        1000.0,
        1.5,
        -2,
        None,
        "true",
        15,
        True,
        "1.2.3",
    ]


@pytest.mark.req("GRE-1.15")
def test_every_node_with_a_name_that_none_can_have_is_named_whatever_it_is() -> None:
    with pytest.raises(FlowInvalid) as refused:
        parse("id: a\ntype: job\nnodes:\n  0d: {x.y: 1}\n  'd  s': x\n  '-': null\n", "a.ygtc")
    found = [(finding.code, finding.pointer, finding.line) for finding in refused.value.findings]
    assert found == [
        ("schema_unknown_key", f"/nodes/{name}", line) for name, line in (("0d", 4), ("d  s", 5), ("-", 6))
    ]


def test_aliases_are_values_like_any_other() -> None:
    text = "id: a\ntype: job\nnodes:\n  in: {x.y: {a: &one {b: &two [1]}, c: *one, d: [*two, *one]}}\n"
    assert flow_of(text).nodes["in"].input == {"a": {"b": [1]}, "c": {"b": [1]}, "d": [[1], {"b": [1]}]}


def test_a_file_that_is_not_there_or_not_utf_8_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(NotFound) as missing:
        load(tmp_path / "none.ygtc")
    assert missing.value.code == "flow_missing"
    (tmp_path / "latin.ygtc").write_bytes(b"id: a\ntitle: \xe9\n")
    with pytest.raises(FlowInvalid) as latin:
        load(tmp_path / "latin.ygtc")
    assert (latin.value.code, latin.value.findings[0].line) == ("yaml_encoding", 2)
    (tmp_path / "marked.ygtc").write_bytes(b"\xef\xbb\xbf" + (FIXTURES / "accepted" / "hello.ygtc").read_bytes())
    assert load(tmp_path / "marked.ygtc").id == "hello-flow"


SAMPLES = [path.read_text() for path in (*ACCEPTED, *REJECTED)]


@st.composite
def mutated(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(SAMPLES))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = start + draw(st.integers(0, 30))
        text = text[:start] + draw(st.text(max_size=8) | st.sampled_from(BITS)) + text[end:]
    return text


BITS = [
    "[",
    "{",
    "}",
    ": ",
    "- ",
    "\n",
    "\n  ",
    "&a ",
    "*a",
    "!!int ",
    "null",
    "1",
    "{{",
    "}}",
    "|\n",
    "'",
    '"',
    "? ",
    "#",
]


@pytest.mark.req("GRE-1.6")
@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200) | mutated())
def test_no_text_does_anything_but_load_or_be_refused(text: str) -> None:
    try:
        loaded = parse(text, "any.ygtc")
    except FlowInvalid as error:
        found = error.findings
    else:
        found = loaded.warnings
        assert msgspec.json.encode(loaded.flow)
    assert all(finding.line >= 1 and finding.column >= 1 and finding.code for finding in found)


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=200))
def test_no_bytes_do_anything_but_load_or_be_refused(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.ygtc"
    path.write_bytes(data)
    with pytest.raises(FlowInvalid):
        load(path)


@pytest.mark.req("GRE-10.1")
@pytest.mark.parametrize(
    ("operation", "key"), [("questions", "fields"), ("qa.process", "questions"), ("slots", "fields")]
)
def test_a_question_whose_pattern_could_take_forever_is_refused(operation: str, key: str) -> None:
    ask = f"{{{key}: [{{id: a}}, {{id: b, pattern: '(a+)+b'}}]}}"
    found = refused(f"id: a\ntype: job\nnodes:\n  in: {{{operation}: {ask}}}\n")
    assert (found[0].code, found[0].pointer) == ("question_pattern", f"/nodes/in/{operation}/{key}/1/pattern")
