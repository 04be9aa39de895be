"""Walking a flow: routes, failures, mappings, what is said and what ends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lichen.core.ports.call import Retry
from lichen.core.ports.plan import STATE_BYTES_MAX, Message
from lichen.core.speech.saying import text_of
from lichen.core.words.errors import Invalid
from lichen.flows.nodes.frames import decode
from lichen.flows.read.load import load, parse
from lichen.flows.walk.compiled import ready
from lichen.flows.walk.planner import FlowPlanner
from lichen.flows.walk.trail import taken
from lichen.flows.walk.walker import JUMPS_MAX, PARKED_MAX, VISITS_MAX, VISITS_ON_MAX
from tests.flows.walking import Talk, flow

FIXTURES = Path(__file__).parent / "fixtures" / "accepted"
LOOKUP = """
look:
  orders.lookup: {order_id: "{{entry.text}}"}
"""


# -- ends --------------------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-15.1")
@pytest.mark.parametrize(
    "routing", ["", "routing: out", "routing: reply", "routing: [{out: true}]", "routing: [{reply: true}]"]
)
def test_the_last_nodes_text_is_the_answer(routing: str) -> None:
    talk = Talk(flow(f"start:\n  templating.handlebars: {{text: Hello from greentic-flow!}}\n  {routing}")).begin()
    assert (talk.last.answer, talk.says) == ("Hello from greentic-flow!", ["Hello from greentic-flow!"])
    assert talk.path == ["start ok"]


@pytest.mark.req("GRE-26.1")
def test_what_is_emitted_is_said_in_order_and_once() -> None:
    talk = Talk(
        flow("""
one: {emit.response: {text: one}, routing: [{to: look}]}
look: {orders.lookup: {}, routing: [{to: two}]}
two: {messaging.emit: {messages: [two, {text: three}]}, routing: [{to: note}]}
note: {emit.log: {text: for the operator}, routing: out}
""")
    ).begin()
    assert (talk.last.says, talk.last.answer) == (("one",), None)
    talk.returns({})
    assert talk.says == ["one", "two", "three"], "a log is for the operator"
    assert (talk.last.says, talk.last.answer) == (("two",), "three")


@pytest.mark.req("GRE-26.2")
def test_a_flow_that_ends_with_an_emit_says_nothing_twice() -> None:
    talk = Talk(flow("a: {emit.response: {text: bye}, routing: out}")).begin()
    assert (talk.says, talk.last.says) == (["bye"], ())
    talk = Talk(flow("a: {emit.response: {text: bye}, routing: [{to: b}]}\nb: {orders.lookup: {}, routing: out}"))
    assert talk.begin().returns({"id": 1}).says == ["bye"]
    assert talk.last.answer == ""


def test_what_a_customer_wrote_last_is_not_said_back() -> None:
    talk = Talk(flow("a: {session.wait: {prompt: Name?}, routing: out}")).begin().answers("Ada")
    assert talk.says == ["Name?"]


# -- routes ------------------------------------------------------------------------------------------------------

BRANCH = (
    LOOKUP
    + """
  routing: [{status: gold, to: gold}, {status: silver, to: silver}, {to: other}]
gold: {text: gold}
silver: {text: silver}
other: {text: other}
"""
)


@pytest.mark.req("GRE-14.1")
@pytest.mark.parametrize(
    ("result", "answer"),
    [
        ({"status": "gold"}, "gold"),
        ({"outcome": "silver", "status": "gold"}, "silver"),
        ({"status": "x"}, "other"),
        ([1], "other"),
    ],
)
def test_the_status_of_a_result_selects_its_branch(result: object, answer: str) -> None:
    assert Talk(flow(BRANCH)).begin().returns(result).last.answer == answer


@pytest.mark.req("GRE-13.5")
def test_the_first_route_whose_condition_holds_is_taken() -> None:
    shop = flow(
        LOOKUP
        + """
  routing:
    - {condition: "total > 100 and response.text contains 'vip'", to: gold}
    - {condition: total > 100, to: silver}
    - {to: other}
gold: {text: gold}
silver: {text: silver}
other: {text: other}
"""
    )
    told = [
        Talk(shop).begin().returns(r).last.answer for r in ({"total": 150, "text": "VIP"}, {"total": 150}, {"total": 5})
    ]
    assert told == ["gold", "silver", "other"]


@pytest.mark.req("GRE-15.2")
def test_a_node_no_route_of_which_fits_waits_for_a_message_that_does() -> None:
    menu = flow("""
