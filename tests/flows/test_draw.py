"""Pictures of flows: everything is in them, nothing lies upon something else, and nothing a flow says gets out."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lichen.core.words.errors import Invalid
from lichen.flows.draw.layers import Edge
from lichen.flows.draw.layout import arranged
from lichen.flows.draw.mermaid import mermaid
from lichen.flows.draw.svg import NODES_MAX, svg
from lichen.flows.ir import Flow
from lichen.flows.read.load import load, parse

FIXTURES = Path(__file__).parent / "fixtures" / "accepted"
SVG = "{http://www.w3.org/2000/svg}"
PATHS = sorted(FIXTURES.glob("*.ygtc"))

HOSTILE = """\
id: hostile
title: "</title><script>alert(1)</script>"
type: messaging
nodes:
  in:
    emit.response: {}
    routing:
      - {condition: 'in.text == "<img src=x onerror=alert(1)>]]>"', to: in}
"""


def drawn(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 - the text is our own


def titles(text: str) -> list[str]:
    return [found.text or "" for found in drawn(text).iter(f"{SVG}title")]


def green(text: str) -> int:
    """How many thick green lines there are: the steps taken."""
    return len(re.findall(r'stroke="[^"]*lichen-green,[^"]*" stroke-width="2.4"', text))


@pytest.mark.req("GRE-5.3")
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_every_node_of_every_flow_is_in_its_picture(path: Path) -> None:
    flow = load(path)
    said = titles(svg(flow))
    assert said[0].startswith("Flow ")
    for node in flow.nodes:
        assert any(title.startswith(f"{node}: ") for title in said)
    assert svg(flow) == svg(flow)


@pytest.mark.req("GRE-5.3")
def test_a_picture_is_an_image_with_a_title_and_needs_no_style_sheet() -> None:
    text = svg(load(FIXTURES / "loop_back.ygtc"))
    root = drawn(text)
    assert root.get("role") == "img"
    assert root[0].tag == f"{SVG}title"
    assert "<style" not in text
    assert "style=" not in text
    assert "var(--lichen-ink, " in text


@pytest.mark.req("GRE-5.3")
def test_nothing_that_a_flow_says_is_markup() -> None:
    flow = parse(HOSTILE, "a").flow
    text = svg(flow)
    assert {element.tag.removeprefix(SVG) for element in drawn(text).iter()} <= {
        *("svg", "title", "rect", "path", "circle", "text", "g"),
    }
    assert any("onerror" in title for title in titles(text))
    assert "<script" not in text
    assert not set("<>&[]") & set(mermaid(flow).replace("<br>", "").replace("-->", "").replace('("', "").split("|")[1])


def test_the_path_taken_and_the_node_of_the_moment_are_marked() -> None:
    flow = load(FIXTURES / "conditions.ygtc")
    plain = svg(flow)
    walked = svg(flow, taken=("ask", "send_error"), current="send_error")
    assert green(plain) == 0
    assert green(walked) == 1
    assert green(svg(flow, taken=("ask",), current="send_error")) == 1
    assert green(svg(flow, taken=("nobody", "ask"), current="gone")) == 0
    assert walked.count("lichen-green-fill") == plain.count("lichen-green-fill") + 1


def test_ways_out_and_replies_are_drawn_with_what_is_said_on_them() -> None:
    said = titles(svg(load(FIXTURES / "loop_back.ygtc")))
    assert 'Replies, and the flow ends here: in.text contains "bye"' in said
    assert "The flow begins here" in said


def test_a_flow_larger_than_a_picture_is_refused() -> None:
    with pytest.raises(Invalid) as caught:
        svg(chain(NODES_MAX + 1))
    assert caught.value.code == "flow_too_large"
    assert len(titles(svg(chain(NODES_MAX)))) == NODES_MAX + 3


def test_a_flow_of_too_many_long_ways_is_refused_before_it_is_laid_out() -> None:
    sizes = {f"n{n}": (100.0, 48.0) for n in range(100)}
    edges = [Edge(f"n{n}", f"n{m}") for n in range(99) for m in (n + 1, 99)]
    with pytest.raises(Invalid) as caught:
        arranged(sizes, edges)
    assert caught.value.code == "flow_too_large"


def test_mermaid_has_every_node_and_every_way() -> None:
    text = mermaid(load(FIXTURES / "conditions.ygtc"))
    assert text.startswith("flowchart TD\n")
    assert '  n0["ask<br>provider.invoke"]' in text
    assert '  n0 -->|"error #33;#61; #34;#34;"| n2' in text
    assert "  n0 --> n1" in text


def chain(length: int) -> Flow:
    nodes = "".join(f"  n{n}: {{x.y: {{}}, routing: [{{to: n{n + 1}}}]}}\n" for n in range(length - 1))
    return parse(f"id: a\ntype: job\nnodes:\n{nodes}  n{length - 1}: {{x.y: {{}}}}\n", "a").flow


@given(
    count=st.integers(1, 12),
    ties=st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11), st.sampled_from([0.0, 80.0])), max_size=25),
)
@settings(max_examples=60, deadline=None)
def test_no_two_boxes_or_labels_lie_upon_each_other(count: int, ties: list[tuple[int, int, float]]) -> None:
    sizes = {f"n{n}": (100.0 + n * 7, 48.0) for n in range(count)}
    edges = [Edge(f"n{a % count}", f"n{b % count}", room) for a, b, room in ties]
    picture = arranged(sizes, edges)
    boxes = [*picture.boxes.values(), *picture.labels.values()]
    for number, one in enumerate(boxes):
        for other in boxes[number + 1 :]:
            beside = abs(one.x - other.x) >= (one.width + other.width) / 2 - 0.01
            above = abs(one.y - other.y) >= (one.height + other.height) / 2 - 0.01
            assert beside or above
    for number, path in enumerate(picture.paths):
        assert (path[0][1] < path[-1][1]) is (number not in picture.lanes)


@pytest.mark.req("GRE-5.9")
def test_nodes_that_nothing_leads_to_are_dashed_and_stand_below_the_start() -> None:
    nodes = "  in: {text: hi, routing: out}\n" + "".join(f"  loose_{i}: {{text: x}}\n" for i in range(4))
    picture = svg(parse(f"id: a\ntype: messaging\nnodes:\n{nodes}", "a.ygtc").flow)
    assert picture.count("stroke-dasharray") == 4
    assert picture.count("nothing leads here") == 4
    start = re.search(r'<circle cx="[\d.-]+" cy="([\d.-]+)" r="6"', picture)
    assert start is not None
    tops = [float(found) for found in re.findall(r'nothing leads here</title><rect x="[\d.-]+" y="([\d.-]+)"', picture)]
    assert len(tops) == 4
    assert min(tops) > float(start[1])
    width = re.search(r'width="([\d.]+)" height', picture)
    assert width is not None
    assert float(width[1]) < 500, "a column beside the flow, not a row"


@pytest.mark.req("GRE-5.9")
def test_a_long_id_is_written_in_full_and_the_component_stands_beside_its_operation() -> None:
    nodes = "  setup_default__emit_questions: {component.exec: {component: secrets.aws, operation: run}}\n"
    picture = svg(parse(f"id: a\ntype: job\nnodes:\n{nodes}", "a.ygtc").flow)
    assert ">setup_default__emit_questions<" in picture
    assert ">secrets.aws run<" in picture


@pytest.mark.req("GRE-5.9")
def test_a_flow_without_nodes_is_an_empty_picture() -> None:
    flow = parse("id: a\ntype: job\nnodes: {}\n", "a.ygtc").flow
    assert "0 nodes" in svg(flow)
    assert mermaid(flow)
