"""What components say to the flows that ask them: failures by their own names, and where to go on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lichen.core.deciders import events as e
from lichen.tools.wasm.asking import ROUNDS_MAX
from lichen.tools.wasm.values.canonical import Case, Err, Ok
from tests.runtime.component_projects import OPS, SCOPE, opened, project
from tests.tools.wasm.families.guests import (
    RESPONSE,
    ROUTER,
    TEXT,
    TOOL_ERROR,
    Interfaces,
    completed,
    invoked,
    node_cbor,
    node_json,
    reported,
    router,
)
from tests.tools.wasm.families.shapes import Function, Given, Result, Trap, guest

BUSY = node_json("0.5.0", Case("err", {**reported("RATE_LIMITED", details=None), "backoff-ms": 5}))
ROUTED = """
id: main
type: messaging
start: ask
nodes:
  ask:
    desk.process: {text: hi}
    retry: {attempts: 3, backoff_s: 0.001, on: [RATE_LIMITED]}
    routing: [{status: RATE_LIMITED, to: later}, {status: on_error, to: broken}]
  later:
    emit.response: {text: "Later: {{node.ask.message}}"}
    routing: out
  broken:
    emit.response: {text: "Broken."}
    routing: out
"""
MAPPED = """
id: mapped
type: messaging
start: ask
nodes:
  ask:
    desk.process: {text: hi}
    err_map: {text: "It says {{error.code}}: {{error.message}}"}
    routing: reply
"""
UNCAUGHT = """
id: uncaught
type: messaging
start: ask
nodes:
  ask:
    desk.process: {text: hi}
    routing: reply
"""


@pytest.mark.req("GRE-42.6")
async def test_a_flow_routes_maps_and_retries_by_the_code_of_the_component(tmp_path: Path) -> None:
    flows = {"main": ROUTED, "mapped": MAPPED, "uncaught": UNCAUGHT}
    async with opened(project(tmp_path, flows, {"desk": BUSY})) as asked:
        run = await asked.begin()
        assert (await asked.runtime.runs.result(SCOPE, run, OPS)).startswith("Later")
        controls = asked.records(run)
        tried = [each for each in controls if isinstance(each, e.CallProgressed) and each.what == "retry"]
        assert [each.attempt for each in tried] == [1, 2]
        assert await asked("mapped") == "It says RATE_LIMITED: not now"
        assert await asked.failure("uncaught") == "component_error"
        assert "RATE_LIMITED" not in repr(controls)


ELICITED = {
    "title": None,
    "message": "For how many days?",
    "schema": '{"type":"object","properties":{"days":{"type":"integer"}},"required":["days"]}',
}
ASKED_TOOL = """
id: main
type: messaging
start: ask
nodes:
  ask:
    mcp: {server: desk, tool: echo, arguments: {a: 1}, output: said}
    err_map: {text: "It failed: {{error.message}}"}
    routing: [{status: MCP_TOOL_ERROR, to: broken}, {status: ok, to: told}]
  told:
    emit.response: {text: "{{vars.said.structuredContent}}"}
    routing: out
  broken:
    emit.response: {text: "{{node.ask.text}}"}
    routing: out
"""


def asking(*, days: int = 12) -> str:
    """A router that asks something until its arguments have more than so many characters, and says them again then."""
    params = {"tool-name": TEXT, "arguments": TEXT}
    made = router(Ok(Case("elicit", ELICITED)))
    said = completed(content=[], **{"structured-content": Given(("arguments",))})
    made = {ROUTER: {**made[ROUTER], "told": Function(params, Result(RESPONSE, TOOL_ERROR), said)}}
    text, head = guest(made), "(param i32)(param i32)(param i32)(param i32) (result i32)"
    for name in ("call-tool", "told"):
        assert f'(func (export "{name}") {head}' in text
        text = text.replace(f'(func (export "{name}") {head}', f"(func ${name} {head}", 1)
    given = "(local.get 0) (local.get 1) (local.get 2) (local.get 3)"
    choice = (
        f'(func (export "told") {head} (call $told {given}))'
        f'(func (export "call-tool") {head} (if (i32.gt_u (local.get 3) (i32.const {days}))'
        f" (then (return (call $told {given})))) (call $call-tool {given}))"
    )
    return text.replace("(func $call-tool", f"{choice} (func $call-tool", 1)


@pytest.mark.req("GRE-47.6")
async def test_a_router_that_asks_a_person_first_is_called_again_with_what_they_said(tmp_path: Path) -> None:
    made = project(tmp_path, {"main": ASKED_TOOL}, {"desk": asking()}, desk="asks = true")
    async with opened(made) as asked:
        run = await asked.begin()
        wait = await asked.question()
        assert "For how many days?" in wait.public_text
    async with opened(made) as asked:  # over a restart
        await asked.runtime.waits.answer(SCOPE, wait.id, "answered", OPS, body={"result": {"days": 7}})
        assert json.loads(await asked.runtime.runs.result(SCOPE, run, OPS)) == {"text": {"a": 1, "days": 7}}


@pytest.mark.req("GRE-47.6")
async def test_a_router_asks_nobody_unless_its_table_lets_it(tmp_path: Path) -> None:
    async with opened(project(tmp_path, {"main": ASKED_TOOL}, {"desk": asking()})) as asked:
        assert (await asked()).startswith("It failed: ")
        assert asked.questions() == ()


@pytest.mark.req("GRE-47.6")
async def test_a_router_that_is_told_nothing_fails_its_node(tmp_path: Path) -> None:
    made = project(tmp_path, {"main": ASKED_TOOL}, {"desk": asking()}, desk="asks = true")
    async with opened(made) as asked:
        run = await asked.begin()
        wait = await asked.question()
        await asked.runtime.waits.answer(SCOPE, wait.id, "declined", OPS, body={})
        assert "declined to say it" in await asked.runtime.runs.result(SCOPE, run, OPS)


@pytest.mark.req("GRE-47.6")
async def test_a_router_that_asks_for_a_secret_or_on_and_on_is_refused(tmp_path: Path) -> None:
    secret = {**ELICITED, "message": "What is your password?"}
    tables = {"desk": router(Ok(Case("elicit", secret)))}
    async with opened(project(tmp_path, {"main": ASKED_TOOL}, tables, desk="asks = true")) as asked:
        assert "for a secret" in await asked()
    again = project(tmp_path / "again", {"main": ASKED_TOOL}, {"desk": asking(days=1_000)}, desk="asks = true")
    async with opened(again) as asked:
        run = await asked.begin()
        for _ in range(ROUNDS_MAX):
            wait = await asked.question()
            await asked.runtime.waits.answer(SCOPE, wait.id, "answered", OPS, body={"result": {"days": 7}})
        assert "more and more" in await asked.runtime.runs.result(SCOPE, run, OPS)


CODED = """
id: {id}
type: messaging
start: ask
nodes:
  ask:
    mcp: {{server: {server}, tool: {tool}, arguments: {{}}}}
    routing: [{{status: {code}, to: told}}]
  told:
    emit.response: {{text: "{code}"}}
    routing: out
