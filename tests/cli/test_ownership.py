"""Who owns the data directory: a host, else the command itself, and never two at once."""

from __future__ import annotations

import signal
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cli.shop import LARGE, STATUS, Shop


@pytest.mark.req("LIC-12.3")
def test_an_approval_outlives_the_process_that_asked_for_it(shop: Shop) -> None:
    host = shop.host()
    assert "checked" in shop.chat(LARGE)[0]
    asked = shop.approvals()
    shop.kill(host)
    shop.host()
    assert shop.approvals() == asked
    answer = ("approvals", "approve", asked[0]["id"], "--tenant", "acme", "--as", "ops", "--json")
    assert shop.run(*answer).data["run"]["status"] == "completed"
    assert shop.run(*answer).error == "wait_closed"
    assert shop.chat() == ["Done: 80.00 EUR for order 1042 are on their way back to you."]
    assert shop.refunds() == [8000]


@pytest.mark.req("SYM-101.7")
def test_without_a_host_each_command_does_all_that_is_owed_and_lets_go(shop: Shop) -> None:
    assert "checked" in shop.chat(LARGE)[0]
    assert not (shop.home / "lichen.sock").exists()
    assert stat.S_IMODE(shop.home.stat().st_mode) == 0o700
    wait = shop.approvals()[0]
    assert shop.run("approvals", "approve", wait["id"], "--tenant", "acme", "--as", "ops").code == 0
    assert shop.refunds() == [8000]
    assert shop.chat() == ["Done: 80.00 EUR for order 1042 are on their way back to you."]
    assert shop.chat() == []


@pytest.mark.req("SYM-101.7")
def test_commands_that_start_at_once_all_get_through_one_owner(shop: Shop) -> None:
    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(shop.chat, [STATUS] * 4, ["customer-7"] * 4))
    assert all("shipped" in reply for replies in told for reply in replies)
    runs = shop.run("runs", "list", "--tenant", "acme", "--json").data
    assert [run["status"] for run in runs] == ["completed"] * 4


@pytest.mark.req("SYM-101.10")
def test_a_conversation_goes_on_when_the_host_dies_in_the_middle(shop: Shop) -> None:
    host = shop.host()
    chat = shop.start("chat", "--tenant", "acme", "--as", "customer-7")
    assert "shipped" in shop.ask(chat, STATUS)
    shop.kill(host)
    assert "delivered" in shop.ask(chat, "Where is order 1043?")
    assert chat.stdin is not None
    chat.stdin.close()
    assert chat.wait(30) == 0


@pytest.mark.req("SYM-101.8")
def test_a_host_that_is_told_to_end_drains_and_leaves_nothing_behind(shop: Shop) -> None:
    host = shop.host()
    assert shop.kill(host, signal.SIGTERM) == 0
    assert not (shop.home / "lichen.sock").exists()


def test_data_finds_its_project_from_anywhere(shop: Shop, tmp_path: Path) -> None:
    assert shop.chat(STATUS)
    shop.root = tmp_path
    assert len(shop.run("runs", "list", "--tenant", "acme", "--json").data) == 1


def test_without_a_project_the_next_step_is_named(shop: Shop, tmp_path: Path) -> None:
    shop.root = tmp_path
    ended = shop.run("runs", "list", "--tenant", "acme", "--json")
    assert (ended.code, ended.error) == (4, "project_unknown")
    assert not shop.home.exists()


@pytest.mark.req("SYM-101.9")
def test_a_conversation_in_a_pipe_ends_when_nothing_more_is_owed(shop: Shop) -> None:
    lines = shop.chat("hello\n\nI want a refund\n1042\n20 EUR\nI want a refund of 30 EUR\n")
    assert lines[1:4] == [
        "Which order is it about?",
        "How much shall I refund for order 1042?",
        "Done: 20.00 EUR for order 1042 are on their way back to you.",
    ]
    assert len(lines) == 5
    assert shop.run("chat", "--tenant", "acme", "--as", "customer-8", "--json", text=STATUS).data["kind"] == "answer"


@pytest.mark.req("GRE-75.2")
def test_the_process_is_told_to_end_by_a_command_of_its_owner_and_ends_in_order(shop: Shop) -> None:
    host = shop.host()
    refused = shop.run("stop", "process", "--tenant", "acme", "--as", "ops", "--json")
    assert (refused.code, refused.error) == (5, "role_missing")
    assert shop.run("stop", "process", "--json").data == {"kind": "process", "state": "ending"}
    assert host.wait(30) == 0
    assert not (shop.home / "lichen.sock").exists()


@pytest.mark.req("GRE-75.2")
def test_without_a_process_there_is_none_to_end(shop: Shop) -> None:
    told = shop.run("stop", "process", "--json")
    assert (told.code, told.error) == (4, "process_unknown")
    assert "lichen serve" in told.err
    assert not shop.home.exists()
    assert shop.run("stop", "process", "all", "--json").error == "name_unneeded"
