"""Whatever graph of branches a flow is, and in whatever order its calls and waits are over: its planner never raises,
asks only for what the engine takes, keeps a bounded state, and ends or waits for something that is open."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.core.deciders.run import RunState
from lichen.core.ports.plan import STATE_BYTES_MAX, CallResult, Plan, WaitAnswer
from lichen.core.words.ids import CallId, RunId, SessionId, ToolName, WaitId
from lichen.core.words.wait import Wait
from lichen.engine.drafts.planned import validate
from lichen.flows.ir import Flow
from lichen.flows.read.load import parse
from tests.flows.walking import Talk

NODES_MAX = 7
STEPS_MAX = 400
JOINS: list[Any] = ["all", "any", 1, 2]


@st.composite
def graphs(draw: st.DrawFn, id: str, *, calm: bool = False, calls: str = "") -> Flow:
    """A flow whose nodes lead on to later ones only, in branches or one after the other. Where it is calm, no branch
    is left and nothing takes a time."""
    count = draw(st.integers(2, NODES_MAX))
    nodes = {f"n{i}": _node(draw, i, count, calm, calls) for i in range(count)}
    told = {"id": id, "type": "messaging", "schema_version": 2, "start": "n0", "nodes": nodes}
    return parse(json.dumps(told), f"{id}.ygtc").flow


def _node(draw: st.DrawFn, i: int, count: int, calm: bool, calls: str) -> dict[str, Any]:
    later = [f"n{n}" for n in range(i + 1, count)]
    kinds = ["text", "call", "once", "wait", "approval", *(["each", "parallel"] * 2 if later else [])]
    kinds += ["sub"] if calls else []
    kind = draw(st.sampled_from(kinds))
    node = _operation(draw, kind, later, calm, calls)
    routes: list[dict[str, Any]] = []
    if later and draw(st.booleans()):
        routes.append({"status": "on_error", "to": draw(st.sampled_from(later))})
    if later and draw(st.integers(0, 3)):
        routes.append({"to": draw(st.sampled_from(later))})
    else:
        routes.append(draw(st.sampled_from([{"out": True}, {"reply": True}])))
    if not calm and kind != "text" and not draw(st.integers(0, 2)):
        node["timeout"] = draw(st.sampled_from([1, 5, 60]))
    if kind in ("sub", "call") and draw(st.booleans()):
        node["retry"] = {"attempts": 2, "backoff_ms": 1}
    return {**node, "routing": routes}


def _operation(draw: st.DrawFn, kind: str, later: list[str], calm: bool, calls: str) -> dict[str, Any]:
    match kind:
        case "text":
            return {"text": "said {{item}}{{index}}"}
        case "call":
            return {"shop.look": {"item": "{{item}}", "at": "{{index}}"}}
        case "once":
            return {"shop.pay": {"item": "{{item}}"}}
        case "wait":
            return {"session.wait": {"prompt": "Which?"}}
        case "approval":
            return {"approval.call": {"text": "May it?"}}
        case "sub":
            return {"flow.call": {"flow_id": calls, "input": {"n": "{{index}}"}}}
        case _:
            terms: dict[str, Any] = {"failures": "collect"} if calm or draw(st.booleans()) else {}
            if not calm:
                terms["join"] = draw(st.sampled_from(JOINS))
            if kind == "parallel":
                branches = draw(st.lists(st.sampled_from(later), min_size=1, max_size=3, unique=True))
                return {"flow.parallel": {"branches": branches, **terms}}
            items = list(range(draw(st.integers(0, 3))))
            terms |= {"items": items, "do": draw(st.sampled_from(later)), "at_once": draw(st.integers(1, 3))}
            return {"flow.each": terms}


class Driven(Talk):
    """A run whose calls and waits have the ids that a run would give them; what is left is over at some time, too."""

    def __init__(self, *flows: Flow, calm: bool) -> None:
        super().__init__(*flows)
        self._calm = calm
        self.open: dict[str, tuple[str, bytes]] = {}  # calls and waits, with the tool or kind
        self.withdrawn: list[WaitAnswer] = []
        self.asked = Counter[tuple[str, bytes]]()

    def go(self, chance: random.Random) -> Plan:
        """From the start to the end, with what is over next by chance."""
        self.begin("go")
        for _ in range(STEPS_MAX):
            self._took(self.last)
            if self.last.answer is not None or self.last.failure:
                return self.last
            self._goes_on(chance)
        raise AssertionError("it goes on and on")

    def _took(self, plan: Plan) -> None:
        calls, waits = self.calls_made, self.waits_made
        for id in plan.withdraws:
            del self.open[id]
            self.withdrawn.append(WaitAnswer(WaitId(id), "clarification", "cancelled"))
        state = RunState(id=RunId("run-1"), session=SessionId("ses-1"), waits={WaitId(id): _WAIT for id in self.open})
        validate(plan, state)
        assert len(plan.state) <= STATE_BYTES_MAX
        fresh = {f"c{calls + i}": (str(call.tool), call.args) for i, call in enumerate(plan.calls, 1)}
        self.asked.update(fresh.values())
        fresh |= {f"w{waits + i}": (wait.kind, b"") for i, wait in enumerate(plan.waits, 1)}
        assert all(wait.expires_s is None or wait.expires_s > 0 for wait in plan.waits)
        assert all(call.timeout_s is None or call.timeout_s > 0 for call in plan.calls)
        self.open |= fresh
        self.calls_made, self.waits_made = calls + len(plan.calls), waits + len(plan.waits)
        talks = sum(kind == "clarification" for kind, _ in self.open.values())
        assert talks <= 1, "one at a time is asked for the customer's words"

    def _goes_on(self, chance: random.Random) -> None:
        assert self.open or self.last.blocks, "it waits for nothing"
        if not self._calm:
            self.now_us += chance.choice([0, 0, 500_000, 2_000_000, 90_000_000])
        over = chance.sample(sorted(self.open), min(len(self.open), chance.choice([1, 1, 2, 3])))
        results = [self._result(id, chance) for id in over if id.startswith("c")]
        answers = [self._answer(id, chance) for id in over if id.startswith("w")]
        for id in over:
            del self.open[id]
        if self.withdrawn and chance.random() < 0.5:
            answers.insert(chance.randint(0, len(answers)), self.withdrawn.pop())
        self.planned("resume", results=tuple(results), answers=tuple(answers))

    def _result(self, id: str, chance: random.Random) -> CallResult:
        outcome: Any = "ok" if self._calm else chance.choice(["ok", "ok", "failed", "denied", "timed_out", "cancelled"])
        tool, args = self.open[id]
        data = args if outcome == "ok" else b""
        return CallResult(CallId(id), ToolName(tool), args, outcome, data, "" if outcome == "ok" else "gone")

    def _answer(self, id: str, chance: random.Random) -> WaitAnswer:
        kind: Any = self.open[id][0]
        if kind == "timer":
            return WaitAnswer(WaitId(id), kind, "expired")
        well = "approved" if kind == "approval" else "answered"
        other = "denied" if kind == "approval" else "cancelled"
        outcome: Any = well if self._calm else chance.choice([well, well, "expired", other])
        return WaitAnswer(WaitId(id), kind, outcome, b'{"text":"7"}' if outcome == "answered" else b"")


_WAIT = Wait(WaitId("w1"), "clarification", 1)


@pytest.mark.req("GRE-24.12")
@given(st.data(), st.randoms(use_true_random=False))
def test_whatever_branches_and_whatever_is_over_next_it_ends_or_waits_for_something_open(
    data: st.DataObject, chance: random.Random
) -> None:
    part = data.draw(graphs("shop.part"))
    driven = Driven(data.draw(graphs("shop.flow", calls="shop.part")), part, calm=False)
    driven.go(chance)


@pytest.mark.req("GRE-24.12")
@given(st.data(), st.randoms(use_true_random=False))
def test_where_all_branches_are_joined_the_order_in_which_they_are_over_changes_nothing(
    data: st.DataObject, chance: random.Random
) -> None:
    flow = data.draw(graphs("shop.flow", calls="shop.part", calm=True))
    part = data.draw(graphs("shop.part", calm=True))
    one, other = (Driven(flow, part, calm=True) for _ in range(2))
    ends = one.go(chance), other.go(chance)
    assert ends[0].failure == ends[1].failure
    if not ends[0].failure:
        assert one.asked == other.asked
        assert sorted(one.says) == sorted(other.says)
