"""What public flows count on when they run: called flows, component errors, envelopes, welcome, debug, block lines."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lichen.flows.text.template import parse_template
from lichen.flows.walk.trail import Missed, missed
from tests.flows.walking import Talk, flow

SHOWN = "{{entry.x}} {{in.x}} {{input.x}} {{state.input.x}} {{state.entry.x}}"


def rendered(text: str, **values: Any) -> str:
    class Values:
        def get(self, path: tuple[str, ...]) -> Any:
            return values.get(path[0])

    return parse_template(text).text(Values())


@pytest.mark.req("GRE-23.9")
def test_a_called_flow_has_the_calls_input_for_its_input_and_the_caller_keeps_its_own() -> None:
    main = flow(
        """
a: {flow.call: {flow_id: part, input: {x: 1}}, routing: [{to: b}]}
b: {text: "{{node.a.text}} / {{input.text}} {{state.input.text}}", routing: reply}
"""
    )
    part = flow(f'a: {{text: "{SHOWN} {{{{input.text}}}}", routing: out}}', id="part")
    talk = Talk(main, part).begin("hello")
    assert talk.says == ["1 1 1 1 1  / hello hello"]


@pytest.mark.req("GRE-23.9")
def test_what_came_in_since_a_called_flow_began_is_its_input_and_then_its_callers() -> None:
    main = flow(
        """
a: {flow.call: {flow_id: part, input: {x: 1}}, routing: [{to: b}]}
b: {text: "{{input.x}}", routing: reply}
"""
    )
    part = flow(
        """
a: {session.wait: {prompt: which?}, routing: [{to: b}]}
b: {messaging.emit: {text: "{{input.x}} {{entry.x}}"}, routing: out}
""",
        id="part",
    )
    talk = Talk(main, part).begin("hello").answers("two", x=2)
    assert talk.says == ["which?", "2 1", "2"]


@pytest.mark.req("GRE-16.4")
def test_a_component_that_reports_ok_false_fails_its_node() -> None:
    talk = Talk(flow("a: {x.check: {}, routing: [{to: b}]}\nb: {x.apply: {}}")).begin()
    talk.returns({"ok": False, "error": {"code": "answers_wrong", "message": "no token"}})
    assert (talk.last.calls, talk.last.failure) == ((), "component_error")
    assert talk.path == ["a calls", "a error:answers_wrong"]


@pytest.mark.req("GRE-16.4")
@pytest.mark.parametrize("route", ["status: answers_wrong", "status: on_error", "condition: ok == false"])
def test_the_failure_a_component_reports_takes_its_route_and_keeps_what_it_gave(route: str) -> None:
    nodes = f"""
a: {{x.check: {{}}, routing: [{{{route}, to: c}}, {{to: b}}]}}
b: {{x.apply: {{}}}}
c: {{text: "{{{{node.a.error.message}}}} {{{{node.a.errors.0}}}}", routing: reply}}
"""
    reported = {"ok": False, "error": {"code": "answers_wrong", "message": "no token"}, "errors": ["e1"]}
    assert Talk(flow(nodes)).begin().returns(reported).says == ["no token e1"]


@pytest.mark.req("GRE-16.4")
def test_a_component_that_says_ok_or_nothing_of_it_did_not_fail() -> None:
    for given in ({"ok": True}, {"ok": "false"}, {"error": None}, {"error": {"code": "x"}}):
        talk = Talk(flow("a: {x.check: {}, routing: [{to: b}]}\nb: {text: went on, routing: reply}")).begin()
        assert talk.returns(given).says == ["went on"]


@pytest.mark.req("GRE-16.4")
def test_an_mcp_server_that_returns_only_an_error_fails_its_node() -> None:
    nodes = (
        "a: {mcp: {server: s, tool: t}, routing: [{status: not_found, to: c}, {to: b}]}\nb: {text: b, routing: reply}\n"
    )
    nodes += "c: {text: gone, routing: reply}"
    assert Talk(flow(nodes)).begin().returns({"error": {"code": "not_found", "status": 404}}).says == ["gone"]
    assert Talk(flow(nodes)).begin().returns({"error": {"code": "x"}, "result": 1}).says == ["b"]


@pytest.mark.req("GRE-4.6")
@pytest.mark.parametrize(
    "named",
    [
        "component: calc, operation: add",
        "component_ref: calc, op: add",
        "component: calc, op: add",
    ],
)
def test_both_words_for_component_and_operation_name_the_tool_and_only_the_inside_is_sent(named: str) -> None:
    talk = Talk(flow(f"a: {{component.exec: {{{named}, input: {{a: 1}}}}}}")).begin()
    assert (talk.last.calls[0].tool, talk.args) == ("calc.add", {"a": 1})
    talk = Talk(flow(f"a: {{component.exec: {{{named}, input: {{a: 1}}, config: {{unit: m}}}}}}")).begin()
    assert talk.args == {"a": 1, "config": {"unit": "m"}}
    talk = Talk(flow(f"a: {{component.exec: {{{named}, input: {{a: 1}}, more: 2}}}}")).begin()
    assert talk.args == {"input": {"a": 1}, "more": 2}
    talk = Talk(flow(f"a: {{component.exec: {{{named}, input: text}}}}")).begin()
    assert talk.last.failure == "arguments_invalid"


@pytest.mark.req("GRE-4.6")
def test_a_built_in_operation_named_as_a_component_is_that_operation() -> None:
    nodes = """