"""


@pytest.mark.req("GRE-47.7")
async def test_the_failures_of_an_mcp_node_have_the_codes_that_upstream_has(tmp_path: Path) -> None:
    tables = {
        "bad": router(Err(Case("execution-error", "no"))),
        "gone": router(Trap()),
        "desk": router(completed()),
    }
    needs = [{"name": "echo", "title": None, "description": "", "output-schema": None, "annotations": None,
              "input-schema": '{"type":"object","required":["a"],"properties":{"a":{"type":"integer"}}}'}]  # fmt: skip
    tables["desk"] = router(completed(), needs)
    wanted = {"bad": "MCP_TOOL_ERROR", "gone": "MCP_ROUTER_ERROR", "desk": "MCP_CONFIG_ERROR"}
    flows = {name: CODED.format(id=name, server=name, tool="echo", code=code) for name, code in wanted.items()}
    flows["main"] = UNCAUGHT.replace("uncaught", "main").replace("desk.process", "desk.echo")
    async with opened(project(tmp_path, flows, tables)) as asked:
        assert {name: await asked(name) for name in wanted} == wanted


def saying(**control: Any) -> Interfaces:
    """A component whose answer leads the flow that asks it."""
    return node_cbor(invoked({"greentic_control": {"v": 1, **control}}))


LED = """
id: main
type: messaging
start: ask
nodes:
  ask:
    pilot.lead: {text: hi}
    routing:
      - {status: flow_unknown, to: lost}
      - {status: control_invalid, to: odd}
      - {status: on_error, to: broken}
      - {status: ok, to: on}
  on:
    emit.response: {text: "went on"}
    routing: out
  lost:
    emit.response: {text: "lost"}
    routing: out
  odd:
    emit.response: {text: "odd"}
    routing: out
  broken:
    emit.response: {text: "broken"}
    routing: out
  aside:
    emit.response: {text: "aside with {{entry.city}}"}
    routing: out
  never:
    flow.goto: {flow_id: other}
"""
OTHER = """
id: other
type: messaging
start: first
nodes:
  first:
    emit.response: {text: "first of {{entry.city}}"}
    routing: out
  second:
    emit.response: {text: "second of {{entry.city}}"}
    routing: out
"""
STRANGER = OTHER.replace("id: other", "id: stranger")


@pytest.mark.req("GRE-43.6")
@pytest.mark.parametrize(
    ("control", "answer"),
    [
        ({"action": "jump", "flow": "other", "payload": {"city": "Rome"}}, "first of Rome"),
        ({"action": "jump", "flow": "other", "node": "second", "payload": {"city": "Rome"}}, "second of Rome"),
        ({"action": "jump", "target": {"flow": "other", "node": "second"}, "params": {"city": "B"}}, "second of B"),
        ({"action": "jump", "flow": "main", "node": "aside", "payload": {"city": "Rome"}}, "aside with "),
        ({"action": "jump", "flow": "stranger"}, "lost"),
        ({"action": "jump", "flow": "other", "node": "nowhere"}, "lost"),
        ({"action": "jump", "flow": "other", "max_redirects": 0}, "broken"),
        ({"action": "jump", "flow": "main"}, "broken"),  # it leads in a circle
        ({"action": "jump", "flow": " "}, "odd"),
        ({"action": "jump", "v": 2, "flow": "other"}, "odd"),
        ({"action": 3}, "odd"),
        ({"action": "respond", "text": "It says so itself."}, "It says so itself."),
        ({"action": "respond", "text": ["x"]}, "odd"),
        ({"action": "respond", "card_cbor": [160]}, "broken"),
        ({"action": "dance"}, "went on"),
    ],
)  # fmt: skip
async def test_a_component_says_where_its_flow_goes_on(tmp_path: Path, control: dict[str, Any], answer: str) -> None:
    flows = {"main": LED, "other": OTHER, "stranger": STRANGER}
    manifest = {"id": "pilot", "operations": [{"name": "lead"}]}
    made = project(tmp_path, flows, {"pilot": saying(**control)})
    (tmp_path / "pilot.manifest.json").write_text(json.dumps(manifest))
    async with opened(made) as asked:
        assert (await asked()).startswith(answer)
