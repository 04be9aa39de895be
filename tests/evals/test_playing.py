"""Flows played at the terminal: by themselves and in a project, traced, and walked again."""

from __future__ import annotations

import asyncio
import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from lichen.cli.trying.flow import app
from lichen.cli.trying.playing import play
from lichen.core.words.errors import LichenError
from lichen.evals.document import Stub
from lichen.evals.plays.playing import played, staged_alone
from tests.evals.test_flowtests import BYE, ORDER

TOOLS = {
    "lookup": [{"args": {"order_id": "1042"}, "result": {"status": "shipped"}}, {"error": "order_unknown"}],
    "shop.writer": {"result": "On its way."},
}
JOB = "id: shop.job\ntype: job\nschema_version: 2\nnodes: {a: {text: 'It is {{entry.n}}.'}}\n"


@pytest.fixture
def pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "pack"
    folder.mkdir()
    (folder / "order.ygtc").write_text(ORDER)
    (folder / "bye.ygtc").write_text(BYE)
    (folder / "job.ygtc").write_text(JOB)
    (folder / "tools.json").write_text(json.dumps(TOOLS))
    (folder / "answers.json").write_text(json.dumps(["1042", {"approves": "ops"}]))
    monkeypatch.chdir(folder)
    return folder


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


WHOLE = ("run", "order.ygtc", "--answers", "answers.json", "--with", "tools.json")


@pytest.mark.req("GRE-78.6")
def test_a_flow_is_played_by_itself_with_what_tools_give_and_people_answer(pack: Path) -> None:
    ended = run(*WHOLE, "--picture", "way.svg")
    assert ended.exit_code == 0, ended.output
    assert [line for line in ended.stdout.splitlines() if not line.startswith((">", " ", "way"))] == [
        "Which order?",
        "One moment.",
        "On its way. Bye.",
        "completed",
    ]
    assert "way: ask waits → ask ok → look calls → look ok" in ended.stdout
    assert "sorry" in (pack / "way.svg").read_text()
    told = json.loads(run(*WHOLE, "--json").stdout)
    assert [turn["texts"] for turn in told["turns"]] == [["Which order?"], ["One moment."], ["On its way. Bye."]]
    assert (told["status"], told["way"][-1]) == ("completed", ["shop.order", "call", "ok"])


@pytest.mark.req("GRE-78.6")
def test_the_exit_code_says_whether_it_ended_failed_or_waits(pack: Path) -> None:
    assert run("run", "order.ygtc").exit_code == 3
    (pack / "answers.json").write_text('["1042"]')
    (pack / "tools.json").write_text('{"lookup": {"error": "gone"}}')
    assert run(*WHOLE).exit_code == 1
    ended = run("run", "job.ygtc", "--input-json", '{"n": 3}')
    assert (ended.exit_code, "It is 3." in ended.stdout) == (0, True)


@pytest.mark.req("GRE-78.6")
def test_a_trace_of_it_is_walked_again_and_says_what_the_changed_flow_does_otherwise(pack: Path) -> None:
    assert run(*WHOLE, "--trace", "t.json", "--contents").exit_code == 0
    assert run("replay", "t.json").stdout == "7 steps as they were.\n"
    (pack / "bye.ygtc").write_text(BYE.replace("Bye.", "So long."))
    ended = run("replay", "t.json", "--json")
    found = json.loads(ended.stdout)
    assert (ended.exit_code, found["first"]["node"], found["first"]["what"]) == (1, "bye", "output")
    assert found["differs"] == ["bye", "call"]
    assert [(change["flow"], change["node"]) for change in found["changes"]] == [("shop.bye", "bye")]
    assert run(*WHOLE, "--trace", "sealed.json").exit_code == 0
    assert re.search(r"\b1042\b", (pack / "sealed.json").read_text()) is None


@pytest.mark.req("GRE-78.6")
def test_somebody_at_the_terminal_says_what_tools_and_agents_give_that_no_file_is_about(pack: Path) -> None:
    asked: list[tuple[str, Any]] = []

    def asks(name: str, args: Any) -> Stub:
        asked.append((name, args))
        return Stub(name, result={"status": "lost"})

    async def go() -> None:
        staged = staged_alone(Path("order.ygtc"), stubs=[Stub("lookup", {"order_id": "1"}, {})], asks=asks)
        async with played(staged) as playing:
            await playing.begin("Hello", None)
            await playing.begin("1042", None)
            assert len(playing.approvals()) == 1

    asyncio.run(go())
    assert asked == [("flows.lookup", {"order_id": "1042"}), ("shop.writer", {"message": "lost"})]


