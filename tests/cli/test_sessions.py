"""A conversation on the command line: read, vouched for, and ended."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.projects import POLICIES, SHOP, Project
from tests.cli.shop import Ended

CLOSE = '''
    @tool(name="orders.close", effects="once", runs="loop")
    async def close(order_id: str) -> dict[str, str]:
        """Closes one order."""
        return {"order_id": order_id}


    where = Intent('''
LOOK = 'Call("orders.lookup", {"order_id": "{order_id}"})'
READS = (
    SHOP.replace('effects="none", runs="loop"', 'effects="none", runs="loop", origin="third_party"')
    .replace("    where = Intent(", CLOSE.lstrip("\n"))
    .replace(LOOK, LOOK + ', Call("orders.close", {"order_id": "{order_id}"})')
    .replace("tools=[lookup]", "tools=[lookup, close]")
)
ASKED = (
    POLICIES
    + """
    @id("close") @approval("operator") permit (principal is Agent, action == Action::"orders.close", resource);
"""
)
SOURCE = "third_party:orders.lookup"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path, {"shop.py": READS, "policies/shop.cedar": ASKED})


def ops(project: Project, *words: str) -> Ended:
    return project.run(*words, "--as", "ops", "--json")


def asked(project: Project) -> tuple[str, str]:
    """A run that read a stranger's words and waits for a person, and its session."""
    ended = project.run("chat", "--as", "customer-7", text="Where is order 1042?\n")
    assert ended.code == 0, ended.err
    (run,) = ops(project, "runs", "list").data
    (session,) = ops(project, "list", "sessions").data
    return run["id"], session["id"]


@pytest.mark.req("LIC-10.30")
def test_an_operator_vouches_for_what_a_run_has_read_and_the_record_says_so(project: Project) -> None:
    run, _ = asked(project)
    done = project.run("runs", "declassify", run, "--source", SOURCE, "--reason", "Our own page.", "--as", "ops")
    assert (done.code, done.out.strip()) == (0, f"{run} goes on without {SOURCE}.")
    shown = ops(project, "runs", "show", run).data
    (record,) = [record for record in shown["records"] if record["type"] == "declassified"]
    assert record["control"]["sources"] == [SOURCE]
    assert record["contents"]["reason"] == "Our own page."


@pytest.mark.req("LIC-10.30")
def test_an_operator_vouches_for_what_was_said_in_a_session(project: Project) -> None:
    _, session = asked(project)
    done = ops(project, "sessions", "declassify", session, "--source", SOURCE, "--reason", "Our own page.")
    assert done.data == {"id": session, "declassified": [SOURCE]}


@pytest.mark.req("LIC-10.30")
def test_nobody_vouches_for_what_was_never_read_nor_as_a_customer(project: Project) -> None:
    run, session = asked(project)
    told = ("--source", "third_party:elsewhere", "--reason", "Our own page.")
    assert ops(project, "runs", "declassify", run, *told).error == "sources_unknown"
    customer = project.run(
        "sessions", "declassify", session, "--source", SOURCE, "--reason", "x", "--as", "customer-7", "--json"
    )
    assert (customer.code, customer.error) == (5, "role_missing")


@pytest.mark.req("SYM-101.20")
def test_a_session_is_shown_as_it_was_said_and_closed(project: Project) -> None:
    _, session = asked(project)
    shown = project.run("sessions", "show", session, "--as", "ops")
    assert shown.code == 0, shown.err
    assert "Where is order 1042?" in shown.out
    assert ops(project, "sessions", "close", session).data == {"id": session, "done": "close"}
    assert [each["status"] for each in ops(project, "list", "sessions").data] == ["closed"]


@pytest.mark.req("LIC-24.74")
def test_a_file_goes_with_the_first_line_of_a_chat(project: Project, tmp_path: Path) -> None:
    file = tmp_path / "cup.png"
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100_000))
    said = "Where is order 1042?\nWhere is order 1042?\n"
    ended = project.run("chat", "--as", "customer-7", "--attach", str(file), text=said)
    assert ended.code == 0, ended.err
    (session,) = ops(project, "list", "sessions").data
    shown = ops(project, "sessions", "show", session["id"]).data
    files = [[file["name"] for file in each["files"]] for each in shown["transcript"] if each["role"] == "customer"]
    assert files == [["cup.png"], []]
    missing = project.run("chat", "--as", "customer-7", "--attach", str(tmp_path / "none"), text="Hi\n")
    assert (missing.code, "file_unreadable" in missing.err) == (2, True)


@pytest.mark.req("LIC-24.74")
def test_a_pipe_is_no_file_and_is_not_waited_for(project: Project, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", Path("/dev/zero")):
        refused = project.run("chat", "--as", "customer-7", "--attach", str(place), text="Hi\n")
        assert refused.code == 2
        assert f"file_unreadable: {place} is no regular file." in refused.err
