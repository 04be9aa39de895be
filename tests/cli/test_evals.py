"""`lichen eval` on the command line: exit codes, reports, and a case made of what happened."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.shop import LICHEN
from tests.cli.test_templates import run

CASE = """
[[case]]
name = "where"
as = "customer-7"
[[case.turn]]
says = "Where is order 1001?"
answer = { contains = ["%s"] }
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    assert run(tmp_path, *LICHEN, "init", "mine", "--template", "shop").code == 0
    (tmp_path / "mine" / "evals").mkdir()
    return tmp_path / "mine"


@pytest.mark.req("GOA-80.8")
def test_the_exit_code_says_whether_all_is_as_expected_and_the_report_is_a_baseline(mine: Path) -> None:
    evals, report = mine / "evals" / "where.toml", mine / "before.json"
    evals.write_text(CASE % "tea pot")
    good = run(mine, *LICHEN, "eval", "run", "--report", str(report))
    assert (good.code, good.out.splitlines()[-1]) == (0, "1 of 1 cases go as expected.")
    evals.write_text(CASE % "samovar")
    bad = run(mine, *LICHEN, "eval")
    assert bad.code == 1
    assert "/turn/0/answer/contains/0: 'samovar' is not in" in bad.out
    compared = run(mine, *LICHEN, "eval", "run", "--baseline", str(report), "--json", "--times", "4")
    assert (compared.code, compared.data["is_met"]) == (1, False)
    assert [(each["word"], each["before"], each["now"]) for each in compared.data["changes"]] == [
        ("worse", "1/1", "0/4")
    ]


@pytest.mark.req("GOA-80.8")
def test_a_wrong_file_and_a_judge_that_is_wrong_end_with_two(mine: Path) -> None:
    (mine / "evals" / "where.toml").write_text("case = 1")
    wrong = run(mine, *LICHEN, "eval")
    assert (wrong.code, wrong.out) == (2, "")
    assert "where.toml#/case" in wrong.err
    judge = '[judge]\nmodel = "echo:"\nrubric = "Polite."\nreplies = []\n[judge.calibration]\nagreement = 1.0\n'
    labels = 'cases = [{ customer = "Hi", agent = "Hello!", good = true }]\n'
    (mine / "evals" / "where.toml").write_text(judge + labels + CASE % "tea pot")
    uncalibrated = run(mine, *LICHEN, "eval")
    assert uncalibrated.code == 2
    assert "judge_uncalibrated" in uncalibrated.err
    missing = run(mine, *LICHEN, "eval", "run", "--baseline", "nowhere.json")
    assert (missing.code, "eval_report_invalid" in missing.err) == (2, True)


@pytest.mark.req("GOA-80.9")
def test_what_happened_becomes_a_case_that_goes_as_expected(mine: Path) -> None:
    text = "Where is order 1001?\nI want a refund of 80 EUR for order 1002.\n"
    run(mine, *LICHEN, "chat", text=text)
    (wait,) = run(mine, *LICHEN, "approvals", "list", "--json").data
    assert run(mine, *LICHEN, "approvals", "deny", wait["id"], "--as", "ops").code == 0
    newest = run(mine, *LICHEN, "runs", "list", "--json").data[0]["id"]
    added = run(mine, *LICHEN, "eval", "add", newest, "-o", "evals/real.toml", "--name", "what happened")
    assert added.code == 0, added.err
    held = run(mine, *LICHEN, "eval", "--help")
    assert "add" in held.out
    report = run(mine, *LICHEN, "eval", "run", "--json")
    assert report.code == 0, report.out
    (case,) = report.data["cases"]
    lines = [
        (line["said"], [f"{call['tool']}: {call['outcome'] or call['verdict']}" for call in line["calls"]])
        for line in case["trials"][0]["lines"]
    ]
    assert lines == [
        ("Where is order 1001?", ["orders.lookup: ok"]),
        ("I want a refund of 80 EUR for order 1002.", ["orders.refund: hold"]),
        ("(ops denies)", ["orders.refund: denied"]),
    ]
    again = run(mine, *LICHEN, "eval", "add", newest, "-o", "evals/real.toml")
    assert "file_exists" in again.err