menu:
  text: Coffee or tea?
  routing:
    - {condition: response.text == coffee, to: brew}
    - {condition: response.text == tea, to: steep}
brew: {text: "Brewing, {{input.text}}."}
steep: {text: Steeping.}
""")
    talk = Talk(menu).begin()
    assert [wait.public_text for wait in talk.last.waits] == ["Coffee or tea?"]
    assert [wait.public_text for wait in talk.answers("water").last.waits] == [""], "the question is not repeated"
    assert talk.answers("coffee").last.answer == "Brewing, coffee."
    assert talk.path == ["menu ok", "menu waits", "menu ok", "menu waits", "menu ok", "brew ok"]
    assert Talk(menu, session=None).begin().last.failure == "route_unmatched"
    talk = Talk(menu).begin()
    for _ in range(PARKED_MAX):
        talk.answers("water")
    assert talk.last.failure == "route_unmatched"


@pytest.mark.req("GRE-15.3")
def test_a_node_whose_condition_does_not_hold_is_passed_by() -> None:
    shop = flow("""
a: {orders.lookup: {}, when: entry.text == go, routing: [{to: b}]}
b: {text: "done {{prev.ok}}"}
""")
    assert (Talk(shop).begin("stay").says, Talk(shop).begin("stay").path) == (["done true"], ["a skipped", "b ok"])
    assert Talk(shop).begin("go").last.calls


# -- failures ----------------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-27.1")
def test_a_failure_that_no_route_is_about_fails_the_flow_with_its_code() -> None:
    shop = flow(LOOKUP + "  routing: [{to: tell}]\ntell: {text: fine}")
    talk = Talk(shop).begin().returns(outcome="failed", code="order_unknown", reason="secret words")
    assert (talk.last.failure, talk.last.answer) == ("order_unknown", None)
    assert talk.path == ["look calls", "look error:order_unknown"]


@pytest.mark.req("GRE-27.2")
def test_a_code_that_could_hold_a_strangers_words_does_not_reach_the_records() -> None:
    talk = Talk(flow(LOOKUP)).begin().returns(outcome="failed", code="Ada Lovelace <ada@example.org>")
    assert (talk.last.failure, talk.path[-1]) == ("failed", "look error:failed")


@pytest.mark.req("GRE-14.2")
@pytest.mark.parametrize(
    ("outcome", "code", "answer"),
    [
        ("failed", "order_unknown", "unknown order"),
        ("failed", "other", "error"),
        ("timed_out", "timeout", "too slow"),
        ("failed", "timeout", "too slow"),
        ("denied", "policy", "forbidden"),
        ("cancelled", "", "error"),
    ],
)
def test_a_failure_takes_the_route_that_names_its_code_or_event(outcome: str, code: str, answer: str) -> None:
    shop = flow(
        LOOKUP
        + """
  routing:
    - {to: fine}
    - {status: order_unknown, to: unknown}
    - {status: on_timeout, to: slow}
    - {status: denied, to: forbidden}
    - {status: on_error, to: error}
fine: {text: fine}
unknown: {text: unknown order}
slow: {text: too slow}
forbidden: {text: forbidden}
error: {text: error}
"""
    )
    assert Talk(shop).begin().returns(outcome=outcome, code=code).last.answer == answer  # type: ignore[arg-type]
    assert Talk(shop).begin().returns({}).last.answer == "fine"


@pytest.mark.req("GRE-14.3")
def test_a_failure_never_takes_a_route_that_is_not_about_failures() -> None:
    nodes = LOOKUP + "  routing: [{condition: missing == null, to: fine}, {to: fine}]\nfine: {text: fine}"
    assert Talk(flow(nodes)).begin().returns({}).last.answer == "fine"
    assert Talk(flow(nodes)).begin().returns(outcome="failed", code="down").last.failure == "down"
    for condition in ("event == on_error", "error.code == down", "not ok", "status == 'error'"):
        told = Talk(flow(nodes.replace("missing == null", condition))).begin().returns(outcome="failed", code="down")
        assert told.last.answer == "fine"


@pytest.mark.req("GRE-16.3")
def test_a_mapping_of_errors_gives_the_payload_of_a_failure_and_the_flow_goes_on() -> None:
    shop = flow(
        LOOKUP
        + """
  err_map: {text: "No luck: {{error.code}}", why: /message, place: "{{entry.text}}"}
  routing: [{to: tell}]
