"""Steps that are added, changed and taken out: where they go, where everything leads then, and what stays as written.

Where steps go is what greentic-flow's own tests expect (tests/add_step_advanced.rs and tests/golden/add_step).
"""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lichen.core.words.errors import Conflict, Invalid
from lichen.flows.edit.begin import new_flow
from lichen.flows.edit.steps import Changed, NewStep, add_step, delete_step, update_step
from lichen.flows.edit.text import FlowText
from lichen.flows.read.load import parse

GOLDEN = """id: main
type: messaging
start: start
nodes:
  start:
    qa.process:
      welcome: "hi"
    routing:
      - to: end
  end:
    qa.process:
      welcome: "bye"
    routing:
      - out: true
"""
COMMENTED = """# Written by hand.
id: main   # the id
type: messaging
start: start

nodes:
  # greets
  start:
    qa.process:
      welcome: "hi"   # in quotes
    routing:
      - to: end       # and goes on

  # the end
  end: {text: 'bye', routing: out}
"""


def chain(*nodes: str, head: str = "start: a") -> str:
    """Nodes one behind the other, each `id: routing` as flow style YAML."""
    lines = [f"  {node.partition(' ')[0]}: {{qa.process: {{}}, routing: {node.partition(' ')[2]}}}" for node in nodes]
    return f"id: main\ntype: messaging\n{head}\nnodes:\n" + "\n".join(lines) + "\n"


def edited(text: str) -> FlowText:
    return FlowText(text, "main.ygtc")


def routing(text: FlowText, node: str) -> Any:
    found = yaml.safe_load(text.written())["nodes"][node].get("routing")
    return {"out": [{"out": True}], "reply": [{"reply": True}]}.get(found, found) if isinstance(found, str) else found


# -- where a step goes -------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-7.1")
def test_the_golden_flow_of_upstream_gets_its_step_in_the_middle() -> None:
    text = edited(GOLDEN)
    add_step(text, NewStep("mid", "ai.greentic.echo", {"message": "hello"}, after="start"))
    assert yaml.safe_load(text.written()) == {
        "id": "main",
        "type": "messaging",
        "start": "start",
        "nodes": {
            "start": {"qa.process": {"welcome": "hi"}, "routing": [{"to": "mid"}]},
            "mid": {"ai.greentic.echo": {"message": "hello"}, "routing": [{"to": "end"}]},
            "end": {"qa.process": {"welcome": "bye"}, "routing": [{"out": True}]},
        },
    }


@pytest.mark.req("GRE-7.2")
@pytest.mark.parametrize(
    ("flow", "anchor"),
    [
        (chain("start [{to: a}]", "a [{out: true}]", head="start: start"), "a"),
        (chain("b [{to: end}]", "a [{to: b}]", "end [{out: true}]", head="title: x"), "end"),
        (chain("a [{to: b}, {to: c}]", "b out", "c out"), "a"),
        (chain("a [{to: b}]", "b [{to: a}]"), "b"),
        (chain("a reply"), "a"),
    ],
    ids=["at the end of the chain", "from the first node", "before the ways part", "before it comes back", "one node"],
)
def test_a_step_goes_to_the_end_of_the_way_from_the_start_unless_said(flow: str, anchor: str) -> None:
    text = edited(flow)
    before = routing(text, anchor)
    added = add_step(text, NewStep("hello-world", "text", "hi"))
    assert (added.id, added.after) == ("hello-world", anchor)
    assert routing(text, anchor) == [{"to": "hello-world"}]
    assert routing(text, "hello-world") == before
    assert text.checked().flow.start == edited(flow).flow.start


@pytest.mark.req("GRE-7.2")
def test_routes_of_the_step_before_are_taken_over_with_their_terms() -> None:
    text = edited(
        chain(
            "anchor [{status: Ok, to: ok_path}, {status: Err, to: err_path}, {reply: true}, {out: true}]",
            "ok_path out",
            "err_path out",
            head="start: anchor",
        )
    )
    before = routing(text, "anchor")
    add_step(text, NewStep("inserted", "text", "hi", after="anchor"))
    assert routing(text, "anchor") == [{"to": "inserted"}]
    assert routing(text, "inserted") == before


@pytest.mark.req("GRE-7.2")
def test_the_first_step_of_an_empty_flow_begins_it() -> None:
    text = edited(new_flow("main", "messaging", title="A flow"))
    assert add_step(text, NewStep("comp", "handle_message", {"input": "hi"})).after == ""
    flow = text.checked().flow
    assert (flow.start, flow.metadata.title, list(flow.nodes)) == ("comp", "A flow", ["comp"])
    assert "routing: out" in text.written()


@pytest.mark.req("GRE-7.2")
def test_an_id_that_is_taken_gets_a_number() -> None:
    text = edited(chain("start [{to: hello-world}]", "hello-world out", head="start: start"))
    assert add_step(text, NewStep("hello-world", "text", "hi", after="start")).id == "hello-world__2"
    assert add_step(text, NewStep("hello-world", "text", "hi", after="start")).id == "hello-world__3"


@pytest.mark.req("GRE-7.2")
def test_a_step_leads_where_it_says_and_the_placeholder_is_where_the_step_before_led() -> None:
    text = edited(chain("a [{to: b}]", "b out"))
    add_step(text, NewStep("x", "text", "hi", [{"status": "error", "to": "b"}, {"to": "NEXT_NODE_PLACEHOLDER"}], "a"))
    assert routing(text, "x") == [{"status": "error", "to": "b"}, {"to": "b"}]
    add_step(text, NewStep("y", "text", "hi", [{"out": True}], "a"))
    assert routing(text, "a") == [{"to": "y"}]
    assert routing(text, "y") == [{"out": True}]


