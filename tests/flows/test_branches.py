"""Nodes that do several things: branches at once, one for each item, their join, their failures, what they wait for."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.core.ports.call import Outcome
from lichen.core.ports.plan import CallResult, Plan, WaitAnswer
from lichen.core.words.ids import CallId, ToolName, WaitId
from lichen.core.words.wait import WaitKind, WaitOutcome
from lichen.flows.ir import Flow
from lichen.flows.nodes.frames import decode
from lichen.flows.read.doctor import diagnose_bytes
from lichen.flows.read.load import parse
from tests.flows.walking import Talk, flow

QUOTE = """
quote:
  flow.parallel: {branches: [stock, price]}
  routing: [{status: on_error, to: sorry}, {to: tell}]
stock: {shop.stock: {sku: "{{entry.text}}"}, routing: [{to: word}]}
word: {text: "{{node.stock.count}} in stock"}
price: {shop.price: {sku: "{{entry.text}}"}}
tell: {text: "{{node.quote.results[0].text}}, {{node.quote.branches.price.amount}} each"}
sorry: {text: "Sorry: {{node.quote.error.code}}"}
"""


class Run(Talk):
    """A run whose calls and waits have the ids that a run would give them."""

    def __init__(self, *flows: Flow, **more: Any) -> None:
        super().__init__(*flows, **more)
        self.open: dict[str, str] = {}

    def planned(self, reason: Any, **more: Any) -> Run:
        super().planned(reason, **more)
        calls, waits = self.calls_made, self.waits_made
        self.open |= {f"c{calls + i}": call.tool for i, call in enumerate(self.last.calls, 1)}
        self.open |= {f"w{waits + i}": wait.public_text or wait.kind for i, wait in enumerate(self.last.waits, 1)}
        for id in self.last.withdraws:
            del self.open[id]
        self.calls_made, self.waits_made = calls + len(self.last.calls), waits + len(self.last.waits)
        return self

    def end(self, id: str, value: Any = None, *, outcome: Outcome = "ok", code: str = "") -> Run:
        """A call is over."""
        data = json.dumps(value).encode() if outcome == "ok" else b""
        result = CallResult(CallId(id), ToolName(self.open.pop(id)), b"{}", outcome, data, code)
        return self.planned("resume", results=(result,))

    def say(
        self, id: str, text: str = "", *, outcome: WaitOutcome = "answered", kind: WaitKind = "clarification"
    ) -> Run:
        """A wait is over."""
        del self.open[id]
        body = json.dumps({"text": text}).encode() if outcome == "answered" else b""
        return self.planned("resume", answers=(WaitAnswer(WaitId(id), kind, outcome, body),))


def waits_on(plan: Plan) -> bool:
    return plan.resume == "each" and plan.answer is None and not plan.failure


# -- at once -----------------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-24.3")
def test_branches_are_walked_at_once_and_joined_when_all_are_over_with_results_in_their_order() -> None:
    run = Run(flow(QUOTE))
    run.begin("grinder")
    assert [(call.tool, json.loads(call.args)) for call in run.last.calls] == [
        ("shop.stock", {"sku": "grinder"}),
        ("shop.price", {"sku": "grinder"}),
    ]
    assert waits_on(run.last)
    assert waits_on(run.end("c2", {"amount": 80}).last)
    assert run.end("c1", {"count": 3}).last.answer == "3 in stock, 80 each"
    assert run.path == [
        "quote forks",
        "stock calls",
        "price calls",
        "price ok",
        "stock ok",
        "word ok",
        "quote ok",
        "tell ok",
    ]


@pytest.mark.req("GRE-24.3")
def test_results_that_come_in_one_plan_are_all_taken() -> None:
    run = Run(flow(QUOTE))
    run.begin("grinder")
    both = [
        CallResult(CallId(f"c{i}"), ToolName("x.y"), b"{}", "ok", data)
        for i, data in enumerate((b'{"count":3}', b'{"amount":8}'), 1)
    ]
    run.planned("resume", results=tuple(both))
    assert run.last.answer == "3 in stock, 8 each"


@pytest.mark.req("GRE-24.4")
def test_a_branch_reads_what_was_before_it_and_keeps_its_variables_to_itself() -> None:
    run = Run(
        flow("""