@pytest.mark.req("GOA-80.14")
def test_a_call_of_a_tool_that_is_not_there_becomes_a_case_that_goes_as_expected(tmp_path: Path) -> None:
    script, mine = tmp_path / "replies.jsonl", tmp_path / "shop"
    wrong = '{"tool": "orders.refund", "args": {"order_id": "1001", "amount": "much"}}'
    script.write_text(f'{{"calls": [{{"tool": "nope", "args": {{"a": 1}}}}, {wrong}]}}\n{{"text": "Sorry."}}\n')
    assert run(tmp_path, *LICHEN, "init", "shop", "--model", f"scripted:{script}").code == 0
    assert run(mine, *LICHEN, "chat", text="Do it.\n").out == "Sorry.\n"
    newest = run(mine, *LICHEN, "runs", "list", "--json").data[0]["id"]
    added = run(mine, *LICHEN, "eval", "add", newest, "-o", "evals/real.toml")
    assert added.code == 0, added.err
    assert 'tool = "nope"' in (mine / "evals" / "real.toml").read_text()
    report = run(mine, *LICHEN, "eval", "run", "evals/real.toml", "--json")
    assert report.code == 0, report.out + report.err
    (case,) = report.data["cases"]
    calls = case["trials"][0]["lines"][0]["calls"]
    assert [(call["tool"], call["outcome"]) for call in calls] == [("nope", "failed"), ("orders.refund", "failed")]


@pytest.mark.req("GOA-80.8")
def test_a_file_of_evals_that_is_not_there_is_named_with_what_makes_one(mine: Path) -> None:
    missing = run(mine, *LICHEN, "eval", "run", "evals/none.toml")
    assert (missing.code, missing.out) == (4, "")
    assert "eval_missing: evals/none.toml: There is no such file." in missing.err
    assert "lichen eval add RUN -o FILE" in missing.err
    assert "Errno" not in missing.err


@pytest.mark.req("GOA-80.9")
def test_what_was_erased_and_what_another_may_not_read_becomes_no_case(mine: Path) -> None:
    run(mine, *LICHEN, "chat", text="Where is order 1001?\n")
    newest = run(mine, *LICHEN, "runs", "list", "--json").data[0]["id"]
    stranger = run(mine, *LICHEN, "eval", "add", newest, "-o", "evals/real.toml", "--as", "customer-7")
    assert stranger.code != 0
    assert run(mine, *LICHEN, "log", "erase", "customer-7", "--as", "ops", "--yes").code == 0
    erased = run(mine, *LICHEN, "eval", "add", newest, "-o", "evals/real.toml")
    assert erased.code != 0
    assert "erased" in erased.err
    assert json.dumps(list((mine / "evals").iterdir()), default=str) == "[]"


@pytest.mark.req("GOA-80.12")
def test_the_next_result_is_compared_with_the_last_one_that_is_kept(mine: Path) -> None:
    evals = mine / "evals" / "where.toml"
    evals.write_text(CASE % "tea pot")
    assert run(mine, *LICHEN, "eval", "run", "--times", "5").code == 0
    first = run(mine, *LICHEN, "eval", "results", "--as", "ops", "--json").data["suites"][0]["results"][0]["id"]
    evals.write_text(CASE % "samovar")
    second = run(mine, *LICHEN, "eval", "run", "--times", "5", "--baseline", "last")
    assert "worse: where, 5/5 before and 0/5 now" in second.out
    assert "chance" not in second.out.partition("worse:")[2]
    listed = run(mine, *LICHEN, "eval", "results", "--as", "ops", "--json").data["suites"][0]["results"]
    assert [(each["rate"]["met"], each["rate"]["of"]) for each in listed] == [(0, 5), (5, 5)]
    shown = run(mine, *LICHEN, "eval", "results", listed[0]["id"], "--as", "ops")
    assert f"beside {first}" in shown.out
    assert "worse: 5/5 before" in shown.out
    assert "not the same as then: suite" in shown.out
    assert "> Where is order 1001?" in shown.out
    evals.write_text(CASE % "tea pot")
    third = run(mine, *LICHEN, "eval", "run", "--times", "5", "--baseline", first)
    assert (third.code, "worse" in third.out, "better" in third.out) == (0, False, False)
    unknown = run(mine, *LICHEN, "eval", "run", "--baseline", "eval-00000000")
    assert (unknown.code, "lichen eval results" in unknown.err) == (4, True)
    nobody = run(mine, *LICHEN, "eval", "results", "--as", "customer-7")
    assert nobody.code == 5