@pytest.mark.req("GRE-7.3")
@pytest.mark.parametrize(
    ("step", "code"),
    [
        (NewStep("x", "text", "hi", after="nowhere"), "add_step_anchor_missing"),
        (NewStep("NEW_NODE", "text", "hi"), "add_step_node_id_placeholder"),
        (NewStep("x", "tool", {"component": "ai.greentic.echo", "operation": "run"}), "add_step_node_invalid"),
        (NewStep("x", "a b", {}), "add_step_node_invalid"),
        (NewStep("x", "text", "hi", [{"to": "b"}], "a", is_strict=True), "add_step_routing_invalid"),
        (NewStep("x", "text", "hi", after="bare"), "add_step_routing_missing"),
        (NewStep("x", "text", "hi", [{"to": "gone"}]), "route_target_missing"),
        (NewStep("x", " ", {}), "operation_required"),
    ],
    ids=["anchor", "placeholder", "old shape", "no name", "no placeholder", "no routing", "gone", "nothing"],
)
def test_a_step_that_cannot_be_added_is_refused_with_upstreams_code(step: NewStep, code: str) -> None:
    text = edited(chain("a [{to: b}]", "b out", head="start: a") + "  bare: {text: hi}\n")
    with pytest.raises(Invalid) as refused:
        add_step(text, step)
    assert refused.value.code == code


# -- changed and taken out ---------------------------------------------------------------------------------------


@pytest.mark.req("GRE-7.4")
def test_a_step_is_changed_in_its_members_its_operation_and_where_it_leads() -> None:
    text = edited(COMMENTED)
    update_step(text, "start", Changed("slots", {"prompt": "Well?"}, [{"reply": True}]))
    node = yaml.safe_load(text.written())["nodes"]["start"]
    assert node == {"slots": {"welcome": "hi", "prompt": "Well?"}, "routing": "reply"}
    assert list(node) == ["slots", "routing"]
    with pytest.raises(Invalid, match="payload_required"):
        update_step(text, "end", Changed(payload={"x": 1}))
    with pytest.raises(Invalid, match="step_missing"):
        update_step(text, "gone", Changed())


@pytest.mark.req("GRE-7.5")
def test_what_led_to_a_step_that_is_taken_out_leads_where_it_led() -> None:
    text = edited(chain("a [{to: mid}]", "mid [{status: ok, to: b}, {to: c}]", "b out", "c out"))
    assert delete_step(text, "mid") == ("a",)
    assert routing(text, "a") == [{"status": "ok", "to": "b"}, {"to": "c"}]


@pytest.mark.req("GRE-7.5")
def test_an_end_that_is_taken_out_leaves_an_end_and_a_start_the_step_behind_it() -> None:
    text = edited(chain("a [{status: ok, to: mid}, {to: b}]", "mid out", "b out"))
    delete_step(text, "mid")
    assert routing(text, "a") == [{"to": "b"}]
    delete_step(text, "b")
    assert routing(text, "a") == [{"out": True}]
    text = edited(chain("a [{to: b}]", "b out", head="start: a\nentrypoints: {default: a, web: a}"))
    delete_step(text, "a")
    assert (text.checked().flow.start, dict(text.checked().flow.entrypoints)) == ("b", {"default": "b", "web": "b"})


@pytest.mark.req("GRE-7.5")
def test_several_that_led_to_a_step_are_led_on_only_when_that_is_said() -> None:
    flow = chain("a [{status: ok, to: mid}, {to: b}]", "b [{to: mid}]", "mid [{to: c}]", "c out")
    with pytest.raises(Conflict, match="several_predecessors"):
        delete_step(edited(flow), "mid")
    text = edited(flow)
    assert delete_step(text, "mid", predecessors="splice-all") == ("a", "b")
    assert (routing(text, "a"), routing(text, "b")) == ([{"status": "ok", "to": "c"}, {"to": "b"}], [{"to": "c"}])
    with pytest.raises(Invalid, match="route_target_missing"):
        delete_step(edited(flow), "mid", strategy="remove-only")


# -- as it is written --------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-7.6")
def test_comments_quotes_order_and_indentation_stay() -> None:
    text = edited(COMMENTED)
    add_step(text, NewStep("mid", "text", "well", after="start"))
    changed = text.written()
    kept = [line.replace("to: end ", "to: mid ") for line in COMMENTED.splitlines()]
    assert changed.splitlines() == [*kept, "  mid:", "    text: well", "    routing:", "      - to: end"]
    assert delete_step(text, "mid") == ("start",)
    assert text.written() == COMMENTED


@pytest.mark.req("GRE-7.6")
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=12))
def test_whatever_is_added_and_taken_out_a_flow_that_loads_stays_one(changes: list[tuple[bool, int]]) -> None:
    text = edited(COMMENTED)
    for is_new, number in changes:
        ids = list(text.nodes)
        if is_new or len(ids) < 2:
            add_step(text, NewStep(f"n{number}", "text", "hi", after=ids[number % len(ids)]))
        else:
            delete_step(text, ids[number % len(ids)], predecessors="splice-all")
        again = parse(text.written(), "main.ygtc").flow
        assert list(again.nodes) == list(text.nodes)