set: {var.set: {deep: {n: 1}}, routing: [{to: fan}]}
fan: {flow.parallel: {branches: [a, b]}, routing: [{to: tell}]}
a: {var.set: {/deep/n: 2, own: 5}, routing: [{to: wait}]}
wait: {shop.look: {}, routing: [{to: a2}]}
a2: {text: "{{vars.deep.n}} {{vars.own}} {{node.set.deep.n}} {{entry.text}}"}
b: {text: "{{vars.deep.n}}{{vars.own}}"}
tell: {text: "{{fan.results[0].text}} / {{fan.results[1].text}} / {{vars.deep.n}}{{vars.own}}{{node.a2.text}}"}
""")
    )
    run.begin("hello")
    assert run.end("c1", {}).last.answer == "2 5 1 hello / 1 / 1"


@pytest.mark.req("GRE-24.3")
@given(st.permutations(range(6)), st.integers(1, 6), st.sets(st.integers(0, 5)))
def test_whatever_is_over_first_the_results_are_the_same(ends: list[int], at_once: int, fails: set[int]) -> None:
    run = order(f", at_once: {at_once}, failures: collect", count=6)
    while run.open:
        id = next(iter(sorted(run.open, key=lambda id: ends[sku_of(run, id)])))
        sku = sku_of(run, id)
        failed: dict[str, Any] = {"outcome": "failed", "code": "gone"} if sku in fails else {"value": {"left": sku}}
        run.end(id, **failed)
    expected = [None if sku in fails else f"s{sku}={sku}" for sku in range(6)]
    said, _, _ = str(run.last.answer).partition(" but ")
    assert [each and each["text"] for each in json.loads(said)] == expected


# -- for each ----------------------------------------------------------------------------------------------------

ORDER = """
all:
  flow.each: {items: "{{entry.items}}", do: look%s}
  routing: [{status: partial, to: some}, {status: on_error, to: sorry}, {to: tell}]