a: {component.exec: {component: emit.response, operation: send, input: {text: one}}, routing: [{to: b}]}
b:
  component.exec: {component: templating.handlebars, operation: render, input: {template: "two {{in.text}}"}}
  routing: reply
"""
    assert Talk(flow(nodes)).begin("x").says == ["one", "two x"]


@pytest.mark.req("GRE-10.17")
def test_a_welcome_without_questions_is_said() -> None:
    assert Talk(flow("a: {qa.process: {welcome: Good day.}, routing: out}")).begin().says == ["Good day."]
    nodes = "a: {qa.process: {welcome: 'Good day.'}, routing: [{to: b}]}\nb: {text: '{{node.a.text}}', routing: reply}"
    assert Talk(flow(nodes)).begin().says == ["Good day.", "Good day."]


@pytest.mark.req("GRE-26.6")
def test_a_message_of_the_channel_debug_is_kept_for_operators_and_not_said() -> None:
    nodes = """
a: {messaging.emit: {messages: [{text: hello}, {channel: debug, text: I thought}, {channel: webchat, text: bye}]}}
"""
    assert Talk(flow(nodes)).begin().says == ["hello", "bye"]


@pytest.mark.req("GRE-11.11")
@pytest.mark.parametrize(
    ("text", "into"),
    [
        ("a\n{{#if x}}\nb\n{{/if}}\nc", "a\nb\nc"),
        ("a\n  {{#if x}}  \n  b\n  {{/if}}\nc", "a\n  b\nc"),
        ("{{#if x}}\nb\n{{else}}\nd\n{{/if}}\n", "b\n"),
        ("{{#if y}}\nb\n{{else}}\nd\n{{/if}}", "d\n"),
        ("{{#each l}}\n- {{this}}\n{{/each}}\nend", "- 1\n- 2\nend"),
        ("a {{#if x}}b{{/if}} c", "a b c"),
        ("a\n{{#if x}}b{{/if}}\nc", "a\nb\nc"),
        ("a\n{{! a comment }}\nc", "a\nc"),
        ("a\n{{x}}\nc", "a\n1\nc"),
        ("a  {{~x~}}  b", "a1b"),
        ("a\r\n{{#if x}}\r\nb\r\n{{/if}}\r\nc", "a\r\nb\r\nc"),
        ("{{#if y}}1{{else if x}}2{{else}}3{{/if}}", "2"),
        ("{{#if y}}1{{else if z}}2{{else}}3{{/if}}", "3"),
    ],
)
def test_block_tags_on_lines_of_their_own_leave_no_line_as_handlebars_has_it(text: str, into: str) -> None:
    assert rendered(text, x=1, y=0, z=0, l=[1, 2]) == into


@pytest.mark.req("GRE-11.12")
def test_every_value_that_a_text_shows_and_that_is_not_there_is_noted_once() -> None:
    nodes = """
a: {text: "{{entry.city}} {{entry.city}} {{default entry.land 'x'}} {{#if entry.zip}}z{{/if}}", routing: [{to: b}]}
b: {x.call: {dry_run: "{{state.input.dry_run}}", key: in.secret, list: ["{{node.a.text}}"]}}
"""
    talk = Talk(flow(nodes)).begin("hi")
    assert missed(talk.last.notes) == [
        Missed("shop.flow", "a", "entry.city"),
        Missed("shop.flow", "b", "state.input.dry_run"),
        Missed("shop.flow", "b", "in.secret"),
    ]
    assert talk.path == ["a ok", "b calls"]
    assert json.loads(talk.last.calls[0].args)["dry_run"] == ""


@pytest.mark.req("GRE-11.12")
def test_no_more_than_a_bounded_number_of_missing_values_is_noted() -> None:
    texts = " ".join(f"{{{{entry.x{i}}}}}" for i in range(100))
    assert len(missed(Talk(flow(f'a: {{text: "{texts}"}}')).begin().last.notes)) == 32


@pytest.mark.req("LIC-1.13")
def test_every_message_has_the_envelope_of_its_channel() -> None:
    shown = " ".join(
        f"{{{{in.{name}}}}}" for name in ("session_id", "user.id", "tenant.env", "metadata", "attachments")
    )
    assert Talk(flow(f"a: {{text: '{shown}'}}")).begin("x").says == ["ses-1 customer-7 dev {} []"]