@pytest.mark.req("GRE-78.6")
@pytest.mark.parametrize(
    ("file", "text", "code"),
    [
        ("answers.json", None, "file_missing"),
        ("answers.json", "{", "answers_invalid"),
        ("answers.json", '[{"says": "x", "denies": "ops"}]', "answers_invalid"),
        ("answers.json", '[{"say": "x"}]', "answers_invalid"),
        ("tools.json", None, "file_missing"),
        ("tools.json", '{"lookup": 3}', "stubs_invalid"),
        ("order.ygtc", None, "flow_missing"),
    ],
)
def test_files_that_are_none_are_named(pack: Path, file: str, text: str | None, code: str) -> None:
    (pack / file).unlink()
    if text is not None:
        (pack / file).write_text(text)
    ended = run(*WHOLE)
    assert isinstance(ended.exception, LichenError)
    assert ended.exception.code == code


SHOP = '''
from lichen import tool

@tool(name="shop.lookup", effects="none", runs="loop")
async def lookup(order_id: str) -> dict[str, str]:
    """Looks up an order."""
    return {"status": "baked"}
'''
FLOW = """
id: shop.order
type: messaging
schema_version: 2
nodes:
  look: {shop.lookup: {order_id: "7"}, routing: [{status: denied, to: no}, {to: tell}]}
  tell: {text: "It is {{node.look.status}}.", routing: reply}
  no: {text: "Not allowed.", routing: reply}
"""
PROJECT = """
[lichen]
agents = []
tools = ["shop.py:lookup"]
flows = ["flows/order.ygtc"]

[tenants.acme]
policies = "policies"
agent = "shop.order"
%s
"""
POLICY = """
@id("talk") permit (
    principal, action in [Action::"session.open", Action::"run.start", Action::"message.send"], resource
);
@id("work") permit (principal, action == Action::"agent.create", resource);
"""
LOOK = '@id("look") permit (principal is Agent, action == Action::"shop.lookup", resource);'


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in {
        "shop.py": SHOP,
        "flows/order.ygtc": FLOW,
        "policies/shop.cedar": POLICY + LOOK,
        "lichen.toml": PROJECT % 'development = ["dev"]',
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.req("GRE-78.7")
def test_in_its_project_a_flow_has_the_tools_and_the_policies_there_and_leaves_no_data(project: Path) -> None:
    assert "It is baked." in run("run", "flows/order.ygtc").stdout
    never = '@id("never") forbid (principal, action == Action::"shop.lookup", resource);'
    (project / "policies/shop.cedar").write_text(POLICY + never)
    assert "Not allowed." in run("run", "flows/order.ygtc").stdout
    (project / "tools.json").write_text('{"shop.lookup": {"result": {"status": "burnt"}}}')
    assert "It is burnt." in run("run", "flows/order.ygtc", "--alone", "--with", "tools.json").stdout
    assert not (project / ".lichen").exists()


@pytest.mark.req("GRE-78.7")
def test_without_an_environment_for_development_nothing_real_is_called(project: Path) -> None:
    (project / "lichen.toml").write_text(PROJECT % "")
    ended = run("run", "flows/order.ygtc")
    assert isinstance(ended.exception, LichenError)
    assert ended.exception.code == "not_for_development"


class Terminal(io.StringIO):
    """A terminal that nobody sees."""

    def isatty(self) -> bool:
        return True


@pytest.mark.req("GRE-78.6")
def test_in_a_terminal_somebody_answers_decides_and_says_what_tools_give(
    pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, asked = Terminal(), list[str]()
    lines = iter(["1042", "no JSON", '{"status": "shipped"}', '"On its way."', "y"])

    def typed(prompt: str) -> str:
        asked.append(prompt)
        return next(lines)

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(sys, "stdout", seen)
    monkeypatch.setattr("builtins.input", typed)
    with pytest.raises(typer.Exit) as ended:
        play(pack / "order.ygtc")
    assert ended.value.exit_code == 0
    assert "On its way. Bye." in seen.getvalue()
    assert [prompt.partition(" ")[0] for prompt in asked] == [
        "you",
        "pack.lookup",
        "pack.lookup",
        "shop.writer",
        "lead",
    ]