look: {shop.look: {sku: "{{item.sku}}", n: "{{index}}"}, routing: [{to: word}]}
word: {text: "{{item.sku}}={{node.look.left}}"}
tell: {text: "{{node.all.results}}"}
some: {text: "{{node.all.results}} but {{node.all.errors}}"}
sorry: {text: "Sorry: {{node.all.error.code}}"}
"""


def order(more: str = "", count: int = 3) -> Run:
    run = Run(flow(ORDER % more), session=None)
    run.begin(json.dumps({"items": [{"sku": f"s{i}"} for i in range(count)]}), role="agent")
    return run


def sku_of(run: Run, id: str) -> int:
    """The number of the item that a call is about."""
    asked = [call for plan in run.plans for call in plan.calls][int(id[1:]) - 1]
    return int(json.loads(asked.args)["sku"][1:])


@pytest.mark.req("GRE-24.5")
def test_items_are_gone_through_one_after_the_other() -> None:
    run = order()
    for i in range(3):
        assert [json.loads(call.args) for call in run.last.calls] == [{"sku": f"s{i}", "n": i}]
        run.end(f"c{i + 1}", {"left": i * 10})
    assert [each["text"] for each in json.loads(str(run.last.answer))] == ["s0=0", "s1=10", "s2=20"]


@pytest.mark.req("GRE-24.5")
def test_so_many_items_at_once_and_the_next_as_soon_as_one_is_over() -> None:
    run = order(", at_once: 2")
    assert list(run.open) == ["c1", "c2"]
    run.end("c2", {"left": 1})
    assert list(run.open) == ["c1", "c3"]
    run.end("c3", {"left": 2})
    assert list(run.open) == ["c1"]
    run.end("c1", {"left": 0})
    assert [each["text"] for each in json.loads(str(run.last.answer))] == ["s0=0", "s1=1", "s2=2"]


@pytest.mark.req("GRE-24.5")
@pytest.mark.parametrize(
    ("items", "said"), [([], "[]"), ("many", "Sorry: items_invalid"), ([0] * 1001, "Sorry: items_too_many")]
)
def test_no_items_are_no_failure_and_what_is_no_list_or_too_long_is_one(items: Any, said: str) -> None:
    run = Run(flow(ORDER % ""), session=None)
    run.begin(json.dumps({"items": items}), role="agent")
    assert run.last.answer == said


@pytest.mark.req("GRE-24.5")
def test_state_stays_small_while_many_items_are_under_way() -> None:
    run = order(", at_once: 64", count=300)
    one = len(order(", at_once: 1", count=300).last.state)
    assert len(run.last.calls) == 64
    assert len(run.last.state) - one < 64 * 80


# -- join --------------------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-24.6")
def test_any_branch_is_enough_where_the_flow_says_so_and_what_comes_of_the_others_is_left() -> None:
    run = Run(
        flow(
            QUOTE.replace("[stock, price]}", "[stock, price], join: any}")
            .replace("tell: {text:", "tell: {shop.tell: {x:")
            .replace(' each"}', ' each"}}')
        )
    )
    run.begin("grinder")
    run.end("c2", {"amount": 80})
    assert (json.loads(run.last.calls[0].args), run.last.resume) == ({"x": ", 80 each"}, "each")
    assert waits_on(run.end("c1", {"count": 3}).last), "nobody waits for that any more"
    assert run.end("c3", {"text": "done"}).last.answer == "done"


@pytest.mark.req("GRE-24.6")
def test_the_first_branch_that_fails_fails_the_node() -> None:
    run = Run(flow(QUOTE))
    run.begin("grinder")
    assert run.end("c1", outcome="failed", code="shop_closed").last.answer == "Sorry: shop_closed"


@pytest.mark.req("GRE-24.6")
def test_failures_are_collected_where_the_flow_says_so() -> None:
    run = order(", at_once: 3, failures: collect")
    run.end("c2", outcome="failed", code="gone")
    run.end("c1", {"left": 1})
    run.end("c3", {"left": 3})
    said, _, errors = str(run.last.answer).partition(" but ")
    assert [each and each["text"] for each in json.loads(said)] == ["s0=1", None, "s2=3"]
    assert [(each["index"], each["code"]) for each in json.loads(errors)] == [(1, "gone")]


@pytest.mark.req("GRE-24.6")
def test_of_some_that_have_to_be_well_so_many_may_fail() -> None:
    run = order(", at_once: 3, join: 2")
    run.end("c2", outcome="failed", code="gone")
    assert run.end("c1", outcome="failed", code="shut").last.answer == "Sorry: gone"
    run = order(", at_once: 3, join: 2")
    run.end("c2", outcome="failed", code="gone")
    run.end("c1", {"left": 1})
    run.end("c3", {"left": 3})
    assert [each and each["text"] for each in json.loads(str(run.last.answer))] == ["s0=1", None, "s2=3"]


# -- waits -------------------------------------------------------------------------------------------------------

ASK = """
fan: {flow.parallel: {branches: [name, allow, city]%s}, routing: [{status: on_error, to: sorry}, {to: tell}]}
name: {session.wait: {prompt: Your name?}, routing: [{to: named}]}
named: {text: "{{input.text}}"}
allow: {approval.call: {text: May they?}}
city: {session.wait: {prompt: Your city?}, routing: [{to: homed}]}
homed: {text: "{{input.text}}"}
tell: {text: "{{node.fan.results[0].text}} of {{node.fan.results[2].text}}: {{node.fan.results[1].outcome}}"}
sorry: {text: "{{node.fan.error.code}}"}
"""


@pytest.mark.req("GRE-24.7")
def test_one_branch_at_a_time_asks_the_customer_and_others_wait_beside_it() -> None:
    run = Run(flow(ASK % ""))
    run.begin()
    assert run.open == {"w1": "Your name?", "w2": "approval"}
    run.say("w1", "Ada")
    assert run.open == {"w2": "approval", "w3": "Your city?"}
    assert waits_on(run.say("w2", outcome="approved", kind="approval").last)
    assert run.say("w3", "London").last.answer == "Ada of London: approved"


@pytest.mark.req("GRE-24.7")
def test_what_a_branch_asked_is_withdrawn_when_its_node_is_done_without_it() -> None:
    run = Run(flow(ASK % ", join: any"))
    run.begin()
    run.say("w2", outcome="approved", kind="approval")
    assert (run.last.answer, run.last.withdraws) == (" of : approved", ())
    run = Run(flow((ASK % ", join: any").replace("tell: {text", "tell: {session.wait: {prompt: More?}}\nnever: {text")))
    run.begin()
    run.say("w2", outcome="approved", kind="approval")
    assert (run.last.withdraws, [wait.public_text for wait in run.last.waits]) == (("w1",), ["More?"])
    assert waits_on(run.planned("resume", answers=(WaitAnswer(WaitId("w1"), "clarification", "cancelled"),)).last)
    assert run.open == {"w3": "More?"}


@pytest.mark.req("GRE-24.7")
def test_a_refusal_in_one_branch_fails_the_node_and_withdraws_the_question_of_another() -> None:
    run = Run(
        flow(
            (ASK % "").replace("sorry: {text", "sorry: {shop.note: {code").replace('error.code}}"}', 'error.code}}"}}')
        )
    )
    run.begin()
    run.say("w2", outcome="denied", kind="approval")
    assert (json.loads(run.last.calls[0].args), run.last.withdraws) == ({"code": "approval_denied"}, ("w1",))


@pytest.mark.req("GRE-24.7")
def test_time_of_the_node_bounds_what_its_branches_wait_for_and_leaves_them() -> None:
    run = Run(
        flow(
            (ASK % "").replace(
                "routing: [{status: on_error", "timeout: 60, routing: [{status: timeout, to: late}, {status: on_error"
            )
            + 'late: {text: "too late"}'
        )
    )
    run.begin()
    assert [wait.expires_s for wait in run.last.waits] == [60.0, 60.0]
    run.now_us += 60_000_000
    assert run.say("w1", outcome="expired").last.answer == "too late"


LEFT = """
fan: {flow.parallel: {branches: [slow, quick, ask], join: any}, routing: [{to: again}]}
slow: {shop.slow: {}}
quick: {shop.quick: {}}
ask: {session.wait: {prompt: Which?}}
again: {shop.again: {}, routing: [{to: then}]}
then: {shop.then: {}, routing: [{to: tell}]}
tell: {text: "{{node.then.n}}"}
"""


@pytest.mark.req("GRE-24.13")
def test_what_is_left_and_over_at_once_with_what_is_waited_for_is_not_taken_for_what_comes_next() -> None:
    again = CallResult(CallId("c3"), ToolName("shop.again"), b"{}", "ok", b'{"n":1}')
    slow = CallResult(CallId("c1"), ToolName("shop.slow"), b"{}", "ok", b'{"n":9}')
    asked = WaitAnswer(WaitId("w1"), "clarification", "cancelled")
    for results, answers in (((again, slow), ()), ((again,), (asked,)), ((again, slow), (asked,))):
        run = Run(flow(LEFT))
        run.begin()
        run.end("c2", {})
        run.planned("resume", results=results, answers=answers)
        assert [call.tool for call in run.last.calls] == ["shop.then"]
        assert run.end("c4", {"n": 2}).last.answer == "2"


@pytest.mark.req("GRE-24.13")
def test_a_question_is_withdrawn_where_the_flow_rests_before_it_asks_for_anything_else() -> None:
    many = "".join(f"m{i}: {{var.set: {{n: 1}}, routing: [{{to: m{i + 1}}}]}}\n" for i in range(1_100))
    run = Run(flow(LEFT.replace("[{to: again}]", "[{to: m0}]") + many + "m1100: {shop.end: {}}"))
    run.begin()
    run.end("c2", {})
    assert (run.last.blocks, run.last.withdraws) == (b"on", ("w1",))
    assert run.goes_on().last.withdraws == ()


@pytest.mark.req("GRE-24.13")
def test_a_branch_whose_time_is_over_before_it_could_ask_does_not_ask() -> None:
    run = Run(
        flow("""