tell: {text: "{{look.payload.text}} ({{node.look.why}}, {{node.look.place}}, {{node.look.ok}})"}
"""
    )
    told = Talk(shop).begin("1042").returns(outcome="failed", code="down", reason="it is down").last.answer
    assert told == "No luck: down (it is down, 1042, false)"


# -- mappings ----------------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-16.1")
def test_an_input_mapping_takes_the_place_of_the_payload_and_keeps_types() -> None:
    shop = flow("""
set: {var.set: {n: 5, list: [1, 2]}, routing: [{to: call}]}
call:
  orders.lookup: {ignored: true}
  in_map: {count: "{{vars.n}}", bare: vars.list, text: "{{vars.n}} of {{entry.text}}", first: "{{vars.list[0]}}"}
""")
    assert Talk(shop).begin("ten").args == {"count": 5, "bare": [1, 2], "text": "5 of ten", "first": 1}


@pytest.mark.req("GRE-16.2")
def test_an_output_mapping_reshapes_the_result() -> None:
    shop = flow(
        LOOKUP
        + """
  out_map: {id: /order/id, all: "{{result.order}}", text: "Order {{order.id}}"}
  vars_out: {kept: /order/id, said: "{{entry.text}}"}
  routing: [{to: tell}]
tell: {text: "{{json look.payload}} {{vars.kept}} {{vars.said}}"}
"""
    )
    told = Talk(shop).begin("hi").returns({"order": {"id": 7}}).last.answer
    assert told == '{"id":7,"all":{"id":7},"text":"Order 7"} 7 hi'


@pytest.mark.req("GRE-12.1")
def test_a_bare_reference_stands_for_its_value_and_other_dotted_words_for_themselves() -> None:
    shop = flow(
        """
ask: {var.set: {q_problem: {a: 1}}, routing: [{to: call}]}
call:
  orders.lookup:
    model: parameters.default_model
    question: ask.payload.q_problem
    state: state.nodes.ask.payload.q_problem.a
    city: in.text
    host: example.org
    file: state.db
    other: nobody.payload.x
""",
        head="parameters: {default_model: gpt-4o-mini}",
    )
    assert Talk(shop).begin("Rome").args == {
        "model": "gpt-4o-mini",
        "question": {"a": 1},
        "state": 1,
        "city": "Rome",
        "host": "example.org",
        "file": "state.db",
        "other": "nobody.payload.x",
    }


@pytest.mark.req("GRE-12.2")
def test_every_documented_root_can_be_read() -> None:
    shop = flow(
        """
a: {var.set: {x: 1}, routing: [{to: b}]}
b:
  text: "{{entry.text}}|{{in.input.text}}|{{state.entry.text}}|{{state.input.text}}|{{prev.x}}|{{node.a.x}}|\\
    {{a.payload.x}}|{{state.nodes.a.ok}}|{{state.nodes.a.meta.status}}|{{vars.x}}|{{parameters.p}}|{{now.iso}}|{{now.date}}|\\
    {{now.epoch_ms}}|{{session.id}}|{{session.turn}}|{{session.is_new}}"
