"""Whatever a customer, a tool or an old state says, a flow's planner gives a plan that the engine takes."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.core.deciders.run import RunState
from lichen.core.ports.call import Outcome
from lichen.core.ports.plan import Plan
from lichen.core.words.ids import RunId, SessionId
from lichen.engine.drafts.planned import validate
from lichen.flows.walk.trail import missed, taken
from tests.flows.walking import Talk, flow

SHOP = flow(
    """
menu:
  text: "What, {{entry.text}}?"
  routing:
    - {condition: response.text contains order, to: fill}
    - {condition: input.n > 3, to: sub}
    - {condition: response.text contains stop, reply: true}
fill: {slots: {attempts: 2}, routing: [{status: on_error, to: sub}, {to: look}]}
look:
  orders.lookup: {id: "{{slots.order_id}}", all: "{{state}}", text: "{{json node}}"}
  vars_out: {kept: /a/0, whole: "{{result}}"}
  err_map: {text: "{{error.message}}", why: "{{error.code}}"}
  routing: [{condition: a >= 1 or b contains x, to: emit}, {to: approve}]
emit: {messaging.emit: {messages: "{{node.look}}"}, routing: [{to: keep}]}
keep: {var.set: {"/x/y": "{{vars.whole}}", n: "{{vars.kept}}"}, routing: [{to: menu}]}
approve: {approval.call: {text: "{{json vars}}"}, routing: [{status: denied, to: menu}, {to: sub}]}
sub: {flow.call: {flow_id: part, input: "{{prev}}"}, routing: [{status: on_error, out: true}, {to: emit}]}
""",
    head="slot_schema: [{name: order_id, slot_type: string, pattern: '([0-9]{4})', required: true}]",
)
PART = flow(
    """
ask:
  questions: {fields: [{id: n, type: number}, {id: b, type: boolean, optional: true}]}
  routing: reply
""",
    id="part",
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abn") | st.text(max_size=5), inner),
    max_leaves=12,
)
TEXT = st.sampled_from(["order 1042", "stop", "yes", "7", "{{vars}}", "order", "\ud83d\ude00"]) | st.text(max_size=50)
WAITS = ["answered", "expired", "cancelled", "approved", "denied"]
EVENT = st.fixed_dictionaries(
    {"text": TEXT, "value": JSON, "outcome": st.sampled_from(get_args(Outcome)), "wait": st.sampled_from(WAITS)}
)


def step(talk: Talk, event: dict[str, Any]) -> None:
    if talk.last.calls:
        outcome = "failed" if event["outcome"] == "unknown" else event["outcome"]
        talk.returns(event["value"], outcome=outcome, code=event["text"], reason=event["text"])
    elif talk.last.waits[0].kind == "approval":
        talk.answers(outcome=event["wait"], kind="approval", note=event["value"])
    else:
        talk.answers(event["text"], outcome="expired" if event["wait"] == "expired" else "answered", n=event["value"])


def is_over(plan: Plan) -> bool:
    return plan.answer is not None or bool(plan.failure)


@pytest.mark.req("LIC-1.9")
@given(TEXT, st.lists(EVENT, max_size=12))
def test_no_talk_makes_the_planner_fail_or_contradict_itself(text: str, events: list[dict[str, Any]]) -> None:
    talk = Talk(SHOP, PART).begin(text)
    for event in events:
        if is_over(talk.last):
            break
        step(talk, event)
    state = RunState(id=RunId("run-1"), session=SessionId("ses-1"))
    for plan in talk.plans:
        validate(plan, state)
        assert taken(plan.notes)
        assert len(taken(plan.notes)) + len(missed(plan.notes)) == len(plan.notes)
        assert all(json.loads(call.args) is not None for call in plan.calls)


@given(st.binary(max_size=200))
def test_no_state_makes_the_planner_fail(state: bytes) -> None:
    talk = Talk(SHOP, PART).begin("hi")
    talk.plans[-1] = Plan(state=state or b"\x00")
    assert is_over(talk.answers("x").last) or talk.last.waits or talk.last.calls