fan: {flow.parallel: {branches: [a, b]}, routing: [{to: tell}]}
a: {session.wait: {prompt: A?}}
b: {flow.parallel: {branches: [c]}, timeout: 10, routing: [{status: timeout, to: late}]}
c: {session.wait: {prompt: C?}}
late: {text: too late}
tell: {text: "{{node.fan.results[0].text}}, {{node.fan.results[1].text}}"}
""")
    )
    run.begin()
    run.now_us += 20_000_000
    assert run.say("w1", "x").last.answer == "x, too late"


HELD = """
fan: {flow.parallel: {branches: [a, b, c]}, routing: [{to: tell}]}
a: {session.wait: {prompt: A?}}
b: {flow.parallel: {branches: [d]}, timeout: 10, routing: [{status: timeout, to: late}]}
c: {flow.parallel: {branches: [e]}, timeout: 30, routing: [{status: timeout, to: late}]}
d: {session.wait: {prompt: D?}}
e: {session.wait: {prompt: E?}}
late: {text: too late}
tell: {text: "{{node.fan.results[0].text}}, {{node.fan.results[1].text}}, {{node.fan.results[2].text}}"}
"""


@pytest.mark.req("GRE-21.5")
def test_a_branch_that_has_yet_to_ask_is_left_when_its_time_is_over_though_nobody_says_anything() -> None:
    run = Run(flow(HELD))
    run.begin()
    assert [(wait.kind, wait.expires_s) for wait in run.last.waits] == [("clarification", 86_400.0), ("timer", 10.0)]
    run.now_us += 10_000_000
    run.say("w2", outcome="expired", kind="timer")
    assert [(wait.kind, wait.expires_s) for wait in run.last.waits] == [("timer", 20.0)], "the next one's time"
    run.now_us += 20_000_000
    run.say("w3", outcome="expired", kind="timer")
    assert run.open == {"w1": "A?"}, "nobody has to be woken any more"
    assert run.say("w1", "x").last.answer == "x, too late, too late"


@pytest.mark.req("GRE-21.5")
def test_a_timer_that_nobody_needs_any_more_is_withdrawn() -> None:
    run = Run(flow(HELD))
    run.begin()
    run.now_us += 1_000_000
    run.say("w1", "x")
    assert run.last.withdraws == ("w2",), "what is asked now is over as soon"
    assert [(wait.public_text, wait.expires_s) for wait in run.last.waits] == [("D?", 9.0)]
    run.say("w3", "y")
    assert [(wait.public_text, wait.expires_s) for wait in run.last.waits] == [("E?", 29.0)]
    assert run.say("w4", "z").last.answer is not None
    assert run.open == {}


# -- within each other -------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-24.8")
def test_branches_call_flows_branch_again_and_are_tried_again() -> None:
    inner = flow(
        """
