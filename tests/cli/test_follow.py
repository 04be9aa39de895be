"""`lichen runs show --follow`: a run line by line as it happens, over the death of its host, to the run's exit code."""

from __future__ import annotations

import io
import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lichen.cli.here.stream import Frame, frames
from lichen.cli.show.live import Live
from lichen.cli.show.screen import Screen
from tests.cli.projects import Project
from tests.cli.shop import LARGE, LICHEN, Shop

MODEL = """
    from lichen import Agent
    from lichen.agents import LLMPlanner
    from lichen.agents.models.model import ScriptedModel
    from lichen.core.ports.model import ModelError, ModelReply
    from lichen.core.words.limits import Usage

    refused = ModelError("No.", code="model_refused", usage=Usage(7, 1, 0, 90))
    said = ModelReply("Here you are.", usage=Usage(1200, 34, 0, 4200))
    support = Agent("shop.support", planner=LLMPlanner(ScriptedModel([said], name="corner:large")))
    stubborn = Agent("shop.stubborn", planner=LLMPlanner(ScriptedModel([refused], name="corner:large")))
"""
AGENTS = """
    [lichen]
    agents = ["shop.py:support", "shop.py:stubborn"]

    [tenants.acme]
    policies = "policies"
    actors = [{id = "ops", kind = "operator", roles = ["operator"]}]
"""
TALKS = """
    @id("think") permit (principal is Agent, action in [Action::"model.invoke", Action::"message.send"], resource);
    @id("operate") permit (principal in Role::"operator", action, resource);
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path, {"shop.py": MODEL, "lichen.toml": AGENTS, "policies/shop.cedar": TALKS})


def started(project: Project, agent: str) -> str:
    ended = project.run("runs", "start", agent, "Go.", "--as", "ops", "--json", "--wait-s", "20")
    return project.run("runs", "list", "--as", "ops", "--json").data[0]["id"] if ended.code == 0 else ended.err


@pytest.mark.req("LIC-24.24")
def test_in_a_pipe_each_record_is_a_line_with_its_words_sizes_and_costs(project: Project) -> None:
    run = started(project, "shop.support")
    ended = project.run("runs", "show", run, "--follow")
    assert ended.code == 0, ended.err
    lines = [line.strip() for line in ended.out.splitlines()]
    assert lines[0] == "+0.0 ms  begins    agent shop.support"
    assert any(line.startswith("corner:large ok: 1,200 tokens in, 34 out, 0.0042 USD, ") for line in lines)
    assert "“Here you are.”" in lines
    assert "1,234 tokens, 0.0042 USD so far" in lines
    assert lines[-2].endswith("ends      completed")
    assert lines[-1] == "1,234 tokens, 0.0042 USD"
    assert "\x1b" not in ended.out


@pytest.mark.req("LIC-24.24")
def test_the_exit_code_is_that_of_the_run(project: Project) -> None:
    failed = project.run("runs", "show", started(project, "shop.stubborn"), "-f", "--json")
    records = [json.loads(line) for line in failed.out.splitlines()]
    assert failed.code == 1
    assert records[0]["type"] == "run_started"
    assert records[-1]["control"]["outcome"] == "failed"
    assert project.run("runs", "show", "run-none", "--follow", "--as", "ops").code == 4


@pytest.mark.req("LIC-24.24")
def test_it_goes_on_after_the_last_record_when_the_host_of_the_run_is_killed(shop: Shop) -> None:
    host = shop.host()
    shop.chat(LARGE)
    (wait,) = shop.approvals()
    run, _, _ = wait["id"].rpartition(".")
    following = subprocess.Popen(
        [*LICHEN, "runs", "show", run, "--follow", "--json", "--tenant", "acme"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=shop.root,
        env=shop.environ,
    )
    assert following.stdout is not None
    seen = [json.loads(following.stdout.readline())]
    while seen[-1]["type"] != "wait_opened":
        seen.append(json.loads(following.stdout.readline()))
    host.send_signal(signal.SIGKILL)
    host.wait()
    assert shop.run("approvals", "deny", wait["id"], "--tenant", "acme", "--as", "ops").code == 0
    rest, _ = following.communicate(timeout=60)
    seen += [json.loads(line) for line in rest.splitlines()]
    assert following.returncode == 0
    assert [record["n"] for record in seen] == list(range(len(seen))), "each record once, in order"
    assert seen[-1]["type"] == "run_finished"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _record(type: str, n: int, summary: str, contents: dict[str, Any] | None) -> dict[str, Any]:  # noqa: A002
    return {"type": type, "n": n, "ts_us": 1 + n * 1_000, "summary": summary, "contents": contents, "stream": "run:r"}


ASKED = {
    "model": "corner:large",
    "outcome": "ok",
    "input_tokens": 10,
    "output_tokens": 5,
    "micro_usd": 70,
    "is_unpriced": False,
    "is_estimate": True,
    "duration_us": 2_000,
    "tries": 2,
}


@pytest.mark.req("LIC-24.24")
def test_a_terminal_shows_what_a_model_says_as_it_says_it_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    stream = Terminal()
    live = Live(Screen(stream=stream))
    live.record(_record("plan_started", 0, "step 0, attempt 1, start", {}))
    for text in ("Here ", "you\x1b[31m ", "are."):
        live.piece({"step": 0, "attempt": 1, "kind": "text", "text": text})
    live.piece({"step": 0, "attempt": 1, "kind": "args", "text": '{"id"', "tool": "orders.lookup"})
    live.record(_record("planned", 1, "answers", {"answer": "Here you are."}))
    live.requests([ASKED])
    shown = stream.getvalue()
    assert "Here you�[31m are." in shown, "and nothing of it steers the terminal"
    assert "wants     orders.lookup " in shown
    assert '{"id"' in shown
    assert "“Here you are.”" not in shown
    assert "10 tokens in, 5 out, 0.0001 USD, an estimate, 2.0 ms, 2 tries" in shown


@pytest.mark.req("LIC-24.25")
def test_a_terminal_shows_how_far_a_call_is_as_words_of_its_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    stream = Terminal()
    live = Live(Screen(stream=stream))
    where = {"step": 1, "attempt": 1, "kind": "progress"}
    live.piece({**where, "text": "nearly\x1b[31m", "tool": "books.sort", "by": "c1", "done": 3.0, "total": 4.0})
    live.piece({**where, "text": "", "tool": "books.sort", "by": "c1", "done": 5.0})
    live.piece({**where, "text": "", "by": "c1", "chars": 6})
    shown = stream.getvalue()
    assert "at work   c1 books.sort says 3 of 4: “nearly" in shown
    assert "\x1b[31m”" not in shown
    assert "c1 books.sort says 5\x1b[0m\n" in shown
    assert "c1 says how far it is" in shown


@pytest.mark.req("LIC-24.24")
def test_who_may_not_read_the_words_of_a_run_sees_sizes_and_costs() -> None:
    stream = io.StringIO()
    live = Live(Screen(stream=stream))
    live.record(_record("planned", 1, "answers", None))
    live.requests([ASKED])
    assert "corner:large ok: 10 tokens in, 5 out" in stream.getvalue()


@pytest.mark.req("LIC-24.24")
def test_a_frame_counts_once_it_is_whole() -> None:
    lines = [b": still here\n", b"\n", b"id: 4.1\n", b"event: planned\n", b'data: {"n": 1}\n', b"\n", b"id: 5\n"]
    assert list(frames(lines)) == [Frame("4.1", "planned", {"n": 1})]
