"""The log through commands: proved, taken away, kept safe, and a person erased from it."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.shop import LARGE, STATUS, Shop


def tamper(shop: Shop, statement: str) -> None:
    with closing(sqlite3.connect(shop.home / "lichen.sqlite")) as volume, volume:
        volume.execute(statement)


@pytest.mark.req("SYM-101.11")
def test_a_log_that_was_tampered_with_is_found_with_its_first_wrong_place(shop: Shop) -> None:
    shop.chat(LARGE)
    fine = shop.run("log", "verify", "--tenant", "acme", "--json")
    assert (fine.code, fine.data["ok"], fine.data["unsigned"]) == (0, True, 0)
    tamper(shop, "delete from records where log = 1 and seq = 5")
    found = shop.run("log", "verify", "--json")
    assert found.code == 1
    acme = next(report for report in found.data if report["log"] == "acme/dev/0")
    assert acme["first"].startswith("acme/dev/0 · record 5 ")
    assert "DOES NOT VERIFY" in shop.run("log", "verify", "--tenant", "acme").out
    assert shop.run("doctor").code == 1


@pytest.mark.req("SYM-101.11")
def test_to_verify_a_log_that_nobody_owns_changes_nothing(shop: Shop) -> None:
    shop.chat(STATUS)
    before = shop.run("log", "verify", "--json").data
    assert shop.run("log", "verify", "--json").data == before


@pytest.mark.req("SYM-101.11")
def test_an_older_log_put_back_in_place_is_refused(shop: Shop) -> None:
    shop.chat(STATUS)
    shutil.copy(shop.home / "lichen.sqlite", shop.home.parent / "older.sqlite")
    shop.chat(LARGE)
    shutil.copy(shop.home.parent / "older.sqlite", shop.home / "lichen.sqlite")
    assert shop.run("runs", "list", "--tenant", "acme", "--json").error == "log_rolled_back"
    assert shop.run("log", "verify", "--tenant", "acme").code == 1


@pytest.mark.req("SYM-101.11")
def test_an_export_is_verified_by_anybody_and_a_changed_byte_is_found(hosted: Shop, tmp_path: Path) -> None:
    run = hosted.approvals()[0]["run"]
    file = tmp_path / "run.json"
    written = hosted.run("log", "export", str(file), "--run", run, "--tenant", "acme", "--json").data
    again = hosted.run("log", "export", str(file), "--tenant", "acme", "--json")
    assert (again.code, again.error) == (3, "file_exists")
    key = written["public_key"]
    assert hosted.run("log", "verify", str(file), "--public-key", key, "--json").data["is_key_known"]
    assert hosted.run("log", "verify", str(file), "--public-key", "00" * 32, "--json").error == "export_corrupt"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    changed = hosted.run("log", "verify", str(file), "--json")
    assert (changed.code, changed.error) == (1, "export_corrupt")


def test_an_export_goes_to_stdout_when_no_file_is_named(hosted: Shop) -> None:
    assert hosted.run("log", "export", "--tenant", "acme").data["log"] == "acme/dev/0"


@pytest.mark.req("SYM-101.12")
def test_a_backup_is_restored_with_its_keys_and_read_by_nobody_without(shop: Shop, tmp_path: Path) -> None:
    shop.chat(LARGE)
    waiting = shop.approvals()
    logs, keys = str(tmp_path / "logs"), str(tmp_path / "keys")
    assert shop.run("log", "backup", logs, "--keys", keys).code == 0
    assert not list((tmp_path / "logs").rglob("*key*"))
    shutil.rmtree(shop.home)
    assert shop.run("log", "restore", logs, "--json").error == "keys_missing"
    assert shop.run("log", "restore", logs, "--keys", keys, "--no-newer-logs").code == 0
    assert shop.run("log", "verify").code == 0
    assert shop.approvals() == waiting


@pytest.mark.req("LIC-5.31")
def test_keys_are_restored_only_with_what_knows_of_the_erasures_since(shop: Shop, tmp_path: Path) -> None:
    shop.chat(LARGE)
    logs, keys, lost = str(tmp_path / "logs"), str(tmp_path / "keys"), str(tmp_path / "lost")
    assert shop.run("log", "backup", logs, "--keys", keys).code == 0
    assert shop.run("log", "erase", "customer-7", "--tenant", "acme", "--as", "ops", "--yes").code == 0
    shutil.move(shop.home, lost)
    refused = shop.run("log", "restore", logs, "--keys", keys, "--json")
    assert (refused.code, refused.error) == (2, "erasures_unknown")
    restored = shop.run("log", "restore", logs, "--keys", keys, "--newest", lost, "--json")
    assert restored.data["erasures_applied"] == 1
    run = shop.run("runs", "list", "--tenant", "acme", "--json").data[0]["id"]
    assert re.search(r"\b1042\b", shop.run("runs", "show", run, "--tenant", "acme", "--json").out) is None


@pytest.mark.req("LIC-5.31")
def test_a_restore_without_newer_logs_says_until_when_its_keys_know_of_erasures(shop: Shop, tmp_path: Path) -> None:
    shop.chat(LARGE)
    logs, keys = str(tmp_path / "logs"), str(tmp_path / "keys")
    assert shop.run("log", "backup", logs, "--keys", keys).code == 0
    shutil.rmtree(shop.home)
    told = shop.run("log", "restore", logs, "--keys", keys, "--no-newer-logs")
    assert told.code == 0
    assert "whoever was erased later is readable" in told.err


@pytest.mark.req("SYM-101.12")
def test_nothing_is_restored_over_data_that_is_in_use(hosted: Shop, tmp_path: Path) -> None:
    ended = hosted.run("log", "restore", str(tmp_path), "--json")
    assert (ended.code, ended.error) == (1, "data_dir_in_use")


@pytest.mark.req("SYM-101.13")
def test_an_erased_customer_is_unreadable_and_the_log_still_verifies(shop: Shop) -> None:
    shop.chat(LARGE)
    erased = shop.run("log", "erase", "customer-7", "--tenant", "acme", "--as", "ops", "--yes", "--json")
    assert erased.data["keys"] >= 1
    run = shop.run("runs", "list", "--tenant", "acme", "--json").data[0]["id"]
    shown = shop.run("runs", "show", run, "--tenant", "acme", "--json")
    assert shown.data["records"][0]["contents"] is None
    assert re.search(r"\b1042\b", shown.out) is None
    assert shop.run("log", "verify", "--tenant", "acme").code == 0


@pytest.mark.req("SYM-101.18")
@pytest.mark.parametrize("is_hosted", [True, False])
def test_a_head_that_was_kept_finds_a_log_and_keys_that_were_rolled_back_together(
    shop: Shop, tmp_path: Path, is_hosted: bool
) -> None:
    shop.chat(STATUS)
    shutil.copytree(shop.home, tmp_path / "earlier", ignore=shutil.ignore_patterns("*.sock"))
    shop.chat(LARGE)
    kept = tmp_path / "kept.txt"
    told = shop.run("log", "head", "-o", str(kept), "--tenant", "acme", "--json")
    assert told.data["size"] > 10
    assert shop.run("log", "head", "-o", str(kept), "--tenant", "acme", "--json").error == "file_exists"
    assert kept.stat().st_mode & 0o777 == 0o600
    shutil.rmtree(shop.home)
    shutil.copytree(tmp_path / "earlier", shop.home)
    if is_hosted:
        shop.host()
    assert shop.run("log", "verify", "--tenant", "acme").code == 0, "nothing in the folder can tell"
    found = shop.run("log", "verify", "--head", str(kept), "--tenant", "acme", "--json")
    assert (found.code, found.data["ok"]) == (1, False)
    assert shop.run("log", "verify", "--head", str(kept)).code == 1
    for options in (("--tenant", "globex"), ("--tenant", "globex", "--env", "dev")):
        refused = shop.run("log", "verify", "--head", str(kept), *options, "--json")
        assert refused.error in ("head_foreign", "log_missing")
    kept.write_text("nonsense")
    assert shop.run("log", "verify", "--head", str(kept), "--json").error == "head_foreign"


@pytest.mark.req("SYM-101.18")
def test_a_head_of_now_is_held_and_the_log_goes_on(hosted: Shop, tmp_path: Path) -> None:
    kept = tmp_path / "kept.txt"
    hosted.run("log", "head", "-o", str(kept), "--tenant", "acme")
    hosted.chat(STATUS)
    assert hosted.run("log", "verify", "--head", str(kept), "--tenant", "acme").code == 0
    assert "acme/dev/0" in hosted.run("log", "head", "--tenant", "acme").out


@pytest.mark.req("SYM-101.19")
def test_an_export_is_told_as_whole_or_with_what_is_missing_and_is_nobody_elses_to_read(
    hosted: Shop, tmp_path: Path
) -> None:
    whole, part = tmp_path / "whole.json", tmp_path / "part.json"
    run = hosted.approvals()[0]["run"]
    hosted.run("log", "export", str(whole), "--tenant", "acme")
    hosted.run("log", "export", str(part), "--tenant", "acme", "--run", run)
    assert whole.stat().st_mode & 0o777 == 0o600
    assert "without a gap" in hosted.run("log", "verify", str(whole)).out
    said = hosted.run("log", "verify", str(part)).out
    assert "It is a part of the" in said
    first = hosted.run("log", "verify", str(part), "--json").data["positions"][0][0]
    assert str(first) in said
    less = json.loads(whole.read_text())
    del less["records"][1]
    whole.write_text(json.dumps(less, separators=(",", ":"), ensure_ascii=False) + "\n")
    found = hosted.run("log", "verify", str(whole), "--json").data
    assert (found["is_whole"], found["positions"][:2]) == (False, [[1, 1], [3, found["head"]]])
    less["records"] = []
    whole.write_text(json.dumps(less, separators=(",", ":"), ensure_ascii=False) + "\n")
    assert hosted.run("log", "verify", str(whole), "--json").error == "export_corrupt"
