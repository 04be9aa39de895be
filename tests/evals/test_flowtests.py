"""Tests of a flow by itself: conversations beside its file, held without a project."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from lichen.cli.trying.flow import app
from lichen.core.words.errors import LichenError
from lichen.evals import Report, flow_tests, flows_tried, junit

ORDER = r"""
id: shop.order
type: messaging
schema_version: 2
start: ask
slot_schema: [{ name: order_id, slot_type: string, pattern: '(\d{4})', required: true }]
nodes:
  ask: { slots: { prompt: "Which order?" }, routing: [{ to: look }] }
  look: { lookup: { order_id: "{{slots.order_id}}" }, routing: [{ status: order_unknown, to: sorry }, { to: write }] }
  write: { dw.agent: { agent: shop.writer, message: "{{node.look.status}}" }, routing: [{ to: keep }] }
  keep: { state.set: { key: last, value: "{{slots.order_id}}", scope: user }, routing: [{ to: allow }] }
  allow:
    approval.call: { role: lead, text: "{{node.write.text}}", public: "One moment." }
    routing: [{ status: approved, to: call }, { status: on_error, to: sorry }]
  call: { flow.call: { flow_id: shop.bye, input: { said: "{{node.write.text}}" } }, routing: reply }
  sorry: { text: "Sorry.", routing: reply }
"""
BYE = "id: shop.bye\ntype: messaging\nschema_version: 2\nnodes: {bye: {text: '{{entry.said}} Bye.'}}\n"
STUBS = """
stubs = [
    { tool = "lookup", args = { order_id = "1042" }, result = { status = "shipped" } },
    { tool = "shop.writer", args = { message = "shipped" }, result = "On its way." },
]
"""
WELL = f"""
[[case]]
name = "an order that is there"
{STUBS}
[[case.turn]]
says = "Hello"
told = ["Which order?"]
visits = ["ask"]
[[case.turn]]
sends = {{ order_id = "1042" }}
told = ["One moment."]
calls = [{{ tool = "pack.lookup", args = {{ order_id = "1042" }} }}, {{ tool = "state.set" }}]
[[case.turn]]
approves = "ops"
told = ["On its way. Bye."]
visits = ["allow", "call", "bye", "call"]
"""


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    folder = tmp_path / "pack"
    folder.mkdir()
    (folder / "order.ygtc").write_text(ORDER)
    (folder / "bye.ygtc").write_text(BYE)
    return folder


def tried(pack: Path, text: str) -> Report:
    (pack / "order.test.toml").write_text(text)
    return asyncio.run(flows_tried(flow_tests([pack])))


def misses(report: Report) -> list[str]:
    return [f"{miss.place}: {miss.message}" for case in report.cases for trial in case.trials for miss in trial.missed]


@pytest.mark.req("GOA-80.30")
def test_a_flow_is_talked_to_with_stubs_for_tools_and_agents_forms_approvals_and_other_flows(pack: Path) -> None:
    assert misses(tried(pack, WELL)) == []


@pytest.mark.req("GOA-80.30")
@pytest.mark.parametrize(
    ("was", "becomes", "miss"),
    [
        ('told = ["One moment."]', 'told = ["A moment."]', "/turn/1/told: The customer was told 'One moment.'."),
        ('visits = ["ask"]', 'visits = ["ask", "look"]', "/turn/0/visits: Went ask."),
        ('order_id = "1042" }, result', 'order_id = "1" }, result', "/turn/1/told: The customer was told 'Sorry"),
        ('message = "shipped"', 'message = "lost"', "/turn/1/told: The customer was told 'Sorry"),
    ],
)
def test_what_differs_is_named_by_its_place(pack: Path, was: str, becomes: str, miss: str) -> None:
    assert WELL.count(was) == 1
    assert misses(tried(pack, WELL.replace(was, becomes)))[0].startswith(miss)


@pytest.mark.req("GOA-80.30")
def test_time_passes_and_a_stub_may_fail(pack: Path) -> None:
    late = '[[case.turn]]\nsays = "1042"\n[[case.turn]]\nwaits_s = 90000\ntold = ["Sorry."]\n'
    gone = '[[case.turn]]\nsays = "1042"\ntold = ["Sorry."]\nvisits = ["ask", "look", "look", "sorry"]\n'
    cases = f'[[case]]\nname = "late"\n{STUBS}{late}[[case]]\nname = "gone"\n'
    cases += f'stubs = [{{ tool = "lookup", error = "order_unknown" }}]\n{gone}'
    assert misses(tried(pack, cases)) == []


@pytest.mark.req("GOA-80.31")
def test_the_command_says_what_came_of_it_to_people_programs_and_pipelines(pack: Path, tmp_path: Path) -> None:
    (pack / "order.test.toml").write_text(WELL.replace("One moment", "Wait"))
    ended = CliRunner().invoke(
        app, ["test", str(pack / "order.ygtc"), "--json", "--junit", str(tmp_path / "out/j.xml")]
    )
    assert (ended.exit_code, json.loads(ended.stdout)["is_met"]) == (1, False)
    root = ElementTree.parse(tmp_path / "out/j.xml").getroot()  # noqa: S314 - our own
    assert (root.get("tests"), root.get("failures")) == ("1", "1")
    assert [failure.get("message", "")[:12] for failure in root.iter("failure")] == ["/turn/1/told"]
    (pack / "order.test.toml").write_text(WELL)
    assert CliRunner().invoke(app, ["test", str(pack)]).exit_code == 0
    assert b"<failure" not in junit(tried(pack, WELL))


@pytest.mark.req("GOA-80.31")
@pytest.mark.parametrize(
    ("path", "code"), [("bye.ygtc", "flow_tests_missing"), (".", "flow_tests_missing"), ("x.test.toml", "flow_missing")]
)
def test_tests_of_nothing_are_said(pack: Path, path: str, code: str) -> None:
    if path == "x.test.toml":
        (pack / path).write_text(WELL)
    with pytest.raises(LichenError) as refused:
        flow_tests([pack / path])
    assert refused.value.code == code
