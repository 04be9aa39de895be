"""Config flows: what they ask, and the node they give."""

from __future__ import annotations

from pathlib import Path

import pytest

from lichen.core.words.errors import Invalid
from lichen.flows.ir import Flow
from lichen.flows.read.config_flow import Field, configured, fields
from lichen.flows.read.load import load, parse

GREETER = load(Path(__file__).parent / "fixtures" / "accepted" / "component_config.ygtc")


def asking(template: str, ask: str = "[{id: name, prompt: Name, type: string}]") -> Flow:
    text = f"id: a\ntype: component-config\nnodes:\n  ask: {{questions: {{fields: {ask}}}, routing: [{{to: give}}]}}\n"
    return parse(f"{text}  give:\n    template: '{template}'\n", "a.ygtc").flow


@pytest.mark.req("GRE-9.1")
def test_a_config_flow_gives_the_node_for_the_answers_with_their_types() -> None:
    assert fields(GREETER)[1] == Field("warmth", "How warmly, 0 to 1?", "number", 0.5)
    made = configured(GREETER, {"greeting": 'Say "hi", {{state.warmth}}'}, following="done")
    assert made.node_id == "greeter"
    assert made.node == {
        "greet.say": {"greeting": 'Say "hi", {{state.warmth}}', "warmth": 0.5},
        "routing": [{"to": "done"}],
    }


@pytest.mark.req("GRE-9.1")
def test_a_node_with_nothing_behind_it_leads_out_of_the_flow() -> None:
    assert configured(GREETER, {}).node["routing"] == [{"out": True}]


@pytest.mark.req("GRE-9.2")
@pytest.mark.parametrize("name", ["COMPONENT_STEP", "NEW_NODE", "insert_node", "NODE_PLACEHOLDER", "", "a b"])
def test_a_placeholder_is_no_node_id(name: str) -> None:
    with pytest.raises(Invalid) as caught:
        configured(asking('{"node_id": "{{state.name}}", "node": {"x.y": {}}}'), {"name": name})
    assert caught.value.code == "node_id_placeholder"
    assert caught.value.place == "a.ygtc:5:3"


@pytest.mark.req("GRE-9.1")
def test_a_template_that_is_json_only_when_filled_in_is_filled_in_first() -> None:
    flow = asking('{"node_id": "n", "node": {"x.y": {{json state.name}} }}')
    assert configured(flow, {"name": {"deep": [1]}}).node == {"x.y": {"deep": [1]}}


@pytest.mark.req("GRE-9.3")
@pytest.mark.parametrize(
    ("flow", "answers", "code"),
    [
        (asking('{"node_id": "n", "node": {"x.y": {}}}'), {}, "answer_missing"),
        (asking('{"node_id": "n", "node": {"x.y": {}}}'), {"name": "a", "age": 1}, "answer_unknown"),
        (asking('{"node_id": "n"}'), {"name": "a"}, "config_flow_invalid"),
        (asking('{"node_id": "n", "node": {"x.y": {}, "z.y": {}}}'), {"name": "a"}, "config_flow_invalid"),
        (asking("no json"), {"name": "a"}, "config_flow_invalid"),
        (asking('{"node_id": "{{state.gone}}", "node": {"x.y": {}}}'), {"name": "a"}, "config_flow_invalid"),
        (asking('{"node_id": "n", "node": {"x.y": {}}}', "[{prompt: x}]"), {}, "config_flow_invalid"),
    ],
)
def test_what_cannot_be_configured_is_refused(flow: Flow, answers: dict[str, object], code: str) -> None:
    with pytest.raises(Invalid) as caught:
        configured(flow, answers)
    assert caught.value.code == code


@pytest.mark.req("GRE-9.3")
def test_a_flow_of_another_type_or_shape_is_no_config_flow() -> None:
    other = parse("id: a\ntype: job\nnodes: {a: {questions: {}}}\n", "a").flow
    looped = "id: a\ntype: component-config\nnodes: {a: {questions: {fields: []}, routing: [{to: a}]}}\n"
    for flow in (other, parse(looped, "a").flow, parse(looped.replace("[{to: a}]", "out"), "a").flow):
        with pytest.raises(Invalid) as caught:
            fields(flow)
        assert caught.value.code == "config_flow_invalid"
