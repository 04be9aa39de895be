"""The demo plays its story to the end by itself."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.shop import Shop
from tests.served import LICHEN, Customer, Served


@pytest.mark.req("SYM-101.14")
def test_the_demo_plays_its_story_and_every_step_does_what_it_should(shop: Shop, tmp_path: Path) -> None:
    shop.root = tmp_path
    ended = shop.run("demo")
    assert ended.code == 0, ended.out
    assert "✗" not in ended.out
    assert "kill -9" in ended.out
    assert "The log proves itself." in ended.out
    assert "\x1b" not in ended.out
    assert shop.refunds("1042") == [8000]
    assert not (shop.home / "lichen.sock").exists()


def reset(served: Served) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LICHEN_")}
    environ = {**kept, "LICHEN_HOME": str(served.home)}
    command = [LICHEN, "demo", "--reset"]
    return subprocess.run(command, cwd=served.folder, env=environ, capture_output=True, text=True, check=False)


@pytest.mark.req("LIC-30.19")
def test_the_served_demo_begins_anew_when_that_is_asked_for(tmp_path: Path) -> None:
    served = Served(tmp_path)
    served.start()
    Customer(served, "acme", "customer-7").say("I want a refund of 40 EUR for order 1043.", until="40.00 EUR")
    refused = reset(served)
    assert (refused.returncode != 0, "data_dir_in_use" in refused.stderr) == (True, True)
    assert served.refunds("acme") == [("1043", 4000)]
    served.stop()
    assert reset(served).returncode == 0
    assert list(served.home.iterdir()) == []
    assert "has no data" in reset(served).stdout
    again = Served(tmp_path)
    again.start()
    Customer(again, "acme", "customer-7").say("I want a refund of 40 EUR for order 1043.", until="40.00 EUR")
    again.stop()


@pytest.mark.req("LIC-30.19")
def test_data_of_another_project_is_never_thrown_away(shop: Shop, tmp_path: Path) -> None:
    assert shop.chat("Where is order 1042?")
    shop.root = tmp_path
    assert shop.run("demo", "--reset").out.startswith("The demo has no data in")
    (shop.home / "project").unlink()
    assert "not_the_demo" in shop.run("demo", "--reset").err
    assert (shop.home / "files" / "acme" / "dev" / "shop.sqlite").is_file()