SLOW = """

import os
from pathlib import Path as Gate

GATE = Gate(__file__).with_name("gate")


@tool(name="orders.gate", effects="none")
def gate(order_id: OrderId) -> str:
    \"\"\"Waits for whoever reads the gate.\"\"\"
    if GATE.exists():
        os.close(os.open(GATE, os.O_WRONLY))
    return "open"
"""
MODEL = """
name = "shop.support"
tools = ["orders.gate"]
[llm]
model = "echo:"
"""
GATED = """
[[case]]
name = "slow"
as = "customer-7"
replies = [{ calls = [{ tool = "orders.gate", args = { order_id = "1001" } }] }, { text = "Done." }]
[[case.turn]]
says = "Go."
calls = [{ tool = "orders.gate", outcome = "ok" }]
"""


def passed(gate: Path) -> None:
    """Returns once somebody went through the gate."""
    reader = os.open(gate, os.O_RDONLY | os.O_NONBLOCK)
    poll = select.poll()
    poll.register(reader, select.POLLHUP)
    assert poll.poll(60_000), "nobody came"
    os.close(reader)


@pytest.mark.req("GOA-80.11")
def test_what_was_done_before_it_was_interrupted_is_told_and_kept(mine: Path) -> None:
    (mine / "shop.py").write_text((mine / "shop.py").read_text() + SLOW)
    (mine / "support.toml").write_text(MODEL)
    settings = mine / "lichen.toml"
    settings.write_text(settings.read_text().replace('"shop.py:lookup"', '"shop.py:lookup", "shop.py:gate"'))
    (mine / "policies" / "gate.cedar").write_text('permit (principal, action == Action::"orders.gate", resource);')
    (mine / "evals" / "slow.toml").write_text(GATED)
    os.mkfifo(mine / "gate")
    command = (*LICHEN, "eval", "run", "--times", "1000")
    piped: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # whoever started these tests in the background has them, and what they start, ignore ctrl-C
    with subprocess.Popen(command, cwd=mine, preexec_fn=_hears_ctrl_c, **piped) as process:
        for _ in range(2):  # it is in its first conversation, then in its second
            passed(mine / "gate")
        (mine / "gate").unlink()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    (kept,) = run(mine, *LICHEN, "eval", "results", "--as", "ops", "--json").data["suites"][0]["results"]
    assert 1 <= kept["rate"]["of"] < 1000
    assert (kept["status"], kept["planned"]) == ("interrupted", 1000)
    assert f"Interrupted: {kept['rate']['of']} of 1000 conversations were held." in err
    assert f"slow, {kept['rate']['of']} of {kept['rate']['of']} times" in out or kept["rate"]["of"] == 1
    assert "interrupted" in run(mine, *LICHEN, "eval", "results", kept["id"], "--as", "ops").out


def _hears_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.req("GOA-80.11")
def test_evals_are_held_where_nothing_can_be_kept(mine: Path) -> None:
    (mine / "evals" / "where.toml").write_text(CASE % "tea pot")
    (mine / ".lichen").mkdir(exist_ok=True)
    (mine / ".lichen" / "evals").write_text("no folder")
    held = run(mine, *LICHEN, "eval")
    assert (held.code, held.out.splitlines()[-1]) == (0, "1 of 1 cases go as expected.")
    assert "is not kept" in held.err
