"""`lichen eval` on the command line: exit codes, reports, and a case made of what happened."""

from __future__ import annotations

import json
from pathlib import Path

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
    lines = [(line["said"], line["calls"]) for line in case["trials"][0]["lines"]]
    assert lines == [
        ("Where is order 1001?", ["orders.lookup: ok"]),
        ("I want a refund of 80 EUR for order 1002.", ["orders.refund: hold"]),
        ("(ops denies)", ["orders.refund: denied"]),
    ]
    again = run(mine, *LICHEN, "eval", "add", newest, "-o", "evals/real.toml")
    assert "file_exists" in again.err


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