""",
        head="parameters: {p: q}",
    )
    told = Talk(shop, turn="t3").begin("hi").last.answer
    assert told == ("hi|hi|hi|hi|1|1|1|true|ok|1|q|2026-01-01T00:00:00.000Z|2026-01-01|1767225600000|ses-1|3|false")


@pytest.mark.req("GRE-11.8")
def test_strict_flows_fail_where_a_value_is_missing() -> None:
    nodes = "a: {text: 'hi {{entry.nobody}}', routing: reply}"
    assert Talk(flow(nodes)).begin().last.answer == "hi "
    assert Talk(flow(nodes, head="parameters: {strict: true}")).begin().last.failure == "value_missing"


@pytest.mark.req("GRE-11.9")
def test_what_a_customer_or_a_result_says_is_never_run_as_a_template() -> None:
    shop = flow(LOOKUP + "  routing: [{to: tell}]\ntell: {text: '{{entry.text}} / {{node.look.note}}'}")
    talk = Talk(shop).begin("{{vars.secret}}")
    assert talk.args == {"order_id": "{{vars.secret}}"}
    assert talk.returns({"note": "{{now.iso}}"}).last.answer == "{{vars.secret}} / {{now.iso}}"


# -- calls -------------------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-17.2", "GRE-18.2")
def test_retry_and_timeout_of_a_node_become_the_terms_of_its_call() -> None:
    shop = flow(LOOKUP + "  retry: {attempts: 4, backoff_ms: 50, on: [down]}\n  timeout: 2.5")
    (call,) = Talk(shop).begin().last.calls
    assert (call.timeout_s, call.retry) == (2.5, Retry(4, 0.05, ("down",)))
    (call,) = Talk(flow(LOOKUP)).begin().last.calls
    assert (call.timeout_s, call.retry) == (None, None)


def test_an_mcp_node_and_component_exec_call_the_tool_they_name() -> None:
    talk = Talk(
        flow(
            "a: {mcp: {server: crm, tool: find, arguments: {q: '{{entry.text}}'}, output: hit}, routing: [{to: b}]}\n"
            "b: {text: '{{vars.hit.name}}'}"
        )
    )
    talk.begin("Ada")
    assert (talk.last.calls[0].tool, talk.args) == ("crm.find", {"q": "Ada"})
    assert talk.returns({"name": "Ada L."}).last.answer == "Ada L."
    talk = Talk(flow("a: {component.exec: {component: crm, operation: find, q: 1}}")).begin()
    assert (talk.last.calls[0].tool, talk.args) == ("crm.find", {"q": 1})


@pytest.mark.req("LIC-1.3")
def test_an_agent_node_is_a_call_of_the_agents_tool_and_its_answer_the_nodes_text() -> None:
    shop = flow("a: {dw.agent: {agent: shop.support, message: '{{entry.text}}'}, routing: reply}")
    talk = Talk(shop, agents={"shop.support": "shop.support"}).begin("help")
    assert (talk.last.calls[0].tool, talk.args) == ("shop.support", {"message": "help"})
    assert talk.returns({"answer": "Here you are."}).last.answer == "Here you are."
    talk = Talk(flow("a: {dw.agent.shop.support: {}}"), agents={"shop.support": "ask.support"}).begin("help")
    assert (talk.last.calls[0].tool, talk.args) == ("ask.support", {"message": "help"})


@pytest.mark.req("LIC-1.5")
@pytest.mark.parametrize(
    ("node", "code"),
    [
        ("a: {dw.agent: {agent: '{{entry.text}}'}}", "flow_invalid"),
        ("a: {flow.call: {flow_id: in.text}}", "flow_invalid"),
        ("a: {flow.call: {flow_id: nowhere}}", "flow_unknown"),
        ("a: {dw.agent: {agent: no.body}}", "agent_unknown"),
        ("a: {text: '{{entry.text'}", "flow_invalid"),
    ],
)
def test_what_a_node_is_about_is_fixed_before_anybody_speaks(node: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        FlowPlanner(flow(node))
    assert (refused.value.code, refused.value.place) == (code, "shop.flow.ygtc:6:3")


# -- bounds ------------------------------------------------------------------------------------------------------


def test_a_plan_visits_a_bounded_number_of_nodes_and_so_many_follow_each_other() -> None:
    loop = flow("a: {var.set: {x: 1}, routing: [{to: b}]}\nb: {var.set: {x: 2}, routing: [{to: a}]}")
    talk = Talk(loop).begin()
    while not talk.last.failure:
        assert (talk.last.blocks, talk.last.calls, talk.last.waits, talk.last.answer) == (b"on", (), (), None)
        talk.goes_on()
    assert talk.last.failure == "flow_too_long"
    assert [len(taken(plan.notes)) for plan in talk.plans] == [VISITS_MAX] * (VISITS_ON_MAX // VISITS_MAX)


@pytest.mark.req("GRE-26.7")
def test_a_flow_of_ten_thousand_nodes_ends_and_what_it_keeps_does_not_grow() -> None:
    nodes = 10_000
    chain = [f"n{i}: {{text: 'node {i} {{{{node.n0.text}}}}', routing: [{{to: n{i + 1}}}]}}" for i in range(nodes - 1)]
    talk = Talk(flow("\n".join((*chain, f"n{nodes - 1}: {{text: '{{{{prev.text}}}}'}}")))).begin()
    while talk.last.blocks:
        talk.goes_on()
    assert talk.last.answer == f"node {nodes - 2} node 0 "
    assert len(talk.path) == nodes
    assert {len(plan.state) for plan in talk.plans[:-1]} <= set(range(150))


@pytest.mark.req("GRE-23.3")
def test_a_flow_jumps_a_bounded_number_of_times_in_a_row() -> None:
    talk = Talk(flow("a: {flow.goto: {node: a}}")).begin()
    assert talk.last.failure == "goto_too_often"
    assert talk.path.count("a ok") == JUMPS_MAX


def test_state_is_linear_in_nodes_and_never_history() -> None:
    shop = flow("a: {session.wait: {}, routing: [{to: b}]}\nb: {text: '{{input.text}}', routing: [{to: a}]}")
    talk = Talk(shop).begin()
    sizes = [len(talk.answers("same").last.state) for _ in range(20)]
    assert sizes[2:] == [sizes[2]] * 18


def test_a_state_that_is_too_large_fails_the_flow_and_says_so() -> None:
    shop = flow(LOOKUP + "  routing: [{to: wait}]\nwait: {session.wait: {}}")
    talk = Talk(shop).begin().returns({"blob": "x" * STATE_BYTES_MAX})
    assert talk.last.failure == "flow_state_too_large"


@pytest.mark.parametrize(
    "state", [b"\x00", b"\x93\x90\x80\xa0", b"\x93\x91\x9a\xa4gone\xa1a\x80\x80\x80\x80\xa0\x80\x00\xc2\x80\xa0"]
)
def test_a_state_of_other_flows_fails_the_run_instead_of_the_planner(state: bytes) -> None:
    talk = Talk(flow("a: {session.wait: {}}")).begin()
    talk.plans[-1] = type(talk.last)(state=state)
    assert talk.answers("x").last.failure in ("flow_state_invalid", "flow_changed")


def test_a_run_out_of_limits_ends_with_what_it_has_or_fails() -> None:
    shop = flow(
        LOOKUP
        + "  routing: [{status: cancelled, to: sorry}, {to: more}]\nmore: {orders.lookup: {}}\nsorry: {text: sorry}"
    )
    assert Talk(shop).begin().returns(outcome="cancelled", limit="time").last.answer == "sorry"
    assert Talk(shop).begin().returns({}, limit="calls").last.failure == "limit_calls"


def test_what_is_said_meanwhile_is_heard_next() -> None:
    shop = flow("""
