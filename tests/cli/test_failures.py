"""A tool that fails, from the seat of who wrote it: what the record says, what the log says, and what neither does."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.projects import SETTINGS, Project
from tests.cli.shop import LICHEN

ASK = ("run", "shop.support", "Where is order 13?", "--tenant", "acme", "--as", "customer-7")


@pytest.mark.req("LIC-28.4")
@pytest.mark.req("LIC-28.7")
def test_a_serving_process_logs_its_start_its_end_and_failures_without_their_text(tmp_path: Path) -> None:
    project = Project(tmp_path)
    process = subprocess.Popen(
        [*LICHEN, "serve", "--port", "0", "--json", "--log-format", "json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=project.root, env=project.environ,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()
    project.run(*ASK)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    told = [json.loads(line) for line in err.splitlines()]
    assert [line["event"] for line in told] == ["started", "failed", "stopping", "stopped"]
    failed = told[1]
    assert (failed["code"], failed["tenant"], failed["env"]) == ("exception_RuntimeError", "acme", "dev")
    assert failed["at"] == f"{project.root / 'shop.py'}:10"
    assert "hunter2" not in err


@pytest.mark.req("LIC-28.5")
def test_doctor_warns_where_the_text_of_errors_goes_to_the_log(tmp_path: Path) -> None:
    loud = SETTINGS.replace("[tenants.acme]", '[tenants.acme]\n    development = ["dev"]\n    error_text = true')
    project = Project(tmp_path, {"lichen.toml": loud})
    ended = project.run("doctor", "--json")
    assert ended.code == 0
    (warning,) = [finding for finding in ended.data if finding["state"] == "warning"]
    assert "acme/dev" in warning["what"]
    assert "hunter2" in project.run(*ASK).err


@pytest.mark.req("LIC-28.8")
def test_who_wrote_a_failing_tool_finds_its_message_line_and_traceback_in_runs_show(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.run(*ASK)
    (run,) = project.run("runs", "list", "--tenant", "acme", "--json").data
    shown = project.run("runs", "show", run["id"]).out
    assert "RuntimeError: database is down: password=hunter2" in shown
    assert f"{project.root / 'shop.py'}:10" in shown
    assert "Traceback (most recent call last)" in shown


TALK = "permit (principal, action, resource);"
BROKEN = """
    from lichen.agents.own.function import agent_function


    @agent_function("shop.support")
    async def support(chat):
        raise RuntimeError("the shop's list is empty")
"""


@pytest.mark.req("LIC-46.19")
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (SETTINGS.replace("[tenants.acme]", '[tenants.acme]\n    development = ["dev"]'), "the shop's list is empty"),
        (SETTINGS, "failed: planner_error. `lichen runs explain run-"),
    ],
)
def test_who_talks_as_somebody_hears_why_a_run_failed_or_where_that_is_said(
    settings: str, said: str, tmp_path: Path
) -> None:
    project = Project(tmp_path, {"lichen.toml": settings, "shop.py": BROKEN, "policies/shop.cedar": TALK})
    told = project.run("chat", "--as", "customer-7", text="hi\n")
    assert said in told.err
    assert "went wrong on our side" in told.out
    assert "empty" not in told.out
