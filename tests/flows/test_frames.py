"""Flows that call flows: frames of one run, their results, pauses inside them, and their failures."""

from __future__ import annotations

import pytest

from lichen.flows.nodes.frames import FRAMES_MAX
from tests.flows.walking import Talk, flow

CALLER = """
collect: {var.set: {q_problem: it is broken}, routing: [{to: call}]}
call:
  flow.call: {flow_id: parameters.answer_flow, input: {question: collect.payload.q_problem, deep: {n: 1}}}
  out_map: {said: "{{result.text}}"}
  routing: [{status: on_error, to: sorry}, {to: tell}]
tell: {text: "The specialist says: {{call.payload.said}}"}
sorry: {text: "It failed: {{node.call.error.code}}"}
"""
HEAD = "parameters: {answer_flow: qa.answer}"


@pytest.mark.req("GRE-23.1")
def test_a_called_flow_gets_its_input_and_its_result_is_the_nodes() -> None:
    called = flow('a: {text: "{{in.question}} ({{entry.deep.n}})"}', id="qa.answer")
    talk = Talk(flow(CALLER, head=HEAD), called).begin("hello")
    assert talk.says == ["The specialist says: it is broken (1)"]
    assert talk.path == ["collect ok", "call calls", "a ok", "call ok", "tell ok"]


@pytest.mark.req("GRE-23.1")
def test_a_called_flow_returns_early_and_keeps_its_variables_to_itself() -> None:
    called = flow(
        "a: {var.set: {q: 1}, routing: [{to: b}]}\nb: {flow.return: {text: early}}\nc: {text: late}", id="qa.answer"
    )
    caller = flow(CALLER.replace("{{call.payload.said}}", "{{call.payload.said}} {{vars.q}}"), head=HEAD)
    assert Talk(caller, called).begin().says == ["The specialist says: early "]


@pytest.mark.req("GRE-23.2")
def test_a_called_flow_pauses_for_questions_calls_and_approvals_and_goes_on() -> None:
    called = flow(
        """
ask: {session.wait: {prompt: Which one?}, routing: [{to: look}]}
look: {orders.lookup: {id: "{{input.text}}"}, routing: [{to: allow}]}
allow: {approval.call: {text: "May I?"}, routing: [{to: end}]}
end: {text: "{{node.look.name}} for {{entry.question}}"}
""",
        id="qa.answer",
    )
    talk = Talk(flow(CALLER, head=HEAD), called).begin()
    assert talk.last.waits[0].public_text == "Which one?"
    assert talk.answers("the second").args == {"id": "the second"}
    assert talk.returns({"name": "grinder"}).last.waits[0].kind == "approval"
    talk.answers(kind="approval", outcome="approved")
    assert talk.last.answer == "The specialist says: grinder for it is broken"


@pytest.mark.req("GRE-23.4")
def test_a_failure_inside_a_called_flow_is_one_of_the_node_that_called_it() -> None:
    called = flow("a: {orders.lookup: {}}", id="qa.answer")
    talk = Talk(flow(CALLER, head=HEAD), called).begin().returns(outcome="failed", code="down")
    assert talk.last.answer == "It failed: down"
    bare = flow("call: {flow.call: {flow_id: qa.answer}, routing: reply}")
    assert Talk(bare, called).begin().returns(outcome="failed", code="down").last.failure == "down"


@pytest.mark.req("GRE-26.3")
def test_what_a_called_flow_said_is_not_said_again_by_its_caller() -> None:
    for routing in ("routing: reply", "routing: out"):
        called = flow(f"a: {{emit.response: {{text: hi}}, {routing}}}", id="qa.answer")
        talk = Talk(flow("call: {flow.call: {flow_id: qa.answer}, routing: reply}"), called).begin()
        assert talk.says == ["hi"]
    called = flow("a: {text: hi, routing: reply}", id="qa.answer")
    assert Talk(flow("call: {flow.call: {flow_id: qa.answer}, routing: reply}"), called).begin().says == ["hi"]


@pytest.mark.req("GRE-23.5")
def test_going_to_another_flow_takes_this_ones_place() -> None:
    other = flow("start: {text: wrong}\nlate: {text: 'late {{entry.n}}'}", id="shop.other")
    talk = Talk(flow("a: {flow.goto: {flow: shop.other, node: late, input: {n: 2}}}\nb: {text: never}"), other).begin()
    assert talk.says == ["late 2"]
    talk = Talk(flow("a: {flow.goto: {node: c}}\nb: {text: never}\nc: {text: here}")).begin()
    assert (talk.says, talk.path) == (["here"], ["a ok", "c ok"])


@pytest.mark.req("GRE-23.6")
def test_flows_that_call_each_other_without_end_are_stopped() -> None:
    talk = Talk(flow("a: {flow.call: {flow_id: shop.flow}}")).begin()
    assert talk.last.failure == "flow_depth"
    assert talk.path.count("a calls") == FRAMES_MAX


@pytest.mark.req("GRE-25.1")
def test_variables_begin_with_their_defaults_and_required_ones_must_be_given() -> None:
    head = "vars_init: {lang: {default: en}, limit: {default: 3, required: true}, who: {required: true}, plain: 7}"
    called = flow("a: {text: '{{vars.lang}} {{vars.limit}} {{vars.who}} {{vars.plain}}'}", id="qa.answer", head=head)
    given = flow("c: {flow.call: {flow_id: qa.answer, input: {who: Ada, vars: {lang: de}}}, routing: reply}")
    assert Talk(given, called).begin().says == ["de 3 Ada 7"]
    missing = flow("c: {flow.call: {flow_id: qa.answer, input: {}}, routing: reply}")
    assert Talk(missing, called).begin().last.failure == "var_missing"
    assert Talk(called).begin().last.failure == "var_missing"


@pytest.mark.req("GRE-25.2")
def test_variables_are_set_by_name_by_key_and_by_pointer() -> None:
    shop = flow("""
a: {var.set: {x: 1, y: "{{entry.text}}"}, routing: [{to: b}]}
b: {var.set: {key: x, value: [1]}, routing: [{to: c}]}
c: {var.set: {/profile/name: Ada, /profile/tags: "{{vars.x}}"}, routing: [{to: d}]}
d: {text: "{{json vars}}"}
""")
    assert Talk(shop).begin("hi").says == ['{"x":[1],"y":"hi","profile":{"name":"Ada","tags":[1]}}']
    wrong = flow("a: {var.set: {x: 1}, routing: [{to: b}]}\nb: {var.set: {/x/y: 2}}")
    assert Talk(wrong).begin().last.failure == "var_unknown"


def test_an_agents_call_with_an_object_is_the_entry() -> None:
    shop = flow("a: {text: '{{entry.message}} {{entry.n}} {{entry.text}}'}")
    assert Talk(shop, session=None).begin('{"message": "hi", "n": 2}', role="agent").says == ["hi 2 hi"]
    assert Talk(shop).begin('{"message": "hi"}').says == ['  {"message": "hi"}'], "a customer's words stay words"
