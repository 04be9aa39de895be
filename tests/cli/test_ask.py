"""`lichen ask`, and the options that hold one run to less: what they send, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import pytest

from lichen.cli.here.narrowing import OPTIONS, overrides
from tests.cli.projects import POLICIES, Project
from tests.cli.shop import Ended

REFUND = {"type": "object", "properties": {"order_id": {"type": "string"}}, "required": ["order_id"]}
AGENT = '''
    from lichen import Agent, ModelReply, tool
    from lichen.agents import LLMPlanner, ScriptedModel
    from lichen.core.ports.model import ModelCall
    from lichen.core.words.ids import ToolName


    @tool(name="orders.lookup", effects="none", runs="loop", tags=["read"])
    async def lookup(order_id: str) -> dict[str, str]:
        """Looks up one order."""
        return {"order_id": order_id, "status": "on its way"}


    class Model:
        name = "scripted:model"

        async def generate(self, request, deltas=None):
            if request.output_schema is not None:
                return ModelReply('{"order_id":"1042"}' if "Which" in str(request.messages) else "No.")
            if request.tools and request.messages[-1].role == "user":
                return ModelReply("", (ModelCall("c", ToolName("orders.lookup"), b'{"order_id":"1042"}'),))
            return ModelReply(request.messages[-1].text if request.tools else "I have no tools.")


    support = Agent("shop.support", planner=LLMPlanner(Model()), tools=[lookup])
'''


@pytest.fixture
def project(tmp_path: Path) -> Project:
    policies = POLICIES + '    @id("model") permit (principal is Agent, action == Action::"model.invoke", resource);'
    files = {"policies/shop.cedar": policies, "shop.py": AGENT}
    project = Project(tmp_path, files)
    (tmp_path / "refund.json").write_text(json.dumps(REFUND))
    return project


def asked(project: Project, *arguments: str, text: str = "") -> Ended:
    return project.run(*arguments, "--tenant", "acme", "--as", "customer-7", text=text)


@pytest.mark.req("GOA-61.14")
def test_a_question_with_a_schema_prints_a_value_or_ends_with_the_code_of_why_not(project: Project) -> None:
    found = asked(project, "ask", "Which order?", "--schema", "refund.json")
    assert (found.code, json.loads(found.out)) == (0, {"order_id": "1042"}), found.err
    failed = asked(project, "ask", "Anything?", "--schema", "refund.json")
    assert failed.code == 1
    assert "answer_invalid" in failed.err
    (project.root / "refund.json").write_text("[]")
    refused = asked(project, "ask", "Which order?", "--schema", "refund.json")
    assert refused.code != 0
    assert "answer_schema_invalid" in refused.err
    assert "refund.json" in refused.err


@pytest.mark.req("GOA-29.9")
def test_a_question_may_be_held_to_less_and_what_leaves_nothing_is_refused_with_its_place(project: Project) -> None:
    assert "on its way" in asked(project, "ask", "Where is order 1042?").out
    held = asked(project, "ask", "Where is order 1042?", "--max-calls", "1", "--time", "9.5", "--json")
    shown = project.run("runs", "show", json.loads(held.out)["id"], "--tenant", "acme")
    assert "held to     calls at most 1" in shown.out
    assert "held to     time_s at most 9.5" in shown.out
    refused = asked(project, "ask", "Where is order 1042?", "--only-tool", "orders.gone")
    assert refused.code != 0
    assert "overrides_invalid" in refused.err
    assert "/overrides/tools/0" in refused.err
    assert "/overrides/tagged" in asked(project, "ask", "Where?", "--without-tag", "read").err
    talked = asked(project, "chat", "--max-calls", "1", text="Where is order 1042?\n")
    assert "on its way" in talked.out


@pytest.mark.req("GOA-29.9")
def test_options_are_the_overrides_of_the_api() -> None:
    nothing = dict.fromkeys(OPTIONS)
    assert overrides(nothing) is None
    said = nothing | {"only_tool": ["a.b"], "with_tag": ["read"], "max_usd": 0.5, "call_time": 3.0, "plan_time": 2.0}
    assert overrides(said) == {
        "tools": ["a.b"],
        "tagged": [{"any_of": ["read"]}],
        "cost_usd": 0.5,
        "call_s": 3.0,
        "plan_s": 2.0,
    }


READS = """
    from lichen import Agent, ModelReply
    from lichen.agents import LLMPlanner


    class Model:
        name = "scripted:reads"

        async def generate(self, request, deltas=None):
            [newest] = [message for message in request.messages if message.role == "user"]
            seen = ", ".join(f"{each.name} {each.media_type} {len(each.data)}" for each in newest.media)
            if request.output_schema is not None:
                return ModelReply('{"order_id":"%s"}' % seen)
            return ModelReply(f"{newest.text} {seen}")


    support = Agent("shop.support", planner=LLMPlanner(Model()))
"""


@pytest.mark.req("LIC-24.81")
def test_files_go_with_a_question(project: Project) -> None:
    (project.root / "shop.py").write_text(dedent(READS))
    (project.root / "policies" / "shop.cedar").write_text("permit (principal, action, resource);")
    (project.root / "bill.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"1")
    (project.root / "note.pdf").write_bytes(b"%PDF-1.7 hello")
    files = ("--attach", "bill.png", "--attach", "note.pdf")
    told = asked(project, "ask", "Look.", *files)
    assert (told.code, told.out) == (0, "Look. bill.png image/png 9, note.pdf application/pdf 14\n"), told.err
    found = asked(project, "ask", "Look.", *files, "--schema", "refund.json")
    assert json.loads(found.out)["order_id"].startswith("bill.png")
    assert asked(project, "ask", "Look.", "--attach", "nothing.png").code == 2