both: {flow.each: {items: "{{entry.list}}", do: one, at_once: 2}, routing: [{to: sum}]}
one: {shop.look: {sku: "{{item}}", of: "{{index}}"}}
sum: {text: "{{node.both.results[0].n}}+{{node.both.results[1].n}}"}
""",
        id="shop.inner",
    )
    outer = flow("""
fan: {flow.each: {items: [[1, 2], [3, 4]], do: go, at_once: 2}, routing: [{to: tell}]}
go: {flow.call: {flow_id: shop.inner, input: {list: "{{item}}"}}, routing: [{to: word}]}
word: {text: "({{node.go.text}})"}
tell: {text: "{{node.fan.results[0].text}}*{{node.fan.results[1].text}}"}
""")
    run = Run(outer, inner)
    run.begin()
    assert [json.loads(call.args) for call in run.last.calls] == [{"sku": n, "of": (n - 1) % 2} for n in (1, 2, 3, 4)]
    for id, n in (("c4", 40), ("c1", 10), ("c3", 30), ("c2", 20)):
        assert run.last.answer is None
        run.end(id, {"n": n})
    assert run.last.answer == "(10+20)*(30+40)"


@pytest.mark.req("GRE-24.8")
def test_a_branch_says_and_ends_as_a_flow_does() -> None:
    run = Run(
        flow("""
