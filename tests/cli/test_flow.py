"""`lichen flow` as a user types it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FIXTURES = Path(__file__).parents[1] / "flows" / "fixtures"


def flow(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lichen.cli", "flow", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def piped(text: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "lichen.cli", "flow", "doctor", *arguments]
    return subprocess.run(command, input=text, capture_output=True, timeout=60, check=False)


def told(*arguments: str | Path) -> Any:
    return json.loads(flow(*arguments, "--json").stdout)


@pytest.mark.req("GRE-5.4")
def test_the_doctor_says_which_flows_load_and_where_the_others_break() -> None:
    good = flow("doctor", FIXTURES / "accepted" / "hello.ygtc")
    assert good.returncode == 0
    assert good.stdout.splitlines()[0].endswith("hello.ygtc: ok: hello-flow, messaging, 1 node, starts at start")
    bad = flow("doctor", FIXTURES / "rejected" / "two_operations.ygtc")
    assert bad.returncode == 2
    assert "two_operations.ygtc:7:5: error: operation_count: Node 'x' must have exactly one operation" in bad.stdout
    assert bad.stderr == ""


@pytest.mark.req("GRE-5.4")
def test_the_doctor_tells_programs_one_object_for_a_file_and_a_list_for_more() -> None:
    one = told("doctor", FIXTURES / "accepted" / "hello.ygtc")
    assert one["ok"] is True
    assert len(one["hash_blake3"]) == 64
    many = told("doctor", FIXTURES)
    assert {each["ok"] for each in many} == {True, False}
    assert len(many) == len(list(FIXTURES.rglob("*.ygtc")))
    assert flow("doctor", FIXTURES, "--json").returncode == 2


def test_the_doctor_of_nothing_says_so(tmp_path: Path) -> None:
    ended = flow("doctor", tmp_path, "--json")
    assert (ended.returncode, json.loads(ended.stderr)["error"]["code"]) == (4, "flow_missing")


@pytest.mark.req("GRE-5.4")
def test_a_flow_is_drawn_to_stdout_or_into_a_file(tmp_path: Path) -> None:
    path = FIXTURES / "accepted" / "loop_back.ygtc"
    drawn = flow("graph", path)
    assert drawn.stdout.startswith("<svg ")
    written = flow("graph", path, "-o", tmp_path / "a.svg")
    assert (written.returncode, written.stdout) == (0, "")
    assert (tmp_path / "a.svg").read_text() == drawn.stdout
    assert flow("graph", path, "--format", "mermaid").stdout.startswith("flowchart TD\n")
    assert flow("graph", FIXTURES / "rejected" / "two_operations.ygtc").returncode == 2


@pytest.mark.req("GRE-5.5")
def test_the_doctor_reads_a_flow_from_stdin() -> None:
    path = FIXTURES / "accepted" / "hello.ygtc"
    good = json.loads(piped(path.read_bytes(), "--stdin", "--json").stdout)
    of_file = told("doctor", path)
    assert (good["ok"], good["source_path"], good["hash_blake3"]) == (True, "<stdin>", of_file["hash_blake3"])
    bad = piped((FIXTURES / "rejected" / "two_operations.ygtc").read_bytes(), "--stdin")
    assert bad.returncode == 2
    assert bad.stdout.startswith(b"<stdin>:7:5: error: operation_count: ")
    assert b"yaml_encoding" in piped(b"id: \xff", "--stdin").stdout


@pytest.mark.req("GRE-5.5")
@pytest.mark.parametrize("arguments", [(), ("--stdin", "a.ygtc")])
def test_the_doctor_wants_files_or_stdin(arguments: tuple[str, ...]) -> None:
    ended = piped(b"", *arguments)
    assert (ended.returncode, ended.stdout) == (2, b"")
    assert b"--stdin" in ended.stderr