look: {orders.lookup: {}, routing: [{to: ask}]}
ask: {session.wait: {prompt: And?}, routing: [{to: tell}]}
tell: {text: "heard {{ask.payload.text}}"}
""")
    talk = Talk(shop).begin("1").returns({}, messages=(Message("customer", "hurry"),))
    assert talk.last.answer == "heard hurry"
    talk = Talk(flow(LOOKUP)).begin("1").returns({"text": "one"}, messages=(Message("customer", "2"),))
    assert (talk.last.says, talk.args) == (("one",), {"order_id": "2"}), "it begins anew with what came in between"


def test_the_same_input_gives_the_same_plan() -> None:
    one, other = (Talk(flow(BRANCH)).begin("x") for _ in range(2))
    assert one.last == other.last
    assert one.planner.digest == other.planner.digest != Talk(flow(LOOKUP)).planner.digest
    assert one.planner.pure


def test_notes_are_read_back_as_a_path() -> None:
    assert taken(["shop.flow/a ok", "shop.flow/b error:x", "a remark"]) == [
        ("shop.flow", "a", "ok"),
        ("shop.flow", "b", "error:x"),
    ]


def test_a_state_can_be_read_back() -> None:
    progress = decode(Talk(flow(LOOKUP)).begin("1042").last.state)
    assert progress is not None
    assert (progress.frames[0].at, progress.frames[0].entry["text"]) == ("look", "1042")


@pytest.mark.req("GRE-12.4")
@pytest.mark.parametrize(
    "asked", ["in.city", "input.city", "entry.city", "ask.payload.city", "{{in.city}}", "{{city}}"]
)
def test_answers_to_questions_stand_in_the_entry_and_what_was_sent_comes_first(asked: str) -> None:
    nodes = f"""