fan: {flow.parallel: {branches: [a, b, c]}, routing: [{to: end}]}
a: {emit.response: {text: one}, routing: [{to: a2}]}
a2: {flow.return: {n: 1}}
b: {text: two, routing: reply}
c: {flow.goto: {node: d}}
d: {text: three}
end: {text: "{{node.fan.results[0].n}} {{node.fan.results[1].text}} {{node.fan.results[2].text}}"}
""")
    )
    run.begin()
    assert run.says == ["one", "two", "1 two three"]


@pytest.mark.req("GRE-24.8")
def test_branches_that_branch_without_end_fail() -> None:
    run = Run(flow("fan: {flow.parallel: {branches: [fan]}}"))
    run.begin()
    assert run.last.failure == "flow_depth"


@pytest.mark.req("GRE-24.8")
def test_a_state_of_an_older_version_goes_on() -> None:
    talk = Talk(flow("a: {shop.look: {}, routing: [{to: b}]}\nb: {text: '{{node.a.n}}'}")).begin()
    progress = decode(talk.last.state)
    assert progress is not None
    assert progress.trunk.waits_for == "c1"
    older = msgspec.msgpack.encode(msgspec.msgpack.decode(talk.last.state)[:2])
    talk.plans[-1] = msgspec.structs.replace(talk.last, state=older)
    assert talk.returns({"n": 7}).last.answer == "7"


# -- as it is written --------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-24.9")
@pytest.mark.parametrize(
    ("node", "code", "pointer"),
    [
        ("flow.parallel: {branches: [a, gone]}", "node_missing", "/nodes/fan/flow.parallel/branches"),
        ("flow.parallel: {branches: []}", "fork_invalid", "/nodes/fan/flow.parallel/branches"),
        ("flow.parallel: {}", "fork_invalid", "/nodes/fan/flow.parallel"),
        ("flow.each: {do: a}", "fork_invalid", "/nodes/fan/flow.each"),
        ("flow.each: {items: [1], do: b}", "node_missing", "/nodes/fan/flow.each/do"),
        ("flow.each: {items: [1], do: a, join: most}", "fork_invalid", "/nodes/fan/flow.each/join"),
        ("flow.each: {items: [1], do: a, at_once: 65}", "fork_invalid", "/nodes/fan/flow.each/at_once"),
        ("flow.each: {items: [1], do: a, failures: ignore}", "fork_invalid", "/nodes/fan/flow.each/failures"),
    ],
)
def test_branches_that_begin_nowhere_and_terms_that_are_none_are_named_with_their_place(
    node: str, code: str, pointer: str
) -> None:
    report = diagnose_bytes(
        f"id: shop.flow\ntype: messaging\nnodes:\n  fan: {{{node}}}\n  a: {{text: a}}\n".encode(), "shop.ygtc"
    )
    assert (code, pointer) in [(found.code, found.pointer) for found in report.errors]


@pytest.mark.req("GRE-24.9")
@pytest.mark.parametrize(
    ("routing", "code"), [("routing: [{to: end}]", "branch_goes_on"), ("routing: [{to: fan}]", "branch_comes_back")]
)
def test_a_branch_that_goes_on_where_its_node_leads_or_comes_back_is_warned_of(routing: str, code: str) -> None:
    fan = "fan: {flow.parallel: {branches: [a]}, routing: [{to: end}]}"
    text = f"{fan}\na: {{text: a, {routing}}}\nend: {{text: end}}"
    body = "\n".join(f"  {line}" for line in text.splitlines())
    found = parse(f"id: shop.flow\ntype: messaging\nschema_version: 2\nnodes:\n{body}\n", "shop.ygtc").warnings
    assert [each.code for each in found] == [code]