ask: {{qa.process: {{questions: [{{id: city}}, {{id: text}}]}}, routing: [{{to: look}}]}}
look: {{shop.find: {{q: "{asked}", said: in.text, whole: in.input.text}}}}
"""
    talk = Talk(flow(nodes)).begin("hello").answers("Rome").answers("other")
    wanted = "" if asked == "{{city}}" else "Rome"
    assert talk.args == {"q": wanted, "said": "hello", "whole": "hello"}


@pytest.mark.req("GRE-12.5")
@pytest.mark.parametrize(
    "node",
    [
        "{mcp.exec: {component: weather, action: forecast, args: {q: x}}}",
        "{mcp.exec: {server: weather, tool: forecast, arguments: {q: x}}}",
        "{mcp: {server: weather, tool: forecast, arguments: {q: x}}}",
    ],
)
def test_a_tool_of_a_server_may_be_named_in_both_ways(node: str) -> None:
    talk = Talk(flow(f"a: {node}")).begin("hello")
    assert (talk.last.calls[0].tool, talk.args) == ("weather.forecast", {"q": "x"})


@pytest.mark.req("GRE-1.7")
def test_a_flow_in_the_words_of_older_packs_is_walked_to_its_end() -> None:
    talk = Talk(load(FIXTURES / "weather_references.ygtc")).begin("hello")
    assert talk.says == ["Where are you?\nA town, please"]
    talk.answers("Kiel")
    assert (talk.last.calls[0].tool, talk.args) == ("weather_api.forecast", {"q": "Kiel", "days": 3})
    talk.returns(
        {"location": {"name": "Kiel"}, "current": {"temp_c": 9.5}, "days": [{"date": "1 May"}, {"date": "2 May"}]}
    )
    assert [line.strip() for line in text_of(talk.last.answer).splitlines() if line.strip()] == [
        "Weather in Kiel: 9.5 °C",
        "- 1 May",
        "- 2 May",
    ]


@pytest.mark.req("GRE-1.7")
@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.ygtc")), ids=lambda path: path.stem)
def test_every_flow_that_loads_can_be_walked(path: Path) -> None:
    assert ready(load(path)).nodes


@pytest.mark.req("GRE-12.4")
def test_the_fields_of_a_form_stand_in_the_entry_behind_what_was_there() -> None:
    nodes = """
card: {session.wait: {prompt: "Search?"}, routing: [{to: look}]}
look: {shop.find: {q: "{{in.input.query}}", r: in.query, action: "{{input.action}}", said: "{{in.input.text}}"}}
"""
    talk = Talk(flow(nodes)).begin("hello").answers("", action="search", query="tea")
    assert talk.args == {"q": "tea", "r": "tea", "action": "search", "said": "hello"}


@pytest.mark.req("GRE-12.6")
def test_an_output_of_version_1_is_taken_from_the_result() -> None:
    text = """
schema_version: 1
id: shop.rotate
type: event
nodes:
  make: {operation: make, component.exec: {component: keys}, output: {value: "${data.value}", all: ["v ${data.n}"]}}
  write:
    after: make
    operation: put
    component.exec: {component: vault, value: "${make.output.value}", a: "${make.output.all}"}
"""
    talk = Talk(parse(text, "rotate.ygtc").flow).begin("hello").returns({"value": {"k": 1}, "n": 2})
    assert talk.args == {"value": {"k": 1}, "a": ["v 2"]}


@pytest.mark.req("GRE-14.4")
@pytest.mark.parametrize("route", ["status: on_cancel", "status: cancelled", "condition: event == on_cancel"])
def test_a_node_that_was_cancelled_tells_its_routes_by_upstreams_name_too(route: str) -> None:
    nodes = f"""
look: {{shop.find: {{}}, routing: [{{{route}, to: gone}}, {{to: there}}]}}
gone: {{text: gone}}
there: {{text: there}}
"""
    talk = Talk(flow(nodes)).begin("hello").returns(outcome="cancelled", code="run_cancelled")
    assert talk.last.answer == "gone"
